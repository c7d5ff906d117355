"""Opening one client session, with aiosmtplib: connect, greeting, EHLO or HELO, STARTTLS, AUTH.

Promises: connects to exactly the address it is given; every step has its deadline and ends in an open session or in
an outcome with the stage it failed at. TLS "opportunistic" is tried without judging certificates and dropped for a
plain connection when the handshake fails; "require" and "verify" never go on in clear, and a password never travels
in clear unless the route says tls = "none". Never: transactions; the library's `sendmail` (it rewrites addresses and
forgets refused recipients). The one importer of aiosmtplib.

RFC 5321 3.1, 4.1.1.1, 4.5.3.2; RFC 3207 (STARTTLS); RFC 4954 (AUTH); RFC 7435 (opportunistic), RFC 8314 (port 465).
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from typing import cast

import aiosmtplib
from msgspec import Struct

from asyncmta.delivery.commands import Capabilities, read_capabilities
from asyncmta.delivery.exchange import Login
from asyncmta.delivery.verdict import Fault, Stage, blame, judge, spoken
from asyncmta.mail.outcome import Cause, Deferred, Failed, Outcome, Place, Scope
from asyncmta.mail.reply import reply
from asyncmta.system.clock import Clock
from asyncmta.system.deadline import Deadline

IMPLICIT_TLS_PORT = 465
GREETING_TIME = 300.0
COMMAND_TIME = 300.0
HANDSHAKE_TIME = 60.0


class TlsContexts(Struct, frozen=True):
    """How we do TLS as a client: without and with a look at the certificate."""

    opportunistic: ssl.SSLContext
    verifying: ssl.SSLContext


def default_tls_contexts() -> TlsContexts:
    """The system's certificates for "verify"; nothing judged otherwise (RFC 7435). Takes some milliseconds."""
    opportunistic = ssl.create_default_context()
    opportunistic.check_hostname = False
    opportunistic.verify_mode = ssl.CERT_NONE
    return TlsContexts(opportunistic, ssl.create_default_context())


class Target(Struct, frozen=True):
    """One address of one exchanger, and the address of ours to connect from ("" for any)."""

    host: str
    ip: str
    port: int
    source: str = ""


class Manners(Struct, frozen=True):
    """How we present ourselves, and what we insist on. `tls`: "none", "opportunistic", "require" or "verify"."""

    hostname: str
    contexts: TlsContexts
    tls: str = "opportunistic"
    login: Login | None = None
    connect_timeout: float = 30.0


class Opened(Struct, frozen=True):
    """A session ready for MAIL: whoever takes it sets the transport's protocol before giving way to the loop."""

    transport: asyncio.Transport
    peer: Capabilities
    place: Place


async def open_session(target: Target, manners: Manners, clock: Clock) -> Opened | Failed | Deferred:
    """One attempt at one address; with opportunistic TLS a second, plain one when TLS did not come about."""
    opening = _Opening(target, manners, clock)
    result = await opening.run()
    if isinstance(result, Opened) or opening.stage is not Stage.STARTTLS or manners.tls != "opportunistic":
        return result
    # A server whose STARTTLS is broken gets mail in clear, as it would if it offered none. Never with a password.
    plain = _Opening(target, manners, clock, without_tls=True)
    return await plain.run()


