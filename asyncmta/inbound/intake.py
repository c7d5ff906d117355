"""Take responsibility for a message: mint its id, stamp `Received`, count hops, commit, and only then say 250.

Promises: no 250 before the record is durable; from then on the message is ours, whether or not the client is still
there; no task, future or timer for a message that fits inline. Content that is larger is written while it arrives and
has one task, from its dot to its reply. Never: sessions, sockets, or a decision about senders and recipients.

RFC 5321 4.4 (Received), 6.1 (responsibility), 6.3 (loops).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from asyncmta.inbound.arrival import LargeMessage
from asyncmta.inbound.content import Shape
from asyncmta.inbound.injection import missing_fields
from asyncmta.inbound.inspection import Done, Entering, inspect, kept, note_handling, nothing
from asyncmta.inbound.limits import Limits
from asyncmta.inbound.readdressing import Readdressing
from asyncmta.inbound.session import ClientFacts
from asyncmta.inbound.submitting import NO_CONTENT, Submitting, reply_to, stamp
from asyncmta.logline import Source
from asyncmta.mail import replies
from asyncmta.mail.envelope import Content, Envelope, QueueId, format_queue_id
from asyncmta.mail.headers import header_section, hop_count, may_have_hops
from asyncmta.mail.reply import Reply
from asyncmta.mail.wire import digest
from asyncmta.maillog import MailLog
from asyncmta.policy.verdict import Inspect
from asyncmta.spool.failures import JournalFailed
from asyncmta.spool.records import Accepted
from asyncmta.spool.store import Store
from asyncmta.system.clock import Clock


class Intake(Submitting):
    """One for each Mta. `on_accepted` hears of every id that has become durable, before the client does."""

    def __init__(
        self,
        *,
        store: Store,
        on_accepted: Callable[[QueueId], None],
        maillog: MailLog,
        clock: Clock,
        hostname: str,
        settings: Limits,
        inspect: Inspect | None = None,
        readdressing: Readdressing | None = None,
    ) -> None:
        self._store = store
        self._on_accepted = on_accepted
        self._maillog = maillog
        self._clock = clock
        self._hostname = hostname
        self._settings = settings
        self._inspect = inspect
        self._readdressing = readdressing
        self._commits: set[asyncio.Task[None]] = set()

    # -- from a session ----------------------------------------------------------------------------------------------

    def accept(self, envelope: Envelope, *, facts: ClientFacts, parts: list[bytes], shape: Shape, done: Done) -> None:
        """Inline content that has ended, in wire form. `done` gets the reply to the dot, once, now or later."""
        hops, handling = self._settings.hops, facts.handling
        if may_have_hops(parts[0] if parts else b"", hops) and hop_count(_section(parts)) > hops:
            done(replies.TOO_MANY_HOPS)
            return
        if handling is not None:
            envelope = kept(given := envelope, facts)
            if not envelope.recipients:
                note_handling(self._maillog, None, facts, given)
                done(replies.DISCARDED)
                return
        queue_id = self._store.next_queue_id()
        at = self._clock.now()
        top = stamp(facts, queue_id, at, envelope)
        if facts.is_author:
            top += self._missing(parts, queue_id, at, envelope)
        written = (top, *parts)
        size = len(top)
        eight_bit = shape.eight_bit or not top.isascii()
        content = Content(
            shape.size + size, digest(written, shape.dotted), shape.dotted, shape.wire_size + size, eight_bit
        )
        record = Accepted(queue_id, at, envelope, content, facts.ip, facts.login, False, written)
        if handling is None:
            self._store.submit((record,), partial(self._is_durable, record, facts, done))
        elif self._inspect is None:
            self._enter(Entering(record, facts), done)
        else:
            self._own(self._look_at(Entering(record, facts), done))

    def begin_large(self, envelope: Envelope, *, facts: ClientFacts, parts: list[bytes]) -> LargeMessage | Reply:
        """Content that has outgrown memory; `parts` are its beginning. A reply: it is not wanted."""
        if hop_count(_section(parts)) > self._settings.hops:
            return replies.TOO_MANY_HOPS
        envelope = kept(given := envelope, facts)
        if not envelope.recipients:
            note_handling(self._maillog, None, facts, given)
            return replies.DISCARDED
        queue_id = self._store.next_queue_id()
        at = self._clock.now()
        content = self._store.begin_large(queue_id, binary=envelope.is_binary)
        content.write(stamp(facts, queue_id, at, envelope))
        if facts.is_author:
            content.write(self._missing(parts, queue_id, at, envelope, is_whole=False))
        record = Accepted(queue_id, at, envelope, NO_CONTENT, facts.ip, facts.login, True)
        large = LargeMessage(finish=self.finish_large, record=record, facts=facts, content=content)
        large.write(parts)
        return large

    def _missing(
        self, parts: Sequence[bytes], queue_id: QueueId, at: float, envelope: Envelope, is_whole: bool = True
    ) -> bytes:
        message_id = f"<{format_queue_id(queue_id)}@{self._hostname}>"
        return missing_fields(
            b"".join(parts), at=at, message_id=message_id, author=envelope.reverse_path, is_whole=is_whole
        )

    def finish_large(self, large: LargeMessage, done: Done) -> None:
        """Its dot came. The task is ours, so that it survives a client that is gone."""
        self._own(self._commit_large(large, done))

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._commits.add(task)
        task.add_done_callback(self._commits.discard)

    async def _commit_large(self, large: LargeMessage, done: Done) -> None:
        begun = large.record

        try:
            content = await large.content.finish()
            record = Accepted(begun.queue_id, begun.at, begun.envelope, content, begun.client, begun.login, True)
            entering = Entering(record, large.facts)
            if self._inspect is not None and large.facts.handling is not None:
                await self._look_at(entering, done, large.abort)
            else:
                self._enter(entering, done, large.abort)
        except JournalFailed as failure:
            done(reply_to(failure))
        except Exception as error:
            self._maillog.note("error", "large_content_failed", error=error, queue_id=begun.queue_id)
            large.abort()
            done(replies.LOCAL_ERROR)

    async def _look_at(self, entering: Entering, done: Done, give_up: Callable[[], None] = nothing) -> None:
        """Somebody wants to see the content first."""
        assert self._inspect is not None
        refusal: Reply | None = replies.LOCAL_ERROR
        try:
            entering, refusal = await inspect(entering, self._inspect, self._store.read_back)
        except Exception as error:
            self._maillog.note("error", "inspection_failed", error=error, queue_id=entering.record.queue_id)
        if refusal is None:
            self._enter(entering, done, give_up)
            return
        if refusal.is_positive:
            note_handling(self._maillog, None, entering.facts, entering.record.envelope)
        give_up()
        done(refusal)

    def _enter(self, entering: Entering, done: Done, give_up: Callable[[], None] = nothing) -> None:
        """Commit it. `give_up` forgets what was written of it beside the journal."""
        record = entering.record

        def is_durable(failure: JournalFailed | None) -> None:
            if failure is None:
                note_handling(self._maillog, record.queue_id, entering.facts, record.envelope)
            else:
                give_up()
            self._is_durable(record, entering.facts, done, failure)

        self._store.submit(entering.records, is_durable)

    async def drain(self) -> None:
        """Until every large message whose dot came is committed or refused."""
        while self._commits:
            await asyncio.wait(self._commits)

    def _is_durable(self, record: Accepted, facts: ClientFacts, done: Done, failure: JournalFailed | None) -> None:
        if failure is not None:
            done(reply_to(failure))
            return
        queue_id = record.queue_id
        try:
            self._on_accepted(queue_id)
            self._maillog.accepted(
                queue_id=queue_id,
                envelope=record.envelope,
                size=record.content.size,
                source=Source(record.client, facts.helo, record.login, facts.tls, record.at),
            )
        except Exception as error:  # it is durable, and that is what the client has to be told
            self._maillog.note("error", "accepted_failed", error=error, queue_id=queue_id)
        done(replies.queued(queue_id))


def _section(parts: Sequence[bytes]) -> bytes:
    """The header section of content that comes in parts."""
    if not parts:
        return b""
    if len(parts) > 1 and b"\r\n\r\n" not in parts[0]:
        return header_section(b"".join(parts))
    return header_section(parts[0])
