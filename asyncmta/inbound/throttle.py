"""So many in so much time, for many at once: rates that refill as time passes, in a table that cannot grow.

Each key has what a bucket of `count` holds at most, and gets it back evenly over `seconds`; the state is one number,
the time at which its bucket will be full again. Promises: a key that was never seen has all of it; at CAPACITY the
one that was asked about longest ago is forgotten. Never: a clock (the time is given), what is counted, whose it is.
"""

from __future__ import annotations

from collections.abc import Hashable

from msgspec import Struct

CAPACITY = 10_000


class Rate(Struct, frozen=True):
    """`count` in `seconds`."""

    count: int
    seconds: float

    @property
    def interval(self) -> float:
        return self.seconds / self.count


class Throttle:
    """One rate, kept for many keys."""

    __slots__ = ("_capacity", "_full", "_interval", "_rate")

    def __init__(self, rate: Rate, *, capacity: int = CAPACITY) -> None:
        self._rate = rate
        self._interval = rate.interval
        self._capacity = capacity
        self._full: dict[Hashable, float] = {}  # key -> when its bucket is full again; the last asked about last

    def __len__(self) -> int:
        return len(self._full)

    def take(self, key: Hashable, now: float) -> bool:
        """One of this key's, or False when it has none left (and then nothing is taken)."""
        before = self._full.pop(key, now)
        after = max(before, now) + self._interval
        is_there = after - now <= self._rate.seconds + self._interval / 2  # half of one, for what rounding adds up to
        if len(self._full) >= self._capacity:
            del self._full[next(iter(self._full))]
        self._full[key] = after if is_there else before
        return is_there

    def give_back(self, key: Hashable) -> None:
        """One that was taken did not count."""
        if key in self._full:
            self._full[key] -= self._interval
