"""What somebody other than the route may ask of TLS with a host, before it is connected to: the seam for DANE and
MTA-STS.

Promises: a demand raises the level that the route has, and never lowers it. Never: look-ups; who makes demands is a
callable, asked once for each host of a session that is to be opened.

RFC 7672 (DANE), RFC 8461 (MTA-STS).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import Struct

from asyncmta.delivery.exchange import Site

LEVELS = ("none", "opportunistic", "require", "verify")

JudgeCertificate = Callable[[bytes], str]
"""What is wrong with this certificate (DER) of the server; "": nothing."""


class Demand(Struct, frozen=True):
    """At least this level; and what the certificate has to be, beside what the level asks."""

    level: str = "none"
    judge: JudgeCertificate | None = None


TlsPolicy = Callable[[Site, str], Awaitable[Demand]]
"""Of a site and the name of one of its hosts. What it raises is for that host alone; a demand of a domain has to be
in the site (`exchange.at_level`), since a site may be shared by domains that do not ask for it."""


def raised(level: str, demand: Demand) -> str:
    """The level to use. A certificate that is judged has to come over TLS that is not given up."""
    least = "require" if demand.judge is not None else "none"
    return max(level, demand.level, least, key=LEVELS.index)
