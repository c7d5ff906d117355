"""`[[rule]]`: one ordered table for clients, senders and recipients; the first match decides, `tag` goes on.

A rule is decided at MAIL when neither it nor a rule above it asks for a recipient, else at RCPT: so the order of the
file is the order of decision, and what can be said early is. Behind the table stand what `[dnsbl]` and
`limits.reverse_dns` say of strangers, always at RCPT, and never of the postmaster. Promises: whatever is decided,
relaying is none of it. What DNS could not tell never rejects: it defers where it matters. Never: DNS, time, memory.

Rows P-33, D-17, W-219; RFC 7372 (5.7.25).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network

from msgspec import Struct

from asyncmta.mail import replies
from asyncmta.mail.address import Address
from asyncmta.policy.verdict import Action, Findings, Peer, Verdict
from asyncmta.routing import Pattern

UNKNOWN = "unknown"  # of client_name: there is no confirmed name
NULL_SENDER = "<>"
ANY_LOGIN = "*"


class Rule(Struct, frozen=True, kw_only=True):
    """One of them. A condition that is empty is none; those that are there must all hold, each by one of its values.

    names, helos: "host.example", ".example" (below it); names also "unknown". logins: "alice", "*@example.org", "*"
    (anybody who logged in). senders: patterns, and None for the null reverse-path. `strangers`: only for who may not
    relay; `spares_postmaster` so. `label` is what the log calls it."""

    label: str
    verdict: Verdict
    clients: tuple[IPv4Network | IPv6Network, ...] = ()
    names: tuple[str, ...] = ()
    helos: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    tls: bool = False
    senders: tuple[Pattern | None, ...] = ()
    recipients: tuple[Pattern, ...] = ()
    dnsbl: int = 0
    strangers: bool = False
    spares_postmaster: bool = False

    @property
    def action(self) -> Action:
        return self.verdict.action

    def misses(self, peer: Peer, reverse_path: Address | None, recipient: Address | None) -> str | None:
        """Which of its conditions does not hold; None: it matches, as far as DNS has nothing to do with it."""
        if self.strangers and peer.may_relay:
            return "not for who may relay"
        if self.clients and not (peer.address is not None and any(peer.address in network for network in self.clients)):
            return "not this client"
        if self.tls and not peer.tls:
            return "not without TLS"
        if self.helos and not _is_named(peer.helo.lower(), self.helos):
            return "not this helo"
        if self.logins and not _is_login(peer.login, self.logins):
            return "not this login"
        if self.senders and not _is_sender(reverse_path, self.senders):
            return "not this sender"
        if self.recipients and not any(pattern.covers(recipient) for pattern in self.recipients):
            return "not this recipient"
        return None

    def holds_by_dns(self, findings: Findings) -> bool | None:
        """The conditions that are about what DNS says; None: it cannot be told."""
        named: bool | None = True
        if self.names:
            named = _is_named(findings.name, self.names) if findings.name else UNKNOWN in self.names
            # Of a client whose name is not to be had, only two things matter: that it has none, and that it is welcome.
            if findings.is_name_unsure and (UNKNOWN in self.names or self.action == "accept"):
                named = None
        if self.dnsbl and findings.score < self.dnsbl:
            return False
        if named and self.dnsbl > findings.least:
            return None
        return named


def _is_named(name: str, patterns: Iterable[str]) -> bool:
    return any(name.endswith(one) if one.startswith(".") else name == one for one in patterns)


def _is_login(login: str | None, patterns: Iterable[str]) -> bool:
    if login is None:
        return False
    return any(
        login == one or (one.startswith(ANY_LOGIN) and login.endswith(one[len(ANY_LOGIN) :])) for one in patterns
    )


def _is_sender(reverse_path: Address | None, patterns: Iterable[Pattern | None]) -> bool:
    return any(reverse_path is None if one is None else one.covers(reverse_path) for one in patterns)


class Decision(Struct, frozen=True):
    """What the rules asked so far say: the verdict (None: none yet), tags by the way, and whether an `accept` was
    passed over because DNS could not tell."""

    verdict: Verdict | None = None
    tags: tuple[str, ...] = ()
    unsure: bool = False


UNDECIDED = Decision()


class Rules:
    """The rules of one configuration, split by the stage at which they can be decided. `last` come behind them."""

    def __init__(self, rules: Sequence[Rule] = (), *, last: Sequence[Rule] = ()) -> None:
        early = 0
        while early < len(rules) and not rules[early].recipients:
            early += 1
        self._at_mail = tuple(rules[:early])
        self._at_rcpt = (*rules[early:], *last)
        self.is_needed = bool(rules or last)
        self.needs_names = any(rule.names for rule in (*rules, *last))

    def at_mail(self, peer: Peer, reverse_path: Address | None) -> Decision:
        return _decide(self._at_mail, UNDECIDED, peer, reverse_path) if self._at_mail else UNDECIDED

    def at_rcpt(
        self, so_far: Decision, peer: Peer, reverse_path: Address | None, recipient: Address, *, is_postmaster: bool
    ) -> Decision:
        """The rest of the table, for this recipient; `so_far` is what was said at MAIL."""
        if so_far.verdict is not None or not self._at_rcpt:
            return so_far
        rules = self._at_rcpt
        if is_postmaster:
            rules = tuple(rule for rule in rules if not rule.spares_postmaster)
        return _decide(rules, so_far, peer, reverse_path, recipient)

    def explain(
        self, peer: Peer, reverse_path: Address | None, recipient: Address, *, is_postmaster: bool
    ) -> list[str]:
        """What is decided and why, a line for each rule asked, for `asyncmta route`."""
        lines = []
        stages = [(rule, "MAIL") for rule in self._at_mail] + [(rule, "RCPT") for rule in self._at_rcpt]
        so_far = UNDECIDED
        for rule, stage in stages:
            head = f"{rule.label} ({rule.action}, at {stage})"
            missed = rule.misses(peer, reverse_path, recipient)
            if is_postmaster and rule.spares_postmaster:
                missed = "not for the postmaster"
            if missed is not None:
                lines.append(f"{head}: {missed}")
                continue
            held = rule.holds_by_dns(peer.findings)
            so_far = _decide((rule,), so_far, peer, reverse_path, recipient)
            said = {True: "matches", False: "not by what DNS says", None: "DNS cannot tell"}[held]
            if so_far.verdict is not None:
                lines.append(f"{head}: {said}, {_told(so_far.verdict)}")
                return lines
            lines.append(f"{head}: {said}{', goes on' if held else ''}")
        lines.append("no rule decides")
        return lines


def _told(verdict: Verdict) -> str:
    return f"{verdict.action}: {verdict.reply}" if verdict.reply is not None else verdict.action


def _decide(
    rules: Iterable[Rule],
    so_far: Decision,
    peer: Peer,
    reverse_path: Address | None,
    recipient: Address | None = None,
) -> Decision:
    tags, unsure = so_far.tags, so_far.unsure
    for rule in rules:
        if rule.misses(peer, reverse_path, recipient) is not None:
            continue
        held = rule.holds_by_dns(peer.findings)
        verdict = rule.verdict
        if held is None and verdict.refuses is not None:
            return Decision(Verdict("defer", replies.DNS_UNSURE, by=rule.label), tags, unsure)
        if not held:
            unsure = unsure or (held is None and verdict.action == "accept")
        elif verdict.action == "tag":
            tags += (verdict.text,) if verdict.text not in tags else ()
        elif unsure and verdict.action == "reject":
            return Decision(Verdict("defer", replies.DNS_UNSURE, by=rule.label), tags, unsure)
        else:
            if verdict.reply is replies.LISTED:
                verdict = Verdict("reject", replies.listed_by(peer.findings.lists), by=rule.label)
            return Decision(verdict, tags, unsure)
    return Decision(None, tags, unsure)


def listed(threshold: int, action: str) -> Rule:
    """What `[dnsbl]` says of strangers."""
    verdict = Verdict("tag", text="dnsbl", by="dnsbl")
    if action == "reject":
        verdict = Verdict("reject", replies.LISTED, by="dnsbl")
    return Rule(label="dnsbl", verdict=verdict, dnsbl=threshold, strangers=True, spares_postmaster=True)


def nameless() -> Rule:
    """What `limits.reverse_dns = "require"` says of strangers."""
    return Rule(
        label="reverse_dns",
        verdict=Verdict("reject", replies.NAMELESS, by="reverse_dns"),
        names=(UNKNOWN,),
        strangers=True,
        spares_postmaster=True,
    )
