"""How often mail to each member of a list has bounced: lines of JSON, and the sums over them.

A line is one bounce (`{"at": ..., "member": ..., "id": ...}`) or, after the file was made shorter, a sum. Promises: the
same bounce is counted once, however often its line stands there; a line that cannot be read (the last one, after a
crash) costs nothing but itself; nobody's address makes more than one line of a sum. Never: the disk, and nobody is put
off a list for a number: anybody can write to an address of this kind.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

MOST_LINES = 4096  # after which the file is made shorter
REMEMBERED = 512  # bounces that are kept as they are then, so that one that comes twice is seen


class Bounce(Struct, frozen=True):
    """One line. `id`: what tells this bounce from others; `count` is not 1 for a sum, which has no `id`."""

    member: str
    at: float
    id: str = ""
    count: int = 1
    first: float = 0.0


class Sum(Struct, frozen=True):
    """What is known of a member. Times are Unix seconds."""

    member: str
    count: int
    first: float
    last: float


def line(bounce: Bounce) -> bytes:
    return msgspec.json.encode(bounce) + b"\n"


def lines(octets: bytes) -> list[Bounce]:
    """Every line that can be read, each bounce once."""
    found: list[Bounce] = []
    seen: set[str] = set()
    for text in octets.split(b"\n"):
        try:
            bounce = msgspec.json.decode(text, type=Bounce)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if bounce.id and bounce.id in seen:
            continue
        seen.add(bounce.id)
        found.append(bounce)
    return found


def sums(bounces: Iterable[Bounce]) -> list[Sum]:
    """Who most bounces first."""
    found: dict[str, Sum] = {}
    for one in bounces:
        first = one.first or one.at
        before = found.get(one.member)
        if before is None:
            found[one.member] = Sum(one.member, one.count, first, one.at)
        else:
            count = before.count + one.count
            found[one.member] = Sum(one.member, count, min(before.first, first), max(before.last, one.at))
    return sorted(found.values(), key=lambda each: (-each.count, each.member))


def shortened(bounces: list[Bounce]) -> bytes:
    """The file anew: sums, and behind them the last bounces as they are."""
    old, kept = bounces[:-REMEMBERED], bounces[-REMEMBERED:]
    summed = [Bounce(each.member, each.last, "", each.count, each.first) for each in sums(old)]
    return b"".join(map(line, [*summed, *kept]))


def is_bounce(section: bytes, beginning: bytes) -> bool:
    """Does a message with the null reverse-path say that mail did not arrive? `beginning`: of the whole of it. A
    report of success or delay is none, nor is the answer of a vacation; what else programs write to such an address is.
    """
    lowered = section.lower().replace(b"\r\n\t", b" ").replace(b"\r\n ", b" ")
    if b"report-type=delivery-status" in lowered or b'report-type="delivery-status"' in lowered:
        return b"\naction: failed" in beginning.lower()
    is_answer = b"\nauto-submitted: auto-replied" in b"\n" + lowered
    return not is_answer or b"\nx-failed-recipients:" in b"\n" + lowered
