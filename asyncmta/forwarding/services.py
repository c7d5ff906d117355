"""What the MTA itself answers, in the queue: letters are committed with the word that their request is done.

Promises: a letter is durable in the same commit that calls what it answers delivered, so that a crash neither loses nor
doubles one; content that cannot be read, and a journal that cannot be written, defer. Never: what is answered, and to
whom (`lists/`).

RFC 3834; architecture.md 6.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, nullcontext
from typing import Protocol

from msgspec import Struct

from asyncmta.lists.letters import Letter
from asyncmta.lists.lists import Answer, Asked
from asyncmta.mail import replies
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import (
    Consignment,
    Content,
    ContentUnavailable,
    Envelope,
    QueueId,
    ReadContent,
    Recipient,
    format_queue_id,
)
from asyncmta.mail.headers import Arrival, header_section, received, received_opening
from asyncmta.mail.notify import owing
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Outcome, Scope
from asyncmta.mail.wire import digest, is_dotted, stuff
from asyncmta.spool.failures import JournalFailed
from asyncmta.spool.records import Accepted, Attempted, Record
from asyncmta.system.clock import Clock

BEGINNING = 128 << 10  # octets of a message that are looked at

UNAVAILABLE = Deferred(Cause.STORAGE, replies.LOCAL_ERROR, Scope.MESSAGE)


class Answers(Protocol):
    """`lists.Lists`, or several of its kind."""

    def claims(self, address: Address) -> bool: ...

    async def take(self, asked: Asked) -> Answer: ...


class Keeps(Protocol):
    """What is asked of the store."""

    def next_queue_id(self) -> QueueId: ...

    async def commit(self, *records: Record) -> None: ...


class Taken(Struct, frozen=True):
    """What became of a recipient. `recorded`: the journal has it already; `onward`: who is to have the message too,
    in the name of `owner`, where there is one."""

    outcome: Outcome
    recorded: bool = False
    onward: tuple[Address, ...] = ()
    owner: Address | None = None


class Services:
    """One for an Mta. `on_accepted` hears of each letter that is durable."""

    def __init__(
        self,
        *,
        answers: Answers,
        store: Keeps,
        read_content: ReadContent,
        on_accepted: Callable[[QueueId], None],
        clock: Clock,
        hostname: str,
        note: Callable[..., None],
    ) -> None:
        self.claims = answers.claims
        self._answers = answers
        self._store = store
        self._read_content = read_content
        self._on_accepted = on_accepted
        self._clock = clock
        self._opening = received_opening(Arrival(by=hostname))
        self._note = note

    async def take(self, consignment: Consignment, ordinal: int) -> Taken:
        """A recipient that is claimed."""
        try:
            beginning = await self._beginning(consignment.queue_id)
        except ContentUnavailable:
            return Taken(UNAVAILABLE)
        now = self._clock.now()
        envelope = consignment.envelope
        answer = await self._answers.take(
            Asked(
                address=envelope.recipients[ordinal].address,
                sender=envelope.reverse_path,
                section=header_section(beginning),
                beginning=beginning,
                id=f"{format_queue_id(consignment.queue_id)}.{ordinal}",
                at=now,
            )
        )
        if not answer.letters:
            return Taken(answer.outcome, onward=answer.onward, owner=answer.owner)
        accepted = [self._accepted(letter, now) for letter in answer.letters]
        outcome = answer.outcome
        if isinstance(outcome, Delivered):
            outcome = owing(envelope, ordinal, outcome)
        try:
            await self._store.commit(*accepted, Attempted(consignment.queue_id, now, {ordinal: outcome}))
        except JournalFailed:
            return Taken(UNAVAILABLE)
        for record in accepted:
            self._note(
                "info",
                "answered",
                queue_id=consignment.queue_id,
                answered_with=format_queue_id(record.queue_id),
                recipient=record.envelope.recipients[0].address,
            )
            self._on_accepted(record.queue_id)
        return Taken(outcome, recorded=True)

    def _accepted(self, letter: Letter, now: float) -> Accepted:
        queue_id = self._store.next_queue_id()
        content = received(self._opening, queue_id=queue_id, at=now, recipient=letter.recipient) + letter.content
        wire = stuff(content)
        dotted = is_dotted(wire)
        eight_bit = not content.isascii()
        addresses = [letter.recipient] if letter.sender is None else [letter.recipient, letter.sender]
        envelope = Envelope(
            letter.sender,
            (Recipient(letter.recipient),),
            body="8BITMIME" if eight_bit else "7BIT",
            # RFC 6532 3.2: an address in the header section that is not ASCII needs it too
            smtputf8=not all(address.is_ascii for address in addresses),
        )
        facts = Content(len(content), digest((wire,), dotted), dotted, len(wire), eight_bit)
        return Accepted(queue_id, now, envelope, facts, "", None, parts=(wire,))

    async def _beginning(self, queue_id: QueueId) -> bytes:
        source = self._read_content(queue_id)
        if isinstance(source, tuple):
            return b"".join(source)[:BEGINNING]
        found = b""
        async with aclosing(source) if isinstance(source, AsyncGenerator) else nullcontext():
            async for chunk in source:
                found += chunk
                if len(found) >= BEGINNING:
                    break
        return found[:BEGINNING]
