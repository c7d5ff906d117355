"""Who is to be told what: each way to ask, for each way in which it can end well."""

from __future__ import annotations

import pytest

from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import (
    NOTIFY_DELAY,
    NOTIFY_FAILURE,
    NOTIFY_NEVER,
    NOTIFY_SUCCESS,
    Envelope,
    Recipient,
    Timing,
)
from asyncmta.mail.notify import owing, wants
from asyncmta.mail.outcome import Delivered, Handover, Place
from asyncmta.mail.reply import reply

THERE = Place("mx.example.net", "192.0.2.1")
SAID = reply(250, "2.0.0", "taken")
ASKED = range(8)  # all sums of SUCCESS, FAILURE and DELAY; 0 is no NOTIFY


def envelope(notify: int, *, sender: str | None = "me@sender.example", by_mode: str = "") -> Envelope:
    path = parse_address(sender) if sender is not None else None
    timing = Timing(deliver_by=9e9, by_mode=by_mode) if by_mode else None
    return Envelope(path, (Recipient(parse_address("you@example.net"), notify),), timing=timing)


@pytest.mark.parametrize("notify", [*ASKED, NOTIFY_NEVER])
@pytest.mark.parametrize("handover", Handover)
def test_a_delivery_is_owed_where_success_was_asked_for_and_nobody_else_tells(notify: int, handover: Handover) -> None:
    is_owed = bool(notify & NOTIFY_SUCCESS) and handover is not Handover.PASSED_ON
    delivered = Delivered(SAID, THERE, handover=handover)
    assert owing(envelope(notify), 0, delivered).owed is is_owed
    assert not owing(envelope(notify, sender=None), 0, delivered).owed
    assert not owing(envelope(notify), 0, Delivered(SAID, discarded=True, handover=handover)).owed


@pytest.mark.parametrize("notify", [*ASKED, NOTIFY_NEVER])
def test_a_trace_is_owed_for_each_relay_but_to_nobody_who_wants_silence(notify: int) -> None:
    """RFC 2852 4.2."""
    wanted = notify != NOTIFY_NEVER
    for handover in (Handover.RELAYED, Handover.PASSED_ON):
        assert owing(envelope(notify, by_mode="NT"), 0, Delivered(SAID, THERE, handover=handover)).owed is wanted
        assert owing(envelope(0, by_mode="R"), 0, Delivered(SAID, THERE, handover=handover)).owed is False
    here = Delivered(SAID, handover=Handover.PASSED_ON)  # one address stands for this one: it has not left yet
    assert owing(envelope(notify, by_mode="NT"), 0, here).owed is False


@pytest.mark.parametrize("notify", [*ASKED, NOTIFY_NEVER])
@pytest.mark.parametrize("event", [NOTIFY_FAILURE, NOTIFY_DELAY])
def test_no_word_of_it_means_failures_and_delays(notify: int, event: int) -> None:
    assert wants(envelope(notify), 0, event) is (notify == 0 or bool(notify & event))
    assert not wants(envelope(notify, sender=None), 0, event)
