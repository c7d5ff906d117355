"""What one transport's connections come to, as plain numbers: how many, how soon, with what TLS.

Promises: nothing that a server says becomes a key. Never: names of metrics; a decision. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from asyncmta.mail.outcome import Place
from asyncmta.system.meter import DELAYS, Distribution, Meter
from asyncmta.tally import version_of


class Connections(Struct, frozen=True):
    """A copy that does not change. `opened` by TLS version ("none": in clear) and whether it was verified; `failed` by
    cause; `seconds` from the decision to connect until the first MAIL could go, of those that were opened."""

    opened: Mapping[tuple[str, str], int]
    failed: Mapping[str, int]
    seconds: Distribution


class Traffic:
    """Of one transport."""

    def __init__(self) -> None:
        self._opened: dict[tuple[str, str], int] = {}
        self._failed: dict[str, int] = {}
        self._seconds = Meter(DELAYS)

    def opened(self, place: Place, *, verified: bool, seconds: float) -> None:
        key = (version_of(place.tls), "yes" if verified else "no")
        self._opened[key] = self._opened.get(key, 0) + 1
        self._seconds.add(seconds)

    def failed(self, cause: str) -> None:
        """By the name of its `Cause`."""
        self._failed[cause] = self._failed.get(cause, 0) + 1

    def read(self) -> Connections:
        return Connections(dict(self._opened), dict(self._failed), self._seconds.read())
