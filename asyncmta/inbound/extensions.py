"""What a client may wish of a transaction beyond its recipients, and what it is granted: priority, release, deadline.

Promises: a value is of the RFC's form and within our limits or is refused; a priority above the normal one is believed
only of those who may relay, and whoever gets another one than he asked for is told so. Never: a clock (the time is an
argument), nor what comes of it; that is the scheduler's.

RFC 6710 (MT-PRIORITY), RFC 4865 (FUTURERELEASE), RFC 2852 (DELIVERBY).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from msgspec import Struct

from asyncmta.inbound.parameters import Parameters
from asyncmta.mail import replies
from asyncmta.mail.envelope import Timing
from asyncmta.mail.reply import Reply

WISH_PARAMETERS = frozenset({"MT-PRIORITY", "BY"})
RELEASE_PARAMETERS = frozenset({"HOLDFOR", "HOLDUNTIL"})
_OURS = WISH_PARAMETERS | RELEASE_PARAMETERS

SHORTEST_DEADLINE = 60  # seconds, for what is to be returned otherwise: one attempt should be possible

_PRIORITY = re.compile(r"(?:0|-?[1-9])\Z")
_HOLD_FOR = re.compile(r"[0-9]{1,9}\Z")
_BY = re.compile(r"([+-]?[0-9]{1,9});([NR]T?)\Z", re.IGNORECASE | re.ASCII)
# RFC 3339 5.6, without the leap second that Python has no name for: it is read as the second before.
_DATE_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}):([0-9]{2})(?:\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})\Z",
    re.IGNORECASE,
)


class Wishes(Struct, frozen=True):
    """Of one MAIL. `hold_for` and `deliver_in`: seconds; `hold_until`: Unix seconds; `by_mode` as in `Timing`, "" where
    there is no deadline."""

    priority: int = 0
    hold_for: int | None = None
    hold_until: float | None = None
    deliver_in: int = 0
    by_mode: str = ""


class Granted(Struct, frozen=True):
    """What came of them, and the reply to MAIL."""

    timing: Timing | None
    reply: Reply


def parse_wishes(found: Parameters) -> Wishes | Reply | None:
    """The parameters of MAIL that are ours; None: it has none of them."""
    if _OURS.isdisjoint(found):
        return None
    priority, hold_for, hold_until = found.get("MT-PRIORITY", "0"), found.get("HOLDFOR"), found.get("HOLDUNTIL")
    until = None
    if hold_until is not None:
        until = parse_date_time(hold_until)
        if until is None or hold_for is not None:  # RFC 4865 5: one of the two
            return replies.PARAMETER_INVALID
    if not _PRIORITY.match(priority) or (hold_for is not None and not _HOLD_FOR.match(hold_for)):
        return replies.PARAMETER_INVALID
    deadline = _BY.match(found.get("BY", "0;N"))
    if deadline is None:
        return replies.PARAMETER_INVALID
    deliver_in, by_mode = int(deadline[1]), deadline[2].upper() if "BY" in found else ""
    if by_mode.startswith("R") and deliver_in <= 0:
        return replies.PARAMETER_INVALID
    return Wishes(int(priority), int(hold_for) if hold_for is not None else None, until, deliver_in, by_mode)


def parse_date_time(text: str) -> float | None:
    """An Internet date and time (RFC 3339) as Unix seconds, parts of a second cut off."""
    match = _DATE_TIME.match(text)
    if match is None:
        return None
    day, minute, second, zone = match.groups()
    zone = "+00:00" if zone in "Zz" else zone
    try:
        moment = datetime.fromisoformat(f"{day}T{minute}:{'59' if second == '60' else second}{zone}")
        return moment.timestamp()
    except (ValueError, OverflowError):
        return None


def print_date_time(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def grant(wishes: Wishes, *, believed: bool, longest_hold: float, now: float) -> Granted | Reply:
    """What is granted at `now`. `believed`: the client may relay; `longest_hold`: seconds."""
    release_at = 0.0
    if wishes.hold_for is not None:
        release_at = now + wishes.hold_for
    elif wishes.hold_until is not None:
        release_at = wishes.hold_until
    if release_at and not now <= release_at <= now + longest_hold:
        return replies.HOLD_OUT_OF_RANGE
    if wishes.by_mode.startswith("R") and wishes.deliver_in < SHORTEST_DEADLINE:
        return replies.DEADLINE_TOO_SHORT
    deliver_by = now + wishes.deliver_in if wishes.by_mode else 0.0
    if release_at and deliver_by and release_at >= deliver_by:
        return replies.HOLD_OUT_OF_RANGE
    priority = wishes.priority if believed else min(wishes.priority, 0)
    timing = Timing(priority, release_at, deliver_by, wishes.by_mode)
    granted = timing if timing != Timing() else None
    return Granted(granted, replies.SENDER_OK if priority == wishes.priority else replies.priority_changed(priority))


def offered_to_all() -> tuple[str, ...]:
    """Lines of the reply to EHLO that do not depend on the client."""
    return "MT-PRIORITY MIXER", f"DELIVERBY {SHORTEST_DEADLINE}"


def offered(*, longest_hold: float, now: float) -> tuple[str, ...]:
    """Lines of the reply to EHLO that depend on the moment."""
    if not longest_hold:
        return ()
    return (f"FUTURERELEASE {int(longest_hold)} {print_date_time(now + longest_hold)}",)


def with_lines(reply: bytes, lines: tuple[str, ...]) -> bytes:
    """A reply to EHLO with more lines, behind its first one."""
    if not lines:
        return reply
    first, end, rest = reply.partition(b"\r\n")
    return first + end + "".join(f"250-{line}\r\n" for line in lines).encode() + rest
