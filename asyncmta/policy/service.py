"""A Postfix policy service over a Unix or TCP socket: a few connections that are kept, and one deadline for a question.

Promises: at most `MOST_LINES` connections, whoever asks beyond that waits within its deadline; a connection that the
service closed while it was idle is made anew, once; one that answered late, wrongly or too much is never used again, so
that no answer can be taken for that to another question. Never: what an answer means (`delegation`), what no answer
means (`consultation`).

Rows W-010, W-064, W-153.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from msgspec import Struct

from asyncmta.policy.delegation import InvalidAnswer, answer_length, encode_request, parse_answer
from asyncmta.policy.verdict import About, Verdict
from asyncmta.system.clock import Clock
from asyncmta.system.deadline import Deadline

MOST_LINES = 4


class Endpoint(Struct, frozen=True):
    """Where the service listens: a path, or a host and a port."""

    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.path else f"inet:{self.host}:{self.port}"


class ServiceFailed(Exception):
    """No answer that can be used; the message says why."""


class _Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def exchange(self, request: bytes) -> Verdict | None:
        self._writer.write(request)
        await self._writer.drain()
        octets = b""
        while not (length := answer_length(octets)):
            more = await self._reader.read(4096)
            if not more:
                raise EOFError("it closed the connection" + (" within an answer" if octets else ""))
            octets += more
        if length < len(octets):
            raise InvalidAnswer("more than one answer")
        return parse_answer(octets)

    def close(self) -> None:
        with suppress(RuntimeError):  # the loop is gone
            self._writer.close()


class PolicyService:
    """One service. Everybody who asks has `timeout` seconds."""

    def __init__(self, *, clock: Clock, endpoint: Endpoint, timeout: float) -> None:
        self.endpoint = endpoint
        self._clock = clock
        self._timeout = timeout
        self._idle: list[_Line] = []
        self._slots = asyncio.Semaphore(MOST_LINES)

    async def ask(self, about: About) -> Verdict | None:
        """The verdict; None: no opinion. Raises ServiceFailed."""
        request = encode_request(about)
        try:
            async with Deadline(self._clock, self._timeout), self._slots:
                return await self._ask(request)
        except TimeoutError:
            raise ServiceFailed(f"no answer within {self._timeout:g} s") from None
        except (OSError, EOFError, InvalidAnswer) as error:
            raise ServiceFailed(f"{error or type(error).__name__}") from None

    async def _ask(self, request: bytes) -> Verdict | None:
        if self._idle:
            with suppress(OSError, EOFError):  # it may have been closed at any time
                return await self._exchange(self._idle.pop(), request)
        return await self._exchange(await self._connect(), request)

    async def _exchange(self, line: _Line, request: bytes) -> Verdict | None:
        try:
            verdict = await line.exchange(request)
        except BaseException:
            line.close()
            raise
        self._idle.append(line)
        return verdict

    async def _connect(self) -> _Line:
        endpoint = self.endpoint
        if endpoint.path:
            return _Line(*await asyncio.open_unix_connection(endpoint.path))
        return _Line(*await asyncio.open_connection(endpoint.host, endpoint.port))

    def close(self) -> None:
        """For a stop: whoever still asks has been cancelled."""
        idle, self._idle = self._idle, []
        for line in idle:
            line.close()
