"""What an operator has paused, and where everything goes while the queue is handed over: how mail is steered. Pure.

Input is refused for the time being; output, or what goes to one site or domain, is kept back. All of it is in memory
alone: a restart begins with nothing paused. Promises: where nothing is paused, nothing stands in the way of mail but
the routing itself. Never: an attempt, a socket.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from asyncmta.mail.address import Address, InvalidAddress, domain_key
from asyncmta.mail.reply import Reply, reply
from asyncmta.routing import Routing

What = Literal["input", "output", "site", "domain"]
Goes = Callable[[Address, Address | None], str]

HAND_OVER = "smarthost:hand-over"
"""The destination of everything while the queue is handed over."""
HOLD = "hold"

PAUSED = reply(452, "4.3.2", "Paused by the postmaster; try again later")


class Unnamed(ValueError):
    """A pause that cannot be meant so; the message says why."""


class Paused(Struct, frozen=True):
    """What is paused. `sites`: destinations, as `queue list` shows next hops of them (`mx:example.org`,
    `smarthost:0`); `domains`: of recipients. `handing_over`: to whom, "" for nobody."""

    input: bool = False
    output: bool = False
    sites: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    handing_over: str = ""

    @property
    def steers(self) -> bool:
        """Does anything go elsewhere than the routes say?"""
        return bool(self.sites or self.domains or self.handing_over)

    def refusal(self) -> Reply | None:
        """To new mail."""
        return PAUSED if self.input else None

    def reasons(self) -> list[str]:
        """For people: what is paused."""
        found = [f"{what} is paused" for what, is_so in (("input", self.input), ("output", self.output)) if is_so]
        found += [f"site {name} is paused" for name in sorted(self.sites)]
        found += [f"domain {name} is paused" for name in sorted(self.domains)]
        return found + ([f"the queue is handed over to {self.handing_over}"] if self.handing_over else [])

    def with_(self, what: What, name: str, is_paused: bool) -> Paused:
        """The same with one pause more, or one less. Raises Unnamed."""
        if what in ("input", "output"):
            if name:
                raise Unnamed(f"{what} is paused as a whole; it has no name")
            return replaced(self, **{what: is_paused})
        key = named(what, name)
        field = f"{what}s"
        names: frozenset[str] = getattr(self, field)
        return replaced(self, **{field: names | {key} if is_paused else names - {key}})


def replaced(paused: Paused, **fields: object) -> Paused:
    values = {name: getattr(paused, name) for name in Paused.__struct_fields__} | fields
    return Paused(**values)


def named(what: What, name: str) -> str:
    """The name in its normal form: a domain, or a destination; of a site also the domain alone."""
    try:
        if what == "domain":
            return domain_key(name)
        kind, colon, rest = name.partition(":")
        return f"{kind}:{rest}" if colon and rest else f"mx:{domain_key(name)}"
    except InvalidAddress as error:
        raise Unnamed(f"{name!r} names no {what}: {error}") from None


def steered(routing: Routing, paused: Paused) -> Goes:
    """Where a recipient of a sender goes now."""
    if not paused.steers:
        return routing.destination
    if paused.handing_over:
        return lambda recipient, sender: HAND_OVER
    sites, domains = paused.sites, paused.domains

    def goes(recipient: Address, sender: Address | None) -> str:
        destination = routing.destination(recipient, sender)
        return HOLD if destination in sites or recipient.domain_key in domains else destination

    return goes
