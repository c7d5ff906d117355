"""Take responsibility for a message: mint its id, stamp `Received`, count hops, commit, and only then say 250.

Promises: no 250 before the record is durable; from then on the message is ours, whether or not the client is still
there; no task, future or timer for a message that fits inline. Content that is larger is written while it arrives and
has one task, from its dot to its reply. Never: sessions, sockets, or a decision about senders and recipients.

RFC 5321 4.4 (Received), 6.1 (responsibility), 6.3 (loops).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from msgspec import structs

from asyncmta.inbound.content import Shape
from asyncmta.inbound.injection import Prepared, missing_fields, prepare
from asyncmta.inbound.limits import Limits
from asyncmta.inbound.session import ClientFacts
from asyncmta.logline import Source
from asyncmta.mail import replies
from asyncmta.mail.envelope import Content, Envelope, QueueId, format_queue_id
from asyncmta.mail.headers import Arrival, header_section, hop_count, received, received_opening
from asyncmta.mail.reply import Reply
from asyncmta.mail.wire import digest
from asyncmta.maillog import MailLog
from asyncmta.spool.journal import JournalFailed, resolve
from asyncmta.spool.large import LargeContent
from asyncmta.spool.records import INLINE_LIMIT, Accepted
from asyncmta.spool.store import Store
from asyncmta.system.clock import Clock

Done = Callable[[Reply], None]

_IN_THREAD = 1 << 18  # content of our own above this is prepared beside the loop
_SLICE = 1 << 16


class Intake:
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
    ) -> None:
        self._store = store
        self._on_accepted = on_accepted
        self._maillog = maillog
        self._clock = clock
        self._hostname = hostname
        self._settings = settings
        self._commits: set[asyncio.Task[None]] = set()

    # -- from a session ----------------------------------------------------------------------------------------------

    def accept(self, envelope: Envelope, *, facts: ClientFacts, parts: list[bytes], shape: Shape, done: Done) -> None:
        """Inline content that has ended, in wire form. `done` gets the reply to the dot, once, now or later."""
        section = _section(parts)
        if hop_count(section) > self._settings.hops:
            done(replies.TOO_MANY_HOPS)
            return
        queue_id = self._store.next_queue_id()
        at = self._clock.now()
        stamp = _stamp(facts.opening, queue_id, at, envelope)
        if facts.is_author:
            stamp += self._missing(parts, queue_id, at, envelope)
        kept = (stamp, *parts)
        size = len(stamp)
        eight_bit = shape.eight_bit or not stamp.isascii()
        content = Content(
            shape.size + size, digest(kept, shape.dotted), shape.dotted, shape.wire_size + size, eight_bit
        )
        record = Accepted(queue_id, at, envelope, content, facts.ip, facts.login, False, kept)
        self._store.submit((record,), partial(self._is_durable, record, facts, done))

    def begin_large(self, envelope: Envelope, *, facts: ClientFacts, parts: list[bytes]) -> LargeMessage | Reply:
        """Content that has outgrown memory; `parts` are its beginning. A reply: it is not wanted."""
        if hop_count(_section(parts)) > self._settings.hops:
            return replies.TOO_MANY_HOPS
        queue_id = self._store.next_queue_id()
        at = self._clock.now()
        content = self._store.begin_large(queue_id, binary=envelope.is_binary)
        content.write(_stamp(facts.opening, queue_id, at, envelope))
        if facts.is_author:
            content.write(self._missing(parts, queue_id, at, envelope, is_whole=False))
        record = Accepted(queue_id, at, envelope, _NO_CONTENT, facts.ip, facts.login, True)
        large = LargeMessage(self, record=record, facts=facts, content=content)
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
        task = asyncio.get_running_loop().create_task(self._commit_large(large, done))
        self._commits.add(task)
        task.add_done_callback(self._commits.discard)

    async def _commit_large(self, large: LargeMessage, done: Done) -> None:
        begun = large.record

        def is_durable(failure: JournalFailed | None) -> None:
            if failure is not None:
                large.abort()
            self._is_durable(record, large.facts, done, failure)

        try:
            content = await large.content.finish()
            record = Accepted(begun.queue_id, begun.at, begun.envelope, content, begun.client, begun.login, True)
            self._store.submit((record,), is_durable)
        except JournalFailed as failure:
            done(_reply_to(failure))
        except Exception as error:
            self._maillog.note("error", "large_content_failed", error=error, queue_id=begun.queue_id)
            large.abort()
            done(replies.LOCAL_ERROR)

    async def drain(self) -> None:
        """Until every large message whose dot came is committed or refused."""
        while self._commits:
            await asyncio.wait(self._commits)

    def _is_durable(self, record: Accepted, facts: ClientFacts, done: Done, failure: JournalFailed | None) -> None:
        if failure is not None:
            done(_reply_to(failure))
            return
        queue_id = record.queue_id
        try:
            self._on_accepted(queue_id)
            self._maillog.accepted(
                queue_id=queue_id,
                envelope=record.envelope,
                size=record.content.size,
                source=Source(record.client, facts.helo, record.login, facts.tls),
            )
        except Exception as error:  # it is durable, and that is what the client has to be told
            self._maillog.note("error", "accepted_failed", error=error, queue_id=queue_id)
        done(replies.queued(queue_id))

    # -- from ourselves ----------------------------------------------------------------------------------------------

    async def submit(
        self, envelope: Envelope, content: bytes, *, client: str = "", login: str | None = None
    ) -> QueueId | Reply:
        """A message of our own making, for the Python API, HTTP and the command line: its id when it is durable, or
        why it is not taken. Line ends are normalised; Date, Message-ID and Received are added."""
        limits = self._settings
        if not envelope.recipients:
            return replies.NEED_RECIPIENT
        if len(envelope.recipients) > limits.recipients:
            return replies.TOO_MANY_RECIPIENTS
        refusal = self._store.refusal(len(content))
        if refusal is not None:
            return refusal
        queue_id = self._store.next_queue_id()
        at = self._clock.now()
        message_id = f"<{format_queue_id(queue_id)}@{self._hostname}>"
        job = partial(prepare, content, at=at, message_id=message_id, size_limit=limits.message_size)
        prepared = job() if len(content) <= _IN_THREAD else await asyncio.to_thread(job)
        if isinstance(prepared, Reply):
            return prepared
        if hop_count(prepared.section) > limits.hops:
            return replies.TOO_MANY_HOPS
        stamp = _stamp(received_opening(Arrival(by=self._hostname)), queue_id, at, envelope)
        draft = Accepted(queue_id, at, _fitting(envelope, prepared.eight_bit), _NO_CONTENT, client, login)
        is_large = len(stamp) + len(prepared.wire) > INLINE_LIMIT
        try:
            await (self._commit_in_file if is_large else self._commit_inline)(draft, stamp, prepared)
        except JournalFailed as failure:
            return _reply_to(failure)
        return queue_id

    async def _commit(self, record: Accepted) -> None:
        """Who stops waiting does not stop the commit, nor what follows from it: once durable it has to be tried."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def is_durable(failure: JournalFailed | None) -> None:
            if failure is None:
                self._is_durable(record, _NO_SESSION, _nobody, None)
            resolve(done, failure)

        self._store.submit((record,), is_durable)
        await done

    async def _commit_inline(self, draft: Accepted, stamp: bytes, prepared: Prepared) -> None:
        kept = (stamp, prepared.wire)
        content = Content(
            size=len(stamp) + prepared.size,
            digest=digest(kept, prepared.dotted),
            dotted=prepared.dotted,
            wire_size=len(stamp) + len(prepared.wire),
            eight_bit=prepared.eight_bit,
        )
        await self._commit(structs.replace(draft, content=content, parts=kept))

    async def _commit_in_file(self, draft: Accepted, stamp: bytes, prepared: Prepared) -> None:
        file = self._store.begin_large(draft.queue_id)
        file.write(stamp)
        for start in range(0, len(prepared.wire), _SLICE):
            file.write(prepared.wire[start : start + _SLICE])
        record = structs.replace(draft, content=await file.finish(), large=True)
        try:
            await self._commit(record)
        except JournalFailed:
            file.abort()
            raise


