"""When is it worth to carry what lives in the oldest segments, so that they can go, and how many of them. Pure.

Promises: a plan frees more than it writes, or many tiny segments for one; nothing is planned for which there is no
room (K4); after a plan was carried out the same facts do not ask for the next, so that compaction ends. Never: files.

reliability.md 5.5 (K4, K5).
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

LIVE_SHARE = 0.3
"""Segments in which less than this lives are worth it: at most 3 octets are written for 7 that become free."""
MANY = 16
"""More segments than this are worth to be joined if all that they hold is little."""


class SegmentFacts(Struct, frozen=True, gc=False):
    """`octets`: its size; `live`: how much of that messages need that are queued, about; `messages`: how many these
    are; `is_pinned`: something lives there that cannot be carried."""

    number: int
    octets: int
    live: int
    messages: int
    is_pinned: bool = False


class Plan(Struct, frozen=True, gc=False):
    """Carry what lives in the segments up to `last`: about `live` octets; `octets` become free."""

    last: int
    live: int
    octets: int


def plan(segments: Sequence[SegmentFacts], *, room: int, least: int) -> Plan | None:
    """`segments`: all that are needed, oldest first; the last one is being written to. `room`: octets that may be
    written. `least`: fewer than this are not worth the trouble."""
    best: Plan | None = None
    best_gain = 0.0
    live = octets = 0
    for count, segment in enumerate(segments, 1):
        is_tail = count == len(segments)
        if segment.is_pinned or (is_tail and segment.octets < least):
            break
        live += segment.live
        octets += segment.octets
        if live > room:
            break
        # The most is gained where the share is below the limit by most octets: a full segment is taken along only for
        # empty ones behind it.
        gain = octets * LIVE_SHARE - live
        if gain > best_gain and octets >= least:
            best, best_gain = Plan(segment.number, live, octets), gain
        elif best_gain <= 0 and count > MANY and octets <= least and not is_tail:
            best = Plan(segment.number, live, octets)
    return best
