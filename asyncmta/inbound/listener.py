"""The listening sockets, and all that we keep of aiosmtpd: its `SMTP` class with AUTH, and its PROXY header parser.

The only file that knows the library, down to private names (`_auth_methods`, `_AuthMechAttr`): it is pinned exactly.
Promises: a connection costs no inspection of classes, no stream and no task; AUTH runs as the library wrote it, over
a reader of one method; nothing is kept at class level that one connection could change for another. Never: threads or
loops of the library's `Controller`, its command loop, its address parser.

RFC 4954 (AUTH), RFC 4616 (PLAIN); RFC 5321 3.8 and 4.2.1 (421 at the end).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType
from typing import Any, Literal

from aiosmtpd.proxy_protocol import V2_CMD, ProxyData, get_proxy
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword, _AuthMechAttr
from aiosmtpd.smtp import Session as LibrarySession
from msgspec import Struct

from asyncmta.inbound.acceptance import Acceptance, Network, Terms
from asyncmta.inbound.connection import Connection
from asyncmta.inbound.events import AuthWanted
from asyncmta.inbound.exchange import ExchangeLines, ExchangeOver
from asyncmta.inbound.proxy import NONE, NOT_YET, Octets, header_length
from asyncmta.inbound.security import credential
from asyncmta.inbound.sessions import Reception, Sessions
from asyncmta.inbound.tunnel import HANDSHAKE, stop_accepting
from asyncmta.mail import replies
from asyncmta.mail.reply import Reply

BACKLOG = 1024
MECHANISMS = ("PLAIN", "LOGIN")
LAST_WORD = 1.0  # seconds that a 421 has to get through at the end

# What the library says at the end of an exchange -> what we say.
_STATUS: Mapping[str, Reply] = MappingProxyType(
    {
        "235": replies.AUTH_OK,
        "454": replies.AUTH_UNAVAILABLE,
        "501 5.7.0": replies.AUTH_CANCELLED,
        "501": replies.AUTH_SYNTAX,
        "535": replies.AUTH_FAILED,
    }
)


class ListenerSettings(Struct, frozen=True, kw_only=True):
    """One `[[listener]]` of config.toml."""

    address: str = "127.0.0.1"
    port: int = 2525
    role: Literal["relay", "submission", "lmtp"] = "relay"
    tls: Literal["none", "starttls", "required", "implicit"] = "none"
    proxy_protocol: bool = False
    max_sessions: int = 1000
    line_endings: Literal["strict", "normalise"] = "strict"
    allow_plaintext_auth: bool = False
    xclient_from: tuple[Network, ...] = ()

    def __post_init__(self) -> None:
        if self.role not in ("relay", "submission", "lmtp"):
            raise ValueError('role is "relay", "submission" or "lmtp"')
        if self.tls not in ("none", "starttls", "required", "implicit"):
            raise ValueError('tls is "none", "starttls", "required" or "implicit"')
        if not 0 <= self.port <= 65535 or self.max_sessions < 1:
            raise ValueError("port is a number from 0 to 65535, and max_sessions at least 1")


class Listener:
    """One address and port. `start` may raise OSError: taken, not ours, not allowed."""

    def __init__(
        self, *, settings: ListenerSettings, reception: Reception, tls_context: ssl.SSLContext | None = None
    ) -> None:
        if settings.tls != "none" and tls_context is None:
            raise ValueError(f'tls = "{settings.tls}" needs a certificate')
        self.settings = settings
        self.tls_context = tls_context
        self.reception = reception
        terms = Terms(
            hostname=reception.hostname,
            role=settings.role,
            tls=settings.tls,
            mechanisms=MECHANISMS if reception.authenticate is not None else (),
            plaintext_auth=settings.allow_plaintext_auth,
            networks=reception.networks,
            line_endings=settings.line_endings,
            xclient_from=settings.xclient_from,
            etrn_from=reception.etrn_from,
            limits=reception.limits,
        )
        acceptance = Acceptance(
            terms=terms,
            routing=reception.routing,
            lookup=reception.lookup,
            refusal=reception.refusal,
            pressure=reception.pressure,
            now=reception.clock.now,
            turns=reception.turns,
        )
        self.sessions = Sessions(reception=reception, acceptance=acceptance, max_sessions=settings.max_sessions)
        self._server: asyncio.Server | None = None

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens, with the ports that the system chose."""
        return [] if self._server is None else [socket.getsockname()[:2] for socket in self._server.sockets]

    async def start(self) -> None:
        for name in ("mail.log", "mail.debug"):  # else its warnings go to standard error, as often as a client likes
            logging.getLogger(name).addHandler(_SILENCE)
        settings = self.settings
        # Behind a PROXY header TLS begins later (`entrance`).
        from_the_start = settings.tls == "implicit" and not settings.proxy_protocol
        self._server = await asyncio.get_running_loop().create_server(
            partial(SmtpConnection, self),
            settings.address,
            settings.port,
            backlog=BACKLOG,
            ssl=self.tls_context if from_the_start else None,
            ssl_handshake_timeout=HANDSHAKE if from_the_start else None,
        )

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

    def _connections(self) -> list[SmtpConnection]:
        return [connection for connection in self.sessions.live if isinstance(connection, SmtpConnection)]


