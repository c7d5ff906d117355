"""From the settings about policy to the gate of the listeners: rules, screening, hooks and the policy service.

A part of the composition root, in a file of its own. Promises: None where nothing is configured, so that nothing is in
the way of mail then. Never: a decision.

docs/policy.md.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import Any

from msgspec import Struct, structs

from asyncmta.config import Settings
from asyncmta.config_policy import RuleEntry
from asyncmta.config_texts import Network, split_port
from asyncmta.delivery.dialer import Resolves
from asyncmta.delivery.exchange import Addresses, Names, TemporaryFailure
from asyncmta.inbound.acceptance import serves_anybody
from asyncmta.inbound.gate import Gate
from asyncmta.mail import replies
from asyncmta.mail.address import Address
from asyncmta.maillog import MailLog
from asyncmta.policy.consultation import Consultation, HookSettings, PolicySettings
from asyncmta.policy.dnsbl import parse_list
from asyncmta.policy.refusal import parse_refusal
from asyncmta.policy.rules import NULL_SENDER, Rule, Rules, listed, nameless
from asyncmta.policy.screening import Lookups, Screening
from asyncmta.policy.service import Endpoint, PolicyService
from asyncmta.policy.verdict import Inspect, Peer, Verdict
from asyncmta.routing import Routing, parse_pattern
from asyncmta.system.clock import Clock


class Policy(Struct, frozen=True, eq=False):
    """`gate` is for the listeners, or None; `consultation` is to be closed at the end."""

    rules: Rules
    screening: Screening | None
    consultation: Consultation
    gate: Gate | None

    @property
    def inspect(self) -> Inspect | None:
        return None if self.gate is None else self.gate.inspect


def build_policy(
    settings: Settings, *, clock: Clock, maillog: MailLog, resolver: Resolves, hooks: object = None
) -> Policy:
    """What the listeners ask. Raises InvalidHooks."""
    rules = rules_of(settings)
    limits, dnsbl = settings.limits, settings.dnsbl
    names = limits.reverse_dns != "off" or rules.needs_names
    screening = None
    if names or dnsbl.lists:
        screening = Screening(
            clock=clock,
            maillog=maillog,
            lookups=lookups_of(resolver),
            lists=tuple(map(parse_list, dnsbl.lists)),
            names=names,
            timeout=dnsbl.timeout,
        )
    consultation = _consultation(settings, clock, maillog, hooks)
    connections = limits.connections_per_client
    is_needed = screening is not None or rules.is_needed or connections is not None or consultation.is_needed
    gate = Gate(
        rules=rules,
        now=clock.monotonic,
        connections=connections,
        screen=None if screening is None else screening.look,
        screens_everybody=rules.needs_names,
        ask=consultation.ask,
        stages=consultation.stages,
        inspect=consultation.inspect if consultation.looks_at_content else None,
    )
    return Policy(rules, screening, consultation, gate if is_needed else None)


def _consultation(settings: Settings, clock: Clock, maillog: MailLog, hooks: object) -> Consultation:
    policy = settings.policy
    service = None
    if policy.service:
        service = PolicyService(clock=clock, endpoint=endpoint_of(policy.service), timeout=policy.timeout)
    return Consultation(
        clock=clock,
        maillog=maillog,
        hooks=hooks,
        hook_settings=HookSettings(timeout=settings.hooks.timeout, on_error=settings.hooks.on_error),
        service=service,
        policy=PolicySettings(default=policy.default, clients=policy.clients, end_of_message=policy.end_of_message),
    )


def endpoint_of(text: str) -> Endpoint:
    kind, _, where = text.partition(":")
    if kind == "unix":
        return Endpoint(path=where)
    host, port = split_port(where) or ("", None)
    return Endpoint(host=host, port=port or 0)


def rules_of(settings: Settings) -> Rules:
    """The table with what `[dnsbl]` and `limits.reverse_dns` put behind it."""
    last = []
    if settings.limits.reverse_dns == "require":
        last.append(nameless())
    if settings.dnsbl.threshold:
        last.append(listed(settings.dnsbl.threshold, settings.dnsbl.action))
    return Rules([_rule(index, entry) for index, entry in enumerate(settings.rules)], last=last)


def _rule(index: int, entry: RuleEntry) -> Rule:
    label = f"rule {index}"
    reply = None
    if entry.action in ("reject", "defer"):
        reply = parse_refusal(entry.reply, permanent=entry.action == "reject")
    return Rule(
        label=label,
        verdict=Verdict(entry.action, reply, entry.tag, label),  # type: ignore[arg-type]  # one of its words
        clients=entry.client,
        names=entry.client_name,
        helos=entry.helo,
        logins=entry.login,
        tls=entry.tls,
        senders=tuple(None if text == NULL_SENDER else parse_pattern(text) for text in entry.sender),
        recipients=tuple(map(parse_pattern, entry.recipient)),
        dnsbl=entry.dnsbl,
    )


class Asked(Struct, frozen=True):
    """A client (None: nobody asked about one), who it is, and the envelope that it would send."""

    client: str | None
    login: str | None
    networks: tuple[Network, ...]
    reverse_path: Address | None
    recipient: Address


async def explain(policy: Policy, asked: Asked, routing: Routing) -> list[str]:
    """What would be said to it at RCPT, a line for each rule asked. Hooks and services are named and not asked."""
    if asked.client is None:
        return []
    address = ip_address(asked.client)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    trusted = any(address in network for network in asked.networks)
    may_relay = trusted or asked.login is not None
    peer = Peer(ip=str(address), address=address, login=asked.login, may_relay=may_relay)
    lines = [f"client {address}: {_standing(trusted, asked.login)}"]
    if policy.screening is not None:
        findings = await policy.screening.look(peer)
        peer = structs.replace(peer, findings=findings)
        name = findings.name or ("cannot be told" if findings.is_name_unsure else "none that is confirmed")
        lists = f" ({', '.join(findings.lists)})" if findings.lists else ""
        lines.append(f"name: {name}; block lists: {findings.score}{lists}")
    recipient = asked.recipient
    if not may_relay and not routing.is_ours(recipient) and not serves_anybody(routing, recipient):
        return [*lines, f"{replies.RELAY_DENIED}"]
    lines += policy.rules.explain(peer, asked.reverse_path, recipient, is_postmaster=routing.is_postmaster(recipient))
    return lines + [f"then {who} would be asked" for who in policy.consultation.asks(may_relay=may_relay)]


def _standing(trusted: bool, login: str | None) -> str:
    if trusted:
        return "may relay, by relay.networks"
    return "may relay, by its login" if login is not None else "a stranger, for relay.domains and local domains alone"


def lookups_of(resolver: Resolves) -> Lookups:
    """The resolver's answers as plain tuples. One that a program gave us may know fewer questions than ours."""
    return Lookups(*(_question(resolver, name) for name in ("listed", "addresses", "pointers")))


def _question(resolver: Resolves, name: str) -> Any:
    ask: Any = getattr(resolver, name, None)

    async def question(what: str) -> tuple[str, ...] | None:
        answer = None if ask is None else await ask(what)
        match answer:
            case Addresses():
                return answer.ips
            case Names():
                return answer.names
            case None | TemporaryFailure():
                return None
        return ()

    return question
