"""Routing is total, and the same address always goes to the same place, whatever was asked before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asyncmta.mail.address import Address, parse_address
from asyncmta.mail.reply import reply
from asyncmta.routing import Discard, Hold, Local, Mx, Pipe, Reject, Routing, Rule, Smarthost, parse_pattern

DOMAINS = ["a.example", "b.example", "sub.a.example", "deep.sub.a.example", "mx.host.example"]
domains = st.sampled_from(DOMAINS)
names = st.sampled_from(["alice", "Alice", "postmaster", '"alice"', "bob"])
addresses = st.builds(lambda name, domain: parse_address(f"{name}@{domain}"), names, domains)
patterns = st.one_of(
    st.just("*"),
    domains,
    domains.map(lambda domain: "." + domain),
    domains.map(lambda domain: "*@" + domain),
    addresses.map(str),
).map(parse_pattern)
vias = st.sampled_from(
    [
        Mx(),
        Hold(),
        Discard(),
        Reject(reply(550, "5.7.1", "no")),
        Smarthost("s", ("s.example:25",)),
        Smarthost("t", ("t.example:25",)),
        Smarthost("l", ("unix:/run/lmtp",), protocol="lmtp"),
        Pipe(("/bin/cat",)),
    ]
)
rules = st.lists(st.builds(Rule, patterns, patterns, vias), max_size=5)
questions = st.lists(st.tuples(addresses, st.none() | addresses), min_size=1, max_size=12)


def build(rules: list[Rule], local: set[str]) -> Routing:
    return Routing(rules=rules, local_domains=local, hostname="mx.host.example")


def plain(rules: list[Rule], local: set[str], recipient: Address, sender: Address | None) -> object:
    """What docs/decisions.md says, without keys, memory or shortcuts."""
    name = recipient.local_part.strip('"').lower()
    ours = recipient.domain_key in local or (name == "postmaster" and recipient.domain_key == "mx.host.example")
    for rule in rules:
        passes_on = isinstance(rule.via, Mx | Smarthost | Pipe)
        if rule.recipient.covers(recipient) and rule.sender.covers(sender):
            if ours and passes_on and rule.recipient.text == "*":
                continue
            return Mx(recipient.domain_key) if isinstance(rule.via, Mx) else rule.via
    return Local(recipient.domain_key) if ours else Mx(recipient.domain_key)


@given(rules, st.sets(domains), questions)
def test_every_answer_is_the_one_of_the_plain_rules(
    rules: list[Rule], local: set[str], questions: list[tuple[Address, Address | None]]
) -> None:
    routing = build(rules, local)
    for recipient, sender in [*questions, *reversed(questions)]:
        assert routing.route(recipient, sender) == plain(rules, local, recipient, sender)


@given(rules, st.sets(domains), questions)
def test_the_key_of_a_destination_names_one_route(
    rules: list[Rule], local: set[str], questions: list[tuple[Address, Address | None]]
) -> None:
    routing = build(rules, local)
    seen: dict[object, str] = {}
    for recipient, sender in questions:
        key = routing.destination(recipient, sender)
        route = routing.route_of(key)
        assert seen.setdefault(route, key) == key
        assert build(rules, local).destination(recipient, sender) == key
        assert routing.explain(recipient, sender)[-1] == f"destination: {key}"
