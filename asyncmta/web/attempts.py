"""How often somebody may try to log in: a few at once, then one every few seconds, by client address. Pure.

Promises: bounded, whoever asks from wherever; who has waited may try again. Never: whether a token is right.
"""

from __future__ import annotations

from collections import OrderedDict

AT_ONCE = 10
EVERY = 6.0  # seconds for one more
MOST_CLIENTS = 1_000


class Attempts:
    """Times are of a clock that does not jump."""

    def __init__(self) -> None:
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()  # how much of it, and when

    def wait(self, client: str, now: float) -> float:
        """0.0: it may try, and this counts as a try; else the seconds until it may."""
        spent, at = self._spent.pop(client, (0.0, now))
        spent = max(0.0, spent - (now - at) / EVERY)
        may = spent + 1 <= AT_ONCE
        self._spent[client] = (spent + 1 if may else spent, now)
        if len(self._spent) > MOST_CLIENTS:
            self._spent.popitem(last=False)  # of whom nothing was heard for the longest time
        return 0.0 if may else (spent + 1 - AT_ONCE) * EVERY

    def forgive(self, client: str) -> None:
        """It knew the token."""
        self._spent.pop(client, None)
