"""Whom filters mean, and from where on a transaction is shown."""

from __future__ import annotations

import pytest

from asyncmta.tracing.events import LONGEST, Session, TraceEvent, as_text
from asyncmta.tracing.wanted import MOST_KEPT, View, Wanted, network

CLIENT = Session("i1", "in", "192.0.2.7", 4000, "relay 127.0.0.1:2525", "relay")
SITE = Session(
    "o1", "out", "198.51.100.1", 25, "mx:mx.example.net", names=frozenset({"mx.example.net", "198.51.100.1"})
)


@pytest.mark.parametrize(
    ("wanted", "client", "site"),
    [
        (Wanted(), True, True),
        (Wanted(client=network("192.0.2.0/24")), True, False),
        (Wanted(client=network("192.0.2.8")), False, False),
        (Wanted(client=network("2001:db8::/32")), False, False),
        (Wanted(listener="relay"), True, False),
        (Wanted(listener="127.0.0.1:2525"), True, False),
        (Wanted(listener="submission"), False, False),
        (Wanted(site="mx.example.net"), False, True),
        (Wanted(site="mx.example.net", listener="RELAY"), True, True),
        (Wanted(sender="a@example.org"), True, True),
    ],
)
def test_sessions(wanted, client, site):
    assert (wanted.covers(CLIENT), wanted.covers(SITE)) == (client, site)


def test_a_client_whose_address_is_not_known_is_in_no_network():
    assert not Wanted(client=network("0.0.0.0/0")).covers(Session("i1", "in", "", 0, "relay"))


def test_all_of_a_session():
    assert Wanted().is_all_of(CLIENT)
    assert Wanted(site="MX.example.net").is_all_of(SITE)
    assert not Wanted(site="example.org").is_all_of(SITE)
    assert not Wanted(recipient="b@example.org").is_all_of(CLIENT)
    assert not Wanted(sender="").is_all_of(CLIENT)


def said(view, *lines, by_client=True):
    found = []
    for line in lines:
        found += [event.line for event in view.of(TraceEvent(0.0, "line", line), by_client=by_client)]
    return found


def test_a_transaction_is_shown_from_the_connection_on_and_until_the_next():
    view = View(Wanted(recipient="b@example.org"), CLIENT)
    assert said(view, "EHLO me", "MAIL FROM:<a@example.org>", "RCPT TO:<c@example.org>") == []
    assert said(view, "rcpt to:<B@Example.ORG> NOTIFY=NEVER") == [
        *("EHLO me", "MAIL FROM:<a@example.org>", "RCPT TO:<c@example.org>", "rcpt to:<B@Example.ORG> NOTIFY=NEVER")
    ]
    assert said(view, "DATA") == ["DATA"]
    assert said(view, "MAIL FROM:<x@example.org>", "RCPT TO:<y@example.org>") == []
    assert said(view, "MAIL FROM:<z@example.org>", "RCPT TO:<b@example.org>") == [
        *("MAIL FROM:<z@example.org>", "RCPT TO:<b@example.org>")
    ]


def test_a_line_of_the_server_names_nobody():
    view = View(Wanted(sender="a@example.org"), CLIENT)
    assert said(view, "MAIL FROM:<a@example.org>", by_client=False) == []


def test_what_is_kept_is_bounded():
    view = View(Wanted(sender="@example.org"), CLIENT)
    assert said(view, *["NOOP"] * 3 * MOST_KEPT) == []
    assert len(said(view, "MAIL FROM:<a@example.org>")) == MOST_KEPT + 1
    for number in range(20 * MOST_KEPT):
        said(view, f"RCPT TO:<{number}@example.org>")
    assert len(view._recipients) == 10 * MOST_KEPT


@pytest.mark.parametrize(
    ("wanted", "sender", "recipient", "is_meant"),
    [
        (Wanted(sender=""), "", "b@example.net", True),
        (Wanted(sender="<>"), "a@example.org", "b@example.net", False),
        (Wanted(sender="a@example.org"), None, "b@example.net", False),
        (Wanted(site="example.net"), "a@example.org", "b@example.net", True),
        (Wanted(site="example.net"), "a@example.org", "b@other.example", False),
        (Wanted(site="mx.example.net"), "a@example.org", "b@other.example", True),
        (Wanted(recipient="@example.net"), "", "b@sub.example.net", False),
    ],
)
def test_transactions_of_a_site(wanted, sender, recipient, is_meant):
    assert wanted.wants(SITE, sender, [recipient]) is is_meant


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"250 fine", "250 fine"),
        (b"\x1b[2J\x07\r\x00", r"\x1b[2J\x07\r\x00"),
        ("grün \u202e".encode(), r"grün \u202e"),
        (b"\xff\xfe", r"\xff\xfe"),
    ],
)
def test_no_terminal_obeys_a_peer(octets, text):
    assert as_text(octets) == text


def test_a_long_line_is_cut():
    assert as_text(b"x" * 20_000) == "x" * LONGEST + "... (of 20000 octets)"
