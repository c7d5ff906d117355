"""inbound/throttle: buckets that refill, and a table that does not grow."""

from __future__ import annotations

from asyncmta.inbound.throttle import Rate, Throttle


def taken(throttle: Throttle, key: str, now: float, wanted: int) -> int:
    return sum(throttle.take(key, now) for _ in range(wanted))


def test_as_many_as_the_rate_says_and_then_as_they_come_back() -> None:
    throttle = Throttle(Rate(10, 60.0))
    assert taken(throttle, "a", 1000.0, 20) == 10
    assert not throttle.take("a", 1000.0)
    assert taken(throttle, "a", 1002.9, 1) == 0
    assert taken(throttle, "a", 1006.0, 5) == 1
    assert taken(throttle, "a", 1036.0, 20) == 5
    assert taken(throttle, "a", 9999.0, 20) == 10


def test_keys_are_each_its_own() -> None:
    throttle = Throttle(Rate(1, 60.0))
    assert throttle.take("a", 0.0)
    assert throttle.take("b", 0.0)
    assert not throttle.take("a", 0.0)


def test_odd_rates_give_exactly_their_count() -> None:
    for count in (1, 3, 7, 49, 1000):
        assert taken(Throttle(Rate(count, 0.7)), "a", 12345.678, 2 * count) == count


def test_what_is_given_back_can_be_taken() -> None:
    throttle = Throttle(Rate(2, 60.0))
    assert taken(throttle, "a", 5.0, 2) == 2
    throttle.give_back("a")
    assert taken(throttle, "a", 5.0, 2) == 1
    throttle.give_back("nobody")
    assert len(throttle) == 1


def test_the_table_forgets_who_was_not_seen_for_longest() -> None:
    throttle = Throttle(Rate(1, 60.0), capacity=3)
    for key in "abc":
        assert throttle.take(key, 0.0)
    assert not throttle.take("a", 0.0)  # is seen again by that
    assert throttle.take("d", 0.0)
    assert len(throttle) == 3
    assert not throttle.take("a", 0.0)
    assert throttle.take("b", 0.0)
