"""So many transactions in so much time for one site, evenly: what is due within a second may go at once.

Promises: in any span never more than the rate allows for it and for a second beside. Never: a clock (the time is
given), a timer: whoever asks again does so by himself.

Seeds W-201, P-31.
"""

from __future__ import annotations

AT_ONCE = 1.0  # seconds; those who wait are looked at once a second
ROUNDING = 1e-9


class Pace:
    """`count` in `seconds`."""

    __slots__ = ("_free_at", "_interval")

    def __init__(self, count: int, seconds: float) -> None:
        self._interval = seconds / count
        self._free_at = 0.0

    def room(self, now: float) -> int:
        """How many may go now."""
        left = AT_ONCE - max(0.0, self._free_at - now)
        return 1 + int(left / self._interval + ROUNDING) if left >= -ROUNDING else 0

    def take(self, now: float) -> None:
        """One goes."""
        self._free_at = max(self._free_at, now) + self._interval

    def is_owed(self, now: float) -> bool:
        """Does what went before still count?"""
        return self._free_at > now
