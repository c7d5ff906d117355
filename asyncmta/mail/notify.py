"""Who is to be told what: NOTIFY, the null reverse-path and a trace, put together for one recipient.

The absence of NOTIFY means failures, and delays where somebody warns of them (RFC 3461 4.1). A delivery is told of
where SUCCESS was asked for and nobody behind us tells of it; where a trace was asked for (RFC 2852 4.2) each relay is.
What a route of ours discards is told to nobody: to call it delivered would be a lie, and else it would be no discard.
Never: whether a sender is one that can be told (`bounce/`).

RFC 3461 4.1, 5.2, 6; RFC 2852 4.
"""

from __future__ import annotations

from msgspec.structs import replace

from asyncmta.mail.envelope import NOTIFY_NEVER, NOTIFY_SUCCESS, Envelope
from asyncmta.mail.outcome import Delivered, Handover


def wants(envelope: Envelope, ordinal: int, event: int) -> bool:
    """Is its sender to be told of this failure or delay (NOTIFY_FAILURE or NOTIFY_DELAY)?"""
    notify = envelope.recipients[ordinal].notify
    return envelope.reverse_path is not None and (not notify or bool(notify & event))


def owing(envelope: Envelope, ordinal: int, delivered: Delivered) -> Delivered:
    """The same delivery, marked as `owed` where its sender is to be told of it: so it goes to the journal."""
    notify, timing = envelope.recipients[ordinal].notify, envelope.timing
    is_traced = timing is not None and timing.by_mode.endswith("T")
    if not (notify & NOTIFY_SUCCESS or is_traced) or envelope.reverse_path is None or delivered.discarded:
        return delivered
    has_left = delivered.handover in {Handover.RELAYED, Handover.PASSED_ON} and delivered.place.host != ""
    if is_traced and has_left and not notify & NOTIFY_NEVER:
        return replace(delivered, owed=True)
    is_wanted = notify & NOTIFY_SUCCESS and delivered.handover is not Handover.PASSED_ON
    return replace(delivered, owed=True) if is_wanted else delivered
