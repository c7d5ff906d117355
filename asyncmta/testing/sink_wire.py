"""The wire side of a `SmtpSink` session: octets into command lines, contents and chunks; replies into octets; TLS.

Promises: only CR LF ends a command, only CR LF dot CR LF the content; what a script answers goes out in place of the
usual reply, and `answer` says whether it was consent. Linear in what comes. Never: a meaning of any command; those
are in `sink_session.py`.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Protocol, cast

from asyncmta.mail import wire
from asyncmta.testing.sink_values import Answer, SinkSettings, Special, TakenMessage

MAX_COMMAND = 4096


class Sink(Protocol):
    """What a session needs of its `SmtpSink`."""

    settings: SinkSettings
    commands: list[tuple[int, str]]
    violations: list[str]

    def opened(self, session: SinkWire) -> int: ...

    def closed(self, session: SinkWire) -> None: ...

    def take(self, message: TakenMessage) -> None: ...

    def scripted(self, step: str, line: str) -> Answer | None: ...


class SinkWire(asyncio.Protocol, ABC):
    """The server's end of one connection, but for the commands."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.settings = sink.settings
        self.number = 0
        self.tls = sink.settings.implicit_tls
        self.in_content = False
        self.chunk_size = 0
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._searched = 0
        self._silent = False
        self._starting_tls: asyncio.Task[None] | None = None

    @abstractmethod
    def greet(self) -> None: ...

    @abstractmethod
    def take_command(self, line: str) -> None: ...

    @abstractmethod
    def take_content(self, content: bytes) -> None: ...

    @abstractmethod
    def take_chunk(self, octets: bytes) -> None: ...

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by its methods only
        self.number = self.sink.opened(self)
        self.greet()

    def connection_lost(self, exc: Exception | None) -> None:
        self.sink.closed(self)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        if self._silent:
            return
        self._buffer += data
        if self._starting_tls is None:
            self._take_units()

    def _take_units(self) -> None:
        while self._buffer and not self._silent and self._take_unit():
            pass

    def _take_unit(self) -> bool:
        """Take one unit off the buffer; False when it is not there yet."""
        if self.in_content:
            return self._take_content()
        if self.chunk_size:
            if len(self._buffer) < self.chunk_size:
                return False
            octets = self._cut(self.chunk_size)
            self.chunk_size = 0
            self.take_chunk(octets)
            return True
        end = self._buffer.find(b"\n")
        if end < 0 and len(self._buffer) <= MAX_COMMAND:
            return False
        raw = self._cut(end + 1 or len(self._buffer))
        if not raw.endswith(b"\r\n") or b"\r" in raw[:-2] or len(raw) > MAX_COMMAND:
            self.violation(f"not a command line: {raw[:80]!r}", "500 5.5.2 Not a command line")
        else:
            self.take_command(raw[:-2].decode("utf-8", "replace"))
        return True

    def _take_content(self) -> bool:
        end = -2 if self._buffer.startswith(b".\r\n") else self._buffer.find(b"\r\n.\r\n", max(0, self._searched - 4))
        if end == -1:
            self._searched = len(self._buffer)
            return False
        wire_form = self._cut(end + 2)
        self._cut(3)
        self._searched = 0
        self.in_content = False
        self.take_content(wire.unstuff(wire_form))
        return True

    def _cut(self, size: int) -> bytes:
        octets = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return octets

    @property
    def has_more(self) -> bool:
        """Did more come behind the unit that was just taken?"""
        return bool(self._buffer)

    # Replies

    def answer(self, step: str, line: str, usual: str) -> bool:
        """Send the scripted answer, or else the usual one; was it consent?"""
        answer = self.sink.scripted(step, line)
        if isinstance(answer, Special):
            self.close(silently=answer is Special.SILENCE)
            return False
        if isinstance(answer, bytes):
            self._write(answer)
            return answer[:1] in {b"2", b"3"}
        text = usual if answer is None else answer
        self.say(text)
        if text.startswith("421"):
            self.close()
        return text[:1] in {"2", "3"}

    def violation(self, what: str, reply: str) -> None:
        """Note it and refuse it."""
        self.sink.violations.append(what)
        self.say(reply)

    def say(self, text: str) -> None:
        *lines, last = text.split("\n")
        self._write(("".join(f"{line[:3]}-{line[4:]}\r\n" for line in lines) + f"{last}\r\n").encode())

    def _write(self, octets: bytes) -> None:
        if self._transport is not None and not self._silent:
            self._transport.write(octets)

    def close(self, *, silently: bool = False) -> None:
        """Take nothing more; and close the connection, unless `silently`."""
        self._silent = True
        if not silently and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        self._silent = True
        if self._transport is not None:
            self._transport.abort()

    # TLS

    def start_tls(self) -> None:
        """Go on in TLS; whatever came before is forgotten (RFC 3207 4.2)."""
        self._buffer.clear()
        if self._transport is not None:
            self._transport.pause_reading()  # what comes from now on is for TLS
            self._starting_tls = asyncio.ensure_future(self._start_tls(self._transport))

    async def _start_tls(self, plain: asyncio.Transport) -> None:
        assert self.settings.tls is not None
        try:
            loop = asyncio.get_running_loop()
            secured = await loop.start_tls(plain, self, self.settings.tls, server_side=True)
        except (OSError, EOFError):  # the client did not like our certificate (an SSLError), or went away
            plain.abort()
            return
        # The first octets in TLS may have come before this line; their replies must not leave in the clear.
        self.tls = True
        self._transport = secured
        self._starting_tls = None
        self._take_units()
