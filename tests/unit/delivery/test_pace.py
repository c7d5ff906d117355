"""So many in so much time."""

from __future__ import annotations

import pytest

from asyncmta.delivery.backlog import Backlog
from asyncmta.delivery.pace import Pace


@pytest.mark.parametrize(
    ("count", "seconds", "first", "later"), [(20, 60.0, 1, 0), (600, 60.0, 11, 10), (1, 3600.0, 1, 0), (60, 60.0, 2, 1)]
)
def test_what_may_go_at_once_and_a_second_later(count: int, seconds: float, first: int, later: int) -> None:
    pace = Pace(count, seconds)
    for now, room in ((1000.0, first), (1001.0, later)):
        assert pace.room(now) == room
        for left in range(room, 0, -1):
            assert pace.room(now) == left
            pace.take(now)
        assert pace.room(now) == 0


def test_an_hour_of_it() -> None:
    pace = Pace(100, 60.0)
    taken = 0
    for second in range(3600):
        while pace.room(second):
            pace.take(second)
            taken += 1
    assert 5990 <= taken <= 6002


def test_the_backlog_keeps_to_it() -> None:
    backlog = Backlog(20, pace=Pace(20, 60.0))
    assert backlog.has_turn(0.0)
    backlog.begin_opening()
    assert not backlog.has_turn(0.0)
    assert Backlog(20).has_turn(0.0)
    assert not backlog.is_clear
    assert Backlog(20).is_clear


def test_what_went_before_counts_for_its_interval() -> None:
    pace = Pace(20, 3600.0)
    assert not pace.is_owed(0.0)
    pace.take(10.0)
    assert pace.is_owed(189.0)
    assert not pace.is_owed(190.0)
