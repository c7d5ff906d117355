from __future__ import annotations

from asyncmta.spool.census import Census


def test_the_oldest_goes_when_nothing_lives_there_and_the_tail_never() -> None:
    census = Census(1, 3)
    for segment in (1, 1, 2, 3):
        census.enter(segment)
    assert not census.leave(1)
    assert not census.advance()
    assert census.leave(1)
    assert census.advance()
    assert census.oldest == 2
    assert census.leave(2)
    assert census.leave(3)
    assert census.advance()
    assert census.oldest == 3
    assert not census.advance()


def test_one_in_the_middle_stays_as_long_as_an_older_one_is_needed() -> None:
    census = Census(1, 3)
    census.enter(1)
    census.enter(2)
    assert census.leave(2)
    assert not census.advance()
    assert census.leave(1)
    assert census.advance()
    assert census.oldest == 3


def test_it_never_goes_back() -> None:
    census = Census(5, 6)
    census.enter(3)
    assert not census.advance()
    assert census.oldest == 5
