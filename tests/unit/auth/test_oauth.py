"""auth/oauth and auth/login: the examples of RFC 7628 and of Google, and what is none."""

from __future__ import annotations

import json

import pytest

from asyncmta.auth.login import login_in
from asyncmta.auth.oauth import MAX_TOKEN, Bearer, bearer, refusal

TOKEN = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
RFC = f"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer {TOKEN}\x01\x01"
GOOGLE = f"user=someuser@example.com\x01auth=Bearer {TOKEN}\x01\x01"


@pytest.mark.parametrize(
    ("mechanism", "text", "login"),
    [
        ("OAUTHBEARER", RFC, "user@example.com"),
        ("OAUTHBEARER", RFC.replace("n,a=user@example.com,", "n,,"), ""),
        ("OAUTHBEARER", RFC.replace("n,", "y,", 1), "user@example.com"),
        ("OAUTHBEARER", RFC.replace("user@", "us=2Cer=3D@"), "us,er=@example.com"),
        ("OAUTHBEARER", RFC.replace("Bearer", "bearer"), "user@example.com"),
        ("XOAUTH2", GOOGLE, "someuser@example.com"),
    ],
)
def test_messages(mechanism: str, text: str, login: str) -> None:
    assert bearer(mechanism, text.encode()) == Bearer(login, TOKEN)
    assert login_in(mechanism, text.encode()) == login


@pytest.mark.parametrize(
    ("mechanism", "text"),
    [
        ("OAUTHBEARER", ""),
        ("OAUTHBEARER", GOOGLE),
        ("OAUTHBEARER", RFC.replace("n,", "p=x,", 1)),
        ("OAUTHBEARER", RFC.replace("com,\x01", "com\x01")),
        ("OAUTHBEARER", RFC.replace("a=user", "b=user")),
        ("OAUTHBEARER", RFC.replace("user@", "us=er@")),
        ("OAUTHBEARER", RFC.replace("user@", "us\x7fer@")),
        ("OAUTHBEARER", RFC[:-1]),
        ("OAUTHBEARER", RFC.replace("host=", "host")),
        ("OAUTHBEARER", RFC.replace("auth=", "auto=")),
        ("OAUTHBEARER", RFC.replace("host=", "auth=")),
        ("OAUTHBEARER", RFC.replace("Bearer", "Basic")),
        ("OAUTHBEARER", RFC.replace(TOKEN, "")),
        ("OAUTHBEARER", RFC.replace(TOKEN, "a b")),
        ("OAUTHBEARER", RFC.replace(TOKEN, "é")),
        ("OAUTHBEARER", RFC.replace(TOKEN, "a\tb")),
        ("OAUTHBEARER", RFC.replace(TOKEN, "x" * (MAX_TOKEN + 1))),
        ("XOAUTH2", RFC),
        ("XOAUTH2", GOOGLE.replace("user=some", "name=some")),
        ("XOAUTH2", "user=\x01auth=Bearer x\x01\x01"),
    ],
)
def test_messages_that_are_none(mechanism: str, text: str) -> None:
    assert bearer(mechanism, text.encode()) is None
    assert login_in(mechanism, text.encode()) is None


def test_octets_that_are_no_text() -> None:
    assert bearer("XOAUTH2", b"\xff") is None


def test_a_token_is_not_shown_and_a_refusal_is_json() -> None:
    assert TOKEN not in repr(Bearer("me", TOKEN))
    assert json.loads(refusal("OAUTHBEARER"))["status"] == "invalid_token"
    assert json.loads(refusal("XOAUTH2"))["status"] == "401"


def test_whom_a_first_message_of_scram_names() -> None:
    assert login_in("SCRAM-SHA-256", b"n,,n=user,r=abc") == "user"
    assert login_in("SCRAM-SHA-256", b"user") is None
