"""How often a network may come: a leaky bucket for each prefix, in a table that cannot grow beyond its bound.

Promises: one step costs the same however full the table is; whoever is not in it has used nothing; the oldest goes when
it is full, so that a flood of addresses costs memory for the bound and no more (W-296). An attempt that is refused
does not count, so that who keeps to the rate is served. Never: a clock (the time is an argument), a reply.

Rows P-85, W-055, W-296.
"""

from __future__ import annotations

from collections import OrderedDict

from msgspec import Struct

from asyncmta.inbound.limits import client_key

MOST_ROWS = 20_000


class Rate(Struct, frozen=True):
    """So many in so many seconds, at once or spread out."""

    count: int
    seconds: float


class RateTable:
    """What each client network has used of one rate lately."""

    __slots__ = ("_most", "_rate", "_rows")

    def __init__(self, rate: Rate, *, most: int = MOST_ROWS) -> None:
        self._rate = rate
        self._most = most
        self._rows: OrderedDict[int | str, tuple[float, float]] = OrderedDict()  # level, and when

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, ip: str, now: float) -> bool:
        """One more from this client's network, if its rate allows."""
        rate, rows = self._rate, self._rows
        key = client_key(ip)
        level, when = rows.get(key, (0.0, now))
        level = max(0.0, level - (now - when) * rate.count / rate.seconds) + 1.0
        if level > rate.count + 1e-9:
            return False
        rows[key] = (level, now)
        rows.move_to_end(key)
        if len(rows) > self._most:
            rows.popitem(last=False)
        return True
