"""Forwarding, from the settings: who makes copies, and which envelopes change at the readdressing and on the way out.

A part of the composition root. Never: a decision.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec import Struct

from asyncmta.config import Settings
from asyncmta.config_forwarding import DAY, rewriting
from asyncmta.config_sandbox import sandbox_of
from asyncmta.forwarding.forwarder import Forwarder
from asyncmta.forwarding.leaving import Leaving
from asyncmta.forwarding.local import LocalTransport
from asyncmta.forwarding.services import Answers, Services
from asyncmta.forwarding.verping import Verping
from asyncmta.inbound.entry_door import EntryDoor, nobody
from asyncmta.inbound.readdressing import Readdressing, is_plain, no_srs
from asyncmta.lists.desk import Desk
from asyncmta.mail import replies
from asyncmta.mail.address import Address, domain_key, parse_address, unquote
from asyncmta.mail.envelope import QueueId
from asyncmta.mail.reply import Reply
from asyncmta.mail.rewrite import Rewriting
from asyncmta.mail.transport import Transport
from asyncmta.mailboxes.directory import Directory
from asyncmta.mailboxes.srs import Srs, Unusable, is_srs
from asyncmta.maillog import MailLog
from asyncmta.routing import Routing
from asyncmta.spool.store import Store
from asyncmta.suppression.keeper import Keeper
from asyncmta.system.clock import Clock


class Queueing(Struct, frozen=True, eq=False):
    """What they need who make new messages of those in the queue. `on_accepted` hears of each that is durable."""

    settings: Settings
    store: Store
    clock: Clock
    maillog: MailLog
    on_accepted: Callable[[QueueId], None]


def build_local(
    queueing: Queueing, *, directory: Directory, mailboxes: Transport, remote: Transport, lists: Desk | None
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


def build_verping(queueing: Queueing, *, transport: Transport) -> Verping:
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


def build_readdressing(
    settings: Settings, *, routing: Routing, clock: Clock, maillog: MailLog, keeper: Keeper | None = None
) -> Readdressing | None:
    """None: addresses are taken as they come. `keeper` has the suppression list."""
    senders, recipients = (rewriting(settings.rewrites, at="entry", of=of) for of in ("sender", "recipient"))
    srs, sandbox = build_srs(settings), sandbox_of(settings.sandbox)
    if keeper is not None and settings.suppression.action != "refuse":
        keeper = None
    if srs is None and sandbox is None and keeper is None and not senders and not recipients:
        return None

    def serves(address: Address) -> bool:
        return is_plain(address) and (routing.is_ours(address) or routing.may_relay_to(address.domain_key))

    def tell(of: str, given: Address, now: Address, by: str) -> None:
        maillog.note("info", "rewritten", of=of, address=given, to=now, by=by)

    return EntryDoor(
        sandbox=sandbox,
        refuses=nobody if keeper is None else partial(_is_listed, keeper),
        senders=senders,
        recipients=recipients,
        returned=no_srs if srs is None else lambda address: _returned(settings, srs, address, clock.now()),
        serves=serves,
        tell=tell,
    )


def _is_listed(keeper: Keeper, address: Address) -> bool:
    return keeper.of(address) is not None


def _srs_domain(settings: Settings) -> str:
    return domain_key(settings.srs.domain or settings.hostname)


def _returned(settings: Settings, srs: Srs | None, address: Address, now: float) -> Address | Reply | None:
    """Whom an SRS address of ours stands for, or why for nobody; None: it is none."""
    if srs is None or address.domain_key != _srs_domain(settings) or not is_srs(unquote(address.local_part)):
        return None
    match srs.returned(address.local_part, now):
        case Unusable.EXPIRED:
            return replies.RETURN_EXPIRED
        case Unusable():
            return replies.NO_SUCH_MAILBOX
        case found:
            return found


def build_way_back(settings: Settings, *, clock: Clock) -> Callable[[Address], Address]:
    """For reports of our own, which ask nobody at the entrance: to a sender whom we rewrote and who came back to us."""
    srs = build_srs(settings)

    def way_back(address: Address) -> Address:
        found = _returned(settings, srs, address, clock.now())
        return found if isinstance(found, Address) else address

    return way_back


def build_leaving(settings: Settings, *, remote: Transport, clock: Clock) -> Transport:
    """What stands before the network: nothing, where envelopes leave as they are."""
    senders, recipients = (rewriting(settings.rewrites, at="exit", of=of) for of in ("sender", "recipient"))
    srs = build_srs(settings)
    if srs is None and not senders and not recipients:
        return remote
    ours = {*settings.local.domains, domain_key(settings.hostname), _srs_domain(settings)}

    def forward(sender: Address) -> Address | None:
        return None if srs is None or sender.domain_key in ours else srs.forwarded(sender, clock.now())

    return Leaving(senders=senders, recipients=recipients, forward=forward, remote=remote)


class Readdressed(Struct, frozen=True):
    """Sender and recipient as they go on from the entrance, and how that came, in lines for people."""

    sender: Address | None
    recipient: Address
    lines: list[str]


def explain_entry(settings: Settings, sender: Address | None, recipient: Address, now: float) -> Readdressed:
    """What the entrance makes of two addresses at this moment (Unix seconds)."""
    found = _explain_tables(settings, sender, recipient, now)
    sandbox = sandbox_of(settings.sandbox)
    if sandbox is None:
        return found
    found.lines.append(str(sandbox))
    target = sandbox.redirect_to
    if target is None or sandbox.allows(found.recipient):
        return found
    return Readdressed(found.sender, target, found.lines)


def _explain_tables(settings: Settings, sender: Address | None, recipient: Address, now: float) -> Readdressed:
    lines: list[str] = []
    if sender is not None:
        sender = _explained(rewriting(settings.rewrites, at="entry", of="sender"), "at entry, sender", sender, lines)
    back = _returned(settings, build_srs(settings), recipient, now)
    if isinstance(back, Reply):
        return Readdressed(sender, recipient, [*lines, f"srs: at RCPT {back}"])
    if back is not None:
        return Readdressed(sender, back, [*lines, f"srs: {recipient} leads back to {back}"])
    table = rewriting(settings.rewrites, at="entry", of="recipient")
    return Readdressed(sender, _explained(table, "at entry, recipient", recipient, lines), lines)


def explain_exit(settings: Settings, sender: Address | None, recipient: Address) -> list[str]:
    """What the last table makes of them, where they leave."""
    lines: list[str] = []
    for of, address in (("sender", sender), ("recipient", recipient)):
        if address is not None:
            _explained(rewriting(settings.rewrites, at="exit", of=of), f"at exit, {of}", address, lines)
    return lines


def _explained(table: Rewriting, where: str, address: Address, lines: list[str]) -> Address:
    found, rule = table.of(address)
    if rule is not None:
        lines.append(f"rewrite {where}: {address} becomes {found} ({rule})")
    return found
