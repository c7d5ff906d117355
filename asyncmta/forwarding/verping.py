"""The transport before all others, for messages whose sender wants to know of each recipient by itself (VERP).

Such a message becomes one for each recipient, octet for octet the same, with a reverse-path of its own; the copies are
durable in the same commit that calls their original delivered. Promises: one answer for each consignment; nothing is
added to the way of other messages but one question; what cannot be read or written defers. Never: a decision about
where anything goes.

Rows P-57, P-84; `lists/verp`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec import structs

from asyncmta.forwarding.content import Large, Original
from asyncmta.forwarding.forwarder import UNAVAILABLE, Keeps, OnAccepted, Tells
from asyncmta.forwarding.local import INTERNAL
from asyncmta.lists.verp import verp
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Consignment, ContentUnavailable, Origin, ReadContent, format_queue_id
from asyncmta.mail.outcome import Delivered, Handover, Outcome, Recorded
from asyncmta.mail.reply import reply
from asyncmta.mail.transport import Done, Transport
from asyncmta.spool.failures import JournalFailed
from asyncmta.spool.records import INLINE_LIMIT, Accepted, Attempted
from asyncmta.system.clock import Clock

# PASSED_ON, so that nobody is told of it: each copy reports for itself what its sender asked for.
APART = Delivered(reply(250, "2.1.5", "sent on by itself"), handover=Handover.PASSED_ON)


class Verping:
    """`transport` takes all that is not to be taken apart."""

    def __init__(
        self,
        *,
        transport: Transport,
        store: Keeps,
        read_content: ReadContent,
        on_accepted: OnAccepted,
        clock: Clock,
        maillog: Tells,
    ) -> None:
        self._transport = transport
        self._store = store
        self._read_content = read_content
        self._on_accepted = on_accepted
        self._clock = clock
        self._maillog = maillog
        self._tasks: set[asyncio.Task[None]] = set()

    def deliver(self, consignments: Sequence[Consignment], done: Done) -> None:
        """Take consignments of one message."""
        envelope = consignments[0].envelope
        if not envelope.verp or envelope.reverse_path is None:
            self._transport.deliver(consignments, done)
            return
        for consignment in consignments:
            if self._store.refusal(consignment.content.wire_size * len(consignment.ordinals)) is not None:
                done(consignment, dict.fromkeys(consignment.ordinals, UNAVAILABLE))
                continue
            task = asyncio.get_running_loop().create_task(self._apart(consignment, envelope.reverse_path, done))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _apart(self, consignment: Consignment, sender: Address, done: Done) -> None:
        unfinished: list[Large] = []
        now = self._clock.now()
        outcome: Outcome = APART
        try:
            records = await self._copies(consignment, sender, now, unfinished)
            outcomes: dict[int, Outcome] = dict.fromkeys(consignment.ordinals, APART)
            await self._store.commit(*records, Attempted(consignment.queue_id, now, outcomes))
        except (ContentUnavailable, JournalFailed):
            outcome = UNAVAILABLE
        except Exception as error:
            self._maillog.note("error", "forwarding_failed", queue_id=consignment.queue_id, error=error)
            outcome = INTERNAL
        if outcome is not APART:
            for large in unfinished:
                large.abort()
            done(consignment, dict.fromkeys(consignment.ordinals, outcome))
            return
        for record in records:
            self._maillog.note(
                "info",
                "forwarded",
                queue_id=consignment.queue_id,
                recipient=record.envelope.recipients[0].address,
                forwarded_as=format_queue_id(record.queue_id),
                reverse_path=record.envelope.reverse_path,
                recipients=1,
            )
            self._on_accepted(record.queue_id)
        done(consignment, Recorded(outcomes, frozenset(consignment.ordinals)))

    async def _copies(
        self, consignment: Consignment, sender: Address, now: float, unfinished: list[Large]
    ) -> list[Accepted]:
        envelope = consignment.envelope
        content = await Original.read(consignment, self._read_content, INLINE_LIMIT)
        origin = envelope.origin or Origin(format_queue_id(consignment.queue_id), consignment.accepted_at)
        records: list[Accepted] = []
        for ordinal in consignment.ordinals:
            recipient = envelope.recipients[ordinal]
            path = verp(sender, recipient.address)
            own = structs.replace(envelope, reverse_path=path, recipients=(recipient,), origin=origin, verp=False)
            queue_id = self._store.next_queue_id()
            if content.parts is not None:
                records.append(Accepted(queue_id, now, own, consignment.content, "", None, parts=content.parts))
            else:
                large = self._store.begin_large(queue_id, binary=own.is_binary)
                unfinished.append(large)
                facts = await content.write(b"", large)
                records.append(Accepted(queue_id, now, own, facts, "", None, large=True))
            await asyncio.sleep(0)
        return records
