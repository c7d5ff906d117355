"""inbound/acceptance: who is trusted, what is offered, what becomes of a recipient."""

from __future__ import annotations

from typing import Any

import pytest

from asyncmta.inbound.acceptance import MOST_REMEMBERED, Acceptance, Existence, Terms, parse_networks
from asyncmta.inbound.limits import Limits
from asyncmta.mail import replies
from asyncmta.mail.address import parse_address
from asyncmta.mail.headers import Arrival
from asyncmta.mail.reply import Reply
from tests.dialogs.player import HOSTNAME, NOW, ROUTING, Later, lookup


def acceptance(*, refusal: Reply | None = None, pressure: Reply | None = None, **terms: Any) -> Acceptance:
    return Acceptance(
        now=lambda: NOW,
        terms=Terms(hostname=HOSTNAME, **terms),
        routing=ROUTING,
        lookup=lookup,
        refusal=lambda size=0: refusal,
        pressure=lambda: pressure,
    )


def recipient(text: str, *, may_relay: bool = False, sender: str = "a@example.com") -> object:
    return acceptance().recipient(
        parse_address(text, smtputf8=True), parse_address(sender) if sender else None, may_relay=may_relay
    )


def test_trust_is_a_matter_of_addresses_and_not_of_text() -> None:
    some = acceptance(networks=parse_networks(["127.0.0.0/8", "2001:db8::/32"]))
    assert [
        ip for ip in ("127.0.0.1", "::ffff:127.9.9.9", "::ffff:7f00:1", "2001:db8::5") if not some.is_trusted(ip)
    ] == []
    assert [ip for ip in ("128.0.0.1", "::1", "::ffff:128.0.0.1", "2001:db9::1", "") if some.is_trusted(ip)] == []
    assert not acceptance().is_trusted("127.0.0.1")


def test_what_an_address_may_do_is_found_out_once_and_for_so_many() -> None:
    some = acceptance(
        networks=parse_networks(["127.0.0.0/8"]),
        xclient_from=parse_networks(["192.0.2.0/28"]),
        etrn_from=parse_networks(["192.0.2.4/32"]),
    )
    first = some.standing("192.0.2.4")
    assert (first.trusted, first.speaks_for_others, first.may_turn) == (False, True, True)
    assert some.standing("127.0.0.1").may_turn
    assert some.standing("192.0.2.4") is first
    for number in range(MOST_REMEMBERED):
        assert not some.is_trusted(f"10.0.{number >> 8}.{number & 255}")
    again = some.standing("192.0.2.4")
    assert again == first
    assert again is not first
    assert some.standing("").address is None


def test_the_opening_of_received_is_written_once_for_a_client() -> None:
    some = acceptance()
    arrival = Arrival(by=HOSTNAME, helo="client.example", ip="192.0.2.1", protocol="ESMTP")
    opening = some.opening(arrival)
    assert opening.startswith("Received: from client.example ([192.0.2.1])")
    assert some.opening(Arrival(by=HOSTNAME, helo="client.example", ip="192.0.2.1", protocol="ESMTP")) is opening
    assert some.opening(Arrival(by=HOSTNAME, helo="client.example", ip="192.0.2.2", protocol="ESMTP")) != opening


def test_networks_are_networks() -> None:
    with pytest.raises(ValueError, match="host bits"):
        parse_networks(["127.0.0.1/8"])
    with pytest.raises(ValueError, match="does not appear"):
        parse_networks(["localhost"])


