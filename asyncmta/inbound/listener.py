"""The listening sockets, and what we keep of aiosmtpd beside AUTH (`authenticating`): its PROXY header parser.

Promises: a connection costs no inspection of classes, no stream and no task; nothing is kept at class level that one
connection could change for another. Never: threads or loops of the library's `Controller`, its command loop, its
address parser.

RFC 5321 3.8 and 4.2.1 (421 at the end).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from aiosmtpd.proxy_protocol import V2_CMD, ProxyData, get_proxy
from msgspec import Struct

from asyncmta.inbound.acceptance import Network, Terms
from asyncmta.inbound.authenticating import Authenticating
from asyncmta.inbound.certificate_files import Asks
from asyncmta.inbound.certificates import Contexts
from asyncmta.inbound.connection import Connection
from asyncmta.inbound.proxy import NONE, NOT_YET, Octets, header_length
from asyncmta.inbound.qmtp_connection import QmtpConnection
from asyncmta.inbound.sessions import Reception, Sessions
from asyncmta.inbound.tunnel import acknowledge_with_answers, stop_accepting
from asyncmta.mail import replies

BACKLOG = 1024
LAST_WORD = 1.0  # seconds that a 421 has to get through at the end


class ListenerSettings(Struct, frozen=True, kw_only=True):
    """One `[[listener]]` of config.toml."""

    address: str = "127.0.0.1"
    port: int = 2525
    role: Literal["relay", "submission", "lmtp", "qmtp"] = "relay"
    tls: Literal["none", "starttls", "required", "implicit"] = "none"
    proxy_protocol: bool = False
    max_sessions: int = 1000
    line_endings: Literal["strict", "normalise"] = "strict"
    allow_plaintext_auth: bool = False
    greet_delay: float = 0.0
    xclient_from: tuple[Network, ...] = ()
    client_certificates: Asks = "off"

    def __post_init__(self) -> None:
        if self.role not in ("relay", "submission", "lmtp", "qmtp"):
            raise ValueError('role is "relay", "submission", "lmtp" or "qmtp"')
        if self.tls not in ("none", "starttls", "required", "implicit"):
            raise ValueError('tls is "none", "starttls", "required" or "implicit"')
        if not 0 <= self.port <= 65535 or self.max_sessions < 1:
            raise ValueError("port is a number from 0 to 65535, and max_sessions at least 1")


class Listener:
    """One address and port. `start` may raise OSError: taken, not ours, not allowed."""

    def __init__(
        self, *, settings: ListenerSettings, reception: Reception, certificates: Contexts | None = None
    ) -> None:
        if settings.tls != "none" and certificates is None:
            raise ValueError(f'tls = "{settings.tls}" needs a certificate')
        self.settings = settings
        self.certificates = certificates
        self.reception = reception
        self.sessions = Sessions(
            reception=reception, acceptance=reception.acceptance(self._terms()), max_sessions=settings.max_sessions
        )
        self._server: asyncio.Server | None = None

    def _terms(self) -> Terms:
        settings, reception = self.settings, self.reception
        return Terms(
            hostname=reception.hostname,
            role=settings.role,
            tls=settings.tls,
            plaintext_auth=settings.allow_plaintext_auth,
            networks=reception.networks,
            line_endings=settings.line_endings,
            xclient_from=settings.xclient_from,
            etrn_from=reception.etrn_from,
            limits=reception.limits,
            greet_delay=settings.greet_delay,
        )

    def renew(self, reception: Reception, certificates: Contexts | None) -> None:
        """Other settings, for who comes from now on; where and as what it listens stays."""
        self.reception, self.certificates = reception, certificates
        self.sessions.renew(reception, reception.acceptance(self._terms()))

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens, with the ports that the system chose."""
        return [] if self._server is None else [socket.getsockname()[:2] for socket in self._server.sockets]

    async def start(self) -> None:
        for name in ("mail.log", "mail.debug"):  # else its warnings go to standard error, as often as a client likes
            logging.getLogger(name).addHandler(_SILENCE)
        # Without ssl= for implicit TLS too: a handshake is for clients that were counted (`entrance`).
        self._server = await asyncio.get_running_loop().create_server(
            self._connection, self.settings.address, self.settings.port, backlog=BACKLOG
        )
        acknowledge_with_answers(self._server)

    async def stop(self, grace: float) -> None:
        """Take no more sessions, end those between transactions, give the others `grace` seconds."""
        server, self._server = self._server, None
        if server is not None:
            await stop_accepting(server)
            server.close()
        sessions = self.sessions
        for connection in self._connections():
            connection.drain()
        await sessions.wait_until_empty(grace)
        for connection in self._connections():
            connection.say_goodbye(replies.SHUTTING_DOWN)
        await sessions.wait_until_empty(LAST_WORD, for_sockets=True)
        for connection in self._connections():
            connection.abort()
        await sessions.wait_until_empty(LAST_WORD, for_sockets=True)
        await sessions.cancel_tasks()

    def _connection(self) -> Connection:
        return QmtpConnection(self.sessions) if self.settings.role == "qmtp" else SmtpConnection(self)

    def _connections(self) -> list[Connection]:
        return [connection for connection in self.sessions.live if isinstance(connection, Connection)]


class SmtpConnection(Authenticating):
    """A connection of one listener: its certificate, and its PROXY header."""

    _header = b""  # what has come of it

    def __init__(self, listener: Listener) -> None:
        Connection.__init__(self, listener.sessions)
        self._listener = listener

    # -- TLS ---------------------------------------------------------------------------------------------------------

    async def _tls_context(self) -> ssl.SSLContext:
        certificates = self._listener.certificates
        assert certificates is not None
        return await certificates.context(self._listener.settings.client_certificates)

    # -- PROXY -------------------------------------------------------------------------------------------------------

    def _arrive(self) -> None:
        if not self._listener.settings.proxy_protocol:
            self._admit(*self.peer)

    def _preamble(self, data: bytes) -> None:
        """The PROXY header: nobody is counted or greeted before it."""
        self._header += data
        length = header_length(self._header)
        if length == NOT_YET:
            return
        header, rest = self._header[:length], self._header[length:]
        self._header = b""
        found = _parse_proxy(header) if length != NONE else None
        if found is None or not found.valid:
            self._sessions.reception.maillog.note("warning", "proxy_header_refused", peer=self.peer[0])
            self.abort()
        elif (ip := _proxied_ip(found)) is not None:
            self._admit(ip, found.src_port or 0, rest=rest)
        else:  # a balancer's own health check, or an address that it could not say: nobody to be trusted
            self._admit(*self.peer, rest=rest, may_be_trusted=False)


def _parse_proxy(header: bytes) -> ProxyData:
    """The library's parser, driven here and now: it never has to wait, since the header is complete."""
    parser = get_proxy(Octets(header))
    try:
        parser.send(None)
    except StopIteration as done:
        found: ProxyData = done.value
        return found
    raise AssertionError("the parser waits for more than the header")


def _proxied_ip(found: ProxyData) -> str | None:
    """The client's address; None when the header names none (LOCAL, UNKNOWN, a Unix socket)."""
    source = found.src_addr
    if found.command == V2_CMD.LOCAL or not isinstance(source, IPv4Address | IPv6Address):
        return None
    if isinstance(source, IPv6Address) and source.ipv4_mapped is not None:
        source = source.ipv4_mapped
    return str(source)


_SILENCE = logging.NullHandler()
