"""Dovecot's users over its authentication socket: one connection, many requests on it, opened when somebody logs in.

Promises: a socket that is not there, does not answer in time or speaks another protocol is "it cannot be told now"
for those who wait, and the next who asks tries again; requests in flight are bounded; a password goes nowhere else.
Never: the lines themselves (`dovecot_lines`), a choice among mechanisms that Dovecot did not offer.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import TypeVar, cast

import msgspec

from asyncmta.auth import dovecot_lines as lines
from asyncmta.auth.source import MECHANISMS, PASSWORD_MECHANISMS, Attempt, Changed, Granted, No, Verdict
from asyncmta.maillog import MailLog
from asyncmta.routing import Pattern
from asyncmta.system.clock import Clock

T = TypeVar("T")

TIMEOUT = 30.0  # seconds for an answer; Dovecot itself holds back a no for two
IN_FLIGHT = 200
MAJOR = 1

Reply = lines.Answer | None  # None: there will be none


class Dovecot:
    """The source of `auth.dovecot`."""

    def __init__(self, path: str, *, clock: Clock, maillog: MailLog) -> None:
        self._path = path
        self._clock = clock
        self._maillog = maillog
        self._link: Link | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._watching: list[Changed] = []
        self._mechanisms: tuple[str, ...] = PASSWORD_MECHANISMS  # until it has said so itself
        self._is_closed = self._was_told = False

    def watch(self, changed: Changed) -> None:
        self._watching.append(changed)
        changed(self._mechanisms)
        if self._link is None and self._connecting is None:  # to know what to offer
            self._begin()

    async def password(self, attempt: Attempt, login: str, password: str) -> Verdict:
        """LOGIN too goes on as PLAIN, which says the same in one message."""
        exchange = DovecotExchange(self, msgspec.structs.replace(attempt, mechanism="PLAIN"))
        answer = await exchange.step(lines.plain(login, password))
        return No.UNSURE if isinstance(answer, bytes) else answer

    def exchange(self, attempt: Attempt) -> DovecotExchange:
        return DovecotExchange(self, attempt)

    def senders(self, login: str) -> tuple[Pattern, ...] | None:
        return None

    async def close(self) -> None:
        self._is_closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if self._link is not None:
            self._link.close()

    async def link(self) -> Link | None:
        """The connection, its greeting read; None where it cannot be had now."""
        if (self._link is None or self._link.is_over) and not self._is_closed:
            if self._connecting is None:
                self._begin()
            assert self._connecting is not None
            await asyncio.wait([self._connecting])
        return None if self._link is None or self._link.is_over else self._link

    def _begin(self) -> None:
        self._connecting = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        link = Link(self._clock)
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: link, self._path)
            problem = await link.greeted()
        except OSError as error:
            problem = error.strerror or str(error)
        except BaseException:
            link.close()
            raise
        finally:
            self._connecting = None
        if problem:
            link.close()
            if not self._was_told:
                self._maillog.note("warning", "auth_dovecot_unavailable", socket=self._path, reason=problem)
            self._was_told = True
            return
        self._was_told = False
        self._link = link
        self._maillog.note("info", "auth_dovecot_connected", socket=self._path, mechanisms=link.mechanisms)
        if link.mechanisms != self._mechanisms:
            self._mechanisms = link.mechanisms
            for changed in self._watching:
                changed(self._mechanisms)


class DovecotExchange:
    """One mechanism, message by message through Dovecot."""

    def __init__(self, source: Dovecot, attempt: Attempt) -> None:
        self._source = source
        self._attempt = attempt
        self._link: Link | None = None
        self._id = 0
        self._user = ""  # who it is, when only our last message is still to be answered

    async def step(self, response: bytes) -> bytes | Verdict:
        if self._user:
            return No.MALFORMED if response else Granted(self._user)
        if self._link is None:
            self._link = await self._source.link()
            if self._link is None:
                return No.UNSURE
            self._id, reply = await self._link.begin(self._attempt, response)
        else:
            reply = await self._link.go_on(self._id, response)
        match reply:
            case lines.More(challenge=challenge):
                return challenge
            case lines.Good(user=user, final=final):
                self._user = user
                return final or Granted(user)
            case lines.Bad(for_now=False):
                return No.WRONG
        return No.UNSURE


class Link(asyncio.Protocol):
    """One connection."""

    def __init__(self, clock: Clock) -> None:
        self.is_over = False
        self.mechanisms: tuple[str, ...] = ()
        self._clock = clock
        self._transport: asyncio.WriteTransport | None = None
        self._buffer = b""
        self._version = 0
        self._greeting: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._last = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = made = cast(asyncio.WriteTransport, transport)  # uvloop's is one in all but name
        # A number that no process has, since another Mta of this process may talk to the same Dovecot.
        made.write(lines.hello((1 << 22) + secrets.randbelow(1 << 30)))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._end("it closed the connection")

    def data_received(self, data: bytes) -> None:
        *whole, self._buffer = (self._buffer + data).split(b"\n")
        if len(self._buffer) > lines.MAX_LINE:
            self._end("a line without an end")
            return
        for line in whole:
            if not self.is_over:
                self._take(lines.parse(line))

    async def greeted(self) -> str:
        """Wait for its greeting; what is wrong with it, "" for nothing."""
        timer = self._clock.call_at(self._clock.monotonic() + TIMEOUT, lambda: self._end("it does not greet"))
        try:
            return await self._greeting
        finally:
            timer.cancel()

    async def begin(self, attempt: Attempt, response: bytes) -> tuple[int, Reply]:
        """A new request: its number, and the answer to it."""
        if len(self._waiting) >= IN_FLIGHT:
            return 0, None
        self._last = id = self._last % 0x7FFFFFFF + 1
        return id, await self._ask(id, lines.begin(id, attempt, response))

    async def go_on(self, id: int, response: bytes) -> Reply:
        return await self._ask(id, lines.go_on(id, response))

    def close(self) -> None:
        self._end("closed")

    async def _ask(self, id: int, request: bytes) -> Reply:
        if self._transport is None or self.is_over:
            return None
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[id] = answer
        self._transport.write(request)
        timer = self._clock.call_at(self._clock.monotonic() + TIMEOUT, lambda: _settle(answer, None))
        reply: Reply = None
        try:
            reply = await answer
        finally:
            timer.cancel()
            del self._waiting[id]
            if reply is None and self._transport is not None:  # too late, or the client has gone
                self._transport.write(lines.cancel(id))
        return reply

    def _take(self, line: lines.Line | None) -> None:
        match line:
            case lines.Version(major=major):
                self._version = major
            case lines.Mechanism(name=name) if not self._greeting.done():
                self.mechanisms = tuple(one for one in MECHANISMS if one in (*self.mechanisms, name))
            case lines.Done():
                self._have_greeted()
            case lines.Good() | lines.More() | lines.Bad():
                if (answer := self._waiting.get(line.id)) is not None:
                    _settle(answer, line)

    def _have_greeted(self) -> None:
        if "PLAIN" not in self.mechanisms:  # LOGIN goes as PLAIN
            self.mechanisms = tuple(one for one in self.mechanisms if one != "LOGIN")
        if self._version != MAJOR:
            self._end(f"it speaks version {self._version} of the protocol, not {MAJOR}")
        elif not self.mechanisms:
            self._end("it offers no mechanism of ours")
        else:
            _settle(self._greeting, "")

    def _end(self, reason: str) -> None:
        """Nobody gets an answer any more."""
        self.is_over = True
        _settle(self._greeting, reason)
        for answer in self._waiting.values():
            _settle(answer, None)
        if self._transport is not None:
            with suppress(RuntimeError):
                self._transport.close()
            self._transport = None


def _settle(future: asyncio.Future[T], value: T) -> None:
    if not future.done():
        future.set_result(value)
