"""inbound/listener over real sockets, on both event loops: TLS, AUTH by the library, PROXY, stop."""

from __future__ import annotations

import asyncio
import base64
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiosmtpd
import pytest
import trustme
import uvloop
from aiosmtpd.smtp import SMTP

from asyncmta.inbound import listener
from asyncmta.inbound.access import AccessSettings
from asyncmta.inbound.certificate_files import Pair, TlsFiles
from asyncmta.inbound.certificates import Certificates
from asyncmta.inbound.limits import Limits
from asyncmta.inbound.listener import ListenerSettings, SmtpConnection
from asyncmta.inbound.throttle import Rate
from asyncmta.inbound.tunnel import TCP_QUICKACK
from asyncmta.mail import replies
from asyncmta.mail.envelope import QueueId
from asyncmta.mail.reply import Reply
from asyncmta.testing.client import RawClient
from asyncmta.testing.clock import FakeClock
from tests.unit.inbound.inboundkit import Kit, KitLog, KitTransport

Scenario = Callable[[], Coroutine[Any, Any, None]]

V2 = b"\r\n\r\n\x00\r\nQUIT\n"
PLAIN = base64.b64encode(b"\0alice\0secret").decode()


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Run a scenario to its end on each of the loops."""

    def run(scenario: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(scenario)

    return run


AUTHORITY = trustme.CA()


def server_context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    return context


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


class Tokens:
    """Takes passwords of nobody; a token that is "never" is never answered."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def check_token(self, mechanism: str, login: str, token: str) -> bool:
        self.asked.set()
        if token == "never":
            await asyncio.get_running_loop().create_future()
        return token == "good"


async def authenticate(mechanism: str, login: str, password: str) -> bool | None:
    await asyncio.sleep(0)
    if login == "later":
        return None
    if login == "broken":
        raise OSError("no users today")
    return (login, password) == ("alice", "secret")


@asynccontextmanager
async def listening(**options: Any) -> AsyncIterator[Kit]:
    kit = Kit(**options)
    await kit.listener.start()
    try:
        yield kit
    finally:
        await kit.listener.stop(0.0)
        assert not kit.listener.sessions.live
        assert kit.reception.clients == {}


def client(kit: Kit, **options: Any) -> RawClient:
    host, port = kit.listener.addresses[0]
    return RawClient(host, port, **options)


async def closed(client: RawClient) -> bool:
    return await client.read_reply() == b""


# -- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{"role": "smtp"}, {"tls": "always"}, {"port": 65536}, {"max_sessions": 0}])
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        ListenerSettings(**settings)


def test_tls_needs_a_certificate() -> None:
    with pytest.raises(ValueError, match="certificate"):
        Kit(tls="starttls")


# -- the library -----------------------------------------------------------------------------------------------------


def test_it_is_still_the_librarys_class_and_shares_nothing_with_others() -> None:
    before = dict(SMTP.command_size_limits)
    kit = Kit()
    connection, _ = kit.connect()
    connection.data_received(b"EHLO c\r\n" * 5)
    assert isinstance(connection, SMTP)
    assert dict(SMTP.command_size_limits) == before
    other = SmtpConnection(kit.listener)
    assert other.transport is None
    assert "_auth_methods" not in vars(other)


# -- plain -----------------------------------------------------------------------------------------------------------


def test_a_message_over_a_socket(run: Any) -> None:
    async def scenario() -> None:
        async with listening() as kit, client(kit) as peer:
            assert (await peer.hello()).text.startswith("mx.example.org MT-PRIORITY MIXER DELIVERBY 60 PIPELINING")
            answers = await peer.send_message("a@example.com", ["alice@example.org"], b"a: b\n\n.x\n")
            assert answers[-1] == replies.queued(QueueId(1))
            assert kit.store.records[0].parts[1] == b"a: b\r\n\r\n..x\r\n"
            assert (await peer.command("QUIT")).code == 221
            assert await closed(peer)

    run(scenario())


