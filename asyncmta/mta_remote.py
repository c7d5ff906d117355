"""What remote delivery needs before it can be made, from the settings: the resolver and the dialer.

A part of the composition root, of `Mta` and of a null client alike. Never: a decision, a socket.

contract.md section 3.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from importlib import import_module

from asyncmta.config import Settings
from asyncmta.config_sites import levels_of, rule_of_site
from asyncmta.credentials import Grant
from asyncmta.delivery.dialer import Dialer, RemoteSettings, Resolves
from asyncmta.delivery.introductions import Introductions
from asyncmta.delivery.remote import RemoteTransport
from asyncmta.delivery.resolver import DnsSettings, Resolver
from asyncmta.delivery.sources import SourceRule
from asyncmta.delivery.token_answers import NewToken
from asyncmta.delivery.token_sources import TokenSources
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
    fetch, levels = TokenSources(ask_endpoint).fetch, levels_of(settings.sites)
    return Introductions(clock=clock, note=maillog.note, fetch=fetch, levels=levels)


async def ask_endpoint(grant: Grant) -> NewToken:
    """HTTP is loaded, beside the loop, only where a route has tokens by it: one that a reload has brought, maybe."""
    room = await asyncio.to_thread(import_module, "asyncmta.delivery.token_endpoint")
    found: NewToken = await room.ask_endpoint(grant)
    return found
