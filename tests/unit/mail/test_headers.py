"""mail/headers: the fields that we add, the hop count, the ends of the header section, one field for people."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest

from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import QueueId
from asyncmta.mail.headers import (
    MAX_FIELD,
    Arrival,
    delivered_to,
    field,
    header_section,
    hop_count,
    may_have_hops,
    protocol_name,
    received,
    received_opening,
    return_path,
    rfc5322_date,
    split,
)

ARRIVAL = Arrival(by="mx.example.org", helo="client.example", ip="192.0.2.1", protocol="ESMTP")


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({"extended": False}, "SMTP"),
        ({"extended": False, "tls": True}, "SMTP"),
        ({"extended": True}, "ESMTP"),
        ({"extended": True, "tls": True}, "ESMTPS"),
        ({"extended": True, "authenticated": True}, "ESMTPA"),
        ({"extended": True, "tls": True, "authenticated": True}, "ESMTPSA"),
        ({"extended": True, "smtputf8": True}, "UTF8SMTP"),
        ({"extended": True, "smtputf8": True, "tls": True, "authenticated": True}, "UTF8SMTPSA"),
        ({"extended": True, "lmtp": True}, "LMTP"),
        ({"extended": False, "lmtp": True, "tls": True}, "LMTPS"),
        ({"extended": True, "lmtp": True, "smtputf8": True}, "UTF8LMTP"),
        ({"extended": True, "qmtp": True, "smtputf8": True}, "QMTP"),
    ],
)
def test_protocol_names_are_the_registered_ones(facts: dict[str, bool], name: str) -> None:
    assert protocol_name(**facts) == name


@pytest.mark.parametrize(
    ("arrival", "opening"),
    [
        (ARRIVAL, "Received: from client.example ([192.0.2.1])\r\n\tby mx.example.org with ESMTP id "),
        (Arrival(by="mx.example.org"), "Received: by mx.example.org id "),
        (Arrival(by="mx.example.org", protocol="HTTP"), "Received: by mx.example.org with HTTP id "),
        (
            Arrival(by="h", helo="c", ip="2001:db8::1", name="n.ex", tls="TLSv1.3", login="me"),
            "Received: from c (n.ex [IPv6:2001:db8::1])\r\n\t(using TLSv1.3)\r\n\t(authenticated as me)\r\n\tby h id ",
        ),
        (Arrival(by="a b", helo="[192.0.2.9]"), "Received: from [192.0.2.9]\r\n\tby unknown id "),
        (Arrival(by="h", helo="c", ip="fe80::1%eth0"), "Received: from c ([IPv6:fe80::1])\r\n\tby h id "),
        (Arrival(by="h", helo="c", ip="::ffff:192.0.2.1"), "Received: from c ([192.0.2.1])\r\n\tby h id "),
        (Arrival(by="h", helo="bad (helo)"), "Received: from unknown (helo=bad??helo?)\r\n\tby h id "),
        (
            Arrival(by="h", helo="a..b", ip="1.2.3.4", name="evil name"),
            "Received: from unknown ([1.2.3.4]) (helo=a..b)\r\n\tby h id ",
        ),
    ],
)
def test_opening_of_received(arrival: Arrival, opening: str) -> None:
    assert received_opening(arrival) == opening


def test_received_ends_with_id_and_date() -> None:
    opening = received_opening(ARRIVAL)
    assert received(opening, queue_id=QueueId(1), at=1732226460.9) == (
        b"Received: from client.example ([192.0.2.1])\r\n\tby mx.example.org with ESMTP id 0000000000000001;\r\n"
        b"\tThu, 21 Nov 2024 22:01:00 +0000\r\n"
    )


def test_received_names_a_single_recipient() -> None:
    recipient = parse_address("jürgen@bücher.example", smtputf8=True)
    octets = received(received_opening(ARRIVAL), queue_id=QueueId(1), at=0.0, recipient=recipient)
    assert "id 0000000000000001\r\n\tfor <jürgen@bücher.example>;\r\n\tThu, 01 Jan 1970".encode() in octets


def test_trace_fields_of_final_delivery() -> None:
    address = parse_address('"a b"@example.org')
    assert return_path(None) == b"Return-Path: <>\r\n"
    assert return_path(address) == b'Return-Path: <"a b"@example.org>\r\n'
    assert delivered_to(address) == b'Delivered-To: "a b"@example.org\r\n'


def test_an_address_too_long_for_a_line_of_utf8_gets_a_labels() -> None:
    label = "\U00020000" * 55  # one letter again and again is short in an A-label
    address = parse_address(f"a@{label}.{label}.{label}.example", smtputf8=True)
    assert len(str(address).encode()) > 600
    long = parse_address(f"{'é' * 120}@{label}.{label}.{label}.example", smtputf8=True)
    assert delivered_to(address) == b"Delivered-To: " + str(address).encode() + b"\r\n"
    assert delivered_to(long) == f"Delivered-To: {'é' * 120}@{long.domain_key}\r\n".encode()


@pytest.mark.parametrize(
    ("unix", "text"),
    [
        (0, "Thu, 01 Jan 1970 00:00:00 +0000"),
        (951782399.99, "Mon, 28 Feb 2000 23:59:59 +0000"),
        (951782400, "Tue, 29 Feb 2000 00:00:00 +0000"),
        (4102444799, "Thu, 31 Dec 2099 23:59:59 +0000"),
        (-5, "Thu, 01 Jan 1970 00:00:00 +0000"),
        (float("nan"), "Thu, 01 Jan 1970 00:00:00 +0000"),
        (float("inf"), "Thu, 01 Jan 1970 00:00:00 +0000"),
        (253402300799, "Fri, 31 Dec 9999 23:59:59 +0000"),
    ],
)
def test_date(unix: float, text: str) -> None:
    assert rfc5322_date(unix) == text


def test_date_is_what_the_standard_library_reads() -> None:
    for unix in range(1, 4_000_000_000, 86_399_999):
        assert parsedate_to_datetime(rfc5322_date(unix)).timestamp() == unix


@pytest.mark.parametrize(
    ("content", "section", "body"),
    [
        (b"A: b\r\nC: d\r\n\r\nbody\r\n", b"A: b\r\nC: d\r\n", b"body\r\n"),
        (b"A: b\r\n\r\n", b"A: b\r\n", b""),
        (b"A: b\r\n", b"A: b\r\n", b""),
        (b"\r\nbody\r\n\r\nmore\r\n", b"", b"body\r\n\r\nmore\r\n"),
        (b"", b"", b""),
        (b"A: b\r\n\r\n\r\nbody", b"A: b\r\n", b"\r\nbody"),
    ],
)
def test_split(content: bytes, section: bytes, body: bytes) -> None:
    assert split(content) == (section, body)
    assert header_section(content) == section


@pytest.mark.parametrize(
    ("section", "hops"),
    [
        (b"", 0),
        (b"Received: a\r\n", 1),
        (b"RECEIVED: a\r\nreceived:b\r\nReCeIvEd \t: c\r\n", 3),
        (b"Received-SPF: pass\r\nX-Received: a\r\nReceived\r\nSubject: Received: x\r\n\treceived: y\r\n", 0),
        (b"Subject: a\r\nReceived: b\r\n\tfrom c\r\nReceived:\r\n", 2),
        (b"Received Received: a\r\nReceived     ", 0),
    ],
)
def test_hop_count(section: bytes, hops: int) -> None:
    assert hop_count(section) == hops


def test_nobody_counts_in_a_short_header_section() -> None:
    assert not may_have_hops(b"Subject: x\r\n\r\nbody", 2)
    assert may_have_hops(b"Received:\r\nReceived:\r\nReceived:\r\n\r\nbody", 2)
    assert may_have_hops(b"Subject: x\r\n", 2)


@pytest.mark.parametrize(
    ("section", "value"),
    [
        (b"Subject: one\r\nSubject: two\r\n", "one"),
        (b"A: b\r\nsubject :  a\r\n b\r\n\tc \r\nX: y\r\n", "a b c"),
        (b"Subject:\r\n", ""),
        (b"Subject: last", "last"),
        (b"Subject: \x00\x1b[2J\xff\xe2\x80\xa8\r\n", "??[2J\ufffd?"),
        (b"Subjects: x\r\nX-Subject: y\r\n", None),
        (b"", None),
    ],
)
def test_field_is_unfolded_and_harmless(section: bytes, value: str | None) -> None:
    assert field(section, "Subject") == value


def test_field_is_bounded() -> None:
    assert field(b"Subject:" + b"x" * 10 * MAX_FIELD + b"\r\n y\r\n", "Subject") == "x" * MAX_FIELD
    folded = field(b"Subject:" + b" xyz\r\n" * MAX_FIELD, "Subject")
    assert folded is not None
    assert len(folded) <= MAX_FIELD