class LargeMessage:
    """A message whose content is on its way to a file. `finish` or `abort` ends it."""

    __slots__ = ("_intake", "content", "facts", "record")

    def __init__(self, intake: Intake, *, record: Accepted, facts: ClientFacts, content: LargeContent) -> None:
        self._intake = intake
        self.record = record  # its content is not known yet
        self.facts = facts
        self.content = content

    @property
    def unwritten(self) -> int:
        """Octets that are still in memory."""
        return self.content.unwritten

    def write(self, parts: Sequence[bytes]) -> None:
        for part in parts:
            self.content.write(part)

    def finish(self, done: Done, _shape: Shape | None = None) -> None:  # the file knows it too
        self._intake.finish_large(self, done)

    def abort(self) -> None:
        self.content.abort()


_NO_CONTENT = Content(0, b"", False, 0)
_NO_SESSION = ClientFacts("", "", None, "")


def _stamp(opening: str, queue_id: QueueId, at: float, envelope: Envelope) -> bytes:
    recipients = envelope.recipients
    return received(
        opening, queue_id=queue_id, at=at, recipient=recipients[0].address if len(recipients) == 1 else None
    )


def _section(parts: Sequence[bytes]) -> bytes:
    """The header section of content that comes in parts."""
    if not parts:
        return b""
    if len(parts) > 1 and b"\r\n\r\n" not in parts[0]:
        return header_section(b"".join(parts))
    return header_section(parts[0])


def _reply_to(failure: JournalFailed) -> Reply:
    return replies.STORAGE_FULL if failure.full else replies.LOCAL_ERROR


def _fitting(envelope: Envelope, eight_bit: bool) -> Envelope:
    """The envelope with BODY and SMTPUTF8 as content and addresses need them."""
    addresses = [recipient.address for recipient in envelope.recipients]
    if envelope.reverse_path is not None:
        addresses.append(envelope.reverse_path)
    smtputf8 = envelope.smtputf8 or not all(address.is_ascii for address in addresses)
    body = "8BITMIME" if eight_bit and envelope.body == "7BIT" else envelope.body
    if (body, smtputf8) == (envelope.body, envelope.smtputf8):
        return envelope
    return structs.replace(envelope, body=body, smtputf8=smtputf8)


def _nobody(_reply: Reply) -> None:
    """For whoever gets the id itself."""
