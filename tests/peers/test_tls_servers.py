"""TLS and AUTH with servers of others: handshakes verified, resumed and broken, and each mechanism that Exim has."""

from __future__ import annotations

import pytest
import trustme
from peerkit.hosts import Host
from peerkit.tls_hosts import LOGIN, PASSWORD, TlsExim, TlsOpensmtpd, TlsPostfix

from asyncmta.credentials import Login
from asyncmta.delivery.client_tls import TlsContexts, default_tls_contexts
from asyncmta.delivery.session import Manners, Opened, Target, open_session
from asyncmta.delivery.tls_record import TlsRecord
from asyncmta.mail.outcome import Cause, Deferred
from asyncmta.system.clock import SystemClock

pytestmark = [pytest.mark.peers, pytest.mark.slow]


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def contexts(authority):
    contexts = default_tls_contexts()
    authority.configure_trust(contexts.verifying)
    return contexts


async def opened(host: Host, contexts: TlsContexts, tls="verify", **manners):
    target = Target("localhost", host.address, host.port)
    result = await open_session(target, Manners("us.test", contexts, tls, **manners), SystemClock())
    if isinstance(result, Opened):
        result.transport.write(b"QUIT\r\n")
        result.transport.close()
    return result


@pytest.mark.parametrize("kind", [TlsPostfix, TlsExim], ids=lambda kind: kind.name)
async def test_sessions_are_verified_and_resumed(kind, authority, contexts):
    record = TlsRecord()
    with kind(authority) as host:
        for _ in range(4):
            result = await opened(host, contexts, record=record)
            assert isinstance(result, Opened), f"{result}\n{host.said()}"
            assert result.place.tls == "TLSv1.3"
            assert result.peer.pipelining
        assert (record.handshakes, record.resumed) == (4, 3), host.said()


async def test_a_server_whose_tls_is_broken(authority, contexts):
    """It offers STARTTLS, and its handshakes fail; where they do not, there is nothing to see here."""
    record = TlsRecord()
    with TlsOpensmtpd(authority) as host:
        result = await opened(host, contexts, record=record)
        if isinstance(result, Opened):
            pytest.skip("this OpenSMTPD does TLS")
        assert (result.cause, result.reply.code) == (Cause.TLS, 451)
        for _ in range(2):
            result = await opened(host, contexts, tls="opportunistic", record=record)
            assert isinstance(result, Opened), f"{result}\n{host.said()}"
            assert result.place.tls == ""
        assert (record.handshakes, record.fallbacks) == (0, 2)


@pytest.mark.parametrize("mechanism", ["auto", "plain", "login", "cram-md5"])
async def test_logins_at_exim(mechanism, authority, contexts):
    with TlsExim(authority) as host:
        result = await opened(host, contexts, login=Login(LOGIN, PASSWORD, mechanism))
        assert isinstance(result, Opened), f"{result}\n{host.said()}"
        wrong = await opened(host, contexts, login=Login(LOGIN, "wrong", mechanism))
        assert isinstance(wrong, Deferred)
        assert (wrong.cause, wrong.reply.code) == (Cause.REFUSED, 454)
        assert "535" in wrong.reply.text
