"""What a resolver's work comes to, as plain numbers: questions by type and result, cache hits, and times.

Promises: types and results are from fixed sets; names that were asked for are no keys. Pure. Never: an answer itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from asyncmta.delivery.exchange import NoData, NoSuchDomain, TemporaryFailure
from asyncmta.system.meter import Distribution, Meter

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class LookedUp(Struct, frozen=True):
    """A copy that does not change. `results` by type and result: "found", "no_data", "no_such_domain", "failed"."""

    hits: int
    results: Mapping[tuple[str, str], int]
    seconds: Distribution
    cached: int


class LookUps:
    """Of one resolver. `hits`: questions that its cache has answered."""

    def __init__(self) -> None:
        self.hits = 0
        self._results: dict[tuple[str, str], int] = {}
        self._seconds = Meter(SECONDS)

    def answered(self, kind: str, answer: object, seconds: float) -> None:
        """Name servers were asked, for whoever wanted to know."""
        key = (kind, result_of(answer))
        self._results[key] = self._results.get(key, 0) + 1
        self._seconds.add(seconds)

    def read(self, cached: int) -> LookedUp:
        return LookedUp(self.hits, dict(self._results), self._seconds.read(), cached)


def result_of(answer: object) -> str:
    if isinstance(answer, TemporaryFailure):
        return "failed"
    if isinstance(answer, NoSuchDomain):
        return "no_such_domain"
    return "no_data" if isinstance(answer, NoData) else "found"
