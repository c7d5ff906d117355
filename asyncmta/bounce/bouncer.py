"""From recipients that failed in one pass to the records that tell their sender: one DSN, or none, in one commit.

Promises: every failed recipient is marked as reported, and the DSN that tells of it is accepted by the same commit, so
that a crash neither loses nor repeats a report; the null reverse-path is never answered, nor is whoever asked for
silence (NOTIFY); content that cannot be read costs the report its copy and nothing else. A DSN has the null
reverse-path. Never: the commit itself, and no decision about who has failed.

RFC 5321 4.5.5 and 6.1, RFC 3461 4.1 and 6 (NOTIFY, RET), RFC 8689 5 (REQUIRETLS), RFC 2852 (deadlines); seeds Q-09
to Q-12.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing, nullcontext
from typing import Protocol

from msgspec import Struct

from asyncmta.bounce.dsn import build_dsn
from asyncmta.bounce.dsn_facts import DsnFacts, ReportedRecipient, needs_smtputf8
from asyncmta.bounce.dsn_template import Template
from asyncmta.bounce.templates import ENGLISH
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import (
    NOTIFY_DELAY,
    NOTIFY_FAILURE,
    Content,
    ContentUnavailable,
    Envelope,
    QueueId,
    ReadContent,
    Recipient,
    Timing,
    format_queue_id,
)
from asyncmta.mail.headers import Arrival, header_section, received, received_opening
from asyncmta.mail.outcome import Cause, Deferred, Failed, Scope
from asyncmta.mail.reply import reply
from asyncmta.mail.wire import digest, is_dotted, stuff, unstuff
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
MAX_HEADERS = 128 << 10  # octets of its header section that are returned


class Large(Protocol):
    """`spool`'s way in for content above INLINE_LIMIT."""

    def write(self, octets: bytes) -> None: ...

    async def finish(self) -> Content: ...


class BounceRecords(Struct, frozen=True):
    """What to commit, together; and the queue id of the DSN among it, None when nobody is told."""

    records: tuple[Record, ...]
    dsn: QueueId | None


