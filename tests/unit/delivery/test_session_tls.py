"""TLS of a session that is being opened: resumption, client certificates, SNI, words in clear behind the 220."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop

from asyncmta.credentials import Identity
from asyncmta.delivery import client_tls
from asyncmta.delivery.client_tls import (
    IdentityRefused,
    ResumingContext,
    TlsContexts,
    check_identity,
    default_tls_contexts,
)
from asyncmta.delivery.session import Manners, Opened, Target, open_session
from asyncmta.delivery.tls_record import TlsRecord
from asyncmta.mail.outcome import Cause, Deferred, Failed
from asyncmta.system.clock import SystemClock
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.sink_values import SILENCE, SinkSettings
from asyncmta.testing.smtp_sink import SmtpSink

GREETING = (b"", b"220 odd.example\r\n")
HELLO = (b"EHLO us.example\r\n", b"250-odd.example\r\n250-STARTTLS\r\n250 PIPELINING\r\n")
STARTTLS = b"STARTTLS\r\n"


async def opened(
    address: tuple[str, int], contexts: TlsContexts, *, clock: Any = None, host: str = "localhost", **manners: Any
) -> Opened | Failed | Deferred:
    result = await open_session(
        Target(host, *address), Manners("us.example", contexts, **manners), clock or SystemClock()
    )
    if isinstance(result, Opened):
        result.transport.abort()
    return result


@pytest.fixture
def trusting(authority: trustme.CA) -> TlsContexts:
    """As at work, and trusts these tests."""
    contexts = default_tls_contexts()
    authority.configure_trust(contexts.verifying)
    return contexts


# -- resumption --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runner", [uvloop.run, asyncio.run])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("implicit", [False, True])
def test_sessions_are_resumed(
    runner: Callable[..., None],
    version: ssl.TLSVersion,
    implicit: bool,
    server_tls: ssl.SSLContext,
    trusting: TlsContexts,
) -> None:
    async def thrice() -> None:
        server_tls.maximum_version = version
        record = TlsRecord()
        async with SmtpSink(SinkSettings(tls=server_tls, implicit_tls=implicit)) as sink:
            for _ in range(3):
                result = await opened(sink.address, trusting, tls="verify", record=record, implicit_tls=implicit)
                assert isinstance(result, Opened)
                assert result.place.tls == version.name.replace("_", ".")
        assert (record.handshakes, record.resumed) == (3, 2)

    runner(thrice())


async def test_another_port_is_another_server(server_tls: ssl.SSLContext, trusting: TlsContexts) -> None:
    record = TlsRecord()
    for _ in range(2):
        async with SmtpSink(SinkSettings(tls=server_tls)) as sink:
            assert isinstance(await opened(sink.address, trusting, tls="verify", record=record), Opened)
    assert (record.handshakes, record.resumed) == (2, 0)


async def test_what_nobody_looked_at_is_not_resumed_as_verified(
    server_tls: ssl.SSLContext, trusting: TlsContexts
) -> None:
    record = TlsRecord()
    async with SmtpSink(SinkSettings(tls=server_tls)) as sink:
        for _ in range(2):
            assert isinstance(
                await opened(sink.address, trusting, tls="require", host="x.example", record=record), Opened
            )
        verified = await opened(sink.address, trusting, tls="verify", host="x.example", record=record)
        assert isinstance(verified, Deferred)
        assert verified.cause is Cause.TLS
    assert (record.handshakes, record.resumed) == (2, 1)


async def test_a_session_is_not_kept_for_long(server_tls: ssl.SSLContext, trusting: TlsContexts) -> None:
    clock, record = FakeClock(), TlsRecord()
    async with SmtpSink(SinkSettings(tls=server_tls)) as sink:
        for seconds in (3599.0, 3601.0, 0.0):
            assert isinstance(await opened(sink.address, trusting, tls="verify", clock=clock, record=record), Opened)
            clock.advance(seconds)
    assert (record.handshakes, record.resumed) == (3, 1)


async def test_as_many_servers_as_fit(
    server_tls: ssl.SSLContext, trusting: TlsContexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_tls, "MOST_SERVERS", 2)
    async with SmtpSink(SinkSettings(tls=server_tls)) as sink:
        for host in ("a.example", "b.example", "a.example", "c.example"):
            assert isinstance(await opened(sink.address, trusting, tls="require", host=host), Opened)
        assert isinstance(trusting.opportunistic, ResumingContext)
        assert [host for host, _ in trusting.opportunistic.kept] == ["a.example", "c.example"]


async def test_a_handshake_that_fails_forgets_the_session(
    server_tls: ssl.SSLContext, trusting: TlsContexts, scripted: Any
) -> None:
    async with SmtpSink(SinkSettings(tls=server_tls)) as sink:
        assert isinstance(await opened(sink.address, trusting, tls="require"), Opened)
        kept = trusting.opportunistic.kept
        (entry,) = kept.values()
    async with scripted([GREETING, HELLO, (STARTTLS, b"220 go\r\n"), (b"\x16", b"no TLS\r\n")]) as server:
        kept[("localhost", server.address[1])] = entry
        assert isinstance(await opened(server.address, trusting, tls="require"), Deferred)
        assert ("localhost", server.address[1]) not in kept


# -- words in clear ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["opportunistic", "require"])
@pytest.mark.parametrize("behind", [b"250 I was here before\r\n", b"2", b"250-odd.example\r\n250 AUTH PLAIN\r\n"])
async def test_words_behind_the_220_end_it_and_nothing_goes_out_in_clear(
    client_tls: TlsContexts, scripted: Any, level: str, behind: bytes
) -> None:
    """T02, CVE-2021-38371: whoever could put them there would be heard behind the handshake."""
    part = [GREETING, HELLO, (STARTTLS, b"220 go\r\n" + behind)]
    async with scripted(part, [GREETING, HELLO]) as server:
        outcome = await opened(server.address, client_tls, tls=level)
        assert isinstance(outcome, Deferred)
        assert "a reply before it was asked for" in outcome.reply.text
        assert len(server.got) == 1
        assert server.got[0].endswith(STARTTLS)


async def test_what_was_offered_in_clear_counts_no_more(
    client_tls: TlsContexts, server_tls: ssl.SSLContext, scripted: Any
) -> None:
    async with SmtpSink(SinkSettings(tls=server_tls, extensions=())) as sink:
        sink.script("EHLO", "250-sink.example\r\n250-STARTTLS\r\n250 DSN")
        result = await opened(sink.address, client_tls)
        assert isinstance(result, Opened)
        assert result.place.tls
        assert not result.peer.dsn


# -- levels ------------------------------------------------------------------------------------------------------------


async def test_going_on_in_clear_is_counted(client_tls: TlsContexts, scripted: Any) -> None:
    broken = [GREETING, HELLO, (STARTTLS, b"454 4.7.0 not now\r\n")]
    record = TlsRecord()
    async with scripted(broken, [GREETING, HELLO], broken, [(b"", None)]) as server:
        assert isinstance(await opened(server.address, client_tls, record=record), Opened)
        assert not isinstance(await opened(server.address, client_tls, record=record), Opened)
    assert (record.handshakes, record.fallbacks) == (0, 1)


async def test_a_host_that_lost_its_tls_is_told_of(client_tls: TlsContexts, server_tls: ssl.SSLContext) -> None:
    said = []
    record = TlsRecord(lambda level, event, **facts: said.append((event, facts["host"])))
    async with SmtpSink(SinkSettings(tls=server_tls)) as sink:
        await opened(sink.address, client_tls, record=record)
        sink.script("EHLO", "250 sink.example", times=2)
        for _ in range(2):
            assert isinstance(await opened(sink.address, client_tls, record=record), Opened)
    assert said == [("tls_dropped", "localhost")]


async def test_a_handshake_that_hangs_leads_to_clear(client_tls: TlsContexts, scripted: Any, until: Any) -> None:
    """T05: after its minute, and where nobody wants more."""
    clock, record = FakeClock(), TlsRecord()
    hanging = [GREETING, HELLO, (STARTTLS, b"220 go\r\n"), (b"\x16", ...)]
    async with scripted(hanging, [GREETING, HELLO]) as server:
        task = asyncio.create_task(opened(server.address, client_tls, clock=clock, record=record))
        await until(lambda: server.got and b"\x16" in server.got[0])
        clock.advance(59.0)
        await clock.settle()
        assert len(server.got) == 1
        clock.advance(1.0)
        result = await task
        assert isinstance(result, Opened)
        assert (result.place.tls, record.fallbacks) == ("", 1)


async def test_implicit_tls_has_no_clear_way(client_tls: TlsContexts, scripted: Any) -> None:
    async with scripted([GREETING, HELLO]) as server:
        outcome = await opened(server.address, client_tls, implicit_tls=True)
        assert isinstance(outcome, Deferred)
        assert outcome.cause is Cause.TLS
        assert len(server.got) == 1


@pytest.mark.parametrize(("answer", "code"), [("554 5.7.1 go away", 450), ("450 4.3.2 later", 450)])
async def test_a_greeting_in_implicit_tls_is_a_greeting(
    client_tls: TlsContexts, server_tls: ssl.SSLContext, answer: str, code: int
) -> None:
    async with SmtpSink(SinkSettings(tls=server_tls, implicit_tls=True)) as sink:
        sink.script("GREETING", answer)
        outcome = await opened(sink.address, client_tls, tls="require", implicit_tls=True)
        assert not isinstance(outcome, Opened)
        assert (outcome.cause, outcome.reply.code) == (Cause.REFUSED, code)
        assert outcome.place.tls


async def test_silence_in_implicit_tls_is_silence_of_the_greeting(
    client_tls: TlsContexts, server_tls: ssl.SSLContext, until: Any
) -> None:
    clock = FakeClock()
    async with SmtpSink(SinkSettings(tls=server_tls, implicit_tls=True)) as sink:
        sink.script("GREETING", SILENCE)
        task = asyncio.create_task(opened(sink.address, client_tls, clock=clock, implicit_tls=True))
        await until(lambda: sink.sessions_seen and clock.next_timer() == clock.monotonic() + 300.0)
        clock.advance(300.0)
        outcome = await task
        assert isinstance(outcome, Deferred)
        assert outcome.cause is Cause.TIMEOUT
        assert "greeting" in outcome.reply.text


async def test_an_implicit_handshake_that_hangs(client_tls: TlsContexts, scripted: Any, until: Any) -> None:
    clock = FakeClock()
    async with scripted([(b"\x16", ...)]) as server:
        task = asyncio.create_task(opened(server.address, client_tls, clock=clock, implicit_tls=True))
        await until(lambda: server.got and b"\x16" in server.got[0])
        clock.advance(60.0)
        outcome = await task
        assert isinstance(outcome, Deferred)
        assert (outcome.cause, len(server.got)) == (Cause.TIMEOUT, 1)


@pytest.mark.parametrize("reason", ["", "not the certificate that it should be"])
async def test_a_certificate_that_a_policy_judges(
    server_tls: ssl.SSLContext, trusting: TlsContexts, reason: str
) -> None:
    seen: list[bytes] = []

    def judge(certificate: bytes) -> str:
        seen.append(certificate)
        return reason

    async with SmtpSink(SinkSettings(tls=server_tls)) as sink:
        for _ in range(2):  # the second one is resumed where the first was good
            outcome = await opened(sink.address, trusting, tls="require", judge=judge)
            assert isinstance(outcome, Opened) is not bool(reason)
        assert sink.sessions_seen == 2
    assert seen[0] == seen[1]
    assert seen[0].startswith(b"\x30\x82")


@pytest.mark.parametrize(("host", "expected"), [("mx.example.org", "mx.example.org"), ("127.0.0.1", None)])
async def test_the_server_hears_which_host_is_meant(
    server_tls: ssl.SSLContext, client_tls: TlsContexts, host: str, expected: str | None
) -> None:
    heard: list[str | None] = []
    server_tls.sni_callback = lambda tunnel, name, context: heard.append(name)
    async with SmtpSink(SinkSettings(tls=server_tls)) as sink:
        assert isinstance(await opened(sink.address, client_tls, host=host), Opened)
    assert heard == [expected]


async def test_an_address_is_verified_as_one(server_tls: ssl.SSLContext, trusting: TlsContexts) -> None:
    async with SmtpSink(SinkSettings(tls=server_tls)) as sink:
        assert isinstance(await opened(sink.address, trusting, tls="verify", host="127.0.0.1"), Opened)


# -- client certificates -----------------------------------------------------------------------------------------------


@pytest.fixture
def identity(authority: trustme.CA, tmp_path: Path) -> Identity:
    issued = authority.issue_cert("us.example")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    return Identity(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))


async def test_a_client_certificate(
    authority: trustme.CA, server_tls: ssl.SSLContext, system_tls: TlsContexts, identity: Identity
) -> None:
    server_tls.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(server_tls)
    async with SmtpSink(SinkSettings(tls=server_tls)) as sink:
        assert isinstance(await opened(sink.address, default_tls_contexts(identity), tls="require"), Opened)
        assert not isinstance(await opened(sink.address, system_tls, tls="require"), Opened)


def test_the_certificates_of_the_system_are_loaded_where_they_are_looked_at(identity: Identity) -> None:
    known, alone, named = ssl.create_default_context(), default_tls_contexts(), default_tls_contexts(identity)
    stores = (alone.verifying, alone.opportunistic, named.verifying, named.opportunistic)
    assert [store.cert_store_stats()["x509_ca"] for store in stores] == [
        known.cert_store_stats()["x509_ca"] * loaded for loaded in (1, 0, 1, 1)
    ]


def test_files_that_are_no_client_certificate(identity: Identity, tmp_path: Path) -> None:
    check_identity(identity)
    with pytest.raises(
        IdentityRefused, match=r"cert\.pem: not a certificate chain .*\(in the same file, as key is empty"
    ):
        check_identity(Identity(identity.certificate))
    with pytest.raises(IdentityRefused, match=r"key\.pem: not a .*cert\.pem\)") as caught:
        default_tls_contexts(Identity(identity.key, identity.certificate))
    assert caught.value.key == "certificate"
    with pytest.raises(IdentityRefused, match=r"none\.pem: cannot be read: No such file") as caught:
        check_identity(Identity(identity.certificate, str(tmp_path / "none.pem")))
    assert caught.value.key == "key"


# -- what is judged at "verify" ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "host", "is_right"),
    [
        (["mx.example.org"], "mx.example.org", True),
        (["mx.example.org"], "MX.Example.ORG", True),
        (["a.example", "mx.example.org"], "mx.example.org", True),
        (["*.example.org"], "mx.example.org", True),
        (["*.example.org"], "a.mx.example.org", False),
        (["*.example.org"], "example.org", False),
        (["mx.example.org"], "mx.example.com", False),
        (["mx.example.org"], "mx.example.org.evil.example", False),
        (["192.0.2.1"], "mx.example.org", False),
        (["mx.example.org"], "127.0.0.1", False),
    ],
)
async def test_names_in_certificates(
    authority: trustme.CA, trusting: TlsContexts, names: list[str], host: str, is_right: bool
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    async with SmtpSink(SinkSettings(tls=context)) as sink:
        outcome = await opened(sink.address, trusting, tls="verify", host=host)
        assert isinstance(outcome, Opened) is is_right
        assert isinstance(await opened(sink.address, trusting, tls="require", host=host), Opened)


async def test_certificates_that_are_over_or_of_nobody(authority: trustme.CA, trusting: TlsContexts) -> None:
    over = authority.issue_cert("localhost", not_after=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
    for issued, why in (
        (over, "certificate has expired"),
        (trustme.CA().issue_cert("localhost"), "unable to get local issuer certificate"),
        (authority.issue_cert(common_name="localhost"), "Hostname mismatch"),
    ):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(context)
        async with SmtpSink(SinkSettings(tls=context)) as sink:
            outcome = await opened(sink.address, trusting, tls="verify")
            assert isinstance(outcome, Deferred)
            assert outcome.cause is Cause.TLS
            assert why in outcome.reply.text
            assert [line for _, line in sink.commands] == ["EHLO us.example", "STARTTLS"]
