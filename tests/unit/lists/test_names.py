"""The addresses around a list's name."""

from __future__ import annotations

import pytest

from asyncmta.lists.names import Called, MailingList, Names, Role, is_list_name
from asyncmta.mail.address import parse_address

DEV = MailingList(
    address=parse_address("Dev@Example.org"), members="/m", owner=parse_address("ann@example.org"), subscribe=True
)
NEWS = MailingList(address=parse_address("news@example.org"), members="/n", owner=parse_address("ann@example.org"))
NAMES = Names([DEV, NEWS])


@pytest.mark.parametrize(
    ("text", "called"),
    [
        ("dev@example.org", Called(DEV, Role.POST)),
        ('"DEV"@EXAMPLE.org', Called(DEV, Role.POST)),
        ("owner-dev@example.org", Called(DEV, Role.OWNER)),
        ("owner-dev+bob=example.com@example.org", Called(DEV, Role.BOUNCE, "bob=example.com")),
        ("dev-subscribe@example.org", Called(DEV, Role.SUBSCRIBE)),
        ("dev-unsubscribe@example.org", Called(DEV, Role.UNSUBSCRIBE)),
        ("dev-confirm+abc@example.org", Called(DEV, Role.CONFIRM, "abc")),
        ("owner-news+b=c@example.org", Called(NEWS, Role.BOUNCE, "b=c")),
        ("dev-confirm@example.org", None),
        ("dev-confirm+@example.org", None),
        ("dev+x@example.org", None),
        ("dev-subscribe+x@example.org", None),
        ("news-subscribe@example.org", None),
        ("news-confirm+abc@example.org", None),
        ("dev@example.com", None),
        ("bob@example.org", None),
    ],
)
def test_what_an_address_is_for(text, called):
    assert NAMES.called(parse_address(text)) == called


def test_the_addresses_of_a_list():
    assert [str(DEV.at(role, "x")) for role in Role] == [
        "Dev@Example.org",
        "owner-Dev+x@Example.org",
        "owner-Dev+x@Example.org",
        "Dev-subscribe+x@Example.org",
        "Dev-unsubscribe+x@Example.org",
        "Dev-confirm+x@Example.org",
    ]
    assert str(DEV.at(Role.OWNER)) == "owner-Dev@Example.org"
    assert DEV.key == "dev@example.org"
    assert DEV.list_id == "dev.example.org"


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("dev@a.example", True),
        ("a.b-c_2@a.example", True),
        ("d+e@a.example", False),
        ('"d e"@a.example', False),
        ("owner-dev@a.example", False),
        ("d/e@a.example", False),
        ("dev-subscribe@a.example", False),
        ("Dev-Confirm@a.example", False),
        (f"{'d' * 41}@a.example", False),
    ],
)
def test_what_a_list_may_be_called(text, may):
    assert is_list_name(parse_address(text)) is may
