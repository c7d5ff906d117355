"""Where an address goes: rules, patterns, local domains, the postmaster, and what is remembered."""

from __future__ import annotations

import pytest

from asyncmta.mail.address import parse_address
from asyncmta.mail.reply import reply
from asyncmta.routing import (
    CACHED_DOMAINS,
    Discard,
    Hold,
    InvalidPattern,
    Local,
    Mx,
    Pipe,
    Reject,
    Routing,
    Rule,
    Smarthost,
    parse_pattern,
    store_key,
    unknown_key,
)

NO = Reject(reply(550, "5.7.1", "no"))
HOST = Smarthost("out", ("smtp.example.net:587",), username="me", password="hush")
ALICE = parse_address("alice@example.org")
BOB = parse_address("bob@elsewhere.example")


def rule(recipient: str, via: object, sender: str = "*") -> Rule:
    return Rule(parse_pattern(recipient), parse_pattern(sender), via)  # type: ignore[arg-type]


def to(routing: Routing, recipient: str, sender: str | None = "bob@elsewhere.example") -> str:
    return routing.destination(parse_address(recipient, smtputf8=True), sender and parse_address(sender))


def test_without_rules_a_local_domain_is_local_and_the_rest_goes_by_mx() -> None:
    routing = Routing(local_domains=["Example.ORG"])
    assert routing.route(ALICE, BOB) == Local("example.org")
    assert routing.route(BOB, None) == Mx("elsewhere.example")
    assert to(routing, "x@[192.0.2.1]") == "mx:[192.0.2.1]"


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("example.net", "a@Example.NET", "a@sub.example.net"),
        ("*@example.net", "a@example.net", "a@example.com"),
        (".example.net", "a@b.example.net", "a@example.net"),
        ("*@.example.net", "a@b.c.example.net", "a@badexample.net"),
        ("Alice@example.net", "aLICE@EXAMPLE.net", "bob@example.net"),
        ('"alice"@example.net', "alice@example.net", "bob@example.net"),
        ("bücher.example", "a@xn--bcher-kva.example", "a@bucher.example"),
        ("*", "a@anything.example", ""),
    ],
)
def test_recipient_patterns(pattern: str, matching: str, other: str) -> None:
    routing = Routing(rules=[rule(pattern, Hold())])
    assert to(routing, matching) == "hold"
    if other:
        assert to(routing, other).startswith("mx:")


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("example.net", "a@example.net", "a@example.com"),
        ("a@example.net", "A@example.net", None),
        ("*", None, ""),
    ],
)
def test_sender_patterns(pattern: str, matching: str | None, other: str | None) -> None:
    routing = Routing(rules=[rule("*", Hold(), sender=pattern)])
    assert to(routing, "x@dest.example", matching) == "hold"
    if other != "":
        assert to(routing, "x@dest.example", other) == "mx:dest.example"


@pytest.mark.parametrize(
    "text", ["", "@example.org", "a b@example.org", "exa mple", ".", "*@", "**", "a@.example", "*.x"]
)
def test_what_is_no_pattern_says_what_is_allowed(text: str) -> None:
    with pytest.raises(InvalidPattern, match="subdomains"):
        parse_pattern(text)


def test_the_first_match_wins() -> None:
    routing = Routing(rules=[rule("example.net", Hold()), rule("a@example.net", Discard()), rule("*", HOST)])
    assert to(routing, "a@example.net") == "hold"
    assert to(routing, "a@example.com") == "smarthost:2"
    assert routing.route_of("smarthost:2") is HOST


def test_a_star_that_passes_mail_on_spares_local_domains_and_one_that_stops_it_does_not() -> None:
    local = ["example.org"]
    assert to(Routing(rules=[rule("*", HOST)], local_domains=local), "a@example.org") == "local:example.org"
    assert to(Routing(rules=[rule("*", Mx())], local_domains=local), "a@example.org") == "local:example.org"
    assert (
        to(
            Routing(rules=[rule("*", NO, sender="spam.example")], local_domains=local),
            "a@example.org",
            "x@spam.example",
        )
        == "reject:0"
    )
    assert to(Routing(rules=[rule("*", Discard())], local_domains=local), "a@example.org") == "discard"


def test_an_explicit_pattern_beats_a_local_domain() -> None:
    routing = Routing(
        rules=[rule("example.org", HOST), rule("b@example.com", Mx())], local_domains=["example.org", "example.com"]
    )
    assert to(routing, "a@example.org") == "smarthost:0"
    assert to(routing, "b@example.com") == "mx:example.com"
    assert to(routing, "c@example.com") == "local:example.com"


def test_one_smarthost_named_twice_is_one_destination() -> None:
    routing = Routing(rules=[rule("a.example", HOST), rule("b.example", Hold()), rule("c.example", HOST)])
    assert to(routing, "x@c.example") == to(routing, "x@a.example") == "smarthost:0"


def test_every_destination_leads_back_to_its_route() -> None:
    routing = Routing(rules=[rule("h.example", Hold()), rule("d.example", Discard()), rule("r.example", NO)])
    assert routing.route_of(to(routing, "x@h.example")) == Hold()
    assert routing.route_of(to(routing, "x@d.example")) == Discard()
    assert routing.route_of(to(routing, "x@r.example")) == NO
    with pytest.raises(LookupError):
        routing.route_of("smarthost:0")


def test_the_password_of_a_smarthost_is_not_in_its_repr() -> None:
    assert "hush" not in repr(HOST)
    assert "smtp.example.net:587" in repr(HOST)


