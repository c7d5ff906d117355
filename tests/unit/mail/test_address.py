"""mail/address: what parses, what does not, what is printed, and what counts as the same mailbox."""

from __future__ import annotations

import pytest

from asyncmta.mail.address import (
    MAX_LOCAL_PART,
    Address,
    InvalidAddress,
    domain_key,
    parse_address,
    unquote,
)

LABEL = "a" * 63
LONGEST_DOMAIN = f"{LABEL}.{LABEL}.{LABEL}.{'b' * 61}"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("alice@example.org", "example.org"),
        ("Alice@Example.ORG", "example.org"),
        ("a.b.c@localhost", "localhost"),
        ("!#$%&'*+-/=?^_`{|}~@example.org", "example.org"),
        ('"a b"@example.org', "example.org"),
        ('"a@b"@example.org', "example.org"),
        ('"a\\"b\\\\"@example.org', "example.org"),
        ('""@example.org', "example.org"),
        ("a@1.example", "1.example"),
        ("a@example.x1", "example.x1"),
        ("a@b--c.example", "b--c.example"),
        ("a@XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("a@xn--i-7iq.ws", "xn--i-7iq.ws"),  # an A-label that IDNA2008 refuses and DNS has
        ("a@[192.0.2.1]", "[192.0.2.1]"),
        ("a@[IPv6:2001:DB8:0::1]", "[ipv6:2001:db8::1]"),
        ("a@[ipv6:::1]", "[ipv6:::1]"),
        (f"a@{LONGEST_DOMAIN}", LONGEST_DOMAIN),
        ("x" * MAX_LOCAL_PART + "@example.org", "example.org"),
    ],
)
def test_address_parses_and_prints_as_it_came(text: str, key: str) -> None:
    address = parse_address(text)
    assert str(address) == text
    assert address.domain_key == key
    assert address.is_ascii


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "alice",
        "alice@",
        "@example.org",
        ".alice@example.org",
        "alice.@example.org",
        "a..b@example.org",
        "a b@example.org",
        "a@b@example.org",
        '"a"b"@example.org',
        '"a\\"@example.org',
        '"a@example.org',
        'a"b"@example.org',
        "a(comment)@example.org",
        "<a@example.org>",
        "a@example.org.",
        "a@.example.org",
        "a@example..org",
        "a@-example.org",
        "a@example-.org",
        "a@exa_mple.org",
        "a@exa mple.org",
        "a@192.0.2.1",
        "a@example.123",
        "a@[192.0.2.256]",
        "a@[192.0.2.1",
        "a@[192.0.2]",
        "a@[192.0.02.1]",
        "a@[]",
        "a@[IPv6:]",
        "a@[IPv6:::g]",
        "a@[2001:db8::1]",
        "a@[IPv6:::1%eth0]",
        "a@[IPv6:::1%\r\nRCPT TO:<b@c>]",  # ipaddress takes any zone
        "a@[IPv6:" + "0" * 60 + "]",
        f"a@{'a' * 64}.example",
        f"a@{LONGEST_DOMAIN}b",
        "x" * (MAX_LOCAL_PART + 1) + "@example.org",
        "a\r\n@example.org",
        "a@example.org\r\n",
        "a@example.org\n",
        '"a\x00"@example.org',
        '"a\r"@example.org',
        '"a\t"@example.org',
        '"a\\\n"@example.org',
        '"a\x7f"@example.org',
    ],
)
def test_text_that_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress) as caught:
        parse_address(text, smtputf8=True)
    assert not caught.value.needs_smtputf8


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("jürgen@example.org", "example.org"),
        ('"jürgen b"@example.org', "example.org"),
        ("a@bücher.example", "xn--bcher-kva.example"),
        ("a@BÜCHER.Example", "xn--bcher-kva.example"),
        ("a@bu\u0308cher.example", "xn--bcher-kva.example"),  # composed by NFC
        ("a@faß.example", "xn--fa-hia.example"),
        ("用户@例子.example", "xn--fsqu00a.example"),
    ],
)
def test_non_ascii_address_needs_smtputf8(text: str, key: str) -> None:
    address = parse_address(text, smtputf8=True)
    assert str(address) == text
    assert address.domain_key == key
    assert not address.is_ascii
    with pytest.raises(InvalidAddress) as caught:
        parse_address(text)
    assert caught.value.needs_smtputf8


@pytest.mark.parametrize(
    "text",
    [
        "j\udcfcrgen@example.org",  # a raw Latin-1 octet, as surrogateescape shows it
        "a@b\udcfccher.example",
        "j\u0085@example.org",
        "j\u2028@example.org",
        '"j\u009f"@example.org',
        "é..b@example.org",
        "é" * 128 + "@example.org",
        "a@b\u00adü.example",  # invisible
        "a@\u200bexample.org",
        "a@ｅxample.org",
        "a@bü。example",
        "a@\u212aelvin.example",  # the Kelvin sign is a k in lower case
        "a@i❤.ws",
        "a@-é.example",
        "a@é_b.example",
        "a@é..example",
        "a@é.example.",
        "a@é.123",
        "a@xn--é.example",
        f"a@{'é' * 254}",
        "a@" + ".".join(["é" * 50] * 5),
    ],
)
def test_what_smtputf8_would_not_cure_does_not_claim_so(text: str) -> None:
    for smtputf8 in (True, False):
        with pytest.raises(InvalidAddress) as caught:
            parse_address(text, smtputf8=smtputf8)
        assert not caught.value.needs_smtputf8


def test_mailbox_key_ignores_needless_quoting_and_the_case_of_the_domain_only() -> None:
    plain = parse_address("a.b@example.org")
    assert parse_address('"a.b"@EXAMPLE.org').mailbox_key == plain.mailbox_key
    assert parse_address('"a\\.b"@example.org').mailbox_key == plain.mailbox_key
    assert parse_address("A.b@example.org").mailbox_key != plain.mailbox_key
    assert parse_address('"a.b "@example.org').mailbox_key != plain.mailbox_key


def test_u_label_and_a_label_are_one_mailbox() -> None:
    written = parse_address("a@bücher.example", smtputf8=True)
    assert written.mailbox_key == parse_address("a@xn--bcher-kva.example").mailbox_key
    assert written != parse_address("a@xn--bcher-kva.example")


def test_literal_is_known_as_one() -> None:
    assert parse_address("a@[192.0.2.1]").is_literal
    assert not parse_address("a@example.org").is_literal
    assert domain_key("[IPv6:0:0:0:0:0:0:0:1]") == domain_key("[IPv6:::1]")


def test_unquote_gives_the_meaning() -> None:
    assert unquote('"a\\"b c"') == 'a"b c'
    assert unquote("a.b") == "a.b"


def test_address_is_a_value() -> None:
    assert parse_address("a@b.example") == Address("a", "b.example", "b.example")
    assert len({parse_address("a@b.example"), parse_address("a@b.example")}) == 1
