"""How an MTA has fared of late: what happened in each second, ten seconds and minute, in rings of fixed size. Pure.

Promises: a sample costs some subtractions and a few writes into arrays, whatever the traffic was; nothing grows; what
did not happen in a step (nobody was delivered, nothing was synced) is null there, not 0. Never: counting, and no look
at a clock; samples are of counters that exist anyway (`tally`, `meter`), taken by `mta_views`.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

from msgspec import Struct

from asyncmta.system.meter import Distribution

STEPS = {1: 600, 10: 360, 60: 1440}
"""Samples in a step, and how many steps are kept: ten minutes, an hour, a day."""
PERCENTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
COUNTS = ("accepted", "recipients", "refused", "delivered", "deferred", "failed")
LEVELS = ("queue", "sessions_in", "sessions_out")
COLUMNS = ("times", "seconds", *COUNTS, *LEVELS, *PERCENTILES, "sync", "lag")

Column = list[float | int | None]


class Sample(Struct, frozen=True):
    """The counters at a moment: since the start, but for `levels`, which are as they are just now; both in the order of
    their names above. `late`: how late the loop has been with this sample."""

    at: float
    counts: tuple[int, ...]
    levels: tuple[int, ...]
    delays: Distribution
    syncs: Distribution
    late: float


class Ring:
    """The last steps of one length, a column for each value, the oldest overwritten."""

    def __init__(self, size: int, before: Sample) -> None:
        self._size = size
        self._columns = {name: array("d", bytes(8 * size)) for name in COLUMNS}
        self._steps = 0
        self._before = before
        self._latest = 0.0

    def note_lateness(self, late: float) -> None:
        self._latest = max(self._latest, late)

    def close(self, sample: Sample) -> None:
        """A step ends with this sample."""
        before, at = self._before, self._steps % self._size
        delays = difference(before.delays.counts, sample.delays.counts)
        values = {"times": sample.at, "seconds": max(0.0, sample.at - before.at), "lag": self._latest}
        values |= zip(COUNTS, difference(before.counts, sample.counts), strict=True)
        values |= zip(LEVELS, sample.levels, strict=True)
        for name, share in PERCENTILES.items():
            values[name] = quantile(sample.delays.bounds, delays, share)
        syncs = sample.syncs.count - before.syncs.count
        values["sync"] = (sample.syncs.total - before.syncs.total) / syncs if syncs else math.nan
        for name, value in values.items():
            self._columns[name][at] = value
        self._steps += 1
        self._before, self._latest = sample, 0.0

    def columns(self, most: int) -> dict[str, Column]:
        """At most so many of them, the oldest first."""
        kept = min(self._steps, self._size, most)
        places = [(self._steps - kept + number) % self._size for number in range(kept)]
        return {name: [_shown(name, column[place]) for place in places] for name, column in self._columns.items()}


class History:
    """All rings of one MTA."""

    def __init__(self, first: Sample) -> None:
        self._rings = {length: Ring(size, first) for length, size in STEPS.items()}
        self._samples = 0

    def add(self, sample: Sample) -> None:
        """To be called about once a second."""
        self._samples += 1
        for length, ring in self._rings.items():
            ring.note_lateness(sample.late)
            if self._samples % length == 0:
                ring.close(sample)

    def columns(self, step: int, most: int) -> dict[str, Column]:
        """Those of STEPS; a name for each column, all of one length."""
        return self._rings[step].columns(most)


def difference(before: Sequence[int], now: Sequence[int]) -> list[int]:
    return [later - earlier for earlier, later in zip(before, now, strict=True)]


def quantile(bounds: Sequence[float], counts: Sequence[int], share: float) -> float:
    """The value below which this share of them lies, as far as the bounds tell: between two of them as if they were
    spread evenly, above all of them the last bound; NaN of nothing."""
    total = sum(counts)
    if total <= 0:
        return math.nan
    wanted, so_far, low = share * total, 0, 0.0
    for bound, count in zip(bounds, counts, strict=False):  # one more count than bounds
        if count and so_far + count >= wanted:
            return low + (bound - low) * (wanted - so_far) / count
        so_far += count
        low = bound
    return low


def _shown(name: str, value: float) -> float | int | None:
    if math.isnan(value):
        return None
    return int(value) if name in COUNTS or name in LEVELS else round(value, 6)
