"""From a site to an open session: walk its exchangers in order, and the addresses of each, until one lets us in.

Promises: at most five addresses are dialled for one session, within one budget of time (three times the time for one
connection, unless somebody gives less); what DNS found is dialled only if it is public (unless allowed) and not ours;
what was found dead is left alone for a while by all sites; a host refused here never stops the walk. When nobody could
be reached the answer is one outcome for the site: permanent only if DNS named the hosts and every one of them said so.
Never: transactions, counting sessions, a second look at the same host.

RFC 5321 5.1 (each address in turn; our own), RFC 6761 (localhost).
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from asyncmta.delivery import session
from asyncmta.delivery.dead_hosts import DeadHosts
from asyncmta.delivery.dial_order import (
    SHORTEST_ATTEMPT,
    at_most,
    attempt_time,
    by_family,
    most_of_one_host,
    walk_order,
)
from asyncmta.delivery.exchange import (
    QMTP_PORT,
    AddressAnswer,
    Addresses,
    Exchanger,
    MxAnswer,
    Site,
    is_address,
    is_ourselves,
    is_public,
    is_unix,
    no_address,
    not_public,
    not_tried,
    wrong_family,
)
from asyncmta.delivery.habits import SiteRule
from asyncmta.delivery.introductions import Introductions
from asyncmta.delivery.session import Manners, Opened, Target, TlsContexts
from asyncmta.delivery.sources import SourceRule, address_for, source_for
from asyncmta.delivery.tapping import OutgoingTaps, watched
from asyncmta.delivery.verdict import Fault, Stage, blame, of_all_hosts
from asyncmta.mail.outcome import Cause, Deferred, Failed, Place
from asyncmta.system import network
from asyncmta.system.clock import Clock

MOST_ADDRESSES = 5
CONNECT_TIMES = 3

# How one address becomes a session, or an outcome.
OpenSession = Callable[[Target, Manners, Clock], Awaitable[Opened | Failed | Deferred]]

_LOCALHOST = Addresses(("127.0.0.1", "::1"))


class RemoteSettings(Struct, frozen=True, kw_only=True):
    """`[remote]` of config.toml, `[[source]]` and `[[site]]`."""

    port: int = 25
    sessions_per_site: int = 20
    recipients_per_transaction: int = 100
    messages_per_session: int = 100
    connect_timeout: float = 30.0
    addresses: str = "both"
    allow_private_exchangers: bool = False
    source_addresses: tuple[str, ...] = ()
    chunking: bool = True
    eight_bit: str = "recode"
    tls: str = "opportunistic"
    next_mx_on_4xx: str = "all-failed"
    fallback: tuple[str, ...] = ()
    sites: tuple[SiteRule, ...] = ()
    sources: tuple[SourceRule, ...] = ()
    mxps: bool = False


class Resolves(Protocol):
    """What this room asks of DNS; answers are values, never exceptions."""

    async def exchangers(self, domain: str) -> MxAnswer: ...

    async def addresses(self, host: str) -> AddressAnswer: ...


class Dialer:
    """One for a transport. `salt` gives a random number below 2**64, for the order of equal exchangers.
    `introductions`: at which TLS level and as whom; without them, `tls` for everybody.

    `is_own(ip, port)`: do we listen there ourselves? `open_session` is replaced by simulations, whose peers live in
    the same process; what the kernel thinks of an address (`obstacle`) then counts for nothing.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        resolver: Resolves,
        settings: RemoteSettings,
        hostname: str,
        tls: TlsContexts | None = None,
        introductions: Introductions | None = None,
        salt: Callable[[], int] | None = None,
        is_own: Callable[[str, int], bool] | None = None,
        open_session: OpenSession | None = None,
        obstacle: Callable[[str, str], str] | None = None,
    ) -> None:
        self.taps = OutgoingTaps()
        self.resolver = resolver
        self.settings = settings
        self.hostname = hostname
        self.dead = DeadHosts()
        self.clock = clock
        self.introductions = introductions or Introductions(clock=clock, contexts=tls)
        self.open: OpenSession = open_session or session.open_session
        self.is_own = is_own if is_own is not None else _never
        self.obstacle = obstacle or (network.obstacle if open_session is None else _no_obstacle)
        self.any_source = SourceRule(hosts=(), addresses=settings.source_addresses)
        self._salt = salt if salt is not None else _random_salt

    async def dial(self, site: Site, budget: float | None = None) -> Opened | Failed | Deferred:
        """Open a session with the site; `budget`: seconds that connecting may take, for all of its hosts together."""
        if budget is None:
            budget = CONNECT_TIMES * self.settings.connect_timeout
        return await _Walk(self, site, budget, self._salt()).run()

    async def close(self) -> None:
        """What goes on beside sessions is ended."""
        await self.introductions.close()

    def strike(self, site: Site, host: str, why: Deferred) -> None:
        """Somebody was let in there, and sent away at once: for a while it is as good as dead."""
        for exchanger in site.exchangers:
            if exchanger.host == host:
                self.dead.failed(host, exchanger.port or self.settings.port, self.clock.monotonic(), why)

    def was_dead(self, host: tuple[str, int]) -> bool:
        """Was it, when it was dialled last?"""
        return self.dead.is_known(host[0], host[1] or self.settings.port)

    def revive(self, site: Site) -> None:
        """Somebody wants to know: what is remembered of dead hosts does not count for this site."""
        for exchanger in site.exchangers:
            for port in (exchanger.port, self.settings.port):
                self.dead.forget(exchanger.host, port)


