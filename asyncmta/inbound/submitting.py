"""The part of intake that is about messages of our own: from Python, HTTP, the command line, the drop directory.

Promises: as for a message by SMTP, nothing is said before the record is durable; who stops waiting does not stop the
commit. What is added to a message, and made right in it, is decided in `injection`. Never: an address as text, a file
that somebody left.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from functools import partial

from msgspec import structs

from asyncmta.inbound.injection import Prepared, fitting, prepare
from asyncmta.inbound.inspection import Done
from asyncmta.inbound.limits import Limits
from asyncmta.inbound.readdressing import Readdressing
from asyncmta.inbound.session import ClientFacts
from asyncmta.mail import replies
from asyncmta.mail.envelope import Content, Envelope, QueueId, format_queue_id
from asyncmta.mail.headers import Arrival, hop_count, received, received_opening
from asyncmta.mail.reply import Reply
from asyncmta.mail.wire import digest
from asyncmta.spool.journal import JournalFailed, resolve
from asyncmta.spool.records import INLINE_LIMIT, Accepted
from asyncmta.spool.store import Store
from asyncmta.system.clock import Clock

NO_CONTENT = Content(0, b"", False, 0)
_NO_SESSION = ClientFacts("", "", None, "")
_IN_THREAD = 1 << 18  # content above this is prepared beside the loop
_SLICE = 1 << 16


class Submitting(ABC):
    """The base of `Intake`, which has all that is named here."""

    _store: Store
    _clock: Clock
    _hostname: str
    _settings: Limits
    _readdressing: Readdressing | None

    @abstractmethod
    def _is_durable(self, record: Accepted, facts: ClientFacts, done: Done, failure: JournalFailed | None) -> None: ...

    async def submit(
        self,
        envelope: Envelope,
        content: bytes,
        *,
        client: str = "",
        login: str | None = None,
        queue_id: QueueId | None = None,
        userid: int | None = None,
    ) -> QueueId | Reply:
        """A message of our own making, for the Python API, HTTP and the command line: its id when it is durable, or
        why it is not taken. `queue_id`: the id that it was given already; `userid`: the user of this machine whose it
        is. `injection` says what is added and made right."""
        limits = self._settings
        if self._readdressing is not None:
            entered = self._readdressing.whole(envelope)
            if isinstance(entered, Reply):
                return entered
            envelope = entered
        if not envelope.recipients:
            return replies.NEED_RECIPIENT
        if len(envelope.recipients) > limits.recipients:
            return replies.TOO_MANY_RECIPIENTS
        refusal = self._store.refusal(len(content))
        if refusal is not None:
            return refusal
        if queue_id is None:
            queue_id = self._store.next_queue_id()
        at = self._clock.now()
        message_id = f"<{format_queue_id(queue_id)}@{self._hostname}>"
        job = partial(
            prepare,
            content,
            at=at,
            message_id=message_id,
            size_limit=limits.message_size,
            completes=True,
            author=envelope.reverse_path,
        )
        prepared = job() if len(content) <= _IN_THREAD else await asyncio.to_thread(job)
        if isinstance(prepared, Reply):
            return prepared
        if hop_count(prepared.section) > limits.hops:
            return replies.TOO_MANY_HOPS
        facts = ClientFacts(client, "", login, received_opening(Arrival(by=self._hostname, userid=userid)))
        top = stamp(facts, queue_id, at, envelope)
        draft = Accepted(queue_id, at, fitting(envelope, prepared.eight_bit), NO_CONTENT, client, login)
        is_large = len(top) + len(prepared.wire) > INLINE_LIMIT
        try:
            await (self._commit_in_file if is_large else self._commit_inline)(draft, top, prepared)
        except JournalFailed as failure:
            return reply_to(failure)
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

    async def _commit_inline(self, draft: Accepted, top: bytes, prepared: Prepared) -> None:
        kept = (top, prepared.wire)
        content = Content(
            size=len(top) + prepared.size,
            digest=digest(kept, prepared.dotted),
            dotted=prepared.dotted,
            wire_size=len(top) + len(prepared.wire),
            eight_bit=prepared.eight_bit,
        )
        await self._commit(structs.replace(draft, content=content, parts=kept))

    async def _commit_in_file(self, draft: Accepted, top: bytes, prepared: Prepared) -> None:
        file = self._store.begin_large(draft.queue_id)
        file.write(top)
        for start in range(0, len(prepared.wire), _SLICE):
            file.write(prepared.wire[start : start + _SLICE])
        record = structs.replace(draft, content=await file.finish(), large=True)
        try:
            await self._commit(record)
        except JournalFailed:
            file.abort()
            raise


def stamp(facts: ClientFacts, queue_id: QueueId, at: float, envelope: Envelope) -> bytes:
    """What goes on top."""
    recipient = envelope.recipients[0].address if len(envelope.recipients) == 1 else None
    field = received(facts.opening, queue_id=queue_id, at=at, recipient=recipient)
    return field if facts.handling is None else facts.handling.header + field


def reply_to(failure: JournalFailed) -> Reply:
    return replies.STORAGE_FULL if failure.full else replies.LOCAL_ERROR


def _nobody(_reply: Reply) -> None:
    """For whoever gets the id itself."""
