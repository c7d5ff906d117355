"""What an operator has paused, and where everything goes while the queue is handed over: how mail is steered. Pure.

Input is refused for the time being; output, or what goes to one site or domain, is kept back. All of it is in memory
alone: a restart begins with nothing paused. Promises: where nothing is paused, nothing stands in the way of mail but
the routing itself. Never: an attempt, a socket.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
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
LONGEST = 366 * 86400.0  # seconds of a pause that ends by itself

PAUSED = reply(452, "4.3.2", "Paused by the postmaster; try again later")


class Unnamed(ValueError):
    """A pause that cannot be meant so; the message says why."""


class Ending(Struct, frozen=True):
    """A pause that ends by itself, at this Unix time. `name` is "" for input and output."""

    what: What
    name: str
    at: float


class Paused(Struct, frozen=True):
    """What is paused. `sites`: destinations, as `queue list` shows next hops of them (`mx:example.org`,
    `smarthost:0`); `domains`: of recipients. `handing_over`: to whom, "" for nobody. `ends`: those pauses that end by
    themselves."""

    input: bool = False
    output: bool = False
    sites: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    handing_over: str = ""
    ends: tuple[Ending, ...] = ()

    @property
    def steers(self) -> bool:
        """Does anything go elsewhere than the routes say?"""
        return bool(self.sites or self.domains or self.handing_over)

    def refusal(self) -> Reply | None:
        """To new mail."""
        return PAUSED if self.input else None

    def reasons(self) -> list[str]:
        """For people: what is paused."""
        found = [self._words(what, "") for what, is_so in (("input", self.input), ("output", self.output)) if is_so]
        found += [self._words("site", name) for name in sorted(self.sites)]
        found += [self._words("domain", name) for name in sorted(self.domains)]
        return found + ([self._handing_over()] if self.handing_over else [])

    def counts(self) -> dict[str, int]:
        """How much is paused of each kind."""
        return {
            "input": int(self.input),
            "output": int(self.output),
            "site": len(self.sites),
            "domain": len(self.domains),
            "handed_over": int(bool(self.handing_over)),
        }

    def of_output(self) -> str:
        """For people: that no attempt is begun; "" when they are."""
        return self._words("output", "") if self.output else ""

    def in_the_way(self, recipient: Address, destination: str) -> str:
        """What of this decides where a recipient goes whose destination would be that, for people; "" for nothing."""
        if self.handing_over:
            return self._handing_over()
        if recipient.domain_key in self.domains:
            return self._words("domain", recipient.domain_key)
        return self._words("site", destination) if destination in self.sites else ""

    def _handing_over(self) -> str:
        return f"the queue is handed over to {self.handing_over}"

    def _words(self, what: str, name: str) -> str:
        said = f"{what} {name} is paused" if name else f"{what} is paused"
        for ending in self.ends:
            if (ending.what, ending.name) == (what, name):
                return f"{said} until {datetime.fromtimestamp(ending.at, UTC):%Y-%m-%d %H:%M:%SZ}"
        return said

    def with_(self, what: What, name: str, is_paused: bool, until: float | None = None) -> Paused:
        """The same with one pause more, which ends at that Unix time, or one less. Raises Unnamed."""
        key = name if what in ("input", "output") else named(what, name)
        if what in ("input", "output"):
            if name:
                raise Unnamed(f"{what} is paused as a whole; it has no name")
            changed: dict[str, object] = {what: is_paused}
        else:
            names: frozenset[str] = getattr(self, f"{what}s")
            changed = {f"{what}s": names | {key} if is_paused else names - {key}}
        ends = tuple(each for each in self.ends if (each.what, each.name) != (what, key))
        if is_paused and until is not None:
            ends += (Ending(what, key, until),)
        return replaced(self, ends=ends, **changed)


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
