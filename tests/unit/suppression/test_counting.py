"""So many failures within so long."""

from __future__ import annotations

from asyncmta.suppression.counting import Automatic, Counting


def test_the_first_of_one() -> None:
    assert Counting(Automatic(after=1)).failed("a", 0.0)


def test_within_the_window_and_then_from_the_beginning() -> None:
    counting = Counting(Automatic(after=3, window=10.0))
    assert [counting.failed("a", at) for at in (0.0, 5.0, 9.0)] == [False, False, True]
    assert [counting.failed("a", at) for at in (10.0, 11.0)] == [False, False]
    assert [counting.failed("b", at) for at in (0.0, 5.0, 10.0, 14.0)] == [False, False, False, True]


def test_it_is_bounded_and_who_failed_longest_ago_is_forgotten() -> None:
    counting = Counting(Automatic(after=2, window=100.0), most=2)
    for at, key in enumerate("abac"):
        counting.failed(key, float(at))
    # "a" reached two and is counted no more; "b" and "c" are there.
    assert len(counting) == 2
    counting.failed("d", 5.0)
    assert len(counting) == 2
    assert not counting.failed("b", 6.0)
    assert counting.failed("d", 7.0)
