"""From what became of recipients in one pass to the records that tell their sender: one DSN, or none, in one commit.

Promises: every failed recipient is marked as reported, and every delivery that was owed as told, and the DSN that
tells of them is accepted by the same commit, so that a crash neither loses nor repeats a report; who is told, and who
is not, decides `audience`; content that cannot be read costs the report its copy and nothing else. A DSN has the null
reverse-path. Never: the commit itself, and no decision about who has failed.

RFC 5321 4.5.5 and 6.1, RFC 3461 4.1 and 6 (NOTIFY, RET), RFC 8689 5 (REQUIRETLS), RFC 2852 (deadlines); seeds Q-09
to Q-12.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from msgspec import Struct

from asyncmta.bounce.audience import MARK, NO_SENDER, Audiences
from asyncmta.bounce.dsn import build_dsn
from asyncmta.bounce.dsn_facts import DsnFacts, ReportedRecipient, needs_smtputf8
from asyncmta.bounce.dsn_template import Template
from asyncmta.bounce.original import read_original
from asyncmta.bounce.templates import ENGLISH
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import (
    NOTIFY_DELAY,
    Content,
    Envelope,
    QueueId,
    ReadContent,
    Recipient,
    Timing,
    format_queue_id,
)
from asyncmta.mail.headers import Arrival, header_section, received, received_opening
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Outcome, Scope
from asyncmta.mail.reply import reply
from asyncmta.mail.wire import digest, is_dotted, stuff
from asyncmta.spool.ledger import Entry
from asyncmta.spool.records import (
    DELIVERED,
    INLINE_LIMIT,
    PENDING,
    REPORTED,
    Accepted,
    Attempted,
    Record,
    Reported,
    Warned,
)

MAX_RETURNED = 1 << 20  # octets of a message that are returned with RET=FULL
NOT_TRIED = reply(451, "4.4.7", "It could not be tried yet")


class Large(Protocol):
    """`spool`'s way in for content above INLINE_LIMIT."""

    def write(self, octets: bytes) -> None: ...

    async def finish(self) -> Content: ...


class BounceRecords(Struct, frozen=True):
    """What to commit, together; and the queue id of the DSN among it, None when nobody is told. `actions`: what is
    told, such as "failed" or "failed, delivered"; `reason`: why somebody is not told, or not all of it."""

    records: tuple[Record, ...]
    dsn: QueueId | None
    actions: str = ""
    reason: str = ""


