"""inbound/xclient: what proxies and filters say of their clients, and what is believed of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncmta.inbound.events import MessageEnded
from asyncmta.inbound.session import ClientFacts, client_at
from asyncmta.inbound.xclient import XCLIENT, XFORWARD, parse_attributes
from asyncmta.mail import replies
from tests.dialogs.player import Player, World

PROXY = {"client": "10.0.0.9", "xclient_from": "10.0.0.0/8"}


class Facts(Player):
    """A player that keeps what intake was told of each message's client."""

    def __init__(self, *args: object, **options: object) -> None:
        self.facts: list[ClientFacts] = []
        super().__init__(*args, **options)  # type: ignore[arg-type]

    def _content(self, event: object) -> None:
        if isinstance(event, MessageEnded):
            self.facts.append(event.facts)
        super()._content(event)  # type: ignore[arg-type]

    def message(self, *before: bytes) -> ClientFacts:
        self.say(*before, b"MAIL FROM:<a@example.com>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n")
        self.say(b"x\r\n.\r\n")
        return self.facts[-1]


def player(**settings: str) -> Facts:
    conversation = World(**(PROXY | settings)).player(greet=False).conversation
    return Facts(conversation)


def test_the_one_who_is_told_of_is_the_client() -> None:
    proxy = player()
    proxy.say(b"EHLO proxy.example\r\n")
    assert proxy.conversation.state.client.trusted
    proxy.say(b"XCLIENT NAME=spike.example. ADDR=192.0.2.7 PORT=4711\r\n")
    client = proxy.conversation.state.client
    assert (client.ip, client.port, client.name) == ("192.0.2.7", 4711, "spike.example")
    assert (client.trusted, client.speaks_for_others) == (False, False)
    facts = proxy.message(b"EHLO helo.example\r\n")
    assert (facts.ip, facts.helo, facts.login) == ("192.0.2.7", "helo.example", None)
    assert facts.opening.startswith("Received: from helo.example (spike.example [192.0.2.7])")
    assert "with ESMTP id" in facts.opening


def test_nothing_of_the_proxys_own_session_is_left() -> None:
    proxy = player(role="submission", auth="plaintext")
    proxy.say(b"EHLO proxy.example\r\nAUTH LOGIN\r\n")
    proxy.log_in("proxy")
    assert proxy.say(b"XCLIENT ADDR=192.0.2.7\r\n").startswith(b"220 ")
    state = proxy.conversation.state
    assert (state.login, state.helo, state.may_relay, state.extended) == (None, "", False, False)
    assert b"530 5.7.0" in proxy.say(b"EHLO x\r\nMAIL FROM:<a@example.com>\r\n")


def test_a_login_and_a_helo_that_are_told() -> None:
    proxy = player(role="submission", auth="plaintext")
    proxy.say(b"XCLIENT HELO=old.example PROTO=SMTP LOGIN=b+C3+BCcher\r\n")
    facts = proxy.message(b"XCLIENT ADDR=[TEMPUNAVAIL]\r\n")
    assert (facts.ip, facts.helo, facts.login) == ("", "old.example", "bücher")
    assert "with SMTP id" in facts.opening
    assert proxy.conversation.state.may_relay


def test_port_and_others_that_are_unknown() -> None:
    proxy = player()
    proxy.say(b"XCLIENT PORT=[UNAVAILABLE] PROTO=[unavailable] HELO=[UNAVAILABLE]\r\n")
    client = proxy.conversation.state.client
    assert (client.ip, client.port, client.speaks_for_others) == ("10.0.0.9", 0, True)
    assert proxy.conversation.state.helo == ""


def test_tls_forgets_what_was_told_before_it() -> None:
    proxy = player(tls="starttls")
    proxy.say(b"XCLIENT LOGIN=alice HELO=x.example\r\n")
    proxy.say(b"STARTTLS\r\n")
    proxy.handshake()
    proxy.say(b"XCLIENT ADDR=192.0.2.7\r\n")
    assert proxy.conversation.state.login is None
    assert proxy.conversation.state.helo == ""


