"""What the writing of batches is like, as plain numbers: how long, how many records, how many octets. Pure.

Promises: adding costs a search in a short tuple; what is read is a copy that does not change. Never: names of metrics,
or who reads them.

reliability.md O3, F8.
"""

from __future__ import annotations

from asyncmta.system.meter import Distribution, Meter

__all__ = ["BatchMeter", "Distribution", "Meter"]

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
RECORDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


class BatchMeter:
    """All that is measured of batches. `failed`: batches that did not become durable."""

    def __init__(self) -> None:
        self.seconds = Meter(SECONDS)
        self.records = Meter(RECORDS)
        self.octets = 0
        self.failed = 0

    def written(self, *, seconds: float, records: int, octets: int) -> None:
        self.seconds.add(seconds)
        self.records.add(records)
        self.octets += octets
