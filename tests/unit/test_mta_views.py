"""What a running MTA shows to who watches it: its rates are those of the mail that it had."""

from __future__ import annotations

import pytest

from asyncmta import Mta, Settings
from asyncmta.rates import COLUMNS
from asyncmta.testing.clock import FakeClock

CONTENT = b"Subject: hello\r\n\r\nHow are you?\r\n"


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
async def held(clock, tmp_path):
    """One that keeps all of its mail, on a clock that stands still."""
    tree = {
        "hostname": "mta.test",
        "spool": str(tmp_path / "spool"),
        "listener": [{"port": 0}],
        "route": [{"recipient": "*@away.test", "via": "discard"}, {"recipient": "*", "via": "hold"}],
        "log": {"level": "critical"},
    }
    async with Mta(Settings.from_dict(tree), clock=clock) as mta:
        yield mta


async def test_nobody_is_sampled_for_whom_nobody_asks(held, clock):
    clock.advance(5)
    assert held.rates(1, 10)["now"]["queue"]["held"] == 0
    assert held._sampling is None


async def test_each_second_tells_of_its_own_mail(held, clock):
    held.observe(True)
    await held.submit("me@example.org", ["a@kept.test", "b@kept.test"], CONTENT)
    clock.advance(1)
    await held.submit("me@example.org", ["c@away.test"], CONTENT)
    await held.idle(timeout=10)
    clock.advance(1)
    await held.idle(timeout=10)
    await clock.settle()
    clock.advance(1)
    said = held.rates(1, 10)
    assert said["accepted"] == [1, 1, 0]
    assert said["recipients"] == [2, 1, 0]
    assert said["delivered"] == [0, 1, 0]
    assert said["queue"][0] == said["queue"][2] == 1
    assert said["seconds"] == [1.0, 1.0, 1.0]
    assert said["p50"][0] is None
    assert said["p50"][1] is not None
    assert said["now"]["queue"] == {"held": 1, "active": 0, "ready": 0, "deferred": 0, "damaged": 0}
    assert {len(said[name]) for name in COLUMNS} == {3}


async def test_seconds_in_which_nothing_ran_are_one_long_step(held, clock):
    held.observe(True)
    due, clock._monotonic = clock.next_timer(), clock.monotonic() + 7.25
    clock._now += 7.25
    assert due is not None
    clock.advance(0)
    clock.advance(0.75)
    said = held.rates(1, 10)
    assert said["lag"] == [6.25, 0.0]
    assert said["seconds"] == [7.25, 0.75]


async def test_who_looks_away_stops_it_and_what_was_seen_stays(held, clock):
    held.observe(True)
    clock.advance(3)
    held.observe(False)
    clock.advance(100)
    assert len(held.rates(1, 10)["times"]) == 3
    held.observe(True)
    clock.advance(1)
    assert len(held.rates(1, 10)["times"]) == 4


async def test_no_timer_outlives_it(clock, held):
    held.observe(True)
    await held.drain(0.0)
    clock.advance(2)
    assert held._sampling is None
