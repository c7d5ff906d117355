"""What would become of a recipient, for people: `Mta.route` and `asyncmta route`, also without a running MTA.

Promises: what decides about mail is asked, and nothing else; nothing is sent. Without a resolver (`offline`) DNS is not
asked, and without a policy nothing is said of clients.

Seeds P-72, P-73, D-80.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from asyncmta.config import Settings
from asyncmta.config_local import behind
from asyncmta.delivery.dial_order import walk_order
from asyncmta.delivery.dialer import Resolves
from asyncmta.delivery.exchange import Site, site_of_domain
from asyncmta.forwarding.leaving import STRANGERS
from asyncmta.mailboxes.directory import Directory
from asyncmta.mailboxes.explaining import explain as explain_address
from asyncmta.mta_forwarding import explain_entry, explain_exit
from asyncmta.mta_policy import Asked, Policy, explain
from asyncmta.routing import Mx, Pipe, Reject, Routing, Smarthost, store_key, unknown_key
from asyncmta.system.clock import SystemClock


class RouteReport(Struct, frozen=True):
    """What would become of a recipient: the routes asked, the destination, the exchangers in order, the TLS policy;
    where a client is given, what `[[rule]]` and the like would say to it; and of a local one, what its address is."""

    recipient: str
    sender: str
    rules: list[str]
    destination: str
    exchangers: list[str]
    tls: str
    policy: list[str]
    address: list[str] = []


class Guides(Protocol):
    """Who is asked; the rooms of a running MTA are such."""

    @property
    def routing(self) -> Routing: ...

    @property
    def directory(self) -> Directory: ...

    @property
    def resolver(self) -> Resolves | None: ...

    @property
    def policy(self) -> Policy | None: ...


class Offline(Struct, frozen=True, eq=False):
    """What the settings alone can tell, with the files that they name."""

    routing: Routing
    directory: Directory
    resolver: None = None
    policy: None = None


async def report(guides: Guides, settings: Settings, asked: Asked) -> RouteReport:
    """Asks DNS where the route is by MX, and about the client."""
    routing = guides.routing
    entered = explain_entry(settings, asked.reverse_path, asked.recipient, SystemClock().now())
    address, origin = entered.recipient, entered.sender
    destination = routing.destination(address, origin)
    exchangers, tls = await _exchangers(guides, settings, destination)
    known, rules = [], [*entered.lines, *routing.explain(address, origin)]
    if destination.startswith(STRANGERS):
        rules += explain_exit(settings, origin, address)
    if destination.startswith("local:"):
        known = await explain_address(guides.directory, address)
        servers = behind(settings.local, settings.domains)
        if (relay := servers.get(unknown_key(address.domain_key))) is not None:
            known.append(f"whom we do not know at {address.domain_key} is for {relay.name}")
        if (store := servers.get(store_key(address.domain_key))) is not None:
            known.append(f"the mailboxes of {address.domain_key} are kept by {store.name}, by LMTP")
    return RouteReport(
        recipient=str(asked.recipient),
        sender=str(asked.reverse_path) if asked.reverse_path is not None else "<>",
        rules=rules,
        destination=destination,
        exchangers=exchangers,
        tls=tls,
        policy=[]
        if guides.policy is None
        else await explain(guides.policy, replace(asked, recipient=address, reverse_path=origin), routing),
        address=known,
    )


async def _exchangers(guides: Guides, settings: Settings, destination: str) -> tuple[list[str], str]:
    route = guides.routing.route_of(destination)
    match route:
        case Smarthost():
            return list(route.hosts), route.tls
        case Pipe():
            return [" ".join(route.command)], "none"
        case Reject():
            return [str(route.reply)], "none"
        case Mx():
            tls = route.tls or settings.remote.tls
            if guides.resolver is None:
                return [], tls
            found = site_of_domain(route.domain, await guides.resolver.exchangers(route.domain), settings.hostname)
            if not isinstance(found, Site):
                return [str(found.reply)], "none"
            return [exchanger.host for exchanger in walk_order(found, 0)], tls
    return [], "none"