class Bouncer:
    """`hostname` is ours, `postmaster` whom senders may ask; the first three callables are the store's. `way_back`: an
    address that we made of a sender's (SRS) -> his; others stay."""

    def __init__(
        self,
        *,
        read_content: ReadContent,
        next_queue_id: Callable[[], QueueId],
        begin_large: Callable[[QueueId], Large],
        hostname: str,
        postmaster: Address | str,
        audiences: Audiences | None = None,
        template: Template = ENGLISH,
        way_back: Callable[[Address], Address] = lambda address: address,
    ) -> None:
        self._read_content = read_content
        self._next_queue_id = next_queue_id
        self._begin_large = begin_large
        self._hostname = hostname
        self._postmaster = str(postmaster)
        self._template = template
        self._way_back = way_back
        self._opening = received_opening(Arrival(by=hostname))
        self._audiences = audiences if audiences is not None else Audiences()

    async def report(self, entry: Entry, outcomes: Mapping[int, Failed | Delivered], now: float) -> BounceRecords:
        """These recipients have failed, or were delivered and it is owed to tell of it: the records that say so and
        tell the sender. JournalFailed when a report with large content cannot be stored."""
        queue_id = entry.queue_id
        records: list[Record] = []
        known = entry.failed()  # an older journal may have failures without their report
        new: dict[int, Outcome] = {
            ordinal: outcome
            for ordinal, outcome in outcomes.items()
            if isinstance(outcome, Failed) and ordinal not in known
        }
        if new:
            records.append(Attempted(queue_id, now, new))
        audience = self._audiences.of(entry, outcomes)
        sender, dsn, untold = entry.envelope.reverse_path, None, audience.untold
        if audience.told and sender is not None:
            accepted = await self._dsn(entry, sender, {at: outcomes[at] for at in audience.told}, now)
            dsn = accepted.queue_id
            records += [accepted, Reported(queue_id, now, audience.told, dsn)]
        elif audience.reason == NO_SENDER and (copy := await self._double(entry, outcomes, now)) is not None:
            dsn, untold = copy.queue_id, ()
            records += [copy, Reported(queue_id, now, audience.untold, dsn)]
        if untold:
            records.append(Reported(queue_id, now, untold, None))
        return BounceRecords(tuple(records), dsn, _actions(outcomes.values()), audience.reason)

    async def report_delay(self, entry: Entry, now: float, until: float = 0.0) -> BounceRecords:
        """Those who are pending are late, and are tried until then: the records that say so and tell the sender, if he
        has not asked for silence. JournalFailed as above."""
        pending, sender = entry.pending(), entry.envelope.reverse_path
        audience = self._audiences.of_those(entry, pending, NOTIFY_DELAY)
        if not audience.told or sender is None:
            return BounceRecords((Warned(entry.queue_id, now, pending, None),), None, "delayed", audience.reason)
        untried = Deferred(Cause.EXPIRED, NOT_TRIED, Scope.MESSAGE)
        late = {at: entry.last[at][1] if at in entry.last else untried for at in audience.told}
        accepted = await self._dsn(entry, sender, late, now, until=until)
        warned = Warned(entry.queue_id, now, audience.told, accepted.queue_id)
        return BounceRecords((accepted, warned), accepted.queue_id, "delayed", audience.reason)

    async def _double(self, entry: Entry, outcomes: Mapping[int, Outcome], now: float) -> Accepted | None:
        """A copy of a report that could not be delivered, for the postmaster; None: he does not get one."""
        section = header_section(await read_original(entry, self._read_content, full=False))
        double = self._audiences.double_for(entry, section)
        return await self._dsn(entry, double, outcomes, now, double=True) if double is not None else None

    async def _dsn(
        self,
        entry: Entry,
        to: Address,
        outcomes: Mapping[int, Outcome],
        now: float,
        *,
        until: float = 0.0,
        double: bool = False,
    ) -> Accepted:
        to = self._way_back(to)
        has_failed = any(isinstance(each, Failed) for each in outcomes.values())  # RFC 3461 4.3
        full = has_failed and (double or entry.envelope.ret == "FULL")
        full = full and not entry.envelope.requiretls and entry.content.size <= MAX_RETURNED
        timing = entry.envelope.timing
        original = await read_original(entry, self._read_content, full=full)
        queue_id = self._next_queue_id()
        total = len(entry.envelope.recipients)
        states = [entry.state_of(ordinal) for ordinal in range(total) if ordinal not in outcomes]
        facts = DsnFacts(
            boundary=secrets.token_hex(16),
            message_id=f"{format_queue_id(queue_id)}@{self._hostname}",
            reporting_mta=self._hostname,
            postmaster=self._postmaster,
            at=now,
            reverse_path=to,
            queue_id=entry.queue_id,
            accepted_at=entry.accepted_at,
            attempts=entry.attempts,
            recipients=tuple(_reported(entry, ordinal, outcome, now) for ordinal, outcome in outcomes.items()),
            content=original,
            envid=entry.envelope.envid,
            full=full,
            retry_until=until,
            deliver_by=timing.deliver_by if timing is not None else 0.0,
            smtputf8=entry.envelope.smtputf8,
            double=double,
            total=total,
            delivered=states.count(DELIVERED),
            reported=states.count(REPORTED),
            pending=states.count(PENDING),
        )
        mark = f"{MARK}: {self._hostname}\r\n".encode() if double else b""
        top = received(self._opening, queue_id=queue_id, at=now, recipient=to) + mark
        report = top + build_dsn(facts, self._template)
        envelope = Envelope(
            None,
            (Recipient(to),),
            body="7BIT" if report.isascii() else "8BITMIME",
            smtputf8=needs_smtputf8(facts),
            requiretls=entry.envelope.requiretls,
            timing=Timing(timing.priority) if timing is not None and timing.priority else None,  # RFC 6710 4.3
        )
        return await self._accepted(queue_id, now, envelope, report)

    async def _accepted(self, queue_id: QueueId, now: float, envelope: Envelope, report: bytes) -> Accepted:
        wire = stuff(report)
        if len(wire) > INLINE_LIMIT:
            large = self._begin_large(queue_id)
            large.write(wire)
            return Accepted(queue_id, now, envelope, await large.finish(), "", None, large=True)
        dotted = is_dotted(wire)
        content = Content(len(report), digest((wire,), dotted), dotted, len(wire), not report.isascii())
        return Accepted(queue_id, now, envelope, content, "", None, parts=(wire,))


def _actions(outcomes: Iterable[Outcome]) -> str:
    """As a line of the log says it."""
    found = {"failed" if isinstance(each, Failed) else "delivered" for each in outcomes}
    return ", ".join(sorted(found, reverse=True))


def _reported(entry: Entry, ordinal: int, outcome: Outcome, now: float) -> ReportedRecipient:
    recipient = entry.envelope.recipients[ordinal]
    if isinstance(outcome, Delivered):
        return ReportedRecipient(recipient, outcome, entry.owed()[ordinal][0])
    if isinstance(outcome, Failed) and outcome.cause is not Cause.EXPIRED:
        return ReportedRecipient(recipient, outcome, now)
    at, last = entry.last.get(ordinal, (None, None))  # none: it expired, or is late, before it could be tried
    if isinstance(outcome, Deferred):
        return ReportedRecipient(recipient, outcome, at)
    timing = entry.envelope.timing
    is_too_late = timing is not None and timing.by_mode.startswith("R") and now >= timing.deliver_by
    return ReportedRecipient(recipient, outcome, at, last, is_too_late)
