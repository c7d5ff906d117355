"""How old the oldest message is, without looking at them: how many were accepted in each stretch of time. Pure.

Promises: who enters and who leaves costs one addition; the oldest is known to within a stretch, from as many numbers
as there are stretches with somebody in them, however many messages. Never: ids, a clock.
"""

from __future__ import annotations

STRETCH = 10.0  # seconds; five days have 43,200 of them


class Ages:
    """Of one ledger. Whoever leaves says the time with which it entered."""

    __slots__ = ("_accepted",)

    def __init__(self) -> None:
        self._accepted: dict[float, int] = {}

    def enter(self, accepted_at: float) -> None:
        stretch = accepted_at // STRETCH
        self._accepted[stretch] = self._accepted.get(stretch, 0) + 1

    def leave(self, accepted_at: float) -> None:
        stretch = accepted_at // STRETCH
        left = self._accepted.get(stretch, 0) - 1
        if left > 0:
            self._accepted[stretch] = left
        else:
            self._accepted.pop(stretch, None)

    def oldest(self) -> float | None:
        """When the oldest was accepted, not later than it and less than a stretch earlier; None: there is none."""
        return min(self._accepted) * STRETCH if self._accepted else None