def test_large_content_over_a_socket(run: Any) -> None:
    async def scenario() -> None:
        async with listening() as kit, client(kit) as peer:
            await peer.hello()
            content = b"a: b\r\n\r\n" + b"some text in a large message\r\n" * 50_000
            answers = await peer.send_message("a@example.com", ["alice@example.org"], content)
            assert answers[-1] == replies.queued(QueueId(1))
            assert kit.store.large[0].octets.endswith(content)

    run(scenario())


def test_an_early_talker_over_a_socket(run: Any) -> None:
    async def scenario() -> None:
        async with listening() as kit, client(kit) as peer:
            await peer.send(b"EHLO too-early\r\n")
            first = await peer.reply()
            assert first.code in (220, 554)  # which one is a race; that it is not both is not
            second = await peer.read_reply()
            assert (second == b"") == (first.code == 554)

    run(scenario())


# -- TLS -------------------------------------------------------------------------------------------------------------


def test_starttls(run: Any) -> None:
    async def scenario() -> None:
        async with listening(tls="starttls", tls_context=server_context()) as kit, client(kit) as peer:
            assert "STARTTLS" in (await peer.hello()).text
            assert (await peer.command("STARTTLS")).code == 220
            await peer.start_tls(client_context())
            assert (await peer.command("MAIL FROM:<a@example.com>")) == replies.NEED_EHLO
            assert "STARTTLS" not in (await peer.command("EHLO c")).text
            answers = await peer.send_message("a@example.com", ["alice@example.org"], b"a: b\n\n")
            assert answers[-1].code == 250
            assert b"with ESMTPS id" in kit.store.records[0].parts[0]
            assert b"(using TLSv1.3 " in kit.store.records[0].parts[0]

    run(scenario())


def test_implicit_tls(run: Any) -> None:
    async def scenario() -> None:
        async with (
            listening(tls="implicit", tls_context=server_context()) as kit,
            client(kit, tls=client_context()) as peer,
        ):
            await peer.hello()
            assert (await peer.command("STARTTLS")) == replies.TLS_ALREADY

    run(scenario())


def test_what_is_sent_behind_starttls_ends_the_session(run: Any) -> None:
    async def scenario() -> None:
        async with listening(tls="starttls", tls_context=server_context()) as kit, client(kit) as peer:
            await peer.hello()
            await peer.send(b"STARTTLS\r\nMAIL FROM:<evil@example.com>\r\n")
            assert (await peer.reply()) == replies.EARLY_INPUT
            assert await closed(peer)

    run(scenario())


@pytest.mark.parametrize("octets", [b"MAIL FROM:<evil@example.com>\r\n", b""])
def test_a_handshake_that_is_none(run: Any, octets: bytes) -> None:
    async def scenario() -> None:
        async with listening(tls="starttls", tls_context=server_context()) as kit:
            async with client(kit) as peer:
                await peer.hello()
                assert (await peer.command("STARTTLS")).code == 220
                if octets:
                    await peer.send(octets)
                    while await peer.read_reply():
                        pass
            await kit.listener.sessions.wait_until_empty(60.0, for_sockets=True)
            assert kit.log.of("tls_failed")[0]["client"] == "127.0.0.1"
            assert not kit.log.of("session_failed")

    run(scenario())


@asynccontextmanager
async def with_files(folder: Path, *names: str, client_ca: trustme.CA | None = None, **options: Any) -> Any:
    """A listener with a certificate for each name, read from files; the kit has their paths in `files`."""
    files = [folder / f"{name}.pem" for name in names]
    for name, file in zip(names, files, strict=True):
        AUTHORITY.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(str(file))
    authorities = folder / "clients.pem"
    if client_ca is not None:
        client_ca.cert_pem.write_to_path(str(authorities))
    pairs = tuple(Pair(str(file)) for file in files)
    wanted = TlsFiles(pairs, str(authorities) if client_ca is not None else "")
    clock, log = FakeClock(), KitLog()
    certificates = Certificates(wanted, monotonic=clock.monotonic, maillog=log)  # type: ignore[arg-type]
    async with listening(tls_context=certificates, **options) as kit:
        yield kit, files, clock, log
    await certificates.close()


