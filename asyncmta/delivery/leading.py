"""Where a destination leads just now: the sites of its way, as the transport remembers them, for people.

Never: a look-up, nor a promise that the next message goes there too; the transport forgets a way after half a minute.
"""

from __future__ import annotations

from asyncmta.delivery.equipment import SiteView
from asyncmta.delivery.remote import RemoteTransport


def sites_of(remote: RemoteTransport, destination: str) -> list[SiteView]:
    """The best first; none where nothing is known."""
    known = remote._known.get(destination)
    if known is None:
        return []
    sites = (remote._sites.get(tier.key) for tier in known.way.tiers)
    return [site.view() for site in sites if site is not None]