def test_postmaster_at_hostname_is_ours_even_where_hostname_is_no_local_domain() -> None:
    routing = Routing(hostname="mx.example.org", rules=[rule("*", HOST)])
    assert to(routing, "Postmaster@MX.example.org") == "local:mx.example.org"
    assert to(routing, "alice@mx.example.org") == "smarthost:0"
    assert to(routing, '"postmaster"@mx.example.org') == "local:mx.example.org"


def test_a_named_postmaster_at_hostname_is_ours_too() -> None:
    routing = Routing(hostname="mx.example.org", postmaster=parse_address("hostmaster@mx.example.org"))
    assert to(routing, "hostmaster@mx.example.org") == "local:mx.example.org"
    assert to(routing, "other@mx.example.org") == "mx:mx.example.org"


@pytest.mark.parametrize(
    ("address", "answer"),
    [
        ("POSTMASTER@example.org", True),
        ("postmaster@mx.example.org", True),
        ("Admin@ops.example", True),
        ("other@ops.example", False),
        ("postmaster@ops.example", False),
        ("alice@example.org", False),
    ],
)
def test_who_is_postmaster(address: str, answer: bool) -> None:
    routing = Routing(
        hostname="mx.example.org", local_domains=["example.org"], postmaster=parse_address("admin@ops.example")
    )
    assert routing.is_postmaster(parse_address(address)) is answer


def test_relay_domains_with_and_without_subdomains() -> None:
    routing = Routing(relay_domains=["example.org", ".example.net"], local_domains=["here.example"])
    assert routing.may_relay_to("example.org")
    assert not routing.may_relay_to("sub.example.org")
    assert routing.may_relay_to("a.b.example.net")
    assert not routing.may_relay_to("example.net")
    assert not routing.may_relay_to("badexample.net")
    assert not Routing().may_relay_to("example.org")
    assert routing.is_local("here.example")
    assert not routing.is_local("example.org")


def test_what_is_remembered_of_one_sender_does_not_answer_for_another() -> None:
    routing = Routing(rules=[rule("example.net", Hold(), sender="a@x.example"), rule("*", Discard())])
    for _ in range(2):
        assert to(routing, "x@example.net", "a@x.example") == "hold"
        assert to(routing, "x@example.net", "b@x.example") == "discard"


def test_memory_of_domains_is_bounded() -> None:
    routing = Routing(rules=[rule("d7.example", Hold())])
    for number in range(CACHED_DOMAINS + 10):
        to(routing, f"x@d{number}.example")
    assert len(routing._known) <= CACHED_DOMAINS
    assert to(routing, "x@d7.example") == "hold"


def test_explain_tells_each_rule_that_was_asked() -> None:
    routing = Routing(
        rules=[
            rule("example.net", Hold()),
            rule("*", HOST),
            rule("example.org", NO, sender="a@b.example"),
            rule("*", Reject(reply(550, "5.7.1", "not here"))),
        ],
        local_domains=["example.org"],
    )
    assert routing.explain(ALICE, BOB) == [
        "route 0 (recipient example.net, sender *): not for this recipient",
        "route 1 (recipient *, sender *): does not cover local recipients",
        "route 2 (recipient example.org, sender a@b.example): not for this sender",
        "route 3 (recipient *, sender *): matches, reject:3",
        "destination: reject:3",
    ]
    assert Routing().explain(BOB, None) == [
        "no route matches; elsewhere.example is not local",
        "destination: mx:elsewhere.example",
    ]
    assert Routing(local_domains=["example.org"], rules=[rule("x.example", Mx())]).explain(ALICE, None)[1:] == [
        "no route matches; example.org is a local domain",
        "destination: local:example.org",
    ]


def test_next_hops_by_lmtp_and_commands_have_keys_of_their_own() -> None:
    store = Smarthost("store", ("unix:/run/lmtp",), protocol="lmtp")
    command = Pipe(("/bin/cat",))
    rules = [rule("a.example", HOST), rule("b.example", store), rule("c.example", command), rule("d.example", command)]
    routing = Routing(rules=rules)
    assert [to(routing, f"x@{name}.example") for name in "abcd"] == ["smarthost:0", "lmtp:1", "pipe:2", "pipe:2"]
    assert (routing.route_of("lmtp:1"), routing.route_of("pipe:2")) == (store, command)
    assert "hush" not in repr(HOST)


@pytest.mark.parametrize("via", [Smarthost("store", ("unix:/run/lmtp",), protocol="lmtp"), Pipe(("/bin/cat",))])
def test_a_rule_for_the_world_takes_away_no_mailbox_of_ours(via: object) -> None:
    everything = Routing(rules=[rule("*", via)], local_domains=["example.org"])
    assert everything.route(ALICE, BOB) == Local("example.org")
    assert everything.route(BOB, ALICE) == via
    named = Routing(rules=[rule("example.org", via)], local_domains=["example.org"])
    assert named.route(ALICE, BOB) == via


def test_servers_behind_a_local_domain_are_no_destination_of_a_rule() -> None:
    relay = Smarthost("x:25", ("x:25",), "opportunistic")
    store = Smarthost("unix:/s", ("unix:/s",), "opportunistic", protocol="lmtp")
    routing = Routing(
        rules=[Rule(parse_pattern("*"), parse_pattern("*"), relay)],
        local_domains=["here.example"],
        behind={unknown_key("here.example"): relay, store_key("here.example"): store},
    )
    assert routing.destination(parse_address("alice@here.example"), None) == "local:here.example"
    assert routing.destination(parse_address("a@far.example"), None) == "smarthost:0"
    assert routing.route_of(unknown_key("here.example")) == relay
    assert routing.route_of("store:here.example") == store
    with pytest.raises(LookupError):
        routing.route_of(unknown_key("far.example"))