async def names_shown(kit: Kit, name: str, mode: str) -> list[str]:
    """Of the certificate that a client sees who asks for this name."""
    context = client_context()
    context.check_hostname = False
    if mode == "implicit":
        host, port = kit.listener.addresses[0]
        async with asyncio.timeout(10):
            _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
        shown = writer.get_extra_info("peercert")["subjectAltName"]
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    else:
        async with client(kit) as peer:
            await peer.hello()
            await peer.command("STARTTLS")
            await peer.start_tls(context, server_hostname=name)
            shown = peer._connected()[1].get_extra_info("peercert")["subjectAltName"]
    return [value for _, value in shown]


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_sni_and_a_renewed_certificate(run: Any, tmp_path: Path, mode: str) -> None:
    async def scenario() -> None:
        async with with_files(tmp_path, "a.example", "b.example", tls=mode) as (kit, files, clock, log):
            assert await names_shown(kit, "b.example", mode) == ["b.example"]
            assert await names_shown(kit, "c.example", mode) == ["a.example"]
            AUTHORITY.issue_cert("c.example").private_key_and_cert_chain_pem.write_to_path(str(files[1]))
            clock.advance(60)
            assert await names_shown(kit, "c.example", mode) == ["c.example"]
            assert await names_shown(kit, "b.example", mode) == ["a.example"]
            assert len(log.of("tls_reloaded")) == 1

    run(scenario())


@pytest.mark.parametrize("mode", ["required", "implicit"])
def test_a_certificate_of_a_client(run: Any, tmp_path: Path, mode: str) -> None:
    clients = trustme.CA()
    known = client_context()
    known.check_hostname = False
    clients.issue_cert("relay.example", common_name="relay one").configure_cert(known)

    async def scenario() -> None:
        options: dict[str, Any] = {"client_ca": clients, "tls": mode, "client_certificates": "require"}
        async with with_files(tmp_path, "a.example", **options) as (kit, _, _, _):
            implicit = known if mode == "implicit" else None
            async with client(kit, tls=implicit) as peer:
                await peer.hello()
                if mode == "required":
                    await peer.command("STARTTLS")
                    await peer.start_tls(known, server_hostname="a.example")
                    await peer.command("EHLO c")
                await peer.send_message("a@example.com", ["alice@example.org"], b"a: b\n\n")
            stamp = kit.store.records[0].parts[0].decode()
            assert " client-certificate O=" in stamp
            assert "/CN=relay one)\r\n\tby mx.example.org" in stamp
            (line,) = kit.log.of("accepted")
            assert line["source"].tls.startswith("TLSv1.3 TLS_")
            assert line["source"].tls.endswith("/CN=relay one")

    run(scenario())


def test_a_bug_before_the_handshake_ends_the_session(run: Any) -> None:
    class Broken:
        async def context(self, asks: str) -> ssl.SSLContext:
            raise ZeroDivisionError

    async def scenario() -> None:
        async with listening(tls="starttls", tls_context=Broken()) as kit, client(kit) as peer:
            await peer.hello()
            assert (await peer.command("STARTTLS")).code == 220
            with suppress(OSError):
                assert await closed(peer)
            assert isinstance(kit.log.of("session_failed")[0]["error"], ZeroDivisionError)

    run(scenario())


def test_no_session_without_the_certificate_that_is_required(run: Any, tmp_path: Path) -> None:
    async def scenario() -> None:
        options: dict[str, Any] = {"client_ca": trustme.CA(), "tls": "implicit", "client_certificates": "require"}
        async with with_files(tmp_path, "127.0.0.1", **options) as (kit, _, _, _):
            async with client(kit, tls=client_context()) as peer:  # TLS 1.3: the client's end is open already
                with suppress(OSError):
                    assert await closed(peer)
            await kit.listener.sessions.wait_until_empty(60.0, for_sockets=True)
            (line,) = kit.log.of("tls_failed")
            assert line["reason"] == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
            assert kit.reception.clients == {}

    run(scenario())


