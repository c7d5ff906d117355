"""The sites with most to do, by name, and the others as one: what a metric may say of them, however many there are.

Promises: so many names as MOST, whatever domains strangers send mail for; a look at each site costs a comparison, not a
view. Pure. Never: a decision, credentials (a site's key has none of them here).
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nlargest
from typing import Protocol

from msgspec import Struct

from asyncmta.delivery.backlog import Backlog
from asyncmta.delivery.exchange import Site

MOST = 50
OTHER = "other"


class Standing(Protocol):
    """What is needed of a site at work."""

    @property
    def site(self) -> Site: ...
    @property
    def backlog(self) -> Backlog: ...


class BusySite(Struct, frozen=True):
    """Transactions that wait, sessions that are open, and how many sites of these are suspended (one, or none)."""

    name: str
    waiting: int
    sessions: int
    suspended: int


class BusySites(Struct, frozen=True):
    """`count`: how many sites there are in all; of `listed` the last one is "other", if there are more than MOST."""

    count: int
    waiting: int
    sessions: int
    suspended: int
    listed: tuple[BusySite, ...]


def busiest(sites: Iterable[Standing], now: float) -> BusySites:
    """Those that are suspended or where most waits come first."""
    rows, idle = [], 0
    for site in sites:
        backlog = site.backlog
        if not backlog.waiting and not backlog.live and backlog.suspended_until <= now:
            idle += 1
            if idle > MOST:  # of very many nearly all are such, and no more than that are ever named
                continue
        rows.append((len(backlog.waiting), backlog.live, int(backlog.suspended_until > now), site.site))
    count = len(rows) + max(0, idle - MOST)
    named: dict[str, BusySite] = {}
    waiting, sessions = sum(row[0] for row in rows), sum(row[1] for row in rows)
    suspended = sum(row[2] for row in rows)
    left = [waiting, sessions, suspended]
    for row in nlargest(MOST, rows, key=lambda row: (row[0] + row[1], row[2])):
        name = name_of(row[3])
        before = named.get(name, BusySite(name, 0, 0, 0))
        named[name] = BusySite(name, before.waiting + row[0], before.sessions + row[1], before.suspended + row[2])
        left = [left[0] - row[0], left[1] - row[1], left[2] - row[2]]
    listed = tuple(named.values())
    if count > MOST:
        listed += (BusySite(OTHER, *left),)
    return BusySites(count, waiting, sessions, suspended, listed)


def name_of(site: Site) -> str:
    """Its first host; several sites may have it, with other credentials or another level of TLS. Never OTHER."""
    host = site.exchangers[0].host
    return host if host != OTHER else f"{OTHER}."
