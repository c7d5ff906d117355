"""From a recipient that stands for others to messages for those, in one commit with the word that it is done.

Promises: the copies are durable in the same commit that calls their original delivered, so that a crash neither loses
nor doubles one; content goes into a copy octet for octet, behind what is put on top; content that cannot be read, and
a journal that cannot be written, defer. A message that was here for this address before goes in a circle and fails
(5.4.6). Never: who stands for whom; what becomes of the copies.

RFC 5321 3.9, 4.4, 6.3; architecture.md 6.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, nullcontext
from typing import Protocol

from msgspec import Struct

from asyncmta.forwarding.copies import Copy, copies_for, has_passed
from asyncmta.mail import replies
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Consignment, Content, ContentUnavailable, QueueId, ReadContent
from asyncmta.mail.headers import Arrival, delivered_to, header_section, received, received_opening
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Outcome, Scope
from asyncmta.mail.reply import reply
from asyncmta.mail.wire import digest
from asyncmta.mailboxes.expansion import Reached
from asyncmta.spool.journal import JournalFailed
from asyncmta.spool.records import INLINE_LIMIT, Accepted, Attempted, Record
from asyncmta.system.clock import Clock

MOST_SECTION = 1 << 20  # octets of a header section that are looked at for a loop

LOOP = Failed(Cause.LOOP, reply(554, "5.4.6", "mail loop: its Delivered-To says that it was here before"))
UNAVAILABLE = Deferred(Cause.STORAGE, replies.LOCAL_ERROR, Scope.MESSAGE)

OnAccepted = Callable[[QueueId], None]
RewriteAt = Callable[[Address, float], Address | None]


class Large(Protocol):
    """`spool`'s way in for content above INLINE_LIMIT."""

    def write(self, octets: bytes) -> None: ...

    async def finish(self) -> Content: ...

    def abort(self) -> None: ...


class Keeps(Protocol):
    """What is asked of the store."""

    def next_queue_id(self) -> QueueId: ...

    def begin_large(self, queue_id: QueueId, *, binary: bool = False) -> Large: ...

    async def commit(self, *records: Record) -> None: ...


class Forwarded(Struct, frozen=True):
    """What became of the recipients. `recorded`: those that the journal calls delivered; `copies`: what they became."""

    outcomes: dict[int, Outcome]
    recorded: frozenset[int]
    copies: tuple[QueueId, ...]


class Forwarder:
    """One for an Mta. `on_accepted` hears of each copy that is durable; `rewrite` gives senders for strangers."""

    def __init__(
        self,
        *,
        store: Keeps,
        read_content: ReadContent,
        on_accepted: OnAccepted,
        clock: Clock,
        hostname: str,
        rewrite: RewriteAt | None = None,
    ) -> None:
        self._store = store
        self._read_content = read_content
        self._on_accepted = on_accepted
        self._clock = clock
        self._opening = received_opening(Arrival(by=hostname))
        self._rewrite = rewrite

    async def forward(self, consignment: Consignment, reached: Mapping[int, Sequence[Reached]]) -> Forwarded:
        """These ordinals of a consignment stand for these others: have them sent there."""
        now = self._clock.now()
        outcomes: dict[int, Outcome] = {}
        accepted: list[Accepted] = []
        unfinished: list[Large] = []
        try:
            section = await self._section(consignment)
            for ordinal, people in reached.items():
                original = consignment.envelope.recipients[ordinal]
                if has_passed(section, original.address):
                    outcomes[ordinal] = LOOP
                    continue
                for copy in copies_for(consignment.envelope, original, people, self._rewriting(now)):
                    accepted.append(await self._copy(consignment, original.address, copy, now, unfinished))
                outcomes[ordinal] = Delivered(reply(250, "2.1.5", f"expanded to {len(people)}"))
            done = {ordinal: outcome for ordinal, outcome in outcomes.items() if isinstance(outcome, Delivered)}
            if done:
                await self._store.commit(*accepted, Attempted(consignment.queue_id, now, dict(done)))
        except (ContentUnavailable, JournalFailed):
            for large in unfinished:
                large.abort()
            return Forwarded(dict.fromkeys(reached, UNAVAILABLE), frozenset(), ())
        for record in accepted:
            self._on_accepted(record.queue_id)
        return Forwarded(outcomes, frozenset(done), tuple(record.queue_id for record in accepted))

    def _rewriting(self, now: float) -> Callable[[Address], Address | None] | None:
        rewrite = self._rewrite
        return None if rewrite is None else lambda sender: rewrite(sender, now)

    async def _copy(
        self, consignment: Consignment, original: Address, copy: Copy, now: float, unfinished: list[Large]
    ) -> Accepted:
        queue_id = self._store.next_queue_id()
        top = received(self._opening, queue_id=queue_id, at=now, recipient=original)
        if copy.is_leaving:
            top = delivered_to(original) + top
        facts, envelope = consignment.content, copy.envelope
        source = self._read_content(consignment.queue_id)
        if isinstance(source, tuple) and facts.wire_size + len(top) <= INLINE_LIMIT:
            parts = (top, *source)
            return Accepted(queue_id, now, envelope, _facts(facts, top, parts), "", None, parts=parts)
        if facts.wire_size + len(top) <= INLINE_LIMIT and not isinstance(source, tuple):
            parts = (top, b"".join([chunk async for chunk in source]))
            return Accepted(queue_id, now, envelope, _facts(facts, top, parts), "", None, parts=parts)
        large = self._store.begin_large(queue_id, binary=envelope.is_binary)
        unfinished.append(large)
        large.write(top)
        if isinstance(source, tuple):
            for part in source:
                large.write(part)
        else:
            async for chunk in source:
                large.write(chunk)
        return Accepted(queue_id, now, envelope, await large.finish(), "", None, large=True)

    async def _section(self, consignment: Consignment) -> bytes:
        """The header section, or as much of it as is looked at."""
        source = self._read_content(consignment.queue_id)
        if isinstance(source, tuple):
            return header_section(b"".join(source))
        found = b""
        async with aclosing(source) if isinstance(source, AsyncGenerator) else nullcontext():
            async for chunk in source:
                found += chunk
                if b"\r\n\r\n" in found or len(found) > MOST_SECTION:
                    break
        return header_section(found)


def _facts(of: Content, top: bytes, parts: tuple[bytes, ...]) -> Content:
    size = len(top)
    return Content(
        of.size + size, digest(parts, of.dotted), of.dotted, of.wire_size + size, of.eight_bit or not top.isascii()
    )