# -- AUTH ------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def secure_client(**options: Any) -> AsyncIterator[tuple[Kit, RawClient]]:
    async with (
        listening(tls="implicit", tls_context=server_context(), authenticate=authenticate, **options) as kit,
        client(kit, tls=client_context()) as peer,
    ):
        assert "AUTH PLAIN LOGIN" in (await peer.hello()).text
        yield kit, peer


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_auth_plain(run: Any) -> None:
    async def scenario() -> None:
        async with secure_client(role="submission") as (kit, peer):
            assert (await peer.command("MAIL FROM:<a@example.com>")) == replies.AUTH_REQUIRED
            assert (await peer.command(f"auth plain {PLAIN}")) == replies.AUTH_OK
            answers = await peer.send_message("a@example.com", ["x@anywhere.example"], b"a: b\n\n")
            assert answers[-1].code == 250
            assert kit.store.records[0].login == "alice"
            assert b"with ESMTPSA id" in kit.store.records[0].parts[0]

    run(scenario())


def test_auth_with_challenges(run: Any) -> None:
    async def scenario() -> None:
        async with secure_client() as (_, peer):
            assert str(await peer.command("AUTH PLAIN")).startswith("334")
            assert (await peer.command("*")) == replies.AUTH_CANCELLED
            assert (await peer.command("AUTH LOGIN")).text == encoded("Username:")
            assert (await peer.command(encoded("alice"))).text == encoded("Password:")
            assert (await peer.command("no base64!")) == replies.AUTH_SYNTAX
            assert (await peer.command(f"AUTH LOGIN {encoded('alice')}")).text == encoded("Password:")
            await peer.send(encoded("secret").encode(), split=1)
            assert (await peer.command("")) == replies.AUTH_OK

    run(scenario())


def plain(login: str, password: str) -> str:
    return "AUTH PLAIN " + encoded(f"\0{login}\0{password}")


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (plain("alice", "wrong"), replies.AUTH_FAILED),
        (plain("later", "secret"), replies.AUTH_UNAVAILABLE),
        (plain("broken", "secret"), replies.AUTH_UNAVAILABLE),
        (plain("", "secret"), replies.AUTH_FAILED),
        (plain("alice", ""), replies.AUTH_FAILED),
        (plain("ali\rce", "secret"), replies.AUTH_FAILED),
        (plain("alice", "x" * 1025), replies.AUTH_FAILED),
        ("AUTH PLAIN " + encoded("alice"), replies.AUTH_SYNTAX),
        ("AUTH PLAIN =", replies.AUTH_SYNTAX),
        ("AUTH CRAM-MD5", replies.AUTH_MECHANISM_UNKNOWN),
    ],
)
def test_credentials_that_are_not_right(run: Any, command: str, answer: Reply) -> None:
    async def scenario() -> None:
        async with secure_client() as (kit, peer):
            assert (await peer.command(command)) == answer
            assert (await peer.command("MAIL FROM:<a@example.com>")).code == 250
            assert (await peer.command("RCPT TO:<nobody@example.org>")) == replies.NO_SUCH_MAILBOX
            assert bool(kit.log.of("session_failed")) == (command == plain("broken", "secret"))

    run(scenario())


def test_lines_of_an_exchange_that_are_none(run: Any) -> None:
    async def scenario() -> None:
        async with secure_client() as (_, peer):
            await peer.command("AUTH LOGIN")
            await peer.send(encoded("alice").encode() + b"\n")
            assert (await peer.reply()) == replies.COMMAND_BARE_LINE_END
            await peer.command("AUTH LOGIN")
            await peer.send(b"x" * 20_000 + b"\r\n")
            assert (await peer.reply()) == replies.AUTH_TOO_LONG
            assert await closed(peer)

    run(scenario())


def test_an_answer_before_its_challenge(run: Any) -> None:
    async def scenario() -> None:
        async with secure_client() as (_, peer):
            await peer.send(f"AUTH LOGIN\r\n{encoded('alice')}\r\n{encoded('secret')}\r\n".encode())
            assert (await peer.reply()) == replies.EARLY_INPUT
            assert await closed(peer)

    run(scenario())


def test_five_wrong_passwords_are_enough(run: Any) -> None:
    async def scenario() -> None:
        async with secure_client() as (_, peer):
            for _ in range(5):
                assert (await peer.command(plain("alice", "guess"))) == replies.AUTH_FAILED
            assert (await peer.reply()) == replies.TOO_MANY_ERRORS
            assert await closed(peer)

    run(scenario())


