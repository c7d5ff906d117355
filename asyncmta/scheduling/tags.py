"""The mark of a parked message (is it local, a bounce, bound to a time?), and the tag of those with which it waits.

Promises: a mark is made of the message and its destination alone, so that a start makes the same one again. A tag is
that of the destination; what is not to be tried before its release stands under a tag of its own, so that nothing that
is said of the destination brings it forward. Never: times, and no decision when anything is due.

Seeds D-53 and D-58; RFC 4865.
"""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

from asyncmta.routing import Routing
from asyncmta.spool.ledger import Entry

LOCAL, BOUNCE, TIMED = 1, 2, 4  # bits of a mark; its upper ones are a tag
BITS = LOCAL | BOUNCE | TIMED
LOOK = 0  # the mark of a message that says nothing: it has to be looked at


def tag_of(destination: str) -> int:
    """Of two destinations with the same tag each only waits a little for the other."""
    return crc32(destination.encode()) & ~BITS or BITS + 1


def parking_tag(entry: Entry, destination: str) -> int:
    """With whom it waits."""
    timing = entry.envelope.timing
    is_scheduled = timing is not None and bool(timing.release_at) and not entry.attempts
    return tag_of(f"scheduled:{destination}" if is_scheduled else destination)


def mark_of(entry: Entry, destination: str) -> int:
    """`TIMED`: a row does not tell when it is due or when it ends."""
    is_local, is_bounce = destination.startswith("local:"), entry.envelope.reverse_path is None
    timing = entry.envelope.timing
    is_timed = timing is not None and bool(timing.release_at or timing.deliver_by)
    return parking_tag(entry, destination) | is_local * LOCAL | is_bounce * BOUNCE | is_timed * TIMED


def marks_of(routing: Routing, *, look_at: str) -> Callable[[Entry], int]:
    """For `Store.open`: what a start has to know of a message with one recipient to park it unseen. Not of those that
    go to the destination `look_at`."""

    def mark(entry: Entry) -> int:
        recipients, sender = entry.envelope.recipients, entry.envelope.reverse_path
        if len(recipients) != 1:
            return LOOK
        destination = routing.destination(recipients[0].address, sender)
        if destination == look_at:
            return LOOK
        return mark_of(entry, destination)

    return mark