def test_offers_what_works_and_nothing_else() -> None:
    plain = acceptance().offers
    assert plain[False] == plain[True].replace(b"250-REQUIRETLS\r\n", b"")
    assert (b"REQUIRETLS" in plain[False], b"250-REQUIRETLS\r\n" in plain[True]) == (False, True)
    assert b"STARTTLS" not in plain[False]
    assert b"AUTH" not in plain[False]
    starttls = acceptance(tls="starttls", mechanisms=("PLAIN",)).offers
    assert starttls[False].endswith(b"250 STARTTLS\r\n")
    assert b"AUTH" not in starttls[False]
    assert starttls[True].endswith(b"250 AUTH PLAIN\r\n")
    assert b"STARTTLS" not in starttls[True]
    assert b"AUTH PLAIN" in acceptance(mechanisms=("PLAIN",), plaintext_auth=True).offers[False]
    assert b"SIZE 12345\r\n" in acceptance(limits=Limits(message_size=12345)).offers[False]


def test_a_sender_needs_room_and_time() -> None:
    assert acceptance().sender(0) is None
    assert acceptance(limits=Limits(message_size=10)).sender(11) is replies.TOO_BIG
    assert acceptance(refusal=replies.STORAGE_FULL, pressure=replies.BUSY).sender(1) is replies.STORAGE_FULL
    assert acceptance(pressure=replies.BUSY).sender(1) is replies.BUSY


def test_room_is_asked_for_the_size_that_was_declared() -> None:
    asked: list[int] = []

    def refusal(size: int = 0) -> Reply | None:
        asked.append(size)
        return replies.STORAGE_FULL if size > 1000 else None

    gate = Acceptance(
        now=lambda: NOW,
        terms=Terms(hostname="mx.example.org"),
        routing=ROUTING,
        lookup=lookup,
        refusal=refusal,
        pressure=lambda: None,
    )
    assert gate.sender(1001) is replies.STORAGE_FULL
    assert gate.sender(1000) is None
    assert gate.sender(0) is None
    assert asked == [1001, 1000, 0]


@pytest.mark.parametrize(
    ("terms", "offered", "not_offered"),
    [
        ({}, b"250-LIMITS RCPTMAX=1000\r\n", b"MAILMAX"),
        ({"limits": Limits(recipients=100, messages_per_session=7)}, b"250-LIMITS MAILMAX=7 RCPTMAX=100\r\n", b"AUTH"),
        ({"role": "lmtp"}, b"250-CHUNKING\r\n250-BINARYMIME\r\n", b"STARTTLS"),
    ],
)
def test_limits_are_named_where_they_hold(terms: dict[str, Any], offered: bytes, not_offered: bytes) -> None:
    offer = acceptance(**terms).offers[False]
    assert offered in offer
    assert not_offered not in offer


def test_local_recipients_are_looked_up_whoever_asks() -> None:
    for may_relay in (False, True):
        assert recipient("alice@example.org", may_relay=may_relay) is None
        assert recipient("nobody@example.org", may_relay=may_relay) is replies.NO_SUCH_MAILBOX
        assert recipient("unsure@example.org", may_relay=may_relay) is replies.MAILBOX_UNSURE
        assert isinstance(recipient("slow-alice@example.org", may_relay=may_relay), Later)


def test_strangers_do_not_get_further() -> None:
    assert recipient("x@anywhere.example") is replies.RELAY_DENIED
    assert recipient("x@anywhere.example", may_relay=True) is None
    assert recipient("x@relay.example") is None
    assert recipient("x%y@relay.example") is replies.RELAY_DENIED
    assert recipient("x%y@relay.example", may_relay=True) is None


def test_a_route_that_rejects_is_said_at_once_but_not_to_strangers() -> None:
    assert recipient("x@reject.example") is replies.RELAY_DENIED
    assert recipient("x@reject.example", may_relay=True) is replies.REJECTED_BY_RULE


def test_whatever_a_lookup_answers_only_a_no_is_a_no() -> None:
    assert Acceptance.existence(Existence.YES) is None
    assert Acceptance.existence(Existence.NO) is replies.NO_SUCH_MAILBOX
    assert Acceptance.existence(replies.moved("a@b.example")) == replies.moved("a@b.example")
    for other in (Existence.UNKNOWN, None, True, False, "no"):
        assert Acceptance.existence(other) is replies.MAILBOX_UNSURE