class _Refused(Exception):
    """An outcome on its way out."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


class _Opening:
    """One connection on its way to being a session; `stage` is where it stands."""

    def __init__(self, target: Target, manners: Manners, clock: Clock, *, without_tls: bool = False) -> None:
        self.stage = Stage.CONNECT
        self._target = target
        self._manners = manners
        self._clock = clock
        self._tls = "none" if without_tls else manners.tls
        self._place = Place(target.host, target.ip)
        self._client: aiosmtplib.SMTP | None = None

    async def run(self) -> Opened | Failed | Deferred:
        try:
            client = await self._connect()
            await self._greet(client)
            if self._tls != "none" and self._target.port != IMPLICIT_TLS_PORT:
                await self._start_tls(client)
            if self._manners.login is not None:
                await self._log_in(client, self._manners.login)
            return self._hand_over(client)
        except (_Refused, aiosmtplib.SMTPException, OSError) as error:
            self._close()
            return self._blame(error)
        except BaseException:
            self._close()
            raise

    async def _connect(self) -> aiosmtplib.SMTP:
        target, manners = self._target, self._manners
        family = socket.AF_INET6 if ":" in target.ip else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio does it for its own sockets only
            if target.source:
                connection.bind((target.source, 0))
            async with Deadline(self._clock, manners.connect_timeout):
                await asyncio.get_running_loop().sock_connect(connection, (target.ip, target.port))
            return aiosmtplib.SMTP(
                hostname=target.host,
                sock=connection,
                local_hostname=manners.hostname,
                timeout=None,  # deadlines are ours, on our clock
                start_tls=False,
                use_tls=self._tls != "none" and target.port == IMPLICIT_TLS_PORT,
                tls_context=manners.contexts.verifying if self._tls == "verify" else manners.contexts.opportunistic,
            )
        except BaseException:
            connection.close()
            raise

    async def _greet(self, client: aiosmtplib.SMTP) -> None:
        self.stage = Stage.STARTTLS if client.use_tls else Stage.GREETING
        self._client = client
        async with Deadline(self._clock, GREETING_TIME):
            await client.connect()
        self.stage = Stage.GREETING
        self._nothing_unasked(client)
        await self._say_hello(client)

    async def _say_hello(self, client: aiosmtplib.SMTP) -> None:
        self.stage = Stage.EHLO
        async with Deadline(self._clock, COMMAND_TIME):
            try:
                await client.ehlo()
            except aiosmtplib.SMTPHeloError as error:
                if not 500 <= error.code < 600 or not client.is_connected:
                    raise
                await client.helo()
        self._nothing_unasked(client)

    async def _start_tls(self, client: aiosmtplib.SMTP) -> None:
        if not client.supports_extension("starttls"):
            if self._tls != "opportunistic":
                self.stage = Stage.STARTTLS
                raise _Refused(blame(self.stage, Fault.TLS, "the server does not offer STARTTLS", self._place))
            return
        self.stage = Stage.STARTTLS
        async with Deadline(self._clock, HANDSHAKE_TIME):
            await client.starttls(server_hostname=self._target.host)
        await self._say_hello(client)

    async def _log_in(self, client: aiosmtplib.SMTP, login: Login) -> None:
        self.stage = Stage.AUTH
        if client.get_transport_info("ssl_object") is None and self._manners.tls != "none":
            raise _Refused(blame(self.stage, Fault.TLS, "a password is not sent in clear", self._place))
        methods = {"plain": client.auth_plain, "login": client.auth_login, "cram-md5": client.auth_crammd5}
        for name, authenticate in methods.items():
            if name in client.server_auth_methods:
                async with Deadline(self._clock, COMMAND_TIME):
                    await authenticate(login.username, login.password)
                self._nothing_unasked(client)
                return
        said = reply(454, "4.7.0", "the server offers no AUTH mechanism that we have")
        raise _Refused(Deferred(Cause.REFUSED, said, Scope.SITE, self._place))

    def _hand_over(self, client: aiosmtplib.SMTP) -> Opened:
        if client.transport is None or client.transport.is_closing():
            raise ConnectionResetError(errno.ECONNRESET, "closed by the peer")
        transport = cast(asyncio.Transport, client.transport)
        tls = transport.get_extra_info("ssl_object")
        place = Place(self._target.host, self._target.ip, (tls.version() or "") if tls is not None else "")
        verified = tls is not None and self._tls == "verify"
        peer = read_capabilities(client.esmtp_extensions, verified_tls=verified)
        return Opened(transport, peer, place)

    def _nothing_unasked(self, client: aiosmtplib.SMTP) -> None:
        """Replies that came with the one we asked for would be taken for replies to what we say next."""
        protocol = client.protocol
        if protocol is not None and protocol._buffer:
            raise _Refused(blame(self.stage, Fault.GARBAGE, "a reply before it was asked for", self._place))

    def _close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _blame(self, error: Exception) -> Failed | Deferred:
        """What an exception of the library, or of the sockets below it, means."""
        stage, place = self.stage, self._place
        if isinstance(error, _Refused):
            outcome: Outcome | None = error.outcome
        elif isinstance(error, aiosmtplib.SMTPResponseException):
            heard = spoken(error.code, error.message)
            outcome = judge(stage, heard, place) if heard is not None else None
            # ascii(): the library lets octets through as surrogates, which nobody could write down later.
            outcome = outcome or blame(stage, Fault.GARBAGE, f"{error.code} {ascii(error.message)[:200]}", place)
        elif isinstance(error, TimeoutError):
            outcome = blame(stage, Fault.TIMEOUT, place=place)
        elif isinstance(error, ssl.SSLError):
            outcome = blame(stage, Fault.TLS, error.reason or str(error), place)
        else:
            fault = {Stage.CONNECT: Fault.CONNECT, Stage.STARTTLS: Fault.TLS}.get(stage, Fault.LOST)
            # asyncio's own words for a refused connection do not say so; those of its number do.
            detail = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else ""
            outcome = blame(stage, fault, detail, place)
        assert isinstance(outcome, Failed | Deferred)
        return outcome
