"""From a site to an open session: walk its exchangers in order, and the addresses of each, until one lets us in.

Promises: at most five addresses are dialled for one session; what DNS found is dialled only if it is public (unless
allowed); a host refused here never stops the walk. When nobody could be reached the answer is one outcome for the
site: permanent only if DNS named the hosts and every one of them said so. Never: transactions, counting sessions, a
second look at the same host.

RFC 5321 5.1 (each address in turn), RFC 6761 (localhost).
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Protocol

from msgspec import Struct

from asyncmta.delivery.exchange import (
    AddressAnswer,
    Addresses,
    Exchanger,
    MxAnswer,
    Site,
    is_address,
    is_public,
    no_address,
    not_public,
    walk_order,
)
from asyncmta.delivery.session import Manners, Opened, Target, TlsContexts, default_tls_contexts, open_session
from asyncmta.delivery.verdict import of_all_hosts
from asyncmta.mail.outcome import Deferred, Failed
from asyncmta.system.clock import Clock

MOST_ADDRESSES = 5

# How one address becomes a session, or an outcome.
OpenSession = Callable[[Target, Manners, Clock], Awaitable[Opened | Failed | Deferred]]

_LOCALHOST = Addresses(("127.0.0.1", "::1"))


class RemoteSettings(Struct, frozen=True, kw_only=True):
    """`[remote]` of config.toml."""

    port: int = 25
    sessions_per_site: int = 20
    recipients_per_transaction: int = 100
    messages_per_session: int = 100
    connect_timeout: float = 30.0
    allow_private_exchangers: bool = False
    source_addresses: tuple[str, ...] = ()
    chunking: bool = True


class Resolves(Protocol):
    """What this room asks of DNS; answers are values, never exceptions."""

    async def exchangers(self, domain: str) -> MxAnswer: ...

    async def addresses(self, host: str) -> AddressAnswer: ...


class Dialer:
    """One for a transport. `salt` gives a random number below 2**64, for the order of equal exchangers.

    `open_session` is replaced by simulations, whose peers live in the same process.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        resolver: Resolves,
        settings: RemoteSettings,
        hostname: str,
        tls: TlsContexts | None = None,
        salt: Callable[[], int] | None = None,
        open_session: OpenSession = open_session,
    ) -> None:
        self.resolver = resolver
        self.settings = settings
        self.hostname = hostname
        self._clock = clock
        self._contexts = tls if tls is not None else default_tls_contexts()
        self._open = open_session
        self._salt = salt if salt is not None else _random_salt

    async def dial(self, site: Site) -> Opened | Failed | Deferred:
        """Open a session with the site."""
        manners = Manners(self.hostname, self._contexts, site.tls, site.login, self.settings.connect_timeout)
        salt = self._salt()
        failures: list[Failed | Deferred] = []
        left = MOST_ADDRESSES
        for exchanger in walk_order(site, salt):
            answer = await self._addresses(exchanger)
            if not isinstance(answer, Addresses):
                failures.append(no_address(exchanger.host, answer))
                continue
            for ip in answer.ips:
                if not (site.explicit or self.settings.allow_private_exchangers or is_public(ip)):
                    failures.append(not_public(exchanger.host, ip))
                    continue
                if not left:
                    return of_all_hosts(failures, ours=site.explicit)
                left -= 1
                target = Target(exchanger.host, ip, exchanger.port or self.settings.port, self._source(ip, salt))
                result = await self._open(target, manners, self._clock)
                if isinstance(result, Opened):
                    return result
                failures.append(result)
        return of_all_hosts(failures, ours=site.explicit)

    async def _addresses(self, exchanger: Exchanger) -> AddressAnswer:
        if is_address(exchanger.host):
            return Addresses((exchanger.host,))
        if exchanger.host == "localhost":
            return _LOCALHOST
        return await self.resolver.addresses(exchanger.host)

    def _source(self, ip: str, salt: int) -> str:
        """One of our own addresses to connect from, of the same family."""
        ours = [source for source in self.settings.source_addresses if (":" in source) == (":" in ip)]
        return ours[salt % len(ours)] if ours else ""


def _random_salt() -> int:
    return random.getrandbits(64)
