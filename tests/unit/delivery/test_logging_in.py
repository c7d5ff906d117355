"""AUTH on a session: mechanisms in turn, refusals, and tokens that have gone stale."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable

import pytest

from asyncmta.credentials import Grant, Login
from asyncmta.delivery.logging_in import NoToken, log_in
from asyncmta.mail.outcome import Cause, Deferred, Place, Scope
from asyncmta.mail.reply import Reply, reply

PLACE = Place("smtp.example", "192.0.2.1", "TLSv1.3")
PASSWORD = Login("me", "pass")
TOKEN = Login("me", "", "auto", Grant(file="/token"))


class Server:
    """Answers with these replies in turn."""

    def __init__(self, *replies: str) -> None:
        self.heard: list[str] = []
        self._replies = [self._reply(text) for text in replies]

    @staticmethod
    def _reply(text: str) -> Reply:
        code, _, rest = text.partition(" ")
        return reply(int(code), None, rest)

    async def ask(self, line: bytes) -> Reply:
        verb, _, words = line.decode().rpartition(" ")
        shown = base64.b64decode(words).decode() if words not in ("=", "*", "CRAM-MD5") else words
        self.heard.append(f"{verb} {shown}".strip())
        return self._replies.pop(0)


class Tokens:
    def __init__(self, *tokens: str) -> None:
        self.left = list(tokens)
        self.told: list[str] = []

    async def current(self) -> str:
        return self._next()

    async def renewed(self, refused: str) -> str:
        self.told.append(f"refused {refused}")
        return self._next()

    def accepted(self, token: str) -> None:
        self.told.append(f"accepted {token}")

    def _next(self) -> str:
        if not self.left:
            raise NoToken("the well is dry")
        return self.left.pop(0)


LogIn = Callable[..., Awaitable[Reply | Deferred]]


async def logged_in(
    server: Server, login: Login = PASSWORD, offered: str = "PLAIN LOGIN", tokens: Tokens | None = None
) -> str:
    said = await log_in(server.ask, login, offered.split(), place=PLACE, port=587, tokens=tokens)
    if isinstance(said, Deferred):
        assert (said.cause, said.scope, said.place) == (Cause.REFUSED, Scope.SITE, PLACE)
        return f"deferred {said.reply}"
    return str(said)


async def test_a_password_is_taken() -> None:
    server = Server("235 2.7.0 ok")
    assert await logged_in(server) == "235 2.7.0 ok"
    assert server.heard == ["AUTH PLAIN \0me\0pass"]


async def test_a_refused_password_is_not_tried_again() -> None:
    server = Server("535 5.7.8 wrong")
    assert await logged_in(server) == "535 5.7.8 wrong"
    assert len(server.heard) == 1


@pytest.mark.parametrize("refusal", ["504 5.5.4 no such", "500 what", "534 5.7.9 too weak"])
async def test_a_mechanism_that_is_none_leads_to_the_next(refusal: str) -> None:
    server = Server(refusal, "334 UGFzc3dvcmQ6", "235 ok")
    assert await logged_in(server) == "235 ok"
    assert server.heard == ["AUTH PLAIN \0me\0pass", "AUTH LOGIN me", "pass"]
    assert await logged_in(Server(refusal), offered="PLAIN") == refusal


async def test_a_name_asked_for_twice() -> None:
    server = Server("334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 ok")
    assert await logged_in(server, offered="LOGIN") == "235 ok"
    assert server.heard == ["AUTH LOGIN me", "me", "pass"]


async def test_as_many_challenges_as_we_answer() -> None:
    assert await logged_in(Server(*["334 UGFzc3dvcmQ6"] * 3, "235 ok"), offered="LOGIN") == "235 ok"


@pytest.mark.parametrize(
    ("offered", "replies"),
    [
        ("PLAIN", ["334 ", "501 5.7.0 cancelled"]),  # nothing is left to say
        ("LOGIN", ["334 UGFzc3dvcmQ6"] * 4 + ["501 5.7.0 cancelled"]),  # endlessly
        ("CRAM-MD5", ["334 !", "501 5.7.0 cancelled"]),  # no base64
        ("CRAM-MD5", ["334 äöü", "501 5.7.0 cancelled"]),
    ],
)
async def test_challenges_that_lead_nowhere_are_cancelled(offered: str, replies: list[str]) -> None:
    server = Server(*replies)
    assert await logged_in(server, offered=offered) == "501 5.7.0 cancelled"
    assert server.heard[-1] == "*"


async def test_an_empty_initial_response() -> None:
    server = Server("535 5.7.8 no")
    login = Login("", "", "login")
    assert await logged_in(server, login) == "535 5.7.8 no"
    assert server.heard == ["AUTH LOGIN ="]


async def test_nothing_that_we_have() -> None:
    assert await logged_in(Server(), offered="GSSAPI") == (
        "deferred 454 4.7.0 the server offers no AUTH mechanism that we have"
    )
    login = Login("me", "pass", "cram-md5")
    assert await logged_in(Server(), login) == "deferred 454 4.7.0 the server offers no AUTH CRAM-MD5"


async def test_a_token_is_taken() -> None:
    server, tokens = Server("235 ok"), Tokens("t1")
    assert await logged_in(server, TOKEN, "PLAIN XOAUTH2", tokens) == "235 ok"
    assert server.heard == ["AUTH XOAUTH2 user=me\x01auth=Bearer t1\x01\x01"]
    assert tokens.told == ["accepted t1"]


async def test_a_stale_token_is_renewed_once_on_the_same_session() -> None:
    server, tokens = Server("334 e30=", "535 5.7.8 expired", "235 ok"), Tokens("t1", "t2")
    assert await logged_in(server, TOKEN, "XOAUTH2", tokens) == "235 ok"
    assert server.heard[1] == ""
    assert tokens.told == ["refused t1", "accepted t2"]
    server, tokens = Server("535 5.7.8 expired", "535 5.7.8 still"), Tokens("t1", "t2", "t3")
    assert await logged_in(server, TOKEN, "OAUTHBEARER", tokens) == "535 5.7.8 still"
    assert tokens.told == ["refused t1"]


async def test_other_refusals_of_a_token_are_not_about_the_token() -> None:
    tokens = Tokens("t1", "t2")
    assert await logged_in(Server("454 4.7.0 later"), TOKEN, "XOAUTH2", tokens) == "454 4.7.0 later"
    assert tokens.told == []


async def test_no_token() -> None:
    server = Server("535 5.7.8 expired")
    expected = "deferred 454 4.7.0 no access token: the well is dry"
    assert await logged_in(server, TOKEN, "XOAUTH2", Tokens()) == expected
    assert server.heard == []
    assert await logged_in(server, TOKEN, "XOAUTH2", Tokens("t1")) == expected