def test_a_client_that_goes_within_the_exchange(run: Any) -> None:
    async def scenario() -> None:
        async with secure_client() as (kit, peer):
            await peer.command("AUTH LOGIN")
            await peer.close()
            await kit.listener.sessions.wait_until_empty(60.0, for_sockets=True)
            await kit.listener.sessions.cancel_tasks()

    run(scenario())


def xoauth2(token: str) -> str:
    return "AUTH XOAUTH2 " + encoded(f"user=alice\x01auth=Bearer {token}\x01\x01")


def test_a_token_over_a_socket(run: Any) -> None:
    async def scenario() -> None:
        async with (
            listening(tls="implicit", tls_context=server_context(), authenticate=Tokens()) as kit,
            client(kit, tls=client_context()) as peer,
        ):
            assert "AUTH OAUTHBEARER XOAUTH2" in (await peer.hello()).text
            assert str(await peer.command(xoauth2("bad"))).startswith("334 ")
            assert (await peer.command("")) == replies.AUTH_FAILED
            assert (await peer.command(xoauth2("good"))) == replies.AUTH_OK
            (refused,) = kit.log.of("refused")
            assert (refused["login"], refused["client"]) == ("alice", "127.0.0.1")

    run(scenario())


def test_who_goes_while_it_is_checked_has_used_an_attempt_up(run: Any) -> None:
    async def scenario() -> None:
        tokens = Tokens()
        once = AccessSettings(failures_per_client=Rate(1, 600.0), failure_delay=0.0)
        async with listening(tls="implicit", tls_context=server_context(), authenticate=tokens, access=once) as kit:
            async with client(kit, tls=client_context()) as peer:
                await peer.hello()
                await peer.send(xoauth2("never").encode() + b"\r\n")
                await tokens.asked.wait()
            await kit.listener.sessions.wait_until_empty(60.0, for_sockets=True)
            await kit.listener.sessions.cancel_tasks()
            async with client(kit, tls=client_context()) as peer:
                await peer.hello()
                assert (await peer.command(xoauth2("good"))) == replies.AUTH_TOO_MANY_FAILURES
                assert await closed(peer)

    run(scenario())


def test_a_login_that_is_guessed_at_from_elsewhere(run: Any) -> None:
    async def scenario() -> None:
        once = AccessSettings(failures_per_login=Rate(1, 200.0), failure_delay=0.0)
        async with secure_client(access=once) as (kit, peer):
            assert not isinstance(kit.access.attempts.begin("192.0.2.66", "alice"), Reply)
            assert (await peer.command(f"AUTH PLAIN {PLAIN}")) == replies.AUTH_NOT_NOW
            kit.clock.advance(200.0)
            assert (await peer.command(f"AUTH PLAIN {PLAIN}")) == replies.AUTH_OK

    run(scenario())


def test_no_secret_is_ever_logged(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with secure_client() as (kit, peer):
            await peer.command(plain("alice", "canary-in-plain"))
            await peer.command("AUTH LOGIN")
            await peer.command(encoded("alice"))
            await peer.command(encoded("canary-in-login"))
            said = repr(kit.log.lines) + caplog.text
            assert "canary" not in said
            assert encoded("canary-in-login") not in said
            assert encoded("\0alice\0canary-in-plain") not in said

    caplog.set_level(logging.DEBUG)
    run(scenario())


# -- PROXY -----------------------------------------------------------------------------------------------------------


def v2(command: int, family: int, addresses: bytes) -> bytes:
    return V2 + bytes([0x20 | command, family]) + len(addresses).to_bytes(2, "big") + addresses


FOUR = bytes([10, 1, 2, 3]) + bytes([192, 0, 2, 9]) + (1111).to_bytes(2, "big") + (25).to_bytes(2, "big")
MAPPED = bytes(10) + b"\xff\xff" + bytes([10, 1, 2, 3])


@pytest.mark.parametrize(
    ("header", "ip", "may_relay"),
    [
        (b"PROXY TCP4 10.1.2.3 192.0.2.9 1111 25\r\n", "10.1.2.3", True),
        (b"PROXY TCP4 198.51.100.7 192.0.2.9 1111 25\r\n", "198.51.100.7", False),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 1111 25\r\n", "2001:db8::7", False),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1", False),
        (v2(1, 0x11, FOUR), "10.1.2.3", True),
        (v2(1, 0x21, MAPPED + MAPPED + b"\0\1\0\2"), "10.1.2.3", True),
        (v2(0, 0x00, b""), "127.0.0.1", False),
        (v2(1, 0x31, bytes(216)), "127.0.0.1", False),
    ],
)
@pytest.mark.parametrize("split", [0, 1])
def test_the_client_behind_a_proxy(run: Any, header: bytes, ip: str, may_relay: bool, split: int) -> None:
    async def scenario() -> None:
        async with listening(proxy_protocol=True) as kit, client(kit) as peer:
            await peer.send(header, split=split)
            await peer.hello()
            assert kit.reception.clients == {ip if ":" not in ip else 0x20010DB800000000: 1}
            await peer.command("MAIL FROM:<a@example.com>")
            answer = await peer.command("RCPT TO:<x@anywhere.example>")
            assert answer == (replies.RECIPIENT_OK if may_relay else replies.RELAY_DENIED)

    run(scenario())


