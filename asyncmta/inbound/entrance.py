"""A client's way in: from the open transport over the PROXY header and TLS to the greeting, and out again.

Promises: a client is counted once it is known, and given back once; whoever speaks before the greeting is not greeted;
an exception anywhere on the way ends the session with `451 4.3.0` and a line with its traceback in the log. Never:
commands and their answers (`connection`).

RFC 5321 3.1 (greeting), RFC 3207 4.2, RFC 8314 3.3 (implicit TLS).
"""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import Callable
from typing import Any

from asyncmta.inbound.conversation import Conversation
from asyncmta.inbound.events import ClientTold
from asyncmta.inbound.flow import Flow, LargeArrival
from asyncmta.inbound.session import Client, client_at
from asyncmta.inbound.sessions import Sessions
from asyncmta.inbound.tunnel import HandshakeFailed, describe_tls, has_input, plain_ip, start_tls
from asyncmta.inbound.welcome import Welcome, screen_anew, welcome
from asyncmta.mail import replies
from asyncmta.tracing.events import Session as Traced
from asyncmta.tracing.tap import Tap


class Entrance(asyncio.Protocol):
    """What a connection is before, around and after its conversation."""

    def __init__(self, sessions: Sessions) -> None:
        self.transport: asyncio.Transport | None = None
        self.peer = ("", 0)  # the other end of the transport
        self._sessions = sessions
        self._flow = Flow()
        self._conversation: Conversation | None = None
        self._client: Client | None = None  # admitted and counted
        self._work: asyncio.Future[Any] | None = None  # a lookup or an AUTH exchange, given up with its client
        self._on_input: Callable[[], None] | None = None  # the AUTH exchange waits for a line
        self._large: LargeArrival | None = None
        self._welcome: Welcome | None = None
        self._is_our_turn = False  # the client waits for us: its deadline does not run
        self._half_closed = False
        self._early = b""
        self._closing_since: float | None = None
        self._content_due = math.inf  # when content that is coming in has been slow for too long
        self._held = 0  # octets in memory that are counted for us
        self.seen = 0.0
        self.tap: Tap | None = None  # somebody looks on

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = self._flow.transport = transport  # type: ignore[assignment]  # uvloop's is one in all but name
        self._sessions.enter(self)
        self._renew()
        try:
            peer = transport.get_extra_info("peername")
            if peer is None:  # gone already
                self.abort()
                return
            self.peer = plain_ip(peer[0]), peer[1]
            self._arrive()
        except Exception as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.tap is not None:
            said = f"by the peer: {exc}" if exc is not None else "by the peer"
            self.tap.closed("by us" if self._closing_since is not None else said)
        self._leave()

    # -- the way in --------------------------------------------------------------------------------------------------

    def _arrive(self) -> None:
        """The transport is there."""
        self._admit(*self.peer)

    def _preamble(self, data: bytes) -> None:
        """Input before the client is known."""
        self.abort()

    def _too_early(self, data: bytes) -> None:
        """Input before there is a conversation."""
        if self._client is None:
            self._preamble(data)
        elif self._is_our_turn:  # the beginning of a handshake, which uvloop reads although we do not want it yet
            self._early += data
        elif not self._early:  # through the tunnel, before our greeting; a second chunk adds nothing
            self._early = data

    def _admit(self, ip: str, port: int, *, rest: bytes = b"", may_be_trusted: bool = True) -> None:
        """The client is known: count it, and begin. `rest` came behind its PROXY header."""
        sessions = self._sessions
        acceptance = sessions.acceptance
        client = client_at(acceptance, ip, port, is_known=may_be_trusted)
        if sessions.reception.tracing is not None and sessions.reception.tracing.is_on:
            self._put_tap(ip, port)
        refusal = sessions.admit(ip, client.trusted)
        if refusal is not None:
            sessions.reception.maillog.refused(client=ip, stage="connect", reply=refusal)
            self._write(refusal.wire)
            self._end()
            return
        self._client = client
        if acceptance.terms.tls == "implicit":
            self._begin_tls(rest)
            return
        self._early = rest
        self._begin("", is_early=has_input(self.transport))

    def _begin(self, tls: str, *, is_early: bool = False) -> None:
        """Greet; but whoever has spoken already gets another answer, when what he said is read."""
        assert self._client is not None
        conversation = self._conversation = Conversation(self._sessions.acceptance, self._client, tls=tls)
        early, self._early = self._early, b""
        if early:
            self.data_received(early)
        elif not is_early:
            self._welcome = welcome(self._sessions, conversation, self._advance)
            if self._welcome is None or self._welcome.is_due:
                self._write(conversation.greet())

    def _change_client(self, wanted: ClientTold) -> None:
        """XCLIENT: count this client instead of the one we knew, and begin anew."""
        sessions, before = self._sessions, self._client
        assert before is not None
        sessions.counts.release(before.ip)
        self._client = None
        refusal = sessions.counts.admit(wanted.ip)
        if refusal is not None:
            sessions.reception.maillog.refused(client=wanted.ip, stage="XCLIENT", reply=refusal)
            self._advance(Conversation.close, refusal)
            return
        client = self._client = client_at(sessions.acceptance, wanted.ip, wanted.port, name=wanted.name)
        sessions.reception.maillog.note("info", "client_told", client=client.ip, peer=before.ip)
        self._advance(Conversation.client_changed, client, wanted.told)
        if self._conversation is not None and self.transport is not None:
            if self._welcome is not None:
                self._welcome.cancel()
            self._welcome = screen_anew(sessions, self._conversation, self._advance)

    def _begin_tls(self, rest: bytes = b"") -> None:
        """The handshake, at the start or after STARTTLS: from here on nothing is read in clear text."""
        if self.transport is not None:
            self._is_our_turn = True  # the handshake has a deadline of its own
            self.transport.pause_reading()
            self._sessions.own(self._start_tls(self.transport, rest))

    async def _start_tls(self, transport: asyncio.Transport, rest: bytes) -> None:
        if transport.is_reading():
            transport.pause_reading()  # uvloop begins to read after connection_made, where this was said already
        try:
            context = await self._tls_context()
            if self.transport is None:
                raise HandshakeFailed("the client is gone")
            rest, self._early = rest + self._early, b""
            secure = await start_tls(transport, self, context, rest=rest)
            if self.transport is None:
                raise HandshakeFailed("the client is gone")
        except HandshakeFailed as failure:
            maillog = self._sessions.reception.maillog
            maillog.note("info", "tls_failed", client=self._client_ip, reason=str(failure))
            if self.tap is not None:
                self.tap.note("note", f"TLS failed: {failure}")
            self.abort()
            self._leave()  # the transport may never say so to us, who are no longer its protocol
            return
        except Exception as error:
            self._note(error)
            self.abort()
            self._leave()
            return
        self.transport = secure
        self._flow.move_to(secure)
        self._renew()
        tls = describe_tls(secure)
        if self.tap is not None:
            self.tap.secured(tls)
        self._sessions.reception.maillog.note("debug", "tls_began", client=self._client_ip, tls=tls)
        if self._conversation is None:
            self._is_our_turn = False
            self._begin(tls)
        else:
            self._advance(Conversation.tls_started, tls)

    async def _tls_context(self) -> ssl.SSLContext:
        raise AssertionError("given by the listener")

    def sweep(self, now: float) -> float:
        raise AssertionError("given by the connection")

    def _advance(self, step: Callable[..., bytes], *answer: object) -> None:
        raise AssertionError("given by the connection")

    # -- the way out -------------------------------------------------------------------------------------------------

    def abort(self) -> None:
        if self.transport is not None:
            if self.tap is not None:
                self.tap.closed("cut off by us")
            self.transport.abort()

    def _end(self) -> None:
        if self._closing_since is None and self.transport is not None:
            self._closing_since = self.seen = self._sessions.now()
            self.transport.close()

    def _leave(self) -> None:
        """The connection is over; called once or twice."""
        self.transport = self._flow.transport = None
        self._sessions.leave(self)
        client, self._client = self._client, None
        if client is not None:
            self._sessions.counts.release(client.ip)
        if self._held:
            self._sessions.reception.holding.change(self._held, 0)
            self._held = 0
        if self._large is not None:
            self._large.abort()
            self._large = None  # it points back at us, as the others do: so we are free without the collector
        if self._work is not None:
            self._work.cancel()
            self._work = None
        if self._welcome is not None:
            self._welcome.cancel()
            self._welcome = None

    def _fail(self, error: Exception) -> None:
        """A bug. The state of the conversation is not to be trusted any more."""
        self._note(error)
        self._write(replies.LOCAL_ERROR.wire)
        if self._large is not None:
            self._large.abort()
        self._end()

    @property
    def _client_ip(self) -> str:
        return self._client.ip if self._client is not None else self.peer[0]

    def _renew(self) -> None:
        sessions = self._sessions
        self.seen = sessions.second if sessions.is_awake else sessions.now()

    # -- who looks on ------------------------------------------------------------------------------------------------

    def look_on(self) -> None:
        """Somebody wants to look, who was not there when this session began."""
        if self._client is not None and (self.tap is None or not self.tap.is_on):
            self._put_tap(self._client.ip, self._client.port, self._is_between)

    def _put_tap(self, ip: str, port: int, is_between: Callable[[], bool] | None = None) -> None:
        tracing, transport = self._sessions.reception.tracing, self.transport
        assert tracing is not None
        role = self._sessions.acceptance.terms.role
        name = transport.get_extra_info("sockname") if transport is not None else None
        place = f"{role} {name[0]}:{name[1]}" if name else role
        self.tap = tracing.tap(Traced(tracing.next_id("in"), "in", ip, port, place, role), is_between=is_between)
        if self.tap is not None and is_between is None:
            self.tap.connected(f"from {ip}:{port} to {place}")

    def _is_between(self) -> bool:
        """Between two commands, with nothing of the next one here."""
        conversation = self._conversation
        if conversation is None:
            return True
        return not (conversation.is_paused or conversation.is_reading_content or conversation.buffered)

    def _write(self, out: bytes) -> None:
        """And give the client time for its answer."""
        if self.tap is not None:
            self.tap.us(out)
        sessions = self._sessions
        self.seen = sessions.second if sessions.is_awake else sessions.now()
        transport = self.transport
        if transport is not None and not transport.is_closing():
            transport.write(out)

    def _note(self, error: BaseException) -> None:
        self._sessions.reception.maillog.note("error", "session_failed", error=error, client=self._client_ip)
