"""inbound/throttle against what its rate says: never more than the count and what came back, in whatever order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asyncmta.inbound.throttle import Rate, Throttle

steps = st.lists(st.tuples(st.floats(0, 50), st.sampled_from("ab"), st.booleans()), max_size=60)


@given(st.integers(1, 20), st.floats(1, 100), steps)
def test_never_more_than_the_rate_says_and_never_fewer(count: int, seconds: float, steps: list[tuple]) -> None:  # type: ignore[type-arg]
    throttle = Throttle(Rate(count, seconds))
    now, level = 1000.0, {"a": float(count), "b": float(count)}  # how much is in the bucket
    for wait, key, gives_back in steps:
        now += wait
        level = {each: min(count, left + wait * count / seconds) for each, left in level.items()}
        had_room = throttle.take(key, now)
        assert had_room if level[key] > 1.01 else True
        assert not had_room if level[key] < 0.49 else True
        level[key] -= had_room
        if had_room and gives_back:
            throttle.give_back(key)
            level[key] += 1
