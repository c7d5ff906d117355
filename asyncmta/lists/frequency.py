"""How often somebody may be written to because somebody asked for it: so many letters in so long, for each key.

Promises: memory is bounded; where there is no room for another key, the answer is no. Never: the time (an argument),
and nothing outlives the process.
"""

from __future__ import annotations

from msgspec import Struct

MOST_KEYS = 20_000


class Allowed(Struct, frozen=True):
    """So many in so many seconds."""

    count: int
    seconds: float


class Frequency:
    """Counts by key."""

    def __init__(self, most: int = MOST_KEYS) -> None:
        self._most = most
        self._until: dict[str, tuple[float, int]] = {}

    def may(self, wishes: dict[str, Allowed], now: float) -> bool:
        """May it be done once more, for all of these keys? Then it is counted for all, else for none."""
        known = {key: found for key in wishes if (found := self._until.get(key)) is not None and found[0] > now}
        if any(found[1] >= wishes[key].count for key, found in known.items()):
            return False
        if len(self._until) + len(wishes) > self._most:
            self._until = {key: found for key, found in self._until.items() if found[0] > now}
            if len(self._until) + len(wishes) > self._most:
                return False
        for key, allowed in wishes.items():
            end, count = known.get(key, (now + allowed.seconds, 0))
            self._until[key] = (end, count + 1)
        return True
