"""Spans as values, and what they say: attributes by OpenTelemetry's semantic conventions where there are some.

Promises: names are few and ours; a value is one printable line; an address, a login or the text of a reply is said only
where the log says addresses plainly too. Never: a clock, an id, the network.

docs/telemetry.md; semantic conventions: client, error, messaging, network, server, tls, user.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from asyncmta.logline import Source, clean
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Consignment, Envelope, QueueId, format_queue_id
from asyncmta.mail.outcome import Deferred, Delivered, Outcome, Place, Postponed, Recorded, Result
from asyncmta.mail.reply import Reply

MOST_EVENTS = 20
NULL = "<>"

Value = str | int | bool
Attributes = Mapping[str, Value]


class Event(Struct, frozen=True):
    """Something within a span; its time is that of the end."""

    name: str
    attributes: Attributes


class Span(Struct, frozen=True, kw_only=True):
    """`start` and `end` in Unix seconds; `parent` 0: none; `error`: why it is one, "" for none."""

    name: str
    kind: Literal["internal", "server", "client"] = "internal"
    trace_id: int
    span_id: int
    parent: int = 0
    start: float
    end: float
    attributes: Attributes
    events: Sequence[Event] = ()
    error: str = ""


def of_message(queue_id: QueueId, operation: str) -> dict[str, Value]:
    """What every span says."""
    return {
        "messaging.system": "smtp",
        "messaging.operation.name": operation,
        "messaging.message.id": format_queue_id(queue_id),
    }


def of_acceptance(envelope: Envelope, size: int, source: Source, *, plain: bool) -> dict[str, Value]:
    said: dict[str, Value] = {
        "messaging.message.envelope.size": size,
        "asyncmta.recipients": len(envelope.recipients),
    }
    if source.client:
        said["client.address"] = clean(source.client)
    if plain:
        said["asyncmta.sender"] = address(envelope.reverse_path)
        if envelope.recipients:
            said["asyncmta.recipient"] = address(envelope.recipients[0].address)
        if source.login is not None:
            said["user.name"] = clean(source.login)
    return said | of_tls(source.tls)


def of_place(place: Place) -> dict[str, Value]:
    """Where an attempt was made."""
    said: dict[str, Value] = {}
    if place.host:
        said["server.address"] = clean(place.host)
    if place.ip:
        said["network.peer.address"] = clean(place.ip)
    return said | of_tls(place.tls)


def of_tls(text: str) -> dict[str, Value]:
    """Of what a connection says of its TLS: the version, and after a space perhaps a cipher."""
    version, _, cipher = clean(text).partition(" ")
    said: dict[str, Value] = {}
    if version:
        said["tls.protocol.name"] = "tls"
        said["tls.protocol.version"] = version.removeprefix("TLSv")
    if cipher:
        said["tls.cipher"] = cipher
    return said


def of_reply(reply: Reply | None, *, plain: bool) -> dict[str, Value]:
    if reply is None:
        return {}
    said: dict[str, Value] = {"asyncmta.reply.code": reply.code, "asyncmta.reply.class": f"{reply.code // 100}xx"}
    if reply.enhanced is not None:
        said["asyncmta.reply.enhanced"] = str(reply.enhanced)
    if plain:
        said["asyncmta.reply.text"] = clean(reply.text)
    return said


def of_result(consignment: Consignment, result: Result, *, plain: bool) -> tuple[dict[str, Value], list[Event], str]:
    """What became of a consignment: counts, an event for each of the first recipients, and the error, if it is one."""
    if isinstance(result, Postponed):
        return {"asyncmta.outcome": "postponed"}, [Event("postponed", {"asyncmta.reason": clean(result.reason)})], ""
    outcomes = result.outcomes if isinstance(result, Recorded) else result
    counts: Counter[str] = Counter()
    events: list[Event] = []
    error = ""
    for ordinal, outcome in outcomes.items():
        counts[outcome_of(outcome)] += 1
        if not isinstance(outcome, Delivered):
            error = error or outcome.cause.name.lower()
        if len(events) < MOST_EVENTS:
            events.append(_event(consignment.envelope.recipients[ordinal].address, outcome, plain=plain))
    said: dict[str, Value] = {f"asyncmta.recipients.{name}": count for name, count in counts.items()}
    said["asyncmta.outcome"] = next(iter(counts)) if len(counts) == 1 else "mixed"
    return said | ({"error.type": error} if error else {}), events, error


def _event(recipient: Address, outcome: Outcome, *, plain: bool) -> Event:
    said = of_reply(outcome.reply, plain=plain)
    if plain:
        said["asyncmta.recipient"] = address(recipient)
    if not isinstance(outcome, Delivered):
        said["error.type"] = outcome.cause.name.lower()
    return Event(outcome_of(outcome), said)


def outcome_of(outcome: Outcome) -> str:
    if isinstance(outcome, Delivered):
        return "discarded" if outcome.discarded else "delivered"
    return "deferred" if isinstance(outcome, Deferred) else "failed"


def address(known: Address | None) -> str:
    return NULL if known is None else clean(str(known))