@pytest.mark.parametrize(
    "header",
    [
        b"EHLO c\r\n",
        b"PROXY TCP4 10.1.2.3\r\n",
        b"PROXY TCP4 10.1.2.3 192.0.2.9 99999 25\r\n",
        b"PROXY " + b"x" * 200,
        v2(1, 0x11, FOUR[:4]),
        v2(1, 0x11, bytes(3000)),
        V2 + b"\x31\x11\0\0",
    ],
)
def test_a_bad_header_closes(run: Any, header: bytes) -> None:
    async def scenario() -> None:
        async with listening(proxy_protocol=True) as kit, client(kit) as peer:
            await peer.send(header)
            assert await closed(peer)
            assert [line["peer"] for line in kit.log.of("proxy_header_refused")] == ["127.0.0.1"]

    run(scenario())


def test_what_comes_behind_the_header_came_too_early(run: Any) -> None:
    async def scenario() -> None:
        async with listening(proxy_protocol=True) as kit, client(kit) as peer:
            await peer.send(b"PROXY TCP4 10.1.2.3 192.0.2.9 1111 25\r\nEHLO c\r\n")
            assert (await peer.reply()).code == 554
            assert await closed(peer)

    run(scenario())


@pytest.mark.parametrize("together", [True, False])
def test_a_handshake_behind_the_header(run: Any, together: bool) -> None:
    """The ClientHello may come in the segment of the header: then it has been read before TLS is there to read it."""

    async def scenario() -> None:
        async with listening(proxy_protocol=True, tls="implicit", tls_context=server_context()) as kit:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tunnel = client_context().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
            reader, writer = await asyncio.open_connection(*kit.listener.addresses[0])
            header = b"PROXY TCP4 10.1.2.3 192.0.2.9 1111 25\r\n"
            if not together:
                writer.write(header)
                await asyncio.sleep(0)
                header = b""
            greeting = b""
            while not greeting:
                try:
                    tunnel.do_handshake()
                    greeting = tunnel.read(1000)
                except ssl.SSLWantReadError:
                    writer.write(header + outgoing.read())
                    header = b""
                    async with asyncio.timeout(10):
                        octets = await reader.read(65536)
                    assert octets, "closed"
                    incoming.write(octets)
            assert greeting == b"220 mx.example.org ESMTP\r\n"
            assert kit.reception.clients == {"10.1.2.3": 1}
            writer.close()
            await writer.wait_closed()
            await kit.listener.sessions.wait_until_empty(60.0, for_sockets=True)

    run(scenario())


def test_a_header_that_does_not_come_is_not_waited_for() -> None:
    kit = Kit(proxy_protocol=True)
    connection, transport = kit.connect()
    connection.data_received(b"PROXY TCP4 ")
    kit.clock.advance(29)
    assert not transport.aborted
    kit.clock.advance(3)
    assert transport.aborted


