"""The trace of a message: its ids and whether it is told, both out of the queue id; and W3C's `traceparent`.

Promises: the same message has the same trace in each life of the process, without a word of it in the journal; a
decision costs two multiplications and keeps nothing; what is no `traceparent` is none. Never: chance, the time.

W3C Trace Context 1 (3.2: traceparent).
"""

from __future__ import annotations

import re
from hashlib import blake2b

from msgspec import Struct

FULL = 1 << 64
"""The bound below which every message is told."""

_MASK = FULL - 1
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?\Z", re.ASCII)
_SAMPLED = 1


class Parent(Struct, frozen=True):
    """Who asked for a message: a span of somebody else's trace."""

    trace_id: int
    span_id: int
    is_sampled: bool = True


class Context(Struct, frozen=True):
    """The trace of a message, and its first span, which is above the others. `parent`: whose call it was."""

    trace_id: int
    root: int
    parent: int = 0


def bound_of(share: float) -> int:
    """For `is_sampled`: 1.0 is all, 0.0 none."""
    return round(share * FULL)


def is_sampled(queue_id: int, bound: int) -> bool:
    """Is this message one of those that are told? Ids in a row are spread evenly."""
    mixed = (queue_id ^ queue_id >> 32) * 0x9E3779B97F4A7C15 & _MASK
    return ((mixed ^ mixed >> 32) * 0xD6E8FEB86659FD93 & _MASK) < bound


def context_of(queue_id: int, key: bytes) -> Context:
    """`key` tells the ids of this MTA from those of others."""
    octets = blake2b(queue_id.to_bytes(10, "big"), digest_size=24, key=key[:64]).digest()
    return Context(int.from_bytes(octets[:16], "big") or 1, int.from_bytes(octets[16:], "big") or 1)


def taken_up(parent: Parent, queue_id: int, key: bytes) -> Context:
    """In the trace of who handed it in."""
    return Context(parent.trace_id, context_of(queue_id, key).root, parent.span_id)


def span_id(context: Context, number: int, started: int) -> int:
    """Of a span that is not the first: the `number` is different for each of this process, `started` in nanoseconds."""
    octets = context.root.to_bytes(8, "big") + number.to_bytes(8, "big") + started.to_bytes(8, "big", signed=True)
    return int.from_bytes(blake2b(octets, digest_size=8).digest(), "big") or 1


def parse_traceparent(text: str) -> Parent | None:
    """None: it says nothing that can be used, and is as good as none (3.2.2.3)."""
    match = _TRACEPARENT.match(text.strip())
    if match is None or match[1] == "ff" or (match[1] == "00" and match[5]):
        return None
    trace_id, parent = int(match[2], 16), int(match[3], 16)
    if not trace_id or not parent:
        return None
    return Parent(trace_id, parent, bool(int(match[4], 16) & _SAMPLED))