class _Walk:
    """One walk over the hosts of a site, and what is left of time and addresses for it."""

    def __init__(self, dialer: Dialer, site: Site, seconds: float, salt: int) -> None:
        self._dialer = dialer
        self._site = site
        self._seconds = seconds
        self._addresses = MOST_ADDRESSES
        self._salt = salt

    async def run(self) -> Opened | Failed | Deferred:
        hosts = walk_order(self._site, self._salt)
        failures: list[Failed | Deferred] = []
        worst = hosts[-1].rank
        for at, exchanger in enumerate(hosts):
            if exchanger.rank > worst:
                break
            if self._seconds <= 0 or not self._addresses:
                failures.insert(0, not_tried(exchanger.host))  # first: what a host said counts for more
                break
            result = await self._host(exchanger, len(hosts) - at - 1)
            if isinstance(result, Opened):
                return result
            failures += result
            if result[-1].cause is Cause.LOOP:
                worst = exchanger.rank - 1  # who stands beside or behind us would send it back to us (RFC 5321 5.1)
        return of_all_hosts(failures, ours=self._site.explicit)

    async def _host(self, exchanger: Exchanger, ahead: int) -> Opened | list[Failed | Deferred]:
        """Dial one host that has so many others behind it: a session, or at least one failure."""
        smtp = self._dialer.settings.port
        if self._site.explicit or exchanger.port != QMTP_PORT:
            return await self._at_port(exchanger, exchanger.port or smtp, ahead)
        # MXPS: who cannot be reached there has not had a message from us, and may get it by SMTP.
        result = await self._at_port(exchanger, QMTP_PORT, ahead + 1)
        if isinstance(result, Opened) or self._seconds <= 0 or not self._addresses:
            return result
        return await self._at_port(exchanger, smtp, ahead)

    async def _at_port(self, exchanger: Exchanger, port: int, ahead: int) -> Opened | list[Failed | Deferred]:
        dialer, host = self._dialer, exchanger.host
        why = dialer.dead.why(host, port, dialer.clock.monotonic())
        if why is not None:
            return [why]
        ips = await self._usable(exchanger, port)
        if not isinstance(ips, list):
            return [ips]
        if self._seconds <= 0:
            return [not_tried(host)]
        chosen = at_most(ips, most_of_one_host(self._addresses, ahead))
        dialer.dead.probe(host, port, dialer.clock.monotonic() + self._seconds)
        failures: list[Failed | Deferred] = []
        is_dead = len(chosen) == len(ips)
        for at, ip in enumerate(chosen):
            others = min(self._addresses - 1, len(chosen) - at - 1 + ahead)
            limit = attempt_time(self._seconds, dialer.settings.connect_timeout, others)
            result = await self._address(host, ip, port, limit)
            if isinstance(result, Opened):
                dialer.dead.forget(host, port)
                return result
            failures.append(result)
            is_dead &= _is_mute(result) and limit >= min(SHORTEST_ATTEMPT, dialer.settings.connect_timeout)
            if self._seconds <= 0:
                is_dead &= at == len(chosen) - 1
                break
        last = failures[-1]
        if not all(map(_is_mute, failures)):
            dialer.dead.forget(host, port)
        elif is_dead and isinstance(last, Deferred):
            dialer.dead.failed(host, port, dialer.clock.monotonic(), last)
        return failures

    async def _address(self, host: str, ip: str, port: int, limit: float) -> Opened | Failed | Deferred:
        """Dial one address. Only connecting is charged to the budget: who greets late is slow and not dead."""
        dialer, site = self._dialer, self._site
        rule = source_for(dialer.settings.sources, host, dialer.any_source)
        target = Target(host, ip, port, address_for(rule, ip, self._salt))
        manners = await dialer.introductions.manners(site, host, rule.helo or dialer.hostname, limit)
        if isinstance(manners, Deferred):
            return manners
        if port == QMTP_PORT and not site.explicit:
            if manners.tls in ("require", "verify"):
                return blame(Stage.CONNECT, Fault.TLS, "QMTP has none", Place(host, ip))
            manners = replace(manners, protocol="qmtp")
        began = dialer.clock.monotonic()
        self._addresses -= 1
        tap = dialer.taps.begin(site, target, manners.protocol)
        if tap is not None:
            manners = replace(manners, tap=tap)
        result = await watched(dialer.open(target, manners, dialer.clock), tap)
        self._seconds -= min(limit, dialer.clock.monotonic() - began)
        return result

    async def _usable(self, exchanger: Exchanger, port: int) -> list[str] | Failed | Deferred:
        """The addresses of a host that may be dialled, in order; or why there is none."""
        dialer, host = self._dialer, exchanger.host
        if is_unix(host):
            return [host]
        began = dialer.clock.monotonic()
        answer = await self._look_up(host)
        self._seconds -= dialer.clock.monotonic() - began
        if not isinstance(answer, Addresses):
            return no_address(host, answer)
        rule = source_for(dialer.settings.sources, host, dialer.any_source)
        may_be_private = self._site.explicit or dialer.settings.allow_private_exchangers
        usable: list[str] = []
        failure: Deferred = wrong_family(host)
        for ip in by_family(answer.ips, dialer.settings.addresses):
            if not may_be_private and not is_public(ip):
                failure = not_public(host, ip)
            elif dialer.is_own(ip, port):
                return is_ourselves(host, ip)
            elif obstacle := dialer.obstacle(ip, address_for(rule, ip, self._salt)):
                failure = blame(Stage.CONNECT, Fault.CONNECT, obstacle, Place(host, ip))
            else:
                usable.append(ip)
        return usable or failure

    async def _look_up(self, host: str) -> AddressAnswer:
        if is_address(host):
            return Addresses((host,))
        if host == "localhost":
            return _LOCALHOST
        return await self._dialer.resolver.addresses(host)


def _is_mute(result: Failed | Deferred) -> bool:
    """Did nobody say anything there? A refusal, and TLS that did not come about, are signs of life."""
    return result.cause is Cause.CONNECT or result.cause is Cause.TIMEOUT


def _random_salt() -> int:
    return random.getrandbits(64)


def _never(ip: str, port: int) -> bool:
    return False


def _no_obstacle(ip: str, source: str) -> str:
    return ""