def test_a_handshake_in_clear_text_where_none_may_be() -> None:
    """Octets in clear text while implicit TLS is being set up never become a command."""

    async def scenario() -> None:
        kit = Kit(tls="implicit", tls_context=server_context())
        connection, transport = kit.connect()
        assert not transport.reading
        connection.data_received(b"EHLO c\r\n")
        connection.data_received(b"MAIL FROM:<>\r\n")
        assert transport.take() == b""
        connection.connection_lost(None)
        await kit.listener.sessions.cancel_tasks()

    asyncio.run(scenario())


# -- the end ---------------------------------------------------------------------------------------------------------


def test_a_stop_closes_the_sockets_and_tells_who_is_idle(run: Any) -> None:
    async def scenario() -> None:
        kit = Kit()
        await kit.listener.start()
        address = kit.listener.addresses[0]
        async with RawClient(*address) as peer:
            await peer.hello()
            await kit.listener.stop(5.0)
            assert (await peer.reply()) == replies.SHUTTING_DOWN
            assert await closed(peer)
        assert kit.listener.addresses == []
        with pytest.raises(OSError):  # noqa: PT011 - refused, whatever this system calls it
            await RawClient(*address).connect()
        await kit.listener.stop(0.0)

    run(scenario())


def test_a_transaction_may_finish_within_the_grace(run: Any) -> None:
    async def scenario() -> None:
        kit = Kit()
        await kit.listener.start()
        async with client(kit) as peer:
            await peer.hello()
            await peer.command("MAIL FROM:<a@example.com>")
            stop = asyncio.ensure_future(kit.listener.stop(5.0))
            await asyncio.sleep(0)
            assert (await peer.command("RCPT TO:<alice@example.org>")).code == 250
            assert (await peer.command("DATA")).code == 354
            await peer.send(b"a: b\r\n.\r\n")
            assert (await peer.reply()) == replies.queued(QueueId(1))
            assert (await peer.reply()) == replies.SHUTTING_DOWN
            await stop

    run(scenario())


def test_after_the_grace_all_are_told_and_the_deaf_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "LAST_WORD", 0.0)

    async def scenario() -> None:
        kit = Kit()
        connection, transport = kit.in_content()
        stop = asyncio.ensure_future(kit.listener.stop(10.0))
        await asyncio.sleep(0)
        assert not transport.closed
        kit.clock.advance(10)
        for _ in range(20):
            await asyncio.sleep(0)
        assert transport.aborted
        assert transport.take() == replies.SHUTTING_DOWN.wire
        connection.connection_lost(None)
        await stop
        assert kit.store.records == []

    asyncio.run(scenario())


def test_the_port_is_taken(run: Any) -> None:
    async def scenario() -> None:
        async with listening() as kit:
            other = Kit(address="127.0.0.1")
            other.listener.settings = ListenerSettings(port=kit.listener.addresses[0][1])
            with pytest.raises(OSError, match="in use"):
                await other.listener.start()

    run(scenario())


def test_limits_hold_over_sockets(run: Any) -> None:
    async def scenario() -> None:
        async with listening(limits=Limits(sessions_per_client=1)) as kit, client(kit) as one, client(kit) as two:
            assert (await one.reply()).code == 220
            assert (await two.reply()) == replies.TOO_MANY_SESSIONS_OF_CLIENT
            assert await closed(two)

    run(scenario())


@pytest.mark.skipif(TCP_QUICKACK is None, reason="of Linux")
def test_the_first_line_is_acknowledged_with_its_answer(run: Any) -> None:
    async def scenario() -> None:
        async with listening() as kit, client(kit) as one:
            assert (await one.reply()).code == 220
            (connection,) = kit.listener.sessions.live
            assert isinstance(connection, SmtpConnection)
            assert connection.transport is not None
            ours = connection.transport.get_extra_info("socket")
            assert ours.getsockopt(socket.IPPROTO_TCP, TCP_QUICKACK) == 0

    run(scenario())


def test_a_transport_without_a_socket_is_served() -> None:
    kit = Kit()
    _, transport = kit.connect(KitTransport())
    assert transport.take().startswith(b"220 ")


def test_the_library_is_the_one_that_was_read() -> None:
    """listener.py reaches into private parts of it: another release is to be read before it is taken."""
    assert aiosmtpd.__version__ == "1.4.6"
