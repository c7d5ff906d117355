"""How fast a site takes messages of late, and whether those at work there are enough for all who wait.

Who waits goes behind others, and not to one more session, where that takes no longer than SOON: his commands go with
their content then. Promises: nobody waits for long for sessions that stand still: one alone is enough only while it is
lively, and several until STALLED.
Never: sessions, a clock (the time is given).
"""

from __future__ import annotations

SOON = 0.005
STALLED = 1.0  # seconds without an end, after which nobody knows any more
LIVELY = 0.02  # seconds since the last end, for which one session alone counts
WEIGHT = 0.125  # of the last transaction


class Stride:
    """Of one site."""

    __slots__ = ("_last_ended", "_usual")

    def __init__(self, now: float) -> None:
        self._usual = 0.0  # seconds that a transaction takes; 0.0: nobody knows
        self._last_ended = now

    def ended(self, began: float, now: float) -> None:
        """A transaction did."""
        self._last_ended = now
        self._usual += (now - began - self._usual) * WEIGHT

    def look(self, now: float) -> None:
        """Somebody waits."""
        if now - self._last_ended >= STALLED:
            self._usual = 0.0

    def is_enough(self, waiting: int, at_work: int, now: float) -> bool:
        """Will so many sessions soon have taken so many transactions?"""
        if at_work < 2 and not (at_work and now - self._last_ended <= LIVELY):
            return False
        return 0.0 < waiting * self._usual <= SOON * at_work
