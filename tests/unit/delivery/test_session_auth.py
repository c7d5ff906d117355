"""AUTH of a session that is being opened, at the sink: every mechanism, tokens, and never in clear."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from asyncmta.credentials import Grant, Login
from asyncmta.delivery.logging_in import NoToken
from asyncmta.delivery.session import Manners, Opened, Target, TlsContexts, open_session
from asyncmta.mail.outcome import Cause, Deferred, Failed, Scope
from asyncmta.system.clock import SystemClock
from asyncmta.testing.sink_values import CLOSE, SinkSettings
from asyncmta.testing.smtp_sink import SmtpSink

GREETING = (b"", b"220 odd.example\r\n")
GRANT = Grant(file="/token")


class Tokens:
    """Gives t1, then t2, and so on."""

    def __init__(self, at: int = 1) -> None:
        self.at = at
        self.accepted_ones: list[str] = []

    async def current(self) -> str:
        return f"t{self.at}"

    async def renewed(self, refused: str) -> str:
        assert refused == f"t{self.at}"
        if self.at == 9:
            raise NoToken("invalid_grant")
        self.at += 1
        return f"t{self.at}"

    def accepted(self, token: str) -> None:
        self.accepted_ones.append(token)


async def opened(address: tuple[str, int], contexts: TlsContexts, **manners: Any) -> Opened | Failed | Deferred:
    result = await open_session(
        Target("localhost", *address), Manners("us.example", contexts, **manners), SystemClock()
    )
    if isinstance(result, Opened):
        result.transport.abort()
    return result


def with_tokens(*good: str, **facts: Any) -> SinkSettings:
    return SinkSettings(check_token=lambda user, token: user == "me" and token in good, **facts)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize("password", ["secret", "p ä ss", "wrong"])
async def test_a_password_in_every_mechanism(
    server_tls: ssl.SSLContext, client_tls: TlsContexts, mechanism: str, password: str
) -> None:
    good = "" if password == "wrong" else password
    settings = SinkSettings(tls=server_tls, logins={"me": good or "other"}, mechanisms=(mechanism,))
    async with SmtpSink(settings) as sink:
        outcome = await opened(sink.address, client_tls, tls="verify", login=Login("me", password))
        if good:
            assert isinstance(outcome, Opened)
        else:
            assert isinstance(outcome, Deferred)
            assert (outcome.cause, outcome.scope) == (Cause.REFUSED, Scope.SITE)
            assert "535" in outcome.reply.text
        assert sum(line.startswith("AUTH") for _, line in sink.commands) == 1
        assert not sink.violations


@pytest.mark.parametrize("auth", ["auto", "xoauth2", "oauthbearer"])
async def test_a_token(server_tls: ssl.SSLContext, client_tls: TlsContexts, auth: str) -> None:
    tokens, login = Tokens(), Login("me", "", auth, GRANT)
    async with SmtpSink(with_tokens("t1", tls=server_tls)) as sink:
        outcome = await opened(sink.address, client_tls, tls="verify", login=login, tokens=tokens)
        assert isinstance(outcome, Opened)
        (line,) = [line for _, line in sink.commands if line.startswith("AUTH")]
        assert line.split()[1] == {"auto": "XOAUTH2"}.get(auth, auth.upper())
        assert tokens.accepted_ones == ["t1"]
        assert not sink.violations


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer"])
async def test_a_stale_token_costs_no_session(server_tls: ssl.SSLContext, client_tls: TlsContexts, auth: str) -> None:
    tokens = Tokens()
    async with SmtpSink(with_tokens("t2", tls=server_tls)) as sink:
        outcome = await opened(
            sink.address, client_tls, tls="verify", login=Login("me", "", auth, GRANT), tokens=tokens
        )
        assert isinstance(outcome, Opened)
        assert sink.sessions_seen == 1
        assert tokens.accepted_ones == ["t2"]
        assert not sink.violations


async def test_a_server_that_leaves_over_a_stale_token_is_called_again(
    server_tls: ssl.SSLContext, client_tls: TlsContexts
) -> None:
    tokens = Tokens()
    async with SmtpSink(with_tokens("t2", tls=server_tls)) as sink:
        sink.script("AUTH", "535 5.7.8 expired")
        sink.script("AUTH", CLOSE)
        outcome = await opened(
            sink.address, client_tls, tls="verify", login=Login("me", "", "auto", GRANT), tokens=tokens
        )
        assert isinstance(outcome, Opened)
        assert (sink.sessions_seen, tokens.at) == (2, 2)


@pytest.mark.parametrize(("at", "reason"), [(1, "535"), (9, "no access token: invalid_grant")])
async def test_tokens_that_are_never_good(
    server_tls: ssl.SSLContext, client_tls: TlsContexts, at: int, reason: str
) -> None:
    tokens = Tokens(at)
    async with SmtpSink(with_tokens(tls=server_tls)) as sink:
        outcome = await opened(
            sink.address, client_tls, tls="verify", login=Login("me", "", "auto", GRANT), tokens=tokens
        )
        assert isinstance(outcome, Deferred)
        assert reason in outcome.reply.text
        assert (outcome.scope, sink.sessions_seen) == (Scope.SITE, 1)


@pytest.mark.parametrize("tls", ["opportunistic", "require", "verify"])
async def test_a_token_never_travels_in_clear(client_tls: TlsContexts, tls: str) -> None:
    async with SmtpSink(with_tokens("t1")) as sink:
        outcome = await opened(sink.address, client_tls, tls=tls, login=Login("me", "", "auto", GRANT), tokens=Tokens())
        assert isinstance(outcome, Deferred)
        assert outcome.cause is Cause.TLS
        assert not any(line.startswith("AUTH") for _, line in sink.commands)


async def test_a_relay_that_drops_starttls_gets_no_password(
    server_tls: ssl.SSLContext, client_tls: TlsContexts
) -> None:
    """M20: after a restart it offers AUTH in clear."""
    async with SmtpSink(SinkSettings(tls=server_tls, logins={"me": "secret"})) as sink:
        login = Login("me", "secret")
        assert isinstance(await opened(sink.address, client_tls, tls="verify", login=login), Opened)
        sink.script("EHLO", "250-sink.example\n250 AUTH PLAIN LOGIN")
        before = len(sink.commands)
        outcome = await opened(sink.address, client_tls, tls="verify", login=login)
        assert isinstance(outcome, Deferred)
        assert [line for _, line in sink.commands[before:]] == ["EHLO us.example"]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"250 fine\r\n", "451 4.5.0"),
        (b"335 what\r\n", "451 4.5.0"),
        (b"454 4.7.0 busy\r\n", "454 4.7.0"),
        (b"421 4.3.2 bye\r\n", "421 4.3.2"),
    ],
)
async def test_answers_to_auth_that_let_nobody_in(
    client_tls: TlsContexts, scripted: Any, answer: bytes, status: str
) -> None:
    offer = (b"EHLO us.example\r\n", b"250-odd.example\r\n250 AUTH PLAIN\r\n")
    async with scripted([GREETING, offer, (b"AUTH PLAIN ", answer)]) as server:
        outcome = await opened(server.address, client_tls, tls="none", login=Login("me", "secret"))
        assert isinstance(outcome, Deferred)
        assert f"{outcome.reply.code} {outcome.reply.enhanced}" == status
        assert outcome.scope is Scope.SITE
