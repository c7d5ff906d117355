"""One look a second after the deadlines of all sites that have any: those where sessions are open, or a pace is kept.

Promises: one timer, and none while there is nothing to look after; sites without sessions cost nothing, however many of
them are remembered. Never: a deadline itself (`sites`, `patience`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from asyncmta.system.clock import Clock, Timer

INTERVAL = 1.0


class Swept(Protocol):
    """What is looked after as long as it needs that."""

    def sweep(self, now: float) -> None: ...
    @property
    def needs_sweep(self) -> bool: ...


class Sweeper:
    """One for a transport."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._swept: dict[Swept, None] = {}
        self._timer: Timer | None = None

    def watch(self, each: Swept) -> None:
        """From the next time on, until it does not need it any more."""
        self._swept[each] = None
        if self._timer is None:
            self._timer = self._clock.call_at(self._clock.monotonic() + INTERVAL, self._sweep)

    @property
    def watched(self) -> Iterable[Swept]:
        """Those that are looked after just now."""
        return self._swept

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _sweep(self) -> None:
        self._timer = None
        now = self._clock.monotonic()
        for each in tuple(self._swept):
            each.sweep(now)
            if not each.needs_sweep:
                del self._swept[each]
        if self._swept and self._timer is None:
            self._timer = self._clock.call_at(now + INTERVAL, self._sweep)
