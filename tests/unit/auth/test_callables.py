"""auth/callables: what a program gives to Mta(authenticator=...), alone and beside another source."""

from __future__ import annotations

from typing import Any

import pytest

from asyncmta.auth.callables import Callables
from asyncmta.auth.source import Attempt, Granted, No
from asyncmta.routing import Pattern, parse_pattern

MESSAGE = b"user=me\x01auth=Bearer good\x01\x01"


async def passwords(mechanism: str, login: str, password: str) -> bool | None:
    return {"right": True, "later": None}.get(password, False)


class Tokens:
    async def check_token(self, mechanism: str, login: str, token: str) -> Any:
        answers: dict[str, Any] = {"good": True, "other": "her", "later": None, "odd": 7, "none": "", "line": "a\nb"}
        return answers.get(token, False)


class Both(Tokens):
    async def __call__(self, mechanism: str, login: str, password: str) -> bool | None:
        return await passwords(mechanism, login, password)


class Rest:
    """Another source."""

    def __init__(self) -> None:
        self.is_closed = False

    def watch(self, changed: Any) -> None:
        changed(("PLAIN", "LOGIN", "XOAUTH2"))

    async def password(self, attempt: Attempt, login: str, password: str) -> Granted:
        return Granted(f"{login} of the rest")

    def exchange(self, attempt: Attempt) -> Any:
        return attempt.mechanism

    def senders(self, login: str) -> tuple[Pattern, ...] | None:
        return (parse_pattern("*"),)

    async def close(self) -> None:
        self.is_closed = True


def offered(source: Callables) -> tuple[str, ...]:
    offers: list[tuple[str, ...]] = []
    source.watch(offers.append)
    (offer,) = offers
    return offer


def test_what_is_offered() -> None:
    assert offered(Callables(passwords)) == ("PLAIN", "LOGIN")
    assert offered(Callables(Tokens())) == ("OAUTHBEARER", "XOAUTH2")
    assert offered(Callables(Both())) == ("PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2")
    assert offered(Callables(Tokens(), Rest())) == ("PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2")


def test_what_is_no_authenticator_and_what_would_hide_another() -> None:
    with pytest.raises(TypeError, match="check_token"):
        Callables(object())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"auth\.users"):
        Callables(passwords, Rest())


@pytest.mark.parametrize(("password", "verdict"), [("right", Granted("me")), ("wrong", No.WRONG), ("later", No.UNSURE)])
async def test_passwords(password: str, verdict: object) -> None:
    assert await Callables(passwords).password(Attempt("PLAIN"), "me", password) == verdict


@pytest.mark.parametrize(
    ("token", "verdict"),
    [
        (b"good", Granted("me")),
        (b"other", Granted("her")),
        (b"later", No.UNSURE),
        (b"odd", No.UNSURE),
        (b"none", No.UNSURE),
        (b"line", No.UNSURE),
    ],
)
async def test_tokens(token: bytes, verdict: object) -> None:
    exchange = Callables(Tokens()).exchange(Attempt("XOAUTH2"))
    assert await exchange.step(MESSAGE.replace(b"good", token)) == verdict


async def test_a_bad_token_is_told_and_whatever_follows_is_the_end() -> None:
    exchange = Callables(Tokens()).exchange(Attempt("OAUTHBEARER"))
    assert await exchange.step(b"n,,\x01auth=Bearer bad\x01\x01") == b'{"status":"invalid_token"}'
    assert await exchange.step(b"\x01") is No.WRONG
    assert await Callables(Tokens()).exchange(Attempt("OAUTHBEARER")).step(b"") is No.MALFORMED


async def test_a_token_that_is_nobodys_cannot_be_told() -> None:
    exchange = Callables(Tokens()).exchange(Attempt("OAUTHBEARER"))
    assert await exchange.step(b"n,,\x01auth=Bearer good\x01\x01") is No.UNSURE


async def test_the_rest_goes_to_the_rest() -> None:
    rest = Rest()
    source = Callables(Tokens(), rest)
    assert await source.password(Attempt("PLAIN"), "me", "x") == Granted("me of the rest")
    assert source.exchange(Attempt("SCRAM-SHA-256")) == "SCRAM-SHA-256"  # type: ignore[comparison-overlap]
    assert source.senders("me") == (parse_pattern("*"),)
    await source.close()
    assert rest.is_closed


async def test_alone_it_says_nothing_of_the_rest() -> None:
    source = Callables(Tokens())
    assert await source.password(Attempt("PLAIN"), "me", "x") is No.UNSURE
    assert source.senders("me") is None
    await source.close()
