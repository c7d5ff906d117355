"""policy/rules: what matches, in which order, at which stage, and what DNS that does not answer makes of it."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from asyncmta.mail import replies
from asyncmta.mail.address import Address, parse_address
from asyncmta.mail.reply import reply
from asyncmta.policy.rules import UNDECIDED, Decision, Rule, Rules, listed, nameless
from asyncmta.policy.verdict import Findings, Peer, Verdict
from asyncmta.routing import parse_pattern

ALICE = parse_address("alice@example.org")
BOB = parse_address("bob@example.com")
NO = reply(550, "5.7.1", "no")
LATER = reply(450, "4.7.1", "later")


def peer(ip: str = "192.0.2.7", **facts: Any) -> Peer:
    return Peer(ip=ip, address=ip_address(ip) if ip else None, **facts)


def rule(action: str = "reject", text: str = "", **conditions: Any) -> Rule:
    said = {"reject": NO, "defer": LATER}.get(action)
    for key in ("senders", "recipients"):
        if key in conditions:
            conditions[key] = tuple(None if one == "<>" else parse_pattern(one) for one in conditions[key])
    if "clients" in conditions:
        conditions["clients"] = tuple(map(ip_network, conditions["clients"]))
    return Rule(label="rule", verdict=Verdict(action, said, text, "rule"), **conditions)  # type: ignore[arg-type]


def decided(
    *rules: Rule, who: Peer | None = None, sender: Address | None = BOB, recipient: Address = ALICE, **options: Any
) -> Decision:
    """By the whole table, as a session goes through it."""
    table = Rules(rules, **options)
    who = peer() if who is None else who
    early = table.at_mail(who, sender)
    return table.at_rcpt(early, who, sender, recipient, is_postmaster=recipient.local_part == "postmaster")


@pytest.mark.parametrize(
    ("conditions", "facts", "matches"),
    [
        ({}, {}, True),
        ({"clients": ["192.0.2.0/24"]}, {}, True),
        ({"clients": ["198.51.100.0/24", "192.0.2.7"]}, {}, True),
        ({"clients": ["198.51.100.0/24"]}, {}, False),
        ({"clients": ["2001:db8::/32"]}, {}, False),
        ({"clients": ["2001:db8::/32"]}, {"ip": "2001:db8::1"}, True),
        ({"clients": ["0.0.0.0/0"]}, {"ip": ""}, False),
        ({"tls": True}, {}, False),
        ({"tls": True}, {"tls": "TLSv1.3 X"}, True),
        ({"helos": ("bad.example",)}, {"helo": "BAD.example"}, True),
        ({"helos": (".bad.example",)}, {"helo": "a.bad.example"}, True),
        ({"helos": (".bad.example",)}, {"helo": "bad.example"}, False),
        ({"logins": ("*",)}, {}, False),
        ({"logins": ("*",)}, {"login": "carol"}, True),
        ({"logins": ("carol",)}, {"login": "carol"}, True),
        ({"logins": ("carol",)}, {"login": "carola"}, False),
        ({"logins": ("*@example.org",)}, {"login": "carol@example.org"}, True),
        ({"logins": ("*@example.org",)}, {"login": "carol@example.com"}, False),
        ({"senders": ["example.com"]}, {}, True),
        ({"senders": ["example.net", "<>"]}, {}, False),
        ({"recipients": ["*@example.org"]}, {}, True),
        ({"recipients": ["bob@example.org"]}, {}, False),
        ({"names": ("host.example",)}, {"findings": Findings(name="host.example")}, True),
        ({"names": (".example",)}, {"findings": Findings(name="host.example")}, True),
        ({"names": ("unknown",)}, {"findings": Findings(name="host.example")}, False),
        ({"names": ("unknown",)}, {"findings": Findings(reverse_name="host.example")}, True),
        ({"names": ("host.example",)}, {"findings": Findings(reverse_name="host.example")}, False),
        ({"dnsbl": 2}, {"findings": Findings(score=2, least=2)}, True),
        ({"dnsbl": 2}, {"findings": Findings(score=1, least=1)}, False),
        ({"dnsbl": 1, "names": ("x.example",)}, {"findings": Findings(score=1, least=1)}, False),
        ({"strangers": True}, {"may_relay": True}, False),
        ({"strangers": True}, {}, True),
        ({"clients": ["192.0.2.0/24"], "senders": ["example.net"]}, {}, False),
    ],
)
def test_every_condition(conditions: dict[str, Any], facts: dict[str, Any], matches: bool) -> None:
    verdict = decided(rule(**conditions), who=peer(**facts)).verdict
    assert (verdict is not None and verdict.reply == NO) is matches


def test_the_null_reverse_path_has_a_pattern_of_its_own() -> None:
    assert decided(rule(senders=["<>"]), sender=None).verdict is not None
    assert decided(rule(senders=["<>"])).verdict is None
    assert decided(rule(senders=["example.com"]), sender=None).verdict is None


def test_the_first_match_decides_and_a_tag_goes_on() -> None:
    found = decided(
        rule("tag", "one"), rule("tag", "two", senders=["example.net"]), rule("tag", "one"), rule("accept"), rule()
    )
    assert found == Decision(Verdict("accept", by="rule"), ("one",), False)
    assert decided(rule("hold"), rule()).verdict == Verdict("hold", by="rule")
    assert decided(rule("tag", "one")) == Decision(None, ("one",), False)


def test_a_rule_is_decided_as_early_as_those_above_it() -> None:
    who = peer()
    early = Rules([rule("defer"), rule(recipients=["example.org"])])
    assert early.at_mail(who, BOB).verdict == Verdict("defer", LATER, by="rule")
    late = Rules([rule("accept", recipients=["alice@example.org"]), rule()])
    assert late.at_mail(who, BOB) == UNDECIDED
    said = [late.at_rcpt(UNDECIDED, who, BOB, one, is_postmaster=False).verdict for one in (ALICE, BOB)]
    assert [verdict and verdict.action for verdict in said] == ["accept", "reject"]


def test_what_was_decided_at_mail_stands_at_rcpt() -> None:
    table = Rules([rule("hold"), rule(recipients=["example.org"])])
    early = table.at_mail(peer(), BOB)
    assert table.at_rcpt(early, peer(), BOB, ALICE, is_postmaster=False) is early
    assert Rules().at_rcpt(UNDECIDED, peer(), BOB, ALICE, is_postmaster=False) is UNDECIDED


UNSURE = Findings(is_name_unsure=True)


@pytest.mark.parametrize(
    ("rules", "findings", "action"),
    [
        # an allow rule that cannot be told makes a later refusal a delay (W-219)
        ([rule("accept", names=(".good.example",)), rule()], UNSURE, "defer"),
        ([rule("accept", names=(".good.example",)), rule("defer")], UNSURE, "defer"),
        ([rule("accept", names=(".good.example",)), rule("hold")], UNSURE, "hold"),
        ([rule("accept", names=(".good.example",))], UNSURE, None),
        ([rule("accept", names=(".good.example",)), rule()], Findings(name="x.example"), "reject"),
        # nobody is refused because of a name that is not known
        ([rule(names=("bad.example",))], UNSURE, None),
        ([rule(names=("unknown",))], UNSURE, "defer"),
        ([rule("hold", names=("unknown",))], UNSURE, None),
        ([rule("tag", "x", names=("unknown",))], UNSURE, None),
        # an allow list that did not answer could have made it less
        ([rule(dnsbl=3)], Findings(score=4, least=2), "defer"),
        ([rule(dnsbl=3)], Findings(score=4, least=3), "reject"),
        ([rule("accept", dnsbl=3), rule()], Findings(score=4, least=2), "defer"),
    ],
)
def test_dns_that_cannot_tell_never_rejects(rules: list[Rule], findings: Findings, action: str | None) -> None:
    verdict = decided(*rules, who=peer(findings=findings)).verdict
    assert (None if verdict is None else verdict.action) == action
    if action == "defer" and not any(one.action == "defer" for one in rules):
        assert verdict is not None
        assert verdict.reply is replies.DNS_UNSURE


def test_block_lists_are_for_strangers_and_name_who_lists_them() -> None:
    bad = Findings(score=5, least=5, lists=("zen.example",))
    found = decided(last=[listed(5, "reject")], who=peer(findings=bad)).verdict
    assert found == Verdict("reject", replies.listed_by(("zen.example",)), by="dnsbl")
    assert str(found.reply) == "554 5.7.1 Your address is on a block list: zen.example"
    assert decided(last=[listed(6, "reject")], who=peer(findings=bad)).verdict is None
    assert decided(last=[listed(5, "reject")], who=peer(findings=bad, may_relay=True)).verdict is None
    assert decided(last=[listed(5, "tag")], who=peer(findings=bad)).tags == ("dnsbl",)
    assert decided(rule("accept"), last=[listed(5, "reject")], who=peer(findings=bad)).verdict == Verdict(
        "accept", by="rule"
    )
    postmaster = parse_address("postmaster@example.org")
    assert decided(last=[listed(5, "reject")], who=peer(findings=bad), recipient=postmaster).verdict is None


def test_a_client_without_a_name() -> None:
    verdict = decided(last=[nameless()]).verdict
    assert verdict == Verdict("reject", replies.NAMELESS, by="reverse_dns")
    assert decided(last=[nameless()], who=peer(findings=Findings(name="a.example"))).verdict is None
    unsure = decided(last=[nameless()], who=peer(findings=UNSURE)).verdict
    assert unsure is not None
    assert unsure.reply is replies.DNS_UNSURE


def test_what_is_needed() -> None:
    assert not Rules().is_needed
    assert Rules([rule()]).is_needed
    assert not Rules([rule()], last=[listed(1, "tag")]).needs_names
    assert Rules(last=[nameless()]).needs_names


def test_it_is_explained_rule_by_rule() -> None:
    table = Rules(
        [
            rule("tag", "x"),
            rule("tag", "y", names=("a.example",)),
            rule("accept", names=(".b.example",)),
            rule("hold", recipients=["bob@example.org"]),
            rule("defer", clients=["192.0.2.0/24"]),
            rule(),
        ],
        last=[listed(1, "reject")],
    )
    who = peer(findings=UNSURE)
    assert table.explain(who, BOB, ALICE, is_postmaster=False) == [
        "rule (tag, at MAIL): matches, goes on",
        "rule (tag, at MAIL): not by what DNS says",
        "rule (accept, at MAIL): DNS cannot tell",
        "rule (hold, at RCPT): not this recipient",
        "rule (defer, at RCPT): matches, defer: 450 4.7.1 later",
    ]
    assert Rules(last=[listed(1, "reject")]).explain(who, None, ALICE, is_postmaster=True) == [
        "dnsbl (reject, at RCPT): not for the postmaster",
        "no rule decides",
    ]
    assert Rules([rule("hold")]).explain(who, None, ALICE, is_postmaster=False)[-1] == (
        "rule (hold, at MAIL): matches, hold"
    )
