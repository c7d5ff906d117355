"""How values are distributed, as plain numbers: counts by bounds, their sum and how many there were. Pure.

Promises: adding costs a search in a short tuple; what is read is a copy that does not change. Never: names of metrics,
what is measured, or who reads it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from msgspec import Struct


class Distribution(Struct, frozen=True):
    """`counts[n]`: values above `bounds[n - 1]` and up to `bounds[n]`; the last one: above all bounds."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float
    count: int


class Meter:
    """One sort of value."""

    __slots__ = ("_bounds", "_count", "_counts", "_total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0
        self._count = 0

    def add(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value
        self._count += 1

    def add_all(self, values: Sequence[float]) -> None:
        counts, bounds = self._counts, self._bounds
        for value in values:
            counts[bisect_left(bounds, value)] += 1
        self._total += sum(values)
        self._count += len(values)

    def read(self) -> Distribution:
        return Distribution(self._bounds, tuple(self._counts), self._total, self._count)


DELAYS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
    *(300.0, 900.0, 3600.0, 14400.0, 86400.0, 432000.0),
)
"""Bounds for the times a message takes, in seconds: from within one disk to the longest that it may wait. One set for
all of its stages, so that they can be compared."""
