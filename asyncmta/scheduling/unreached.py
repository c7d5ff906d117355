"""Who waits because nobody could be reached where he goes, and who of them is due once somebody there was.

A message that found out that its site is dead waits by its own schedule, up to hours longer than those that were only
postponed. As soon as something is delivered to the same destination, or by the same host, such messages follow: a few
for each delivery, so that they come as fast as the site takes them, and no further than it goes on taking them.
Promises: bounded (who is left out waits as long as he did before there was this); nobody twice. Pure. Never: times,
what is due otherwise, an outcome about the message itself.

Seeds D-62, P-60; architecture.md 6, step 10.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from itertools import islice

from asyncmta.mail.envelope import QueueId

MOST = 10_000
AT_ONCE = 10  # for each delivery: each of these is followed by as many, so that no number of them takes long

Waiter = tuple[QueueId, int]
"""A message, and the tag of the destination for which it waits (`tags`)."""


class Unreached:
    """Of one scheduler. `hosts`: the host that was tried, where it is known, of each who waits; the oldest first."""

    __slots__ = ("_groups", "hosts")

    def __init__(self) -> None:
        self.hosts: OrderedDict[Waiter, str] = OrderedDict()  # whose first is found without a look at those before it
        self._groups: dict[int | str, dict[Waiter, None]] = {}  # by tag, and by host

    def add(self, waiter: Waiter, host: str = "") -> None:
        """Its last attempt reached nobody."""
        self.drop(waiter)
        if len(self.hosts) >= MOST:
            self.drop(next(iter(self.hosts)))
        self.hosts[waiter] = host
        for name in _names(waiter, host):
            self._groups.setdefault(name, {})[waiter] = None

    def drop(self, waiter: Waiter) -> None:
        """It does not wait for that any more."""
        host = self.hosts.pop(waiter, None)
        if host is None:
            return
        for name in _names(waiter, host):
            group = self._groups[name]
            del group[waiter]
            if not group:
                del self._groups[name]

    def follow(self, tag: int, host: str) -> list[Waiter]:
        """Something was delivered there: those who are due now, who are not remembered any more."""
        followers: list[Waiter] = []
        for name in (tag, host):
            found = list(islice(self._groups.get(name, ()), AT_ONCE - len(followers)))
            followers += found
            for waiter in found:
                self.drop(waiter)
        return followers


def _names(waiter: Waiter, host: str) -> Iterable[int | str]:
    return (waiter[1], host) if host else (waiter[1],)


def named(host: str, destination: str) -> str:
    """The host, if that is enough to tell whom it is the same one for: of a route it may be another one at each port,
    and all that goes by a route has one destination."""
    return host if destination.startswith("mx:") else ""
