"""Opening a session: every way in which a server can let us in, or not."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from typing import Any

import pytest

from asyncmta.delivery import session
from asyncmta.delivery.commands import Capabilities
from asyncmta.delivery.exchange import Login
from asyncmta.delivery.session import Manners, Opened, Target, TlsContexts, open_session
from asyncmta.mail.outcome import Cause, Deferred, Failed, Scope
from asyncmta.system.clock import SystemClock
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.sink_values import CLOSE, SILENCE, SinkSettings
from asyncmta.testing.smtp_sink import SmtpSink

HELLO = (b"EHLO us.example\r\n", b"250-odd.example\r\n250-STARTTLS\r\n250 PIPELINING\r\n")
GREETING = (b"", b"220 odd.example\r\n")

Outcome = Opened | Failed | Deferred


async def opened(
    address: tuple[str, int], contexts: TlsContexts, *, clock: Any = None, host: str = "localhost", **manners: Any
) -> Outcome:
    result = await open_session(
        Target(host, *address),
        Manners("us.example", contexts, **manners),
        clock if clock is not None else SystemClock(),
    )
    if isinstance(result, Opened):
        result.transport.abort()
    return result


def summary(outcome: Outcome) -> tuple[type, Cause, str]:
    assert not isinstance(outcome, Opened)
    assert outcome.scope is Scope.SITE
    return type(outcome), outcome.cause, f"{outcome.reply.code} {outcome.reply.enhanced}"


async def test_what_the_server_offers_is_known(client_tls: TlsContexts) -> None:
    async with SmtpSink(SinkSettings(max_size=5000)) as sink:
        result = await opened(sink.address, client_tls)
        assert isinstance(result, Opened)
        assert result.peer == Capabilities(
            pipelining=True, announces_size=True, size=5000, eight_bit=True, smtputf8=True, dsn=True, chunking=True
        )
        assert (result.place.host, result.place.ip, result.place.tls) == ("localhost", "127.0.0.1", "")
        assert sink.commands == [(1, "EHLO us.example")]


async def test_helo_when_ehlo_is_unknown(client_tls: TlsContexts) -> None:
    async with SmtpSink() as sink:
        sink.script("EHLO", "502 5.5.1 what")
        result = await opened(sink.address, client_tls)
        assert isinstance(result, Opened)
        assert result.peer == Capabilities()
        assert sink.commands[-1] == (1, "HELO us.example")


@pytest.mark.parametrize(
    ("step", "answer", "expected"),
    [
        ("GREETING", "554 5.7.1 go away", (Deferred, Cause.REFUSED, "450 4.7.1")),
        ("GREETING", "450 4.3.2 later", (Deferred, Cause.REFUSED, "450 4.3.2")),
        ("GREETING", "421 4.3.2 busy", (Deferred, Cause.REFUSED, "421 4.3.2")),
        ("GREETING", "250 not a greeting", (Deferred, Cause.CONNECT, "451 4.5.0")),
        ("GREETING", "354 not a greeting", (Deferred, Cause.CONNECT, "451 4.5.0")),
        ("GREETING", b"HTTP/1.1 400 Bad Request\r\n\r\n", (Deferred, Cause.CONNECT, "451 4.5.0")),
        ("GREETING", b"220 \xff\xfe\xed\r\n220 two\r\n", (Deferred, Cause.CONNECT, "451 4.5.0")),
        ("GREETING", b"\xff\xfe\xed\r\n", (Deferred, Cause.CONNECT, "451 4.5.0")),
        ("GREETING", b"220-" + b"x" * 100_000, (Deferred, Cause.CONNECT, "451 4.5.0")),
        ("GREETING", b"220 hi\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n", None),
        ("GREETING", CLOSE, (Deferred, Cause.CONNECT, "451 4.4.2")),
        ("EHLO", "421 4.3.2 busy", (Deferred, Cause.REFUSED, "421 4.3.2")),
        ("EHLO", "450 4.3.2 later", (Deferred, Cause.REFUSED, "450 4.3.2")),
        ("EHLO", "650 what", (Deferred, Cause.CONNECT, "451 4.5.0")),
        ("EHLO", CLOSE, (Deferred, Cause.CONNECT, "451 4.4.2")),
        ("EHLO", b"250-x\r\n" * 10_000, (Deferred, Cause.CONNECT, "451 4.5.0")),
        ("EHLO", b"250 hi\r\n250 more\r\n", (Deferred, Cause.CONNECT, "451 4.5.0")),
    ],
)
async def test_servers_that_do_not_let_us_in(
    client_tls: TlsContexts, step: str, answer: Any, expected: tuple[type, Cause, str] | None
) -> None:
    async with SmtpSink() as sink:
        sink.script(step, answer)
        outcome = await opened(sink.address, client_tls)
        assert summary(outcome) == (expected or (Deferred, Cause.CONNECT, "451 4.5.0"))
        assert not any(line.startswith("MAIL") for _, line in sink.commands)


async def test_a_server_that_knows_neither_ehlo_nor_helo(client_tls: TlsContexts) -> None:
    async with SmtpSink() as sink:
        sink.script("EHLO", "550 5.7.1 no")
        sink.script("HELO", "550 5.7.1 no either")
        outcome = await opened(sink.address, client_tls)
        assert summary(outcome) == (Deferred, Cause.REFUSED, "450 4.7.1")


async def test_nobody_listens(client_tls: TlsContexts) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        outcome = await opened(unused.getsockname(), client_tls)
    assert summary(outcome) == (Deferred, Cause.CONNECT, "451 4.4.1")
    assert isinstance(outcome, Deferred)
    assert "refused" in outcome.reply.text
    assert outcome.place.ip == "127.0.0.1"


async def test_a_source_address_that_is_not_ours(client_tls: TlsContexts) -> None:
    target = Target("localhost", "127.0.0.1", 25, source="192.0.2.99")
    outcome = await open_session(target, Manners("us.example", client_tls), SystemClock())
    assert summary(outcome) == (Deferred, Cause.CONNECT, "451 4.4.1")


async def test_a_source_address_is_used(client_tls: TlsContexts) -> None:
    peers = []

    def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(writer.get_extra_info("peername")[0])
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    async with server:
        target = Target("localhost", *server.sockets[0].getsockname()[:2], source="127.0.0.9")
        await open_session(target, Manners("us.example", client_tls), SystemClock())
    assert peers == ["127.0.0.9"]


async def turned_until(clock: FakeClock, task: asyncio.Task[Outcome], seconds: float) -> Outcome:
    """Move the clock, past a deadline that has been set."""
    await asyncio.sleep(0.01)
    assert not task.done()
    clock.advance(seconds - 1)
    await asyncio.sleep(0.001)
    assert not task.done()
    clock.advance(1)
    return await task


async def test_a_connection_that_does_not_come_about(client_tls: TlsContexts, clock: FakeClock) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.socket() as first, socket.socket() as second:
            for other in (first, second):
                other.setblocking(False)
                other.connect_ex(full.getsockname())
            task = asyncio.create_task(opened(full.getsockname(), client_tls, clock=clock, connect_timeout=30.0))
            outcome = await turned_until(clock, task, 30.0)
    assert summary(outcome) == (Deferred, Cause.TIMEOUT, "451 4.4.1")


@pytest.mark.parametrize(("step", "seconds"), [("GREETING", 300.0), ("EHLO", 300.0)])
async def test_silence_ends_some_day(
    client_tls: TlsContexts, clock: FakeClock, until: Any, step: str, seconds: float
) -> None:
    async with SmtpSink() as sink:
        sink.script(step, SILENCE)
        task = asyncio.create_task(opened(sink.address, client_tls, clock=clock))
        await until(lambda: sink.commands if step == "EHLO" else sink.sessions_seen)
        outcome = await turned_until(clock, task, seconds)
        assert summary(outcome) == (Deferred, Cause.TIMEOUT, "451 4.4.2")


async def test_a_cancelled_opening_leaves_no_connection(client_tls: TlsContexts, until: Any) -> None:
    async with SmtpSink() as sink:
        sink.script("EHLO", SILENCE)
        task = asyncio.create_task(opened(sink.address, client_tls))
        await until(lambda: sink.commands)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: not sink.open_sessions)
        assert sink.sessions_seen == 1


# -- TLS ---------------------------------------------------------------------------------------------------------------


async def test_tls_where_it_is_offered(server_tls: ssl.SSLContext, system_tls: TlsContexts) -> None:
    # With the system's certificates only: opportunistic TLS does not judge.
    async with SmtpSink(SinkSettings(tls=server_tls)) as sink:
        result = await opened(sink.address, system_tls)
        assert isinstance(result, Opened)
        assert result.place.tls.startswith("TLSv1.")
        assert result.peer.pipelining
        assert [line for _, line in sink.commands] == ["EHLO us.example", "STARTTLS", "EHLO us.example"]


async def test_no_tls_by_the_operator_s_wish(server_tls: ssl.SSLContext, client_tls: TlsContexts) -> None:
    async with SmtpSink(SinkSettings(tls=server_tls)) as sink:
        result = await opened(sink.address, client_tls, tls="none")
        assert isinstance(result, Opened)
        assert result.place.tls == ""


@pytest.mark.parametrize(
    "broken",
    [
        [GREETING, HELLO, (b"STARTTLS\r\n", b"220 go\r\n"), (b"\x16", b"this is no TLS\r\n")],
        [GREETING, HELLO, (b"STARTTLS\r\n", b"220 go\r\n"), (b"\x16", None)],
        [GREETING, HELLO, (b"STARTTLS\r\n", None)],
        [GREETING, HELLO, (b"STARTTLS\r\n", b"454 4.7.0 not now\r\n")],
        [GREETING, HELLO, (b"STARTTLS\r\n", b"what\r\n")],
    ],
)
async def test_broken_tls_falls_back_to_none(client_tls: TlsContexts, scripted: Any, broken: list[Any]) -> None:
    async with scripted(broken, [GREETING, HELLO]) as server:
        result = await opened(server.address, client_tls)
        assert isinstance(result, Opened)
        assert result.place.tls == ""
        assert result.peer.pipelining
        assert len(server.got) == 2
        assert b"STARTTLS" not in server.got[1]


@pytest.mark.parametrize("level", ["require", "verify"])
async def test_required_tls_never_falls_back(client_tls: TlsContexts, scripted: Any, level: str) -> None:
    broken = [GREETING, HELLO, (b"STARTTLS\r\n", b"454 4.7.0 not now\r\n")]
    async with scripted(broken) as server:
        outcome = await opened(server.address, client_tls, tls=level)
        assert summary(outcome) == (Deferred, Cause.TLS, "454 4.7.0")
        assert len(server.got) == 1


@pytest.mark.parametrize("level", ["require", "verify"])
async def test_required_tls_that_is_not_offered(client_tls: TlsContexts, level: str) -> None:
    async with SmtpSink() as sink:
        outcome = await opened(sink.address, client_tls, tls=level)
        assert summary(outcome) == (Deferred, Cause.TLS, "451 4.7.5")


async def test_a_handshake_that_hangs(client_tls: TlsContexts, scripted: Any, clock: FakeClock, until: Any) -> None:
    async with scripted([GREETING, HELLO, (b"STARTTLS\r\n", b"220 go\r\n"), (b"\x16", ...)]) as server:
        task = asyncio.create_task(opened(server.address, client_tls, clock=clock, tls="require"))
        await until(lambda: server.got and b"\x16" in server.got[0])
        outcome = await turned_until(clock, task, 60.0)
        assert summary(outcome) == (Deferred, Cause.TIMEOUT, "451 4.4.2")


async def test_a_certificate_that_is_judged(
    server_tls: ssl.SSLContext, client_tls: TlsContexts, system_tls: TlsContexts
) -> None:
    async with SmtpSink(SinkSettings(tls=server_tls)) as sink:
        assert isinstance(await opened(sink.address, client_tls, tls="verify"), Opened)
        stranger = await opened(sink.address, system_tls, tls="verify")
        assert summary(stranger) == (Deferred, Cause.TLS, "451 4.7.5")
        other_name = await opened(sink.address, client_tls, tls="verify", host="other.example")
        assert summary(other_name) == (Deferred, Cause.TLS, "451 4.7.5")
        assert isinstance(await opened(sink.address, client_tls, tls="require", host="other.example"), Opened)


async def test_requiretls_counts_only_when_verified(server_tls: ssl.SSLContext, client_tls: TlsContexts) -> None:
    async with SmtpSink(SinkSettings(tls=server_tls, extensions=("PIPELINING", "REQUIRETLS"))) as sink:
        verified = await opened(sink.address, client_tls, tls="verify")
        judged_by_nobody = await opened(sink.address, client_tls, tls="require")
        assert isinstance(verified, Opened)
        assert isinstance(judged_by_nobody, Opened)
        assert (verified.peer.requiretls, judged_by_nobody.peer.requiretls) == (True, False)


async def test_tls_from_the_first_octet(
    server_tls: ssl.SSLContext, client_tls: TlsContexts, system_tls: TlsContexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with SmtpSink(SinkSettings(tls=server_tls, implicit_tls=True)) as sink:
        monkeypatch.setattr(session, "IMPLICIT_TLS_PORT", sink.address[1])
        result = await opened(sink.address, client_tls, tls="verify")
        assert isinstance(result, Opened)
        assert result.place.tls.startswith("TLSv1.")
        stranger = await opened(sink.address, system_tls, tls="verify")
        assert summary(stranger) == (Deferred, Cause.TLS, "451 4.7.5")


# -- AUTH --------------------------------------------------------------------------------------------------------------

LOGIN = Login("me", "secret")


async def test_a_password_over_tls(server_tls: ssl.SSLContext, client_tls: TlsContexts) -> None:
    async with SmtpSink(SinkSettings(tls=server_tls, logins={"me": "secret"})) as sink:
        assert isinstance(await opened(sink.address, client_tls, tls="verify", login=LOGIN), Opened)
        assert any(line.startswith("AUTH PLAIN") for _, line in sink.commands)
        wrong = await opened(sink.address, client_tls, tls="verify", login=Login("me", "wrong"))
        assert summary(wrong) == (Deferred, Cause.REFUSED, "454 4.7.0")


@pytest.mark.parametrize("tls", ["opportunistic", "require", "verify"])
async def test_a_password_never_travels_in_clear(client_tls: TlsContexts, tls: str) -> None:
    async with SmtpSink(SinkSettings(logins={"me": "secret"})) as sink:
        outcome = await opened(sink.address, client_tls, tls=tls, login=LOGIN)
        assert summary(outcome) == (Deferred, Cause.TLS, "451 4.7.5")
        assert not any(line.startswith("AUTH") for _, line in sink.commands)


async def test_a_password_is_not_sent_after_a_broken_handshake(client_tls: TlsContexts, scripted: Any) -> None:
    broken = [GREETING, HELLO, (b"STARTTLS\r\n", b"454 no\r\n")]
    plain = [GREETING, (b"EHLO us.example\r\n", b"250-odd.example\r\n250 AUTH PLAIN LOGIN\r\n")]
    async with scripted(broken, plain) as server:
        outcome = await opened(server.address, client_tls, login=LOGIN)
        assert summary(outcome) == (Deferred, Cause.TLS, "451 4.7.5")
        assert not any(b"AUTH" in octets for octets in server.got)


async def test_a_password_in_clear_by_the_operator_s_wish(client_tls: TlsContexts, scripted: Any) -> None:
    offer = (b"EHLO us.example\r\n", b"250-odd.example\r\n250 AUTH LOGIN\r\n")
    part = [GREETING, offer, (b"AUTH LOGIN ", b"334 UGFzc3dvcmQ6\r\n"), (b"\r\n", b"235 2.7.0 ok\r\n")]
    async with scripted([*part[:3], (base64.b64encode(b"secret"), b"235 2.7.0 ok\r\n")]) as server:
        assert isinstance(await opened(server.address, client_tls, tls="none", login=LOGIN), Opened)


@pytest.mark.parametrize("offered", [b"250 PIPELINING\r\n", b"250 AUTH GSSAPI\r\n"])
async def test_a_server_without_a_mechanism_that_we_have(
    client_tls: TlsContexts, scripted: Any, offered: bytes
) -> None:
    async with scripted([GREETING, (b"EHLO us.example\r\n", b"250-odd.example\r\n" + offered)]) as server:
        outcome = await opened(server.address, client_tls, tls="none", login=LOGIN)
        assert summary(outcome) == (Deferred, Cause.REFUSED, "454 4.7.0")


@pytest.mark.parametrize(
    ("answer", "status"),
    [(b"235 ok\r\n250 what\r\n", "451 4.5.0"), (None, "451 4.4.2"), (b"235 ok\r\n", "")],
)
async def test_what_may_follow_a_password(
    client_tls: TlsContexts, scripted: Any, answer: bytes | None, status: str
) -> None:
    offer = (b"EHLO us.example\r\n", b"250-odd.example\r\n250 AUTH PLAIN\r\n")
    async with scripted([GREETING, offer, (b"AUTH PLAIN ", answer)]) as server:
        outcome = await opened(server.address, client_tls, tls="none", login=LOGIN)
        if status:
            assert summary(outcome) == (Deferred, Cause.CONNECT, status)
        else:
            assert isinstance(outcome, Opened)