class Bouncer:
    """`hostname` is ours, `postmaster` whom senders may ask; the three callables are the store's."""

    def __init__(
        self,
        *,
        read_content: ReadContent,
        next_queue_id: Callable[[], QueueId],
        begin_large: Callable[[QueueId], Large],
        hostname: str,
        postmaster: Address | str,
        template: Template = ENGLISH,
    ) -> None:
        self._read_content = read_content
        self._next_queue_id = next_queue_id
        self._begin_large = begin_large
        self._hostname = hostname
        self._postmaster = str(postmaster)
        self._template = template
        self._opening = received_opening(Arrival(by=hostname))

    async def report(self, entry: Entry, failures: Mapping[int, Failed], now: float) -> BounceRecords:
        """These recipients have failed: the records that say so and tell the sender. JournalFailed when a report with
        large content cannot be stored."""
        queue_id = entry.queue_id
        records: list[Record] = []
        known = entry.failed()  # an older journal may have failures without their report
        new: dict[int, Failed] = {ordinal: failed for ordinal, failed in failures.items() if ordinal not in known}
        if new:
            records.append(Attempted(queue_id, now, dict(new)))
        sender = entry.envelope.reverse_path
        told, untold = _audience(entry.envelope, failures)
        dsn = None
        if told and sender is not None:
            accepted = await self._dsn(entry, sender, {ordinal: failures[ordinal] for ordinal in told}, now)
            dsn = accepted.queue_id
            records += [accepted, Reported(queue_id, now, told, dsn)]
        if untold:
            records.append(Reported(queue_id, now, untold, None))
        return BounceRecords(tuple(records), dsn)

    async def report_delay(self, entry: Entry, now: float) -> BounceRecords:
        """Those who are pending are late: the records that say so and tell the sender, if he has not asked for silence.
        JournalFailed as above."""
        pending, sender = entry.pending(), entry.envelope.reverse_path
        told, _ = _audience(entry.envelope, pending, NOTIFY_DELAY)
        if not told or sender is None:
            return BounceRecords((Warned(entry.queue_id, now, pending, None),), None)
        untried = Deferred(Cause.EXPIRED, NOT_TRIED, Scope.MESSAGE)
        late = {at: entry.last[at][1] if at in entry.last else untried for at in told}
        accepted = await self._dsn(entry, sender, late, now)
        return BounceRecords((accepted, Warned(entry.queue_id, now, told, accepted.queue_id)), accepted.queue_id)

    async def _dsn(
        self, entry: Entry, sender: Address, outcomes: Mapping[int, Failed] | Mapping[int, Deferred], now: float
    ) -> Accepted:
        full = entry.envelope.ret == "FULL" and not entry.envelope.requiretls and entry.content.size <= MAX_RETURNED
        full = full and any(isinstance(each, Failed) for each in outcomes.values())  # RFC 3461 4.3
        timing = entry.envelope.timing
        original = await self._original(entry, full)
        queue_id = self._next_queue_id()
        total = len(entry.envelope.recipients)
        states = [entry.state_of(ordinal) for ordinal in range(total) if ordinal not in outcomes]
        facts = DsnFacts(
            boundary=secrets.token_hex(16),
            message_id=f"{format_queue_id(queue_id)}@{self._hostname}",
            reporting_mta=self._hostname,
            postmaster=self._postmaster,
            at=now,
            reverse_path=sender,
            queue_id=entry.queue_id,
            accepted_at=entry.accepted_at,
            attempts=entry.attempts,
            recipients=tuple(_reported(entry, ordinal, outcome, now) for ordinal, outcome in outcomes.items()),
            content=original,
            envid=entry.envelope.envid,
            full=full,
            deliver_by=timing.deliver_by if timing is not None else 0.0,
            smtputf8=entry.envelope.smtputf8,
            total=total,
            delivered=states.count(DELIVERED),
            reported=states.count(REPORTED),
            pending=states.count(PENDING),
        )
        report = received(self._opening, queue_id=queue_id, at=now, recipient=sender) + build_dsn(facts, self._template)
        envelope = Envelope(
            None,
            (Recipient(sender),),
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

    async def _original(self, entry: Entry, full: bool) -> bytes:
        """The message's octets, dots unstuffed: whole when `full`, else its header section; nothing where they cannot
        be read, for the sender must be told all the same."""
        try:
            parts = self._read_content(entry.queue_id)
            if isinstance(parts, tuple):
                wire = b"".join(parts) if full else _beginning(parts)
            else:
                wire = await _read(parts, full)
        except ContentUnavailable:
            return b""
        content = unstuff(wire) if entry.content.dotted else wire
        return content if full else _headers(content)


def _beginning(parts: tuple[bytes, ...]) -> bytes:
    """As many parts as hold the header section; mostly that is one, and nothing is copied."""
    wire = parts[0] if parts else b""
    for part in parts[1:]:
        if _holds_headers(wire):
            break
        wire += part
    return wire


async def _read(parts: AsyncIterator[bytes], full: bool) -> bytes:
    """The same of chunks that have to be read; all of them when `full`."""
    wire = b""
    async with aclosing(parts) if isinstance(parts, AsyncGenerator) else nullcontext():
        async for part in parts:
            wire += part
            if not full and _holds_headers(wire):
                break
    return wire


def _holds_headers(wire: bytes) -> bool:
    return len(wire) >= MAX_HEADERS or b"\r\n\r\n" in wire


def _headers(content: bytes) -> bytes:
    """Its header section, cut behind a line where it is too long."""
    section = header_section(content)
    if len(section) <= MAX_HEADERS:
        return section
    return section[: section.rfind(b"\r\n", 0, MAX_HEADERS) + 2]


def _audience(
    envelope: Envelope, ordinals: Iterable[int], event: int = NOTIFY_FAILURE
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of which failures (or delays) the sender is told, and of which nobody is."""
    told: list[int] = []
    untold: list[int] = []
    for ordinal in sorted(ordinals):
        notify = envelope.recipients[ordinal].notify
        wanted = envelope.reverse_path is not None and (notify == 0 or notify & event)
        (told if wanted else untold).append(ordinal)
    return tuple(told), tuple(untold)


def _reported(entry: Entry, ordinal: int, outcome: Failed | Deferred, now: float) -> ReportedRecipient:
    recipient = entry.envelope.recipients[ordinal]
    if isinstance(outcome, Failed) and outcome.cause is not Cause.EXPIRED:
        return ReportedRecipient(recipient, outcome, now)
    at, last = entry.last.get(ordinal, (None, None))  # none: it expired, or is late, before it could be tried
    if isinstance(outcome, Deferred):
        return ReportedRecipient(recipient, outcome, at)
    timing = entry.envelope.timing
    is_too_late = timing is not None and timing.by_mode.startswith("R") and now >= timing.deliver_by
    return ReportedRecipient(recipient, outcome, at, last, is_too_late)
