"""What we say to a client, a sender and a recipient: who may relay, what exists, what is too much now.

Promises: a stranger reaches only mailboxes and relay domains of ours, whatever the address looks like; no sender
address grants anything; every answer is a `Reply`, or None for consent, or something to wait for. One object for each
listener; it decides, and remembers nothing but what follows from who clients are, for so many of them. Never: the order
of commands (`transaction`), text of a command (`commands`), sockets.

RFC 5321 3.6 and 7.9 (relaying), 4.5.1 (postmaster); the probes of reliability.md 4.3.1.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Literal, Protocol

from msgspec import Struct
from msgspec.structs import replace

from asyncmta.inbound import extensions
from asyncmta.inbound.allowance import Allowance
from asyncmta.inbound.gate import Gate
from asyncmta.inbound.limits import Limits
from asyncmta.inbound.readdressing import Readdressing
from asyncmta.mail import replies
from asyncmta.mail.address import Address, domain_key
from asyncmta.mail.headers import Arrival, received_opening
from asyncmta.mail.reply import Reply
from asyncmta.routing import Reject, Routing

Network = IPv4Network | IPv6Network


MOST_REMEMBERED = 4096
"""Clients of whom something is remembered: who has just been here mostly comes again."""


class Existence(Enum):
    """Does a local recipient have a mailbox? What cannot be told now is never a no (rows Q-01, D-101)."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


Found = Existence | Reply
"""A reply says more than yes or no: where somebody moved, or that there is no room now."""

Lookup = Callable[[Address], Found | Awaitable[Found]]
"""Who lives here: at once when it is known, else something to wait for."""


class Terms(Struct, frozen=True, kw_only=True):
    """What one listener offers and demands. `mechanisms` of AUTH (empty: no AUTH) are offered over TLS, and in clear
    text only with `plaintext_auth`."""

    hostname: str
    role: Literal["relay", "submission", "lmtp", "qmtp"] = "relay"
    tls: Literal["none", "starttls", "required", "implicit"] = "none"
    mechanisms: tuple[str, ...] = ()
    plaintext_auth: bool = False
    networks: tuple[Network, ...] = ()
    line_endings: Literal["strict", "normalise"] = "strict"  # of content from `networks`
    xclient_from: tuple[Network, ...] = ()
    etrn_from: tuple[Network, ...] = ()
    limits: Limits = Limits()
    greet_delay: float = 0.0

    @property
    def offers_starttls(self) -> bool:
        return self.tls in ("starttls", "required")


class Standing(Struct, frozen=True):
    """What follows for a client from its address alone. `address` is None where a proxy could not say it."""

    address: IPv4Address | IPv6Address | None
    trusted: bool
    speaks_for_others: bool
    may_turn: bool


class Refusal(Protocol):
    """`Store.refusal`: may this much be taken now?"""

    def __call__(self, size: int = 0, /) -> Reply | None: ...


class Turning(Protocol):
    """`etrn.Turns`."""

    def ask(self, ip: str, domain: str, *, below: bool, now: float) -> bool | None: ...


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """`relay.networks`; ValueError for what is none, also for a network with host bits (a typing error, mostly)."""
    return tuple(ip_network(text) for text in texts)


def serves_anybody(routing: Routing, address: Address) -> bool:
    """A relay domain of ours; but not what a host there may send on to somewhere else (percent hack, bang path, an @
    in quotes)."""
    local_part = address.local_part
    return routing.may_relay_to(address.domain_key) and not (
        "%" in local_part or "!" in local_part or "@" in local_part
    )


def is_within(address: IPv4Address | IPv6Address | None, networks: Sequence[Network]) -> bool:
    """The mapped form of IPv4 is unmapped. An address that is not known is in none."""
    if address is None:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)


