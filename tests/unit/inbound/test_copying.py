"""Who gets copies of what passes ([[bcc]])."""

from __future__ import annotations

import pytest

from asyncmta.inbound.copying import Bcc, copies
from asyncmta.mail.address import Address, parse_address
from asyncmta.mail.envelope import NOTIFY_NEVER, Envelope, Recipient
from asyncmta.routing import parse_pattern

COPIES = "copies@archive.example"


def rule(sender: str = "*", recipient: str = "*", to: str = COPIES) -> Bcc:
    return Bcc(parse_pattern(sender), parse_pattern(recipient), parse_address(to))


def envelope(sender: str = "a@example.com", *recipients: str) -> Envelope:
    people = tuple(Recipient(parse_address(one)) for one in recipients or ("x@example.net", "y@example.org"))
    return Envelope(_sender(sender), people)


def _sender(text: str) -> Address | None:
    return parse_address(text) if text else None


@pytest.mark.parametrize(
    ("rules", "of", "found"),
    [
        ([], envelope(), []),
        ([rule()], envelope(), [COPIES]),
        ([rule()], envelope(""), [COPIES]),
        ([rule(sender="example.com")], envelope(), [COPIES]),
        ([rule(sender="example.com")], envelope(""), []),
        ([rule(sender="a@example.com")], envelope("b@example.com"), []),
        ([rule(recipient="example.org")], envelope(), [COPIES]),
        ([rule(recipient="example.org")], envelope("a@b.example", "x@example.net"), []),
        ([rule("example.com", "example.info")], envelope(), []),
        ([rule(), rule(), rule(to="other@archive.example")], envelope(), [COPIES, "other@archive.example"]),
        ([rule()], envelope("a@example.com", "x@example.net", "copies@ARCHIVE.example"), []),
    ],
)
def test_who_gets_one(rules: list[Bcc], of: Envelope, found: list[str]) -> None:
    more = copies(of, b"Subject: x\r\n\r\n", rules)
    assert [str(one.address) for one in more] == found
    assert all(one.notify == NOTIFY_NEVER for one in more)


@pytest.mark.parametrize(
    ("content", "is_copied"),
    [
        (b"Delivered-To: copies@archive.example\r\n\r\n", False),
        (b"Subject: x\nDelivered-To: Copies@Archive.Example\n\n", False),
        (b"Subject: x\r\n\r\nDelivered-To: copies@archive.example\r\n", True),
        (b"X-Delivered-To: copies@archive.example\r\n\r\n", True),
        (b"Delivered-To: copies@archive.example.org\r\n\r\n", True),
        (b"", True),
    ],
)
def test_what_was_there_is_not_copied_again(content: bytes, is_copied: bool) -> None:
    assert bool(copies(envelope(), content, [rule()])) is is_copied
