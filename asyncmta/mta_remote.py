"""What remote delivery needs before it can be made, from the settings: the resolver and the dialer.

A part of the composition root, of `Mta` and of a null client alike. Never: a decision, a socket.

contract.md section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from asyncmta.config import Settings
from asyncmta.delivery.dialer import Dialer, RemoteSettings, Resolves
from asyncmta.delivery.resolver import DnsSettings, Resolver
from asyncmta.mta_front import given
from asyncmta.system.clock import Clock
from asyncmta.system.network import is_own


def build_resolver(settings: Settings, *, clock: Clock) -> Resolver:
    return Resolver(clock=clock, settings=DnsSettings(**given(DnsSettings, settings.dns)))


def build_dialer(
    settings: Settings,
    *,
    clock: Clock,
    resolver: Resolves,
    listening: Callable[[], Iterable[tuple[str, int]]],
    recipients_per_transaction: int | None = None,
) -> Dialer:
    """`listening`: where we listen ourselves, now. `recipients_per_transaction`: instead of that of the settings."""
    remote = given(RemoteSettings, settings.remote)
    if recipients_per_transaction is not None:
        remote["recipients_per_transaction"] = recipients_per_transaction
    return Dialer(
        clock=clock,
        resolver=resolver,
        settings=RemoteSettings(**remote),
        hostname=settings.hostname,
        is_own=lambda ip, port: is_own(ip, port, listening()),
    )
