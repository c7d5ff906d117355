"""What remote delivery needs before it can be made, from the settings: the resolver and the dialer.

A part of the composition root, of `Mta` and of a null client alike. Never: a decision, a socket.

contract.md section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from asyncmta.config import Settings
from asyncmta.config_sites import levels_of, rule_of_site
from asyncmta.delivery.dialer import Dialer, RemoteSettings, Resolves
from asyncmta.delivery.introductions import Introductions
from asyncmta.delivery.remote import RemoteTransport
from asyncmta.delivery.resolver import DnsSettings, Resolver
from asyncmta.delivery.sources import SourceRule
from asyncmta.delivery.token_sources import TokenSources
from asyncmta.delivery.tokens import Fetch
from asyncmta.maillog import MailLog
from asyncmta.mta_front import given
from asyncmta.routing import Route
from asyncmta.spool.store import Store
from asyncmta.system.clock import Clock
from asyncmta.system.network import is_own


def build_resolver(settings: Settings, *, clock: Clock, maillog: MailLog) -> Resolver:
    return Resolver(clock=clock, settings=DnsSettings(**given(DnsSettings, settings.dns)), note=maillog.note)


def build_dialer(
    settings: Settings,
    *,
    clock: Clock,
    resolver: Resolves,
    maillog: MailLog,
    listening: Callable[[], Iterable[tuple[str, int]]],
    recipients_per_transaction: int | None = None,
) -> Dialer:
    """`listening`: where we listen ourselves, now. `recipients_per_transaction`: instead of that of the settings."""
    remote = given(RemoteSettings, settings.remote)
    remote["sites"] = tuple(map(rule_of_site, settings.sites))
    remote["sources"] = tuple(SourceRule(**given(SourceRule, source)) for source in settings.sources)
    if recipients_per_transaction is not None:
        remote["recipients_per_transaction"] = recipients_per_transaction
    return Dialer(
        clock=clock,
        resolver=resolver,
        settings=RemoteSettings(**remote),
        hostname=settings.hostname,
        introductions=build_introductions(settings, clock=clock, maillog=maillog),
        is_own=lambda ip, port: is_own(ip, port, listening()),
    )


def build_remote(
    *, dialer: Dialer, clock: Clock, maillog: MailLog, store: Store, route_of: Callable[[str], Route]
) -> RemoteTransport:
    return RemoteTransport(
        clock=clock,
        dialer=dialer,
        read_content=store.read_content,
        maillog=maillog,
        route_of=route_of,
    )


def build_introductions(settings: Settings, *, clock: Clock, maillog: MailLog) -> Introductions:
    """HTTP is loaded only where a route has tokens by it."""
    endpoint: Fetch | None = None
    if any(route.token_url for route in settings.routes):
        from asyncmta.delivery.token_endpoint import ask_endpoint  # noqa: PLC0415 - aiohttp takes long to import

        endpoint = ask_endpoint
    fetch, levels = TokenSources(endpoint).fetch, levels_of(settings.sites)
    return Introductions(clock=clock, note=maillog.note, fetch=fetch, levels=levels)
