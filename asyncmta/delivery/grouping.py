"""Who of one message goes together: legs whose best exchangers are the same, or overlap, share a site.

Seed and extend, as Qsmtp describes it: the first leg's best tier is a group; each further leg joins the first group
with which it has a host in common, which from then on is for the hosts that all of it share, never for none. Near
linear in the number of legs. Never: look-ups, sockets, who is tried next after a failure (`way`).

Seeds Q-21, Q-22, Q-24, Q-33 to Q-35, Q-41.
"""

from __future__ import annotations

from collections.abc import Iterable

from asyncmta.delivery.exchange import Exchanger, Site
from asyncmta.delivery.transaction import Leg
from asyncmta.delivery.way import Host, hosts_of, manner_of, narrowed, next_site

_Mark = tuple[tuple[str, str], Host]  # how it is spoken to, and the host


class _Group:
    __slots__ = ("legs", "site")

    def __init__(self, site: Site) -> None:
        self.site = site
        self.legs: list[Leg] = []

    def narrow(self, shared: list[Exchanger]) -> None:
        if len(shared) < len(self.site.exchangers):
            self.site = narrowed(self.site, shared)


def group(legs: Iterable[Leg]) -> tuple[list[tuple[Site, list[Leg]]], list[Leg]]:
    """The groups, each with the site that it goes to, and those for whom nobody is left."""
    groups: list[_Group] = []
    by_key: dict[str, _Group] = {}  # the tier as it was, to the group that it is in: nearly all are found here
    at_host: dict[_Mark, list[_Group]] = {}
    stranded: list[Leg] = []
    for leg in legs:
        site = next_site(leg.parcel.way, leg.trail)
        if site is None:
            stranded.append(leg)
            continue
        found = by_key.get(site.key)
        if found is None or found.site.key != site.key:
            found = _overlapping(site, at_host)
            if found is None:
                found = _Group(site)
                groups.append(found)
                for mark in _marks(site):
                    at_host.setdefault(mark, []).append(found)
            by_key[site.key] = found
        found.legs.append(leg)
    return [(each.site, each.legs) for each in groups], stranded


def _overlapping(site: Site, at_host: dict[_Mark, list[_Group]]) -> _Group | None:
    """The first group that shares a host with the site, narrowed to what both have."""
    found = next((each for mark in _marks(site) for each in at_host.get(mark, ())), None)
    if found is None:
        return None
    ours = set(_marks(site))
    for mark in _marks(found.site):
        if mark not in ours:
            at_host[mark].remove(found)
    shared = {host for _, host in ours}
    found.narrow([each for each in found.site.exchangers if (each.host, each.port) in shared])
    return found


def _marks(site: Site) -> list[_Mark]:
    manner = manner_of(site)
    return [(manner, host) for host in hosts_of(site)]
