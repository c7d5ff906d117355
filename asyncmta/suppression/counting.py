"""When has an address failed often enough to be put on the list: so many times within so long.

Promises: bounded; whoever failed longest ago is forgotten first. Never: across a restart; which failures count
(`keeper`).
"""

from __future__ import annotations

from msgspec import Struct

MOST = 10_000  # addresses that are counted at once


class Automatic(Struct, frozen=True, kw_only=True):
    """`classes` of failures that count; `after` so many within `window` seconds an address is on the list for `expires`
    seconds (0.0: for ever). No class: nobody is."""

    classes: frozenset[str] = frozenset()
    after: int = 3
    window: float = 0.0
    expires: float = 0.0


class Counting:
    """The failures of addresses that are not on the list."""

    def __init__(self, settings: Automatic, *, most: int = MOST) -> None:
        self._settings = settings
        self._most = most
        self._times: dict[str, list[float]] = {}  # in the order of the last failure

    def __len__(self) -> int:
        return len(self._times)

    def failed(self, key: str, at: float) -> bool:
        """Was that one too many? Then it is counted no more."""
        after, since = self._settings.after, at - self._settings.window
        times = [each for each in self._times.pop(key, ()) if each > since]
        times.append(at)
        if len(times) >= after:
            return True
        if len(self._times) >= self._most:
            del self._times[next(iter(self._times))]
        self._times[key] = times
        return False
