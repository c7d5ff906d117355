"""Who may have mail for real, and how people are told."""

from __future__ import annotations

import pytest

from asyncmta.mail.address import parse_address
from asyncmta.policy.sandbox import Sandbox
from asyncmta.routing import parse_pattern

DEV = parse_address("dev@example.org")


@pytest.mark.parametrize(
    ("sandbox", "address", "allowed"),
    [
        (Sandbox(DEV), "dev@example.org", True),
        (Sandbox(DEV), "DEV@EXAMPLE.org", True),
        (Sandbox(DEV), "dev@example.com", False),
        (Sandbox(allow=(parse_pattern("*@example.com"),)), "dev@example.com", True),
        (Sandbox(allow=(parse_pattern("*@example.com"),)), "dev@a.example.com", False),
        (Sandbox(allow=(parse_pattern(".example.com"),)), "dev@a.example.com", True),
        (Sandbox(), "dev@example.org", False),
    ],
)
def test_who(sandbox: Sandbox, address: str, allowed: bool) -> None:
    assert sandbox.allows(parse_address(address)) is allowed


def test_words() -> None:
    assert str(Sandbox(DEV)) == "sandbox: mail for real to nobody; mail for others is redirected to dev@example.org"
    some = (parse_pattern("*@a.example"), parse_pattern("b.example"))
    assert str(Sandbox(allow=some)) == "sandbox: mail for real to *@a.example, b.example; mail for others is discarded"
    assert str(Sandbox(allow=some, refuses=True)).endswith("mail for others is refused")
