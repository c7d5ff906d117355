"""Opening one client session, with aiosmtplib: connect, greeting, EHLO, HELO or LHLO, STARTTLS, AUTH.

Promises: connects to exactly the address it is given; every step has its deadline and ends in an open session or in
an outcome with the stage it failed at. TLS "opportunistic" is tried without judging certificates and dropped for a
plain connection when the handshake fails, but not when something came in clear behind the 220 (T02); "require" and
"verify" never go on in clear, and a password never travels in clear unless the route says tls = "none". Never:
transactions; the library's `sendmail` (it rewrites addresses and forgets refused recipients) and its `starttls` (it
drops what came behind the 220, and resumes nothing). The one importer of aiosmtplib.

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
from aiosmtplib.protocol import SMTPProtocol

from asyncmta.credentials import Login
from asyncmta.delivery.client_tls import Offer, TlsContexts, default_tls_contexts, offering, remember, resuming
from asyncmta.delivery.commands import read_capabilities
from asyncmta.delivery.connecting import connect, open_qmtp
from asyncmta.delivery.exchange import is_unix
from asyncmta.delivery.logging_in import log_in
from asyncmta.delivery.manners import Manners, Opened, Target
from asyncmta.delivery.tapping import listen_in, tapped
from asyncmta.delivery.verdict import Fault, Stage, blame, judge, spoken
from asyncmta.mail.outcome import Cause, Deferred, Failed, Outcome, Place, Scope
from asyncmta.mail.reply import Reply, reply
from asyncmta.system.clock import Clock
from asyncmta.system.deadline import Deadline

__all__ = ["Manners", "Opened", "Target", "TlsContexts", "default_tls_contexts", "open_session"]

IMPLICIT_TLS_PORT = 465
GREETING_TIME = 300.0
COMMAND_TIME = 300.0
HANDSHAKE_TIME = 60.0


async def open_session(target: Target, manners: Manners, clock: Clock) -> Opened | Failed | Deferred:
    """One attempt at one address; a second one in clear when opportunistic TLS did not come about, or when a server
    went away over a token that has been renewed since."""
    if manners.protocol == "qmtp":
        return await open_qmtp(target, manners, clock)
    opening = _Opening(target, manners, clock)
    result = await opening.run()
    if isinstance(result, Opened):
        return result
    if opening.may_go_on_in_clear:
        # A server whose STARTTLS is broken gets mail in clear, as it would if it offered none. Never with a password.
        plain = await _Opening(target, manners, clock, without_tls=True).run()
        if isinstance(plain, Opened) and manners.record is not None:
            manners.record.fell_back(target.host, target.ip, str(result.reply))
        return plain
    if opening.stage is Stage.AUTH and manners.tokens is not None and result.cause is Cause.CONNECT:
        return await _Opening(target, manners, clock).run()
    return result


async def _say_ehlo(client: aiosmtplib.SMTP) -> None:
    """HELO follows a refusal alone."""
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError as error:
        if not 500 <= error.code < 600 or not client.is_connected:
            raise
        await client.helo()


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
        unix = is_unix(target.ip)
        self._tls = "none" if without_tls or unix else manners.tls
        self._context = manners.contexts.of(self._tls)
        self._is_implicit = self._tls != "none" and (manners.implicit_tls or target.port == IMPLICIT_TLS_PORT)
        self._is_tampered = False
        self._place = Place("localhost") if unix else Place(target.host, target.ip)
        self._client: aiosmtplib.SMTP | None = None
        self._offer = Offer()
        self._tap = manners.tap

    @property
    def may_go_on_in_clear(self) -> bool:
        """After a failure: it was TLS, it is not asked for, and nobody was seen who put words into it."""
        is_tls = self.stage is Stage.STARTTLS and self._tls == "opportunistic"
        return is_tls and not (self._is_implicit or self._is_tampered)

    async def run(self) -> Opened | Failed | Deferred:
        with offering() as self._offer:
            return await self._run()

    async def _run(self) -> Opened | Failed | Deferred:
        if self._tap is not None:
            self._tap.connected(f"to {self._target.host}[{self._target.ip}]:{self._target.port}")
        try:
            client = await self._greet(await connect(self._target, self._manners.connect_timeout, self._clock))
            if self._tls != "none" and not self._is_implicit:
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

    async def _greet(self, connection: socket.socket) -> aiosmtplib.SMTP:
        """Not by the library's `connect`: it would not say whether the handshake of port 465 or the greeting failed."""
        client = self._client = aiosmtplib.SMTP(local_hostname=self._manners.hostname, timeout=None, start_tls=False)
        loop = asyncio.get_running_loop()
        protocol = SMTPProtocol(loop=loop, connection_lost_callback=client._on_connection_lost)
        if self._tap is not None:
            listen_in(protocol, self._tap)
        if self._is_implicit:
            self.stage = Stage.STARTTLS
            async with Deadline(self._clock, HANDSHAKE_TIME):
                with resuming(self._offer, self._context, self._server, self._clock.monotonic()):
                    transport, _ = await loop.create_connection(
                        lambda: protocol, sock=connection, ssl=self._context, server_hostname=self._target.host
                    )
        else:
            transport, _ = await loop.create_connection(lambda: protocol, sock=connection)
        client.protocol, client.transport = protocol, transport
        if self._is_implicit:
            self._is_secured(transport)
        self.stage = Stage.GREETING
        async with Deadline(self._clock, GREETING_TIME):
            said = await protocol.read_response()
        if said.code != 220:
            raise aiosmtplib.SMTPConnectResponseError(said.code, said.message)
        self._nothing_unasked(client)
        self._nobody_like_us(said.message)
        await self._say_hello(client)
        return client

    async def _say_hello(self, client: aiosmtplib.SMTP) -> None:
        self.stage = Stage.EHLO
        async with Deadline(self._clock, COMMAND_TIME):
            if self._manners.protocol == "lmtp":
                await self._say_lhlo(client)
            else:
                await _say_ehlo(client)
        self._nothing_unasked(client)
        if client.last_ehlo_response is not None:
            self._nobody_like_us(client.last_ehlo_response.message)

    async def _say_lhlo(self, client: aiosmtplib.SMTP) -> None:
        """RFC 2033 4.1: as EHLO, in syntax and meaning."""
        said = await client.execute_command(b"LHLO", self._manners.hostname.encode("ascii"))
        if said.code != 250:
            raise aiosmtplib.SMTPHeloError(said.code, said.message)
        client.last_ehlo_response = said

    async def _start_tls(self, client: aiosmtplib.SMTP) -> None:
        record = self._manners.record
        if not client.supports_extension("starttls"):
            if self._tls != "opportunistic":
                self.stage = Stage.STARTTLS
                raise _Refused(blame(self.stage, Fault.TLS, "the server does not offer STARTTLS", self._place))
            if record is not None:
                record.not_offered(self._target.host, self._target.ip)
            return
        self.stage = Stage.STARTTLS
        async with Deadline(self._clock, HANDSHAKE_TIME):
            said = await client.execute_command(b"STARTTLS")
            if said.code != 220:
                raise aiosmtplib.SMTPResponseException(said.code, said.message)
            protocol, transport = client.protocol, client.transport
            assert protocol is not None
            self._is_tampered = bool(protocol._buffer)  # T02: words of somebody who is to be heard behind the handshake
            self._nothing_unasked(client)
            with resuming(self._offer, self._context, self._server, self._clock.monotonic()):
                secured = await asyncio.get_running_loop().start_tls(
                    cast(asyncio.Transport, transport), protocol, self._context, server_hostname=self._target.host
                )
        if secured is None:
            raise ConnectionResetError(errno.ECONNRESET, "closed by the peer")
        protocol.transport = client.transport = secured
        protocol._over_ssl = True
        client._reset_server_state()  # RFC 3207 4.2
        self._is_secured(secured)
        await self._say_hello(client)

    @property
    def _server(self) -> tuple[str, int]:
        return self._target.host, self._target.port

    def _is_secured(self, transport: asyncio.BaseTransport) -> None:
        tunnel = transport.get_extra_info("ssl_object")
        self._place = Place(self._target.host, self._target.ip, tunnel.version() or "")
        if self._tap is not None:
            self._tap.secured(f"{tunnel.version()} {tunnel.cipher()[0]}")
        judge, record = self._manners.judge, self._manners.record
        if judge is not None and (reason := judge(tunnel.getpeercert(True) or b"")):
            raise _Refused(blame(Stage.STARTTLS, Fault.TLS, reason, self._place))
        if record is not None:
            record.secured(self._target.host, self._target.ip, is_resumed=bool(tunnel.session_reused))

    async def _log_in(self, client: aiosmtplib.SMTP, login: Login) -> None:
        self.stage = Stage.AUTH
        place, manners = self._place, self._manners
        if not place.tls and manners.tls != "none":
            raise _Refused(blame(self.stage, Fault.TLS, "a password is not sent in clear", place))

        async def ask(line: bytes) -> Reply:
            said = await client.execute_command(line)
            heard = spoken(said.code, said.message)
            if heard is None:
                raise aiosmtplib.SMTPResponseException(said.code, said.message)
            return heard

        offered, port = client.server_auth_methods, self._target.port
        async with Deadline(self._clock, COMMAND_TIME):
            said = await log_in(ask, login, offered, place=place, port=port, tokens=manners.tokens)
        if isinstance(said, Deferred):
            raise _Refused(said)
        if said.code != 235:
            garbage = blame(self.stage, Fault.GARBAGE, f"unexpected reply: {said}", place)
            raise _Refused(judge(self.stage, said, place) or garbage)
        self._nothing_unasked(client)

    def _hand_over(self, client: aiosmtplib.SMTP) -> Opened:
        if client.transport is None or client.transport.is_closing():
            raise ConnectionResetError(errno.ECONNRESET, "closed by the peer")
        transport = cast(asyncio.Transport, client.transport)
        tunnel = transport.get_extra_info("ssl_object")
        if tunnel is not None:  # its reply to EHLO came behind what a later session can be resumed with
            remember(self._context, self._server, tunnel, self._clock.monotonic())
        verified = tunnel is not None and self._tls == "verify"
        peer = read_capabilities(client.esmtp_extensions, verified_tls=verified)
        return Opened(tapped(transport, self._tap), peer, self._place, self._manners.protocol, verified)

    def _nothing_unasked(self, client: aiosmtplib.SMTP) -> None:
        """Replies that came with the one we asked for would be taken for replies to what we say next."""
        protocol = client.protocol
        if protocol is not None and protocol._buffer:
            raise _Refused(blame(self.stage, Fault.GARBAGE, "a reply before it was asked for", self._place))

    def _nobody_like_us(self, words: str) -> None:
        """Mail that DNS sends from us to us goes in a circle. It waits: a name can be put right (row L04)."""
        if self._manners.is_stranger and words[:256].split(maxsplit=1)[:1] == [self._manners.hostname]:
            said = reply(451, "4.4.6", f"{self._target.host} has our own name: mail for it loops back to us")
            raise _Refused(Deferred(Cause.LOOP, said, Scope.SITE, self._place))

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
            why = getattr(error, "verify_message", "")  # of a certificate: "Hostname mismatch, ..."
            outcome = blame(stage, Fault.TLS, why or error.reason or str(error), place)
        else:
            fault = {Stage.CONNECT: Fault.CONNECT, Stage.STARTTLS: Fault.TLS}.get(stage, Fault.LOST)
            # asyncio's own words for a refused connection do not say so; those of its number do.
            detail = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else ""
            outcome = blame(stage, fault, detail, place)
        assert isinstance(outcome, Failed | Deferred)
        return outcome
