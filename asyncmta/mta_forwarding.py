"""Forwarding, from the settings: who makes copies, and which envelopes change at the readdressing and on the way out.

A part of the composition root. Never: a decision.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from asyncmta.config import Settings
from asyncmta.config_forwarding import DAY, rewriting
from asyncmta.forwarding.forwarder import Forwarder
from asyncmta.forwarding.leaving import Delivers, Leaving
from asyncmta.forwarding.local import LocalTransport
from asyncmta.forwarding.services import Answers, Services
from asyncmta.forwarding.verping import Verping
from asyncmta.inbound.readdressing import Readdressing, ReturnedBy, is_plain, no_srs
from asyncmta.lists.desk import Desk
from asyncmta.mail import replies
from asyncmta.mail.address import Address, domain_key, parse_address, unquote
from asyncmta.mail.envelope import QueueId
from asyncmta.mail.reply import Reply
from asyncmta.mailboxes.directory import Directory
from asyncmta.mailboxes.srs import Srs, Unusable, is_srs
from asyncmta.maillog import MailLog
from asyncmta.routing import Routing
from asyncmta.spool.store import Store
from asyncmta.system.clock import Clock


class Queueing(Struct, frozen=True, eq=False):
    """What they need who make new messages of those in the queue. `on_accepted` hears of each that is durable."""

    settings: Settings
    store: Store
    clock: Clock
    maillog: MailLog
    on_accepted: Callable[[QueueId], None]


def build_local(
    queueing: Queueing, *, directory: Directory, mailboxes: Delivers, remote: Delivers, lists: Desk | None
) -> LocalTransport:
    """What stands before the mailboxes."""
    store, maillog = queueing.store, queueing.maillog
    forwarder = Forwarder(
        store=store,
        read_content=store.read_content,
        on_accepted=queueing.on_accepted,
        clock=queueing.clock,
        hostname=queueing.settings.hostname,
        maillog=maillog,
        default_owner=_owner(queueing.settings),
        post=lists.post if lists is not None else None,
    )
    return LocalTransport(
        directory=directory,
        forwarder=forwarder,
        mailboxes=mailboxes,
        remote=remote,
        maillog=maillog,
        services=build_services(queueing, lists) if lists is not None else None,
    )


def build_verping(queueing: Queueing, *, transport: Delivers) -> Verping:
    """What stands before all transports."""
    return Verping(
        transport=transport,
        store=queueing.store,
        read_content=queueing.store.read_content,
        on_accepted=queueing.on_accepted,
        clock=queueing.clock,
        maillog=queueing.maillog,
    )


def build_services(queueing: Queueing, answers: Answers) -> Services:
    """Who queues what the MTA itself answers."""
    return Services(
        answers=answers,
        store=queueing.store,
        read_content=queueing.store.read_content,
        on_accepted=queueing.on_accepted,
        clock=queueing.clock,
        hostname=queueing.settings.hostname,
        note=queueing.maillog.note,
    )


def _owner(settings: Settings) -> Address | None:
    text = settings.local.default_owner
    if not text:
        return None
    domain = next(iter(settings.local.domains), settings.hostname)
    return parse_address(text if "@" in text else f"{text}@{domain}", smtputf8=True)


def build_srs(settings: Settings) -> Srs | None:
    """None: without a secret nothing is rewritten so."""
    srs = settings.srs
    if not srs.secrets:
        return None
    return Srs(secrets=srs.secrets, domain=srs.domain or settings.hostname, days=int(srs.max_age // DAY))


def build_readdressing(settings: Settings, *, routing: Routing, clock: Clock, maillog: MailLog) -> Readdressing | None:
    """None: addresses are taken as they come."""
    senders, recipients = (rewriting(settings.rewrites, at="entry", of=of) for of in ("sender", "recipient"))
    srs = build_srs(settings)
    if srs is None and not senders and not recipients:
        return None

    def serves(address: Address) -> bool:
        return is_plain(address) and (routing.is_ours(address) or routing.may_relay_to(address.domain_key))

    def tell(of: str, given: Address, now: Address, by: str) -> None:
        maillog.note("info", "rewritten", of=of, address=given, to=now, by=by)

    returned = no_srs if srs is None else _returned(srs, domain_key(settings.srs.domain or settings.hostname), clock)
    return Readdressing(senders=senders, recipients=recipients, returned=returned, serves=serves, tell=tell)


def _returned(srs: Srs, domain: str, clock: Clock) -> ReturnedBy:
    def returned(address: Address) -> Address | Reply | None:
        if address.domain_key != domain or not is_srs(unquote(address.local_part)):
            return None
        match srs.returned(address.local_part, clock.now()):
            case Unusable.EXPIRED:
                return replies.RETURN_EXPIRED
            case Unusable():
                return replies.NO_SUCH_MAILBOX
            case found:
                return found

    return returned


def build_leaving(settings: Settings, *, remote: Delivers, clock: Clock) -> Delivers:
    """What stands before the network: nothing, where envelopes leave as they are."""
    senders, recipients = (rewriting(settings.rewrites, at="exit", of=of) for of in ("sender", "recipient"))
    srs = build_srs(settings)
    if srs is None and not senders and not recipients:
        return remote
    ours = {
        *settings.local.domains,
        domain_key(settings.hostname),
        domain_key(settings.srs.domain or settings.hostname),
    }

    def forward(sender: Address) -> Address | None:
        return None if srs is None or sender.domain_key in ours else srs.forwarded(sender, clock.now())

    return Leaving(senders=senders, recipients=recipients, forward=forward, remote=remote)
