"""Tokens of confirmation: for one address, list and action, and not for ever."""

from __future__ import annotations

import pytest

from asyncmta.lists.names import Role
from asyncmta.lists.tokens import HOUR, LIFETIME, Confirmed, confirmed, token_for
from asyncmta.mail.address import parse_address

SECRET, NOW, LIST = b"s" * 32, 1_750_000_000.0, "dev@lists.example"
ALICE, BOB = parse_address("Alice@a.example"), parse_address("bob@b.example")


def made(action=Role.SUBSCRIBE, address=ALICE, now=NOW):
    return token_for(SECRET, action=action, list_key=LIST, address=address, now=now)


def asked(token, *candidates, secret=SECRET, list_key=LIST, now=NOW):
    return confirmed(secret, token, list_key=list_key, candidates=candidates or (ALICE,), now=now)


@pytest.mark.parametrize("action", [Role.SUBSCRIBE, Role.UNSUBSCRIBE])
def test_it_is_good_for_what_it_was_made_for(action):
    token = made(action)
    assert token.isalnum()
    assert len(token) < 30
    assert asked(token) == asked(token.upper()) == Confirmed(action, ALICE)
    assert asked(token, BOB, parse_address("alice@A.example")) is not None


def test_for_nobody_else_and_nothing_else():
    token = made()
    assert asked(token, BOB) is None
    assert asked(token, list_key="other@lists.example") is None
    assert asked(token, secret=b"t" * 32) is None
    assert asked("u" + token[1:]) is None
    assert asked(token[:-1]) is None
    later = f"{token[0]}{int(token[1:6], 16) + 1000:05x}{token[6:]}"
    assert asked(later) is None


@pytest.mark.parametrize("token", ["", "s", "x12345", "s\u0130", "s12345-", "s12345" + "a" * 20])
def test_nonsense(token):
    assert asked(token) is None


def test_it_expires():
    token = made()
    assert asked(token, now=NOW + LIFETIME - HOUR) is not None
    assert asked(token, now=NOW + LIFETIME + HOUR) is None
