"""Whether those at work are enough: by how fast the site has been, and never for long."""

from __future__ import annotations

import pytest

from asyncmta.delivery.stride import LIVELY, SOON, STALLED, Stride


def walked(seconds: float, times: int = 100) -> Stride:
    stride = Stride(0.0)
    for at in range(times):
        stride.ended(at, at + seconds)
    return stride


@pytest.mark.parametrize(
    ("seconds", "waiting", "at_work", "is_enough"),
    [
        (SOON / 5, 10, 2, True),
        (SOON / 5, 11, 2, False),
        (SOON / 5, 11, 3, True),
        (SOON / 5, 5, 1, True),
        (SOON / 5, 6, 1, False),
        (SOON / 5, 1, 0, False),
        (SOON * 10, 1, 4, False),
        (0.0, 1, 4, False),
    ],
)
def test_by_the_pace_of_those_before(seconds: float, waiting: int, at_work: int, is_enough: bool) -> None:
    assert walked(seconds * 0.999).is_enough(waiting, at_work, 99.0 + seconds) is is_enough


def test_nobody_knows_before_the_first_has_ended() -> None:
    assert not Stride(0.0).is_enough(1, 20, 0.0)


def test_one_that_has_not_ended_anything_for_a_moment_is_not_enough() -> None:
    stride = walked(SOON / 5)
    ended = 99 + SOON / 5
    assert stride.is_enough(1, 1, ended + LIVELY * 0.9)
    assert not stride.is_enough(1, 1, ended + LIVELY * 1.1)
    assert stride.is_enough(1, 2, ended + LIVELY * 1.1)


def test_those_that_stand_still_are_not_enough() -> None:
    stride = walked(SOON / 5)
    ended = 99 + SOON / 5
    stride.look(ended + STALLED * 0.99)
    assert stride.is_enough(1, 2, ended)
    stride.look(ended + STALLED * 1.01)
    assert not stride.is_enough(1, 2, ended)
    stride.ended(200.0, 200.0 + SOON / 5)
    assert stride.is_enough(1, 2, 200.0 + SOON / 5)