class SmtpConnection(Connection, SMTP):  # type: ignore[misc]  # the two name their transport's type differently
    """A connection that is also the library's `SMTP`. The library's own constructor is not run: it inspects two
    objects and builds a stream, 0.4 ms for each connection; what its AUTH needs of it stands here."""

    # The library's table is one for all connections of the process, and each new one clears it: not used.
    command_size_limits: Any = MappingProxyType({})
    AuthLoginUsernameChallenge = "Username:"
    AuthLoginPasswordChallenge = "Password:"
    _handle_hooks: Any = MappingProxyType({})
    _auth_require_tls = True
    event_handler = None
    envelope = None

    def __init__(self, listener: Listener) -> None:
        Connection.__init__(self, listener.sessions)
        self._listener = listener
        self._header = b""
        self._auth_status = ""

    def __del__(self) -> None:
        """The library's looks for a future that we do not have."""

    # -- TLS ---------------------------------------------------------------------------------------------------------

    def _tls_context(self) -> ssl.SSLContext:
        context = self._listener.tls_context
        assert context is not None
        return context

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

    # -- AUTH --------------------------------------------------------------------------------------------------------

    def _begin_auth(self, wanted: AuthWanted) -> None:
        self._work = self._sessions.own(self._exchange(wanted))

    async def _exchange(self, wanted: AuthWanted) -> None:
        """The library's `smtp_AUTH`, from its first step to the reply."""
        assert self._conversation is not None
        lines = ExchangeLines(self._conversation, on_line=self._renew)
        self._reader: Any = lines
        self._on_input = lines.came
        session = self.session = _AuthSession(asyncio.get_running_loop())
        session.host_name, session.extended_smtp = "client", True  # both were checked before we came here
        self._tls_protocol: Any = True
        method = partial(self._run_mechanism, wanted.mechanism)
        self._auth_methods = {wanted.mechanism: _AuthMechAttr(method, True)}
        argument = wanted.mechanism if wanted.initial is None else f"{wanted.mechanism} {wanted.initial}"
        try:
            await self.smtp_AUTH(argument)
            status = self._auth_status
            reply = _STATUS.get(status[:9]) or _STATUS.get(status[:3]) or replies.AUTH_FAILED
        except ExchangeOver as over:
            reply = over.reply
        except Exception as error:
            self._note(error)
            reply = replies.AUTH_UNAVAILABLE
        self._work = self._on_input = None
        given: Any = session.auth_data
        login = given.login.decode() if reply is replies.AUTH_OK else None
        self._advance(lambda conversation: conversation.auth_ended(reply, login))

    async def _run_mechanism(self, name: str, _server: SMTP, args: list[str]) -> AuthResult:
        """`auth_PLAIN` and `auth_LOGIN` return what `_authenticate` returns: here, what has to be waited for."""
        result = await getattr(self, f"auth_{name}")(self, args)
        return result if isinstance(result, AuthResult) else await result

    def _authenticate(self, mechanism: str, auth_data: Any) -> Any:
        return self._check(mechanism, auth_data)

    async def _check(self, mechanism: str, given: LoginPassword) -> AuthResult:
        authenticate = self._listener.reception.authenticate
        assert authenticate is not None
        login, password = credential(given.login), credential(given.password)
        if login is None or password is None or not login.isprintable():
            return AuthResult(success=False, handled=False)
        verdict = await authenticate(mechanism, login, password)
        if verdict is None:
            return AuthResult(success=False, handled=False, message="454 4.7.0")
        return AuthResult(success=verdict, handled=verdict, auth_data=given)

    async def push(self, status: Any) -> None:
        """What the library says: a challenge goes out, the last status is put in our own words."""
        text = status.decode() if isinstance(status, bytes) else status
        if not text.startswith("334"):
            self._auth_status = text
            return
        assert self._conversation is not None
        if self._conversation.buffered:  # it answers what was not asked yet (RFC 2920 3.1)
            raise ExchangeOver(replies.EARLY_INPUT)
        self._write(f"{text}\r\n".encode())


class _AuthSession(LibrarySession):
    login_data = None  # the library's property logs a warning at each login


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