def test_the_client_is_gone_before_it_was_counted() -> None:
    proxy = player()
    conversation = proxy.conversation
    conversation.feed(b"XCLIENT ADDR=192.0.2.7\r\n")
    conversation.close(replies.TOO_MANY_SESSIONS)
    assert conversation.client_changed(client_at(conversation.state.acceptance, "192.0.2.7", 1), {}) == b""


def test_forwarded_facts_are_those_of_one_transaction() -> None:
    filtering = player()
    filtering.say(b"EHLO filter.example\r\n")
    own = filtering.message()
    assert (own.ip, own.helo) == ("10.0.0.9", "filter.example")
    told = filtering.message(b"XFORWARD NAME=spike.example ADDR=192.0.2.7\r\n", b"XFORWARD HELO=h PROTO=ESMTPS\r\n")
    assert (told.ip, told.helo) == ("192.0.2.7", "h")
    assert told.opening == ("Received: from h (spike.example [192.0.2.7])\r\n\tby mx.example.org with ESMTPS id ")
    assert filtering.conversation.state.may_relay, "XFORWARD takes no trust away either"
    assert filtering.message() == own


def test_forwarded_facts_do_not_mix_with_those_of_the_session() -> None:
    filtering = player()
    filtering.say(b"EHLO filter.example\r\n")
    told = filtering.message(b"XFORWARD ADDR=IPV6:2001:db8::7\r\n")
    assert (told.ip, told.helo) == ("2001:db8::7", "")
    assert told.opening.startswith("Received: from unknown ([IPv6:2001:db8::7])")
    local = filtering.message(b"XFORWARD NAME=spike.example ADDR=[UNAVAILABLE]\r\n")
    assert (local.ip, local.opening) == ("", "Received: by mx.example.org id ")
    filtering.say(b"XFORWARD ADDR=192.0.2.7\r\nRSET\r\n")
    assert filtering.message().ip == "10.0.0.9"


def test_who_is_not_known_speaks_for_nobody() -> None:
    acceptance = World(**PROXY).acceptance()
    assert client_at(acceptance, "10.0.0.9", 1).speaks_for_others
    hidden = client_at(acceptance, "10.0.0.9", 1, is_known=False)
    assert (hidden.trusted, hidden.speaks_for_others) == (False, False)
    assert not client_at(acceptance, "", 0).speaks_for_others
    assert client_at(acceptance, "::ffff:10.0.0.9", 1).speaks_for_others


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ADDR=::ffff:1.2.3.4", None),
        ("ADDR=IPV6:::ffff:1.2.3.4", {"ADDR": "1.2.3.4"}),
        ("HELO=" + "x" * 255, {"HELO": "x" * 255}),
        ("HELO=" + "x" * 256, None),
        ("HELO=" + "+41" * 256, None),
        ("HELO=a+20b", None),
        ("LOGIN=a+20b", {"LOGIN": "a b"}),
        ("LOGIN=+E2+80+A8", None),
        ("IDENT=x", {"IDENT": "x"}),
        ("  ", None),
    ],
)
def test_attributes(text: str, found: dict[str, str] | None) -> None:
    parsed = parse_attributes(text, (*XCLIENT, "IDENT"))
    assert parsed == (replies.SYNTAX_PARAMETERS if found is None else found)


VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.sampled_from([*XCLIENT, *XFORWARD]), VALUES), max_size=4))
def test_no_value_holds_what_could_begin_a_line(told: list[tuple[str, str]]) -> None:
    found = parse_attributes(" ".join(f"{name}={value}" for name, value in told), (*XCLIENT, *XFORWARD))
    if isinstance(found, dict):
        assert all(value.isprintable() and len(value) <= 255 for value in found.values())
