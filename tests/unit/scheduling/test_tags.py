"""Marks and tags: what a start has to know of a message to park it unseen."""

from __future__ import annotations

import pytest

from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Content, Envelope, QueueId, Recipient, Timing
from asyncmta.routing import Hold, Routing, Rule, parse_pattern
from asyncmta.scheduling.tags import BITS, BOUNCE, LOCAL, LOOK, TIMED, mark_of, marks_of, parking_tag, tag_of
from asyncmta.spool.ledger import Entry
from asyncmta.spool.records import Accepted

ROUTING = Routing(
    rules=[Rule(parse_pattern("held.example"), parse_pattern("*"), Hold())], local_domains=["here.example"]
)


def entry(*recipients: str, sender: str | None = "me@sender.example", timing: Timing | None = None) -> Entry:
    envelope = Envelope(
        parse_address(sender) if sender else None,
        tuple(Recipient(parse_address(each)) for each in recipients),
        timing=timing,
    )
    return Entry.of(Accepted(QueueId(1), 1.0, envelope, Content(1, b"", False, 1), "", None), 1, 0)


def test_a_tag_leaves_the_bits_free_and_is_never_nothing() -> None:
    for number in range(1000):
        tag = tag_of(f"mx:d{number}.example")
        assert tag
        assert not tag & BITS


def test_marks() -> None:
    mark = marks_of(ROUTING, look_at="hold")
    assert mark(entry("a@one.example")) == tag_of("mx:one.example")
    assert mark(entry("a@here.example")) == tag_of("local:here.example") | LOCAL
    assert mark(entry("a@one.example", sender=None)) == tag_of("mx:one.example") | BOUNCE
    assert mark(entry("a@one.example", "b@one.example")) == LOOK
    assert mark(entry("a@held.example")) == LOOK


@pytest.mark.parametrize(
    ("timing", "is_timed"),
    [(Timing(5), False), (Timing(release_at=5.0), True), (Timing(deliver_by=5.0, by_mode="R"), True)],
)
def test_what_is_bound_to_a_time_is_marked(timing: Timing, is_timed: bool) -> None:
    assert bool(mark_of(entry("a@one.example", timing=timing), "mx:one.example") & TIMED) is is_timed


def test_what_is_scheduled_stands_apart_until_it_was_tried() -> None:
    scheduled = entry("a@one.example", timing=Timing(release_at=5.0))
    assert parking_tag(scheduled, "mx:one.example") == tag_of("scheduled:mx:one.example") != tag_of("mx:one.example")
    scheduled.attempts = 1
    assert parking_tag(scheduled, "mx:one.example") == tag_of("mx:one.example")
