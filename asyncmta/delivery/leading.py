"""Where destinations lead just now: the sites of their ways, as the transport remembers them, for people; and one site
that they want tried now.

Never: a look-up, nor a promise that the next message goes there too; the transport forgets a way after half a minute.
"""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from asyncmta.delivery.equipment import SiteView
from asyncmta.delivery.remote import RemoteTransport
from asyncmta.delivery.sites import ActiveSite

MOST_DESTINATIONS = 20
AT_ONCE = 250


def sites_of(remote: RemoteTransport, destination: str) -> list[SiteView]:
    """The best first; none where nothing is known."""
    known = remote._known.get(destination)
    if known is None:
        return []
    sites = (remote._sites.get(tier.key) for tier in known.way.tiers)
    return [site.view() for site in sites if site is not None]


def all_sites(remote: RemoteTransport) -> list[SiteView]:
    """All that are known, each with some of the destinations that lead there just now."""
    leading = _leading(remote)
    return [_shown(key, active, leading) for key, active in remote._sites.items()]


async def all_sites_in_turns(remote: RemoteTransport) -> list[SiteView]:
    """The same of very many: the loop goes on meanwhile."""
    leading, found = _leading(remote), []
    for at, (key, active) in enumerate(list(remote._sites.items()), 1):
        found.append(_shown(key, active, leading))
        if at % AT_ONCE == 0:
            await asyncio.sleep(0)
    return found


def sessions_of(remote: RemoteTransport) -> int:
    """How many are open, at all sites. Where there are some, deadlines are looked after."""
    return sum(site.backlog.live for site in remote._sweeper.watched if isinstance(site, ActiveSite))


def _leading(remote: RemoteTransport) -> dict[str, list[str]]:
    """By site, some destinations."""
    leading: dict[str, list[str]] = {}
    for destination, known in remote._known.items():
        for tier in known.way.tiers:
            to = leading.setdefault(tier.key, [])
            if len(to) < MOST_DESTINATIONS:
                to.append(destination)
    return leading


def _shown(key: str, active: ActiveSite, leading: dict[str, list[str]]) -> SiteView:
    view = active.view()
    return replace(view, destinations=tuple(leading[key])) if key in leading else view


def resume_site(remote: RemoteTransport, key: str) -> None:
    """An operator wants this site tried now: it is no longer suspended."""
    for active in remote._sites.values():
        if active.site.key == key:
            remote._dialer.revive(active.site)
            active.backlog.resume()
