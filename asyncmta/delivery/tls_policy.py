"""What is asked of TLS with a host beside what its route says: by `[[site]]`, and by a policy, the seam for DANE and
MTA-STS.

Promises: a demand raises the level, and never lowers it; a `[[site]]` takes no TLS from a route that demands it. Never:
look-ups; who makes demands is a callable, asked once for each host of a session that is to be opened.

RFC 7672 (DANE), RFC 8461 (MTA-STS).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from msgspec import Struct

from asyncmta.delivery.exchange import Site
from asyncmta.delivery.habits import covers

LEVELS = ("none", "opportunistic", "require", "verify")
DEMANDED = ("require", "verify")

JudgeCertificate = Callable[[bytes], str]
"""What is wrong with this certificate (DER) of the server; "": nothing."""


class Demand(Struct, frozen=True):
    """At least this level; and what the certificate has to be, beside what the level asks."""

    level: str = "none"
    judge: JudgeCertificate | None = None


TlsPolicy = Callable[[Site, str], Awaitable[Demand]]
"""Of a site and the name of one of its hosts. What it raises is for that host alone; a demand of a domain has to be
in the site (`exchange.at_level`), since a site may be shared by domains that do not ask for it."""


class SiteLevel(Struct, frozen=True):
    """`[[site]]` with a level: for mail exchangers of these names, or (`.name`) below them."""

    hosts: tuple[str, ...]
    tls: str


def level_of(site: Site, host: str, rules: Iterable[SiteLevel]) -> str:
    """The level for one host of the site; the first rule counts. Hosts that a route names have that of the route."""
    found = next((rule.tls for rule in rules if covers(rule.hosts, host)), "")
    if not found or site.explicit:
        return site.tls
    return max(site.tls, found, key=LEVELS.index) if site.tls in DEMANDED else found


def raised(level: str, demand: Demand) -> str:
    """The level to use. A certificate that is judged has to come over TLS that is not given up."""
    least = "require" if demand.judge is not None else "none"
    return max(level, demand.level, least, key=LEVELS.index)
