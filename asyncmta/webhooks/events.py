"""Events as values, from the journal's records, and as lines of the outbox.

Promises: the same record gives the same events with the same ids, live and when it is read from a journal again, so
that whoever gets one twice can tell. Never: an event for what is not durable, the content of a message.

docs/webhooks.md.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Envelope, QueueId, format_queue_id
from asyncmta.mail.failure_words import classify
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Outcome
from asyncmta.mail.reply import Reply
from asyncmta.spool.records import Accepted, Attempted, Record, Reported

KINDS = ("delivered", "deferred", "failed", "expired", "bounced", "accepted", "refused")
USUAL = KINDS[:5]

LONGEST_REPLY = 500


class Event(Struct, frozen=True, omit_defaults=True, rename={"kind": "event", "failure": "class"}):
    """One. Keys that say nothing are left out. `ts` in Unix seconds; `failure` is a class of `mail/failure_class`, and
    `hard` that it is about the address itself; `delay` in seconds since we accepted it."""

    id: str
    kind: str
    ts: float
    queue_id: str = ""
    sender: str | None = None
    recipient: str = ""
    recipients: int = 0
    failure: str = ""
    hard: bool = False
    reply: str = ""
    enhanced: str = ""
    remote_host: str = ""
    remote_ip: str = ""
    tls: str = ""
    delay: float = 0.0
    discarded: bool = False
    forwarded_from: str = ""
    dsn: str = ""
    size: int = 0
    client: str = ""
    login: str = ""
    stage: str = ""
    by: str = ""


class About(Struct, frozen=True):
    """What is known of the message that a record is about."""

    envelope: Envelope
    accepted_at: float


def events_of(record: Record, about: About, kinds: frozenset[str]) -> list[Event]:
    """The events of a record, of these kinds."""
    if isinstance(record, Attempted):
        return _attempted(record, about, kinds)
    if isinstance(record, Accepted):
        return [_accepted(record)] if "accepted" in kinds else []
    if isinstance(record, Reported):
        return [_reported(record, about)] if "bounced" in kinds else []
    return []


def _accepted(record: Accepted) -> Event:
    queue_id, envelope = format_queue_id(record.queue_id), record.envelope
    return Event(
        id=f"{queue_id}-accepted",
        kind="accepted",
        ts=record.at,
        queue_id=queue_id,
        sender=_sender(envelope),
        recipient=str(envelope.recipients[0].address) if envelope.recipients else "",
        recipients=len(envelope.recipients),
        forwarded_from=_origin(envelope),
        size=record.content.size,
        client=record.client,
        login=record.login or "",
    )


def _attempted(record: Attempted, about: About, kinds: frozenset[str]) -> list[Event]:
    found = []
    for ordinal, outcome in record.outcomes.items():
        kind = kind_of(outcome)
        if kind in kinds:
            found.append(_settled(record.queue_id, record.at, about, (ordinal, kind, outcome)))
    return found


def kind_of(outcome: Outcome) -> str:
    if isinstance(outcome, Delivered):
        return "delivered"
    if isinstance(outcome, Deferred):
        return "deferred"
    return "expired" if outcome.cause is Cause.EXPIRED else "failed"


def _settled(queue_id: QueueId, at: float, about: About, what: tuple[int, str, Outcome]) -> Event:
    ordinal, kind, outcome = what
    text, envelope = format_queue_id(queue_id), about.envelope
    failure = None if isinstance(outcome, Delivered) else classify(outcome.reply, outcome.cause)
    reply, place = outcome.reply, outcome.place
    return Event(
        id=f"{text}-{ordinal}-{kind}-{int(at * 1000):x}",
        kind=kind,
        ts=at,
        queue_id=text,
        sender=_sender(envelope),
        recipient=str(envelope.recipients[ordinal].address),
        failure=failure.value if failure is not None else "",
        hard=isinstance(outcome, Failed) and failure is not None and failure.is_hard,
        reply=str(reply)[:LONGEST_REPLY],
        enhanced=str(reply.enhanced or ""),
        remote_host=place.host,
        remote_ip=place.ip,
        tls=place.tls,
        delay=round(max(0.0, at - about.accepted_at), 3),
        discarded=isinstance(outcome, Delivered) and outcome.discarded,
        forwarded_from=_origin(envelope),
    )


def _reported(record: Reported, about: About) -> Event:
    text = format_queue_id(record.queue_id)
    return Event(
        id=f"{text}-bounced-{int(record.at * 1000):x}-{record.ordinals[0] if record.ordinals else 0}",
        kind="bounced",
        ts=record.at,
        queue_id=text,
        sender=_sender(about.envelope),
        recipient=str(about.envelope.recipients[record.ordinals[0]].address) if record.ordinals else "",
        recipients=len(record.ordinals),
        discarded=record.by is None,
        dsn="" if record.by is None else format_queue_id(record.by),
    )


class Refusal(Struct, frozen=True):
    """Somebody was told no, before there was a message. `paths`: sender and recipient, as far as they were said."""

    client: str
    stage: str
    reply: Reply
    by: str
    paths: tuple[Address | str | None, Address | str | None]


def refused(said: Refusal, at: float, number: int) -> Event:
    """`number`: different for each within one run."""
    sender, recipient = said.paths
    return Event(
        id=f"refused-{int(at * 1000):x}-{number:x}",
        kind="refused",
        ts=at,
        sender=None if sender is None else str(sender)[:LONGEST_REPLY],
        recipient="" if recipient is None else str(recipient)[:LONGEST_REPLY],
        reply=str(said.reply)[:LONGEST_REPLY],
        enhanced=str(said.reply.enhanced or ""),
        client=said.client,
        stage=said.stage,
        by=said.by,
    )


def _sender(envelope: Envelope) -> str:
    return "" if envelope.reverse_path is None else str(envelope.reverse_path)


def _origin(envelope: Envelope) -> str:
    return "" if envelope.origin is None else envelope.origin.queue_id


def lines(events: Iterable[Event]) -> bytes:
    """As lines of the outbox."""
    encode = msgspec.json.encode
    return b"".join([encode(each) + b"\n" for each in events])


class Head(Struct, frozen=True):
    """What the outbox has to know of a line without reading all of it."""

    id: str
    event: str
    ts: float
    queue_id: str = ""


_HEAD = msgspec.json.Decoder(Head)


def head(line: bytes) -> Head | None:
    """None: the line is no event (half of one, after a crash)."""
    try:
        return _HEAD.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
