"""From a recipient that stands for others to messages for those, in one commit with the word that it is done.

Promises: the copies are durable in the same commit that calls their original delivered, so that a crash neither loses
nor doubles one; content goes into a copy octet for octet, behind what is put on top; content that cannot be read, a
full disk, and a journal that cannot be written, defer. A message that was here for this address before goes in a circle
and fails (5.4.6). The loop is given back between two copies. Never: who stands for whom; what becomes of the copies.

RFC 5321 3.9, 4.4, 6.3; architecture.md 6; seeds P-02, P-15.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from msgspec import Struct

from asyncmta.forwarding.content import Large, Original, copied
from asyncmta.forwarding.copies import Copy, copies_for, handover, has_passed
from asyncmta.forwarding.posts import Ask, Posted, posted
from asyncmta.mail import replies
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import (
    Consignment,
    ContentUnavailable,
    Origin,
    QueueId,
    ReadContent,
    format_queue_id,
)
from asyncmta.mail.headers import Arrival, delivered_to, received, received_opening
from asyncmta.mail.notify import owing
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Outcome, Scope
from asyncmta.mail.reply import Reply, reply
from asyncmta.mailboxes.expansion import Reached
from asyncmta.spool.failures import JournalFailed
from asyncmta.spool.records import INLINE_LIMIT, Accepted, Attempted, Record
from asyncmta.system.clock import Clock

LOOP = Failed(Cause.LOOP, reply(554, "5.4.6", "mail loop: its Delivered-To says that it was here before"))
UNAVAILABLE = Deferred(Cause.STORAGE, replies.LOCAL_ERROR, Scope.MESSAGE)

BESIDE_THE_LOOP = 2000  # people for whom it takes long enough to hold up others

OnAccepted = Callable[[QueueId], None]


class Keeps(Protocol):
    """What is asked of the store."""

    def next_queue_id(self) -> QueueId: ...

    def begin_large(self, queue_id: QueueId, *, binary: bool = False) -> Large: ...

    def refusal(self, size: int = 0, /) -> Reply | None: ...

    async def commit(self, *records: Record) -> None: ...


class Tells(Protocol):
    """What is asked of the log."""

    def note(self, level: str, event: str, /, *, error: BaseException | None = None, **facts: object) -> None: ...


class Forwarded(Struct, frozen=True):
    """What became of the recipients. `recorded`: those that the journal calls delivered; `copies`: what they became."""

    outcomes: dict[int, Outcome]
    recorded: frozenset[int]
    copies: tuple[QueueId, ...]


class _Draft(Struct, frozen=True):
    """A copy that is to be committed, and for whom of the original it is."""

    record: Accepted
    recipient: Address


class Forwarder:
    """One for an Mta. `on_accepted` hears of each copy that is durable; `default_owner` sends to several who have no
    owner of their own; `post` asks the mailing lists."""

    def __init__(
        self,
        *,
        store: Keeps,
        read_content: ReadContent,
        on_accepted: OnAccepted,
        clock: Clock,
        hostname: str,
        maillog: Tells,
        default_owner: Address | None = None,
        post: Ask | None = None,
    ) -> None:
        self._store = store
        self._read_content = read_content
        self._on_accepted = on_accepted
        self._clock = clock
        self._opening = received_opening(Arrival(by=hostname))
        self._maillog = maillog
        self._default_owner = default_owner
        self._post = post

    async def forward(self, consignment: Consignment, reached: Mapping[int, Sequence[Reached]]) -> Forwarded:
        """These ordinals of a consignment stand for these others: have them sent there."""
        now = self._clock.now()
        unfinished: list[Large] = []
        try:
            outcomes, drafts = await self._drafts(consignment, reached, now, unfinished)
            done = {ordinal: outcome for ordinal, outcome in outcomes.items() if isinstance(outcome, Delivered)}
        except (ContentUnavailable, JournalFailed):
            _abort(unfinished)
            return Forwarded(dict.fromkeys(reached, UNAVAILABLE), frozenset(), ())
        except BaseException:
            _abort(unfinished)
            raise
        try:
            if done:  # from here on the copies may be in the journal, whoever stops waiting
                records = [draft.record for draft in drafts]
                await self._store.commit(*records, Attempted(consignment.queue_id, now, dict(done)))
        except JournalFailed:
            _abort(unfinished)
            return Forwarded(outcomes | dict.fromkeys(done, UNAVAILABLE), frozenset(), ())
        for draft in drafts:
            self._tell(consignment, draft)
            self._on_accepted(draft.record.queue_id)
            await asyncio.sleep(0)
        return Forwarded(outcomes, frozenset(done), tuple(draft.record.queue_id for draft in drafts))

    async def _drafts(
        self,
        consignment: Consignment,
        reached: Mapping[int, Sequence[Reached]],
        now: float,
        unfinished: list[Large],
    ) -> tuple[dict[int, Outcome], list[_Draft]]:
        """What becomes of each, and the copies."""
        outcomes: dict[int, Outcome] = {}
        drafts: list[_Draft] = []
        content = await Original.read(consignment, self._read_content, INLINE_LIMIT)
        origin = Origin(format_queue_id(consignment.queue_id), consignment.accepted_at)
        envelope = consignment.envelope
        for ordinal, everybody in reached.items():
            original = envelope.recipients[ordinal]
            if has_passed(content.section, original.address):
                outcomes[ordinal] = LOOP
                continue
            said = self._posted(consignment, ordinal, content.section, everybody)
            if said.refusal is not None:
                outcomes[ordinal] = said.refusal
                continue
            people = said.people
            job = partial(copies_for, envelope, original, people, origin, self._default_owner, posts=said.posts)
            copies = job() if len(people) <= BESIDE_THE_LOOP else await asyncio.to_thread(job)
            if self._store.refusal(consignment.content.wire_size * len(copies)) is not None:
                outcomes[ordinal] = UNAVAILABLE
                continue
            for copy in copies:
                drafts.append(
                    _Draft(await self._copy(content, original.address, copy, now, unfinished), original.address)
                )
                await asyncio.sleep(0)
            done = reply(250, "2.1.5", f"forwarded, recipients: {len(people)}")
            outcomes[ordinal] = owing(envelope, ordinal, Delivered(done, handover=handover(copies, len(people))))
        return outcomes, drafts

    def _posted(self, consignment: Consignment, ordinal: int, section: bytes, people: Sequence[Reached]) -> Posted:
        """What the lists say to it."""
        found = posted(self._post, section, consignment.envelope.reverse_path, consignment.content.wire_size, people)
        if found.too_much:
            self._maillog.note(
                "warning",
                "verp_too_much",
                queue_id=consignment.queue_id,
                recipient=consignment.envelope.recipients[ordinal].address,
                recipients=len(found.people),
            )
        return found

    async def _copy(
        self, content: Original, original: Address, copy: Copy, now: float, unfinished: list[Large]
    ) -> Accepted:
        queue_id = self._store.next_queue_id()
        top = received(self._opening, queue_id=queue_id, at=now, recipient=original)
        if copy.is_leaving:
            top = delivered_to(original) + top
        top += copy.fields
        if content.parts is not None and content.facts.wire_size + len(top) <= INLINE_LIMIT:
            parts = (top, *content.parts)
            return Accepted(queue_id, now, copy.envelope, copied(content.facts, top, parts), "", None, parts=parts)
        large = self._store.begin_large(queue_id, binary=copy.envelope.is_binary)
        unfinished.append(large)
        return Accepted(queue_id, now, copy.envelope, await content.write(top, large), "", None, large=True)

    def _tell(self, consignment: Consignment, draft: _Draft) -> None:
        """So that whoever looks for one of the two finds the other."""
        record = draft.record
        self._maillog.note(
            "info",
            "forwarded",
            queue_id=consignment.queue_id,
            recipient=draft.recipient,
            forwarded_as=format_queue_id(record.queue_id),
            reverse_path=record.envelope.reverse_path,
            recipients=len(record.envelope.recipients),
        )


def _abort(unfinished: Sequence[Large]) -> None:
    for large in unfinished:
        large.abort()
