"""The short way to a line of the log comes to the octets of the long one, whatever the facts, plain or hashed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmta import logline
from asyncmta.log_json import JsonLines, render
from asyncmta.log_rendering import Rendering, Row
from asyncmta.logline import Source, Wording
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Envelope, QueueId, Recipient
from asyncmta.mail.outcome import Delivered, Place
from asyncmta.mail.reply import EnhancedStatus, Reply

TEXTS = st.text(st.characters(), max_size=20) | st.sampled_from(
    ["", 'a"b', "a\\b", "\x1b[2J", "\ud800", "é\u2028", "x" * 600, "a@b.example", "mx.example.net", "\x7f"]
)
ADDRESSES = st.builds(Address, TEXTS, TEXTS, TEXTS)
IDS = st.integers(0, 2**80 - 1).map(QueueId)
TIMES = (
    st.floats(0, 2e9) | st.floats(0, 3) | st.sampled_from([0.0, -1.0, 0.0005, 0.9995, 1e9, float("inf")]) | st.just(2)
)
CODES = st.none() | st.builds(EnhancedStatus, st.sampled_from([2, 4, 5]), st.integers(0, 999), st.integers(0, 999))
REPLIES = st.builds(Reply, st.integers(200, 599), CODES, st.lists(TEXTS, min_size=1, max_size=3).map(tuple))
PLACES = st.builds(Place, TEXTS, TEXTS, TEXTS)
ENVELOPES = st.builds(Envelope, st.none() | ADDRESSES, st.lists(st.builds(Recipient, ADDRESSES), max_size=2).map(tuple))
SOURCES = st.builds(Source, TEXTS, TEXTS, st.none() | TEXTS, TEXTS)
MADE = {
    "accepted": (logline.accepted, st.tuples(IDS, ENVELOPES, st.integers(0, 1 << 40), SOURCES)),
    "attempt": (
        logline.attempt,
        st.tuples(IDS, TEXTS, PLACES, st.tuples(st.integers(1, 1000), TIMES, st.none() | REPLIES)),
    ),
    "delivered": (
        logline.settled,
        st.tuples(IDS, ADDRESSES, st.builds(Delivered, REPLIES, PLACES, st.booleans()), TIMES, st.none()),
    ),
    "retired": (logline.retired, st.tuples(IDS, TIMES)),
}
EVENTS = st.sampled_from(sorted(MADE)).flatmap(lambda event: st.tuples(st.just(event), MADE[event][1]))
BROKEN = st.tuples(st.sampled_from(sorted(MADE)), st.tuples(IDS, st.just(b"odd"), st.none(), st.just("odd")))


def by_the_long_way(event: str, facts: tuple[Any, ...], wording: Wording) -> bytes:
    head = {"ts": "2026-11-21T10:00:01.250Z", "level": "info", "event": event}
    try:
        said = head | MADE[event][0](wording, *facts)
    except Exception as error:
        said = head | {"level": "error", "event": "log_line_failed", "of": event, "error": repr(error)}
    return msgspec.json.encode(said) + b"\n"


@given(st.lists(EVENTS | BROKEN, max_size=8), st.booleans())
def test_both_ways_come_to_the_same(events: list[tuple[str, tuple[Any, ...]]], hash_addresses: bool) -> None:
    wording = Wording(hash_addresses=hash_addresses)
    rendering = Rendering(wording, render, JsonLines(wording).writers)
    expected = b"".join(by_the_long_way(event, facts, wording) for event, facts in events)
    rows: list[Row] = [(1795255201.25, "info", event, MADE[event][0], facts) for event, facts in events]
    for _ in range(2):  # the second time from what it remembers
        assert b"".join(rendering.lines(rows)) == expected


def test_what_is_remembered_is_bounded() -> None:
    lines = JsonLines(Wording())
    for number in range(5000):
        place = Place(f"mx{number}.example", f"192.0.2.{number}", "TLSv1.3")
        written = lines.attempt("T", QueueId(number), f"mx:{number}", place, (1, 0.5, None))
        assert f'"remote_host":"mx{number}.example"'.encode() in written
    assert len(lines._texts) <= 1000
    assert len(lines._places) <= 1000


@pytest.mark.parametrize("seconds", [-0.1, 1e9, float("nan"), float("inf")])
def test_an_odd_time_is_left_to_the_mapping(seconds: float) -> None:
    with pytest.raises(ValueError, match="not a time"):
        JsonLines(Wording()).retired("T", QueueId(1), seconds)


@given(st.lists(st.integers(0, 4_000_000_000_000), max_size=6))
def test_each_line_has_its_time(moments: list[int]) -> None:
    moments += [moment + 1 for moment in moments]
    wording = Wording()
    rows: list[Row] = [
        ((moment + 0.5) / 1000, "info", "retired", logline.retired, (QueueId(1), 0.0)) for moment in moments
    ]
    written = Rendering(wording, render, JsonLines(wording).writers).lines(rows)
    expected = [
        f"{datetime.fromtimestamp(moment // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{moment % 1000:03d}Z" for moment in moments
    ]
    assert [msgspec.json.decode(each)["ts"] for each in written] == expected
