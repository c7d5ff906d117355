"""The bouncer of the settings: who reports what, in whose name, to whom; and when, as the scheduler has to know it.

A part of the composition root. Never: a decision.

contract.md section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from asyncmta.bounce.audience import Audiences
from asyncmta.bounce.bouncer import Bouncer
from asyncmta.bounce.template_file import template_of
from asyncmta.config import Settings
from asyncmta.config_bounce import DISCARD
from asyncmta.inbound.throttle import Rate, Throttle
from asyncmta.mail.address import Address, domain_key, parse_address
from asyncmta.mta_forwarding import build_way_back
from asyncmta.mta_front import given
from asyncmta.routing import Routing
from asyncmta.scheduling.means import SchedulerSettings
from asyncmta.scheduling.retry import RetrySchedule
from asyncmta.spool.ledger import Entry
from asyncmta.spool.store import Store
from asyncmta.system.clock import Clock


def build_bouncer(settings: Settings, *, store: Store, routing: Routing, clock: Clock) -> Bouncer:
    bounce, now = settings.bounce, clock.monotonic
    may_copy = _limit(bounce.double_rate, now)
    return Bouncer(
        read_content=store.read_content,
        next_queue_id=store.next_queue_id,
        begin_large=store.begin_large,
        hostname=settings.hostname,
        postmaster=str(settings.postmaster),
        audiences=Audiences(
            only_ours=bounce.report_to == "local",
            is_ours=_is_ours(settings, routing),
            may_tell=_limit(bounce.reports_per_address, now),
            double=_double(bounce.double, settings.hostname),
            may_copy=lambda: may_copy(""),
        ),
        template=template_of(settings.bounce.language, settings.bounce.template),
        way_back=build_way_back(settings, clock=clock),
    )


def scheduler_settings(settings: Settings) -> SchedulerSettings:
    return SchedulerSettings(
        retry=RetrySchedule(**given(RetrySchedule, settings.queue)),
        report_after=settings.bounce.delay,
        warn_after=settings.queue.delay_warning,
        soft=settings.bounce.soft,
    )


def _limit(rate: Rate | None, now: Callable[[], float]) -> Callable[[str], bool]:
    if rate is None:
        return lambda _: True
    throttle = Throttle(rate)
    return lambda key: throttle.take(key, now())


def _double(text: str, hostname: str) -> Address | None:
    if text == DISCARD:
        return None
    return parse_address(text if "@" in text else f"{text}@{hostname}", smtputf8=True)


def _is_ours(settings: Settings, routing: Routing) -> Callable[[Entry], bool]:
    """Whose messages these are: of a login, a program on this machine, a client that may relay, one of our domains."""
    networks, hostname = settings.relay.networks, domain_key(settings.hostname)

    def is_at_home(sender: Address) -> bool:
        domain = sender.domain_key
        return domain == hostname or routing.is_local(domain) or routing.may_relay_to(domain)

    def is_ours(entry: Entry) -> bool:
        sender = entry.envelope.reverse_path
        if entry.login is not None or (sender is not None and is_at_home(sender)):
            return True
        if not entry.client:  # a program on this machine; but of what we forwarded we do not know who brought it
            return entry.envelope.origin is None
        try:
            client = ip_address(entry.client)
        except ValueError:
            return False
        return any(client in network for network in networks)

    return is_ours