class Acceptance:
    """The decisions of one listener."""

    def __init__(
        self,
        *,
        terms: Terms,
        routing: Routing,
        lookup: Lookup,
        refusal: Refusal,
        pressure: Callable[[], Reply | None],
        now: Callable[[], float],
        turns: Turning | None = None,
        allowance: Allowance | None = None,
        gate: Gate | None = None,
        readdressing: Readdressing | None = None,
    ) -> None:
        self.terms = terms
        self.limits = terms.limits
        self.allowance = allowance or Allowance(limits=terms.limits, now=lambda: 0.0)
        self.lookup = lookup
        self.gate = gate
        self.readdressing = readdressing
        self.now = now
        self.turns = turns
        self.longest_hold = terms.limits.future_release if terms.role == "submission" else 0.0
        self.postmaster = Address("postmaster", terms.hostname, domain_key(terms.hostname))
        self.greeting = replies.greeting(terms.hostname, protocol="LMTP" if terms.role == "lmtp" else "ESMTP").wire
        self.offers = {tls: self._offer(tls) for tls in (False, True)}
        self.helo_answer = f"250 {terms.hostname}\r\n".encode()
        self._routing = routing
        self._refusal = refusal
        self._pressure = pressure
        self._standings: dict[str, Standing] = {}
        self._openings: dict[Arrival, str] = {}
        self.known_facts: dict[Hashable, Any] = {}  # of clients, by what they said: `session.ClientFacts`

    def announce(self, mechanisms: tuple[str, ...]) -> None:
        """From now on these mechanisms of AUTH are offered."""
        self.terms = replace(self.terms, mechanisms=mechanisms)
        self.offers = {tls: self._offer(tls) for tls in (False, True)}

    def _offer(self, tls: bool) -> bytes:
        """The reply to EHLO; extensions only where they work."""
        terms = self.terms
        mails = terms.limits.messages_per_session
        lines = [
            terms.hostname,
            *extensions.offered_to_all(),
            "PIPELINING",
            f"SIZE {terms.limits.message_size}",
            "8BITMIME",
            "ENHANCEDSTATUSCODES",
            "SMTPUTF8",
            "CHUNKING",
            "BINARYMIME",
            f"LIMITS{' MAILMAX=' + str(mails) if mails else ''} RCPTMAX={terms.limits.recipients}",
            *(["REQUIRETLS"] if tls else []),
            "DSN",
        ]
        if terms.offers_starttls and not tls:
            lines.append("STARTTLS")
        if self.offers_auth(tls):
            lines.append(f"AUTH {' '.join(terms.mechanisms)}")
        last = len(lines) - 1
        return "".join(f"250{' ' if at == last else '-'}{line}\r\n" for at, line in enumerate(lines)).encode()

    def offer(self, tls: bool, for_client: tuple[str, ...] = ()) -> bytes:
        """The reply to EHLO as it is now, with the lines that are for this client alone."""
        if self.longest_hold:
            for_client = extensions.offered(longest_hold=self.longest_hold, now=self.now()) + for_client
        return extensions.with_lines(self.offers[tls], for_client)

    def offers_auth(self, tls: bool) -> bool:
        return bool(self.terms.mechanisms) and (tls or self.terms.plaintext_auth)

    def is_trusted(self, ip: str) -> bool:
        """Is this client in `relay.networks`?"""
        return self.standing(ip).trusted

    def standing(self, ip: str) -> Standing:
        """Of a client at this address; "" is nowhere."""
        found = self._standings.get(ip)
        if found is None:
            found = self._standing_of(ip_address(ip) if ip else None)
            remember(self._standings, ip, found)
        return found

    def opening(self, arrival: Arrival) -> str:
        """Of the `Received` of messages that came so."""
        found = self._openings.get(arrival)
        if found is None:
            found = received_opening(arrival)
            remember(self._openings, arrival, found)
        return found

    def _standing_of(self, address: IPv4Address | IPv6Address | None) -> Standing:
        terms = self.terms
        trusted = is_within(address, terms.networks)
        return Standing(
            address,
            trusted=trusted,
            speaks_for_others=is_within(address, terms.xclient_from),
            may_turn=trusted or is_within(address, terms.etrn_from),
        )

    def sender(self, size: int) -> Reply | None:
        """MAIL with this declared size (0: none): is there room for it, and time?"""
        if size > self.limits.message_size:
            return replies.TOO_BIG
        return self._refusal(size) or self._pressure()

    def recipient(
        self, address: Address, reverse_path: Address | None, *, may_relay: bool
    ) -> Reply | Awaitable[Found] | None:
        """RCPT: may it be sent there through us, and is there anybody?"""
        routing = self._routing
        destination = routing.destination(address, reverse_path)
        if destination.startswith("local:"):
            found = self.lookup(address)
            return self.existence(found) if isinstance(found, Existence | Reply) else found
        if not may_relay and not routing.is_local(address.domain_key) and not serves_anybody(routing, address):
            return replies.RELAY_DENIED
        if destination.startswith("reject:"):
            route = routing.route_of(destination)
            assert isinstance(route, Reject)
            return route.reply
        return None

    def serves(self, address: Address, reverse_path: Address | None, *, may_relay: bool) -> bool:
        """May it be sent there through us, whether or not there is anybody?"""
        routing = self._routing
        if may_relay or routing.is_local(address.domain_key) or serves_anybody(routing, address):
            return True
        return routing.destination(address, reverse_path).startswith("local:")

    def is_postmaster(self, address: Address) -> bool:
        return self._routing.is_postmaster(address)

    @staticmethod
    def existence(found: object) -> Reply | None:
        """The answer of a lookup as ours. Whatever is neither yes nor no is "unknown"."""
        if found is Existence.YES:
            return None
        if isinstance(found, Reply):
            return found
        return replies.NO_SUCH_MAILBOX if found is Existence.NO else replies.MAILBOX_UNSURE


def remember(known: dict[Any, Any], key: object, value: object) -> None:
    if len(known) >= MOST_REMEMBERED:
        known.clear()
    known[key] = value
