"""inbound/allowance: from which addresses a login sends, and how much."""

from __future__ import annotations

import pytest

from asyncmta.inbound.allowance import Allowance
from asyncmta.inbound.limits import Limits
from asyncmta.inbound.throttle import Rate
from asyncmta.mail import replies
from asyncmta.mail.address import Address, parse_address
from asyncmta.routing import Pattern, parse_pattern

ME, IP = parse_address("me@example.org"), "192.0.2.1"


def senders(login: str) -> tuple[Pattern, ...] | None:
    lists = {"list": ("*@example.org", "boss@example.com"), "nothing": (), "all": ("*",)}
    return tuple(map(parse_pattern, lists[login])) if login in lists else None


def allowance(*, only_own: bool = False, **rates: Rate) -> Allowance:
    return Allowance(
        limits=Limits(**rates),  # type: ignore[arg-type]
        now=lambda: 1000.0,
        senders=senders,
        only_own=only_own,
        domains=("example.org", "mx.example.org"),
    )


@pytest.mark.parametrize(
    ("login", "address", "may", "may_if_own"),
    [
        (None, "x@anywhere.example", True, True),
        ("list", "x@example.org", True, True),
        ("list", "Boss@EXAMPLE.com", True, True),
        ("list", "me@example.com", False, False),
        ("nothing", "x@example.org", False, False),
        ("all", "x@anywhere.example", True, True),
        ("me@example.org", "me@example.org", True, True),
        ("me@example.org", '"Me"@EXAMPLE.ORG', True, True),
        ("me@example.org", "you@example.org", True, False),
        ("me@example.org", "me@example.com", True, False),
        ("me", "me@example.org", True, True),
        ("ME", "me@mx.example.org", True, True),
        ("me", "me@example.com", True, False),
        ("me", "you@example.org", True, False),
        ("me@", "me@example.org", True, False),
    ],
)
def test_addresses(login: str | None, address: str, may: bool, may_if_own: bool) -> None:
    for only_own, expected in ((False, may), (True, may_if_own)):
        answer = allowance(only_own=only_own).message(IP, login, parse_address(address))
        assert answer == (None if expected else replies.SENDER_NOT_OWNED)


def test_the_null_reverse_path_is_everybodys() -> None:
    assert allowance(only_own=True).message(IP, "nothing", None) is None


def many(made: Allowance, ip: str, login: str | None, path: Address | None = ME) -> tuple[int, int]:
    return (
        sum(made.message(ip, login, path) is None for _ in range(10)),
        sum(made.recipient(ip, login) is None for _ in range(10)),
    )


def test_amounts() -> None:
    made = allowance(
        messages_per_login=Rate(1, 60.0),
        recipients_per_login=Rate(2, 60.0),
        messages_per_client=Rate(3, 60.0),
        recipients_per_client=Rate(4, 60.0),
    )
    assert many(made, IP, "me") == (1, 2)
    assert many(made, "192.0.2.7", "me") == (0, 0)  # a login counts wherever it comes from
    assert many(made, IP, "you") == (1, 2)
    assert many(made, IP, None) == (3, 4)
    assert many(made, "2001:db8::1", None) == (3, 4)
    assert many(made, "2001:db8::2", None) == (0, 0)
    assert made.message(IP, "me", ME) == replies.TOO_MUCH_MAIL
    assert made.recipient(IP, "me") == replies.TOO_MANY_RECIPIENTS_NOW


def test_who_may_not_use_the_address_is_not_counted() -> None:
    made = allowance(messages_per_login=Rate(1, 60.0))
    assert many(made, IP, "nothing")[0] == 0
    assert made.message(IP, "nothing", None) is None


def test_without_limits() -> None:
    assert many(allowance(), IP, "me") == many(allowance(), IP, None) == (10, 10)
