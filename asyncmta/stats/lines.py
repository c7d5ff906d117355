"""One line of the log becomes one `Fact`, or `Skip` says why not.

Promises: any octets give an answer and nothing is raised; a fact holds values of the right type within sane bounds
only; the same line always gives the same key, so that it is counted once, however often and out of whichever file it is
read. A line may come with what a log collector put before it (`mta-1  | {...}`), or wrapped as Docker's files have it.
Never: files, counting, the time.

The lines are those of contract.md section 6.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import IntEnum
from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from asyncmta.stats.reasons import Reason, reason_of

MAX_NAME = 320  # an address (RFC 5321 4.5.3.1) as a key
_REASONS = 4096  # replies whose reason is remembered
_LATEST = 4102444800000  # 2100; a line from later is no line of ours


class Kind(IntEnum):
    """What a fact is about; the numbers are in the database and never change."""

    ACCEPTED = 1  # name: sender; number: octets
    DELIVERED = 2  # name: domain; number: delay in ms
    DISCARDED = 3  # likewise; nobody took it, as a route demands
    DEFERRED = 4
    FAILED = 5
    EXPIRED = 6
    REFUSED = 7  # name: the client
    ATTEMPT = 8  # name: the destination; number: ms it took
    BOUNCED = 9  # name: sender; number: 1 when nobody was told
    FORWARDED = 10  # name: domain of the address that stands for others
    REMOVED = 11  # by an operator


class Skip(IntEnum):
    OTHER = 1  # a line of the log that is not counted: an event of the process
    BROKEN = 2  # cut off, no JSON, no line of ours, or a value that cannot be


class Fact(Struct, frozen=True, gc=False):
    at: int  # milliseconds since 1970
    key: int  # of the line, 64 bits with sign
    kind: Kind
    name: str
    reason: Reason | None
    number: int
    recipients: int


Stamp = Annotated[datetime, Meta(tz=True)]
Seconds = Annotated[float, Meta(ge=-1e9, le=1e9)]  # below 0 where the clock was set back meanwhile
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Octets = Annotated[int, Meta(ge=0, le=1 << 50)]


class _Line(Struct, frozen=True, gc=False, tag_field="event"):
    ts: Stamp


class Accepted(_Line, frozen=True, gc=False, tag="accepted"):
    reverse_path: str
    recipients: Count
    size: Octets


class _Settled(_Line, frozen=True, gc=False):
    recipient: str
    reply: str
    enhanced: str
    delay: Seconds


class Delivered(_Settled, frozen=True, gc=False, tag="delivered"):
    discarded: bool = False


class Deferred(_Settled, frozen=True, gc=False, tag="deferred"):
    cause: str = ""


class Failed(_Settled, frozen=True, gc=False, tag="failed"):
    cause: str = ""


class Expired(_Settled, frozen=True, gc=False, tag="expired"):
    cause: str = ""


class Refused(_Line, frozen=True, gc=False, tag="refused"):
    client: str
    stage: str
    reply: str
    enhanced: str
    by: str = ""


class Attempt(_Line, frozen=True, gc=False, tag="attempt"):
    destination: str
    recipients: Count
    seconds: Seconds


class Bounced(_Line, frozen=True, gc=False, tag="bounced"):
    reverse_path: str
    recipients: Count
    discarded: bool


class Forwarded(_Line, frozen=True, gc=False, tag="forwarded"):
    recipient: str
    recipients: Count


class Removed(_Line, frozen=True, gc=False, tag="removed"):
    queue_id: str


class Retired(_Line, frozen=True, gc=False, tag="retired"):
    """In here although it is not counted: it is every fourth line, and an exception for each would cost."""


Known = Delivered | Accepted | Attempt | Retired | Deferred | Failed | Expired | Refused | Bounced | Forwarded | Removed
_EVENTS = {"delivered", "accepted", "attempt", "retired", "deferred", "failed", "expired", "refused", "bounced"}
_EVENTS |= {"forwarded", "removed"}


class _Head(Struct, frozen=True, gc=False):
    event: str
    ts: Stamp


class _Wrapped(Struct, frozen=True, gc=False):
    log: str


_known = msgspec.json.Decoder(Known)
_head = msgspec.json.Decoder(_Head)
_wrapped = msgspec.json.Decoder(_Wrapped)
_reason = lru_cache(_REASONS)(reason_of)

# OverflowError: a stamp at the end of all time; RecursionError: brackets in brackets.
_FAULTS = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)


def read(line: bytes) -> Fact | Skip:
    """What this line says. It has no line end."""
    start = line.find(b"{")
    if start < 0:
        return Skip.BROKEN
    text = line[start:].rstrip() if start else line
    try:
        return _fact(_known.decode(text), text)
    except _FAULTS:
        return _not_known(text)


def _not_known(text: bytes) -> Fact | Skip:
    try:
        return Skip.BROKEN if _head.decode(text).event in _EVENTS else Skip.OTHER
    except _FAULTS:
        pass
    try:
        inner = _wrapped.decode(text).log.strip().encode()
    except _FAULTS:
        return Skip.BROKEN
    # An inner line that is wrapped again is no line of Docker's.
    return Skip.BROKEN if inner.startswith(b'{"log"') else read(inner)


def _fact(line: Known, text: bytes) -> Fact | Skip:
    if isinstance(line, Retired):
        return Skip.OTHER
    at = round(line.ts.timestamp() * 1000)
    if not 0 <= at < _LATEST:
        return Skip.BROKEN
    return Fact(at, digest(text), *_told(line))


def digest(octets: bytes) -> int:
    """A number of 64 bits with sign that stands for these octets."""
    return int.from_bytes(hashlib.blake2b(octets, digest_size=8).digest(), "big", signed=True)


def _told(
    line: Accepted | _Settled | Refused | Attempt | Bounced | Forwarded | Removed,
) -> tuple[Kind, str, Reason | None, int, int]:
    """Kind, name, reason, number and recipients."""
    match line:
        case Delivered():
            kind = Kind.DISCARDED if line.discarded else Kind.DELIVERED
            return kind, domain_of(line.recipient), None, _ms(line.delay), 1
        case Accepted():
            return Kind.ACCEPTED, sender_of(line.reverse_path), None, line.size, line.recipients
        case Attempt():
            return Kind.ATTEMPT, line.destination[:MAX_NAME], None, _ms(line.seconds), line.recipients
        case Refused():
            stage = f"{line.stage[:40]} ({line.by[:80]})" if line.by else line.stage[:40]
            return Kind.REFUSED, line.client[:MAX_NAME], _reason(stage, line.enhanced, line.reply), 0, 1
        case Bounced():
            return Kind.BOUNCED, sender_of(line.reverse_path), None, int(line.discarded), line.recipients
        case Forwarded():
            return Kind.FORWARDED, domain_of(line.recipient), None, 0, line.recipients
        case Removed():
            return Kind.REMOVED, "", None, 0, 0
    assert isinstance(line, Deferred | Failed | Expired)
    reason = _reason(line.cause[:40], line.enhanced, line.reply)
    return _SETTLED[type(line)], domain_of(line.recipient), reason, _ms(line.delay), 1


_SETTLED = {Deferred: Kind.DEFERRED, Failed: Kind.FAILED, Expired: Kind.EXPIRED}


def domain_of(address: str) -> str:
    """What counts as one: the domain in lower case; "" where there is none."""
    return address.rpartition("@")[2].lower()[:MAX_NAME] if "@" in address else ""


def sender_of(address: str) -> str:
    """The address with its domain in lower case; `<>` is the null reverse-path."""
    local_part, at, domain = address.rpartition("@")
    return f"{local_part}{at}{domain.lower()}"[:MAX_NAME] if at else address[:MAX_NAME]


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))
