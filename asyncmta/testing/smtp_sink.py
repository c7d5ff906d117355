"""`SmtpSink`: a receiving server on the real loop, with a list of what it got and replies that a test scripts.

Promises: content is kept byte for byte, dots unstuffed; a command that a strict server would not take is refused and
noted in `violations` (bare line ends, pipelining that was not offered, parameters of extensions that were not
offered), so that a test ends with `assert not sink.violations`. It takes no decision of its own about addresses.
Never: relaying, a queue, or speed; `sink_session.py` has the commands.

RFC 5321, 1870 (SIZE), 2920 (PIPELINING), 3030 (CHUNKING), 3207 (STARTTLS), 4954 (AUTH).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Self

from msgspec import Struct

from asyncmta.testing.sink_session import SinkSession
from asyncmta.testing.sink_values import (
    CLOSE,
    EXTENSIONS,
    SILENCE,
    STEPS,
    Answer,
    SinkSettings,
    Special,
    TakenMessage,
)
from asyncmta.testing.sink_wire import SinkWire

__all__ = ["CLOSE", "EXTENSIONS", "SILENCE", "STEPS", "Answer", "SinkSettings", "SmtpSink", "Special", "TakenMessage"]


class _Scripted(Struct):
    step: str
    answer: Answer | Callable[[str], Answer | None]
    contains: str
    left: int


class SmtpSink:
    """`async with SmtpSink() as sink:` listens on `sink.address` until left; the settings say what it is and offers."""

    def __init__(self, settings: SinkSettings | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.settings = settings if settings is not None else SinkSettings()
        self.messages: list[TakenMessage] = []
        self.commands: list[tuple[int, str]] = []
        self.violations: list[str] = []
        self.sessions_seen = 0
        self._wanted = (host, port)
        self._script: list[_Scripted] = []
        self._open: set[SinkWire] = set()
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        host, port = self._wanted
        self._server = await asyncio.get_running_loop().create_server(
            lambda: SinkSession(self), host, port, ssl=self.settings.tls if self.settings.implicit_tls else None
        )

    async def stop(self) -> None:
        """Close the listening socket and all sessions."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for session in tuple(self._open):
            session.abort()
        await server.wait_closed()
        await asyncio.sleep(0)  # connection_lost of what was aborted

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, as long as it listens."""
        if self._server is None:
            raise RuntimeError("the sink does not listen")
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    @property
    def open_sessions(self) -> int:
        return len(self._open)

    def script(
        self,
        step: str,
        answer: Answer | Callable[[str], Answer | None],
        *,
        times: int = 1,
        contains: str = "",
    ) -> None:
        """Answer the next `times` commands of that step (which contain that text, in any case) in this way.

        Earlier scripts are used up first. A callable gets the command line; None from it means the usual answer.
        Any 2yz or 3yz counts as consent, and the session goes on as if the sink itself had said it.
        """
        if step not in STEPS:
            raise ValueError(f"no step {step!r}; there are {', '.join(STEPS)}")
        self._script.append(_Scripted(step, answer, contains.lower(), times))

    async def wait_for(self, count: int, *, timeout: float = 10.0) -> list[TakenMessage]:
        """Return the messages once there are `count`; TimeoutError otherwise."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while len(self.messages) < count:
                    self._changed.clear()
                    await self._changed.wait()
        if len(self.messages) < count:
            raise TimeoutError(f"{len(self.messages)} messages of {count} after {timeout} s")
        return self.messages

    # What the sessions call.

    def opened(self, session: SinkWire) -> int:
        """A session began; returns its number, from 1."""
        self._open.add(session)
        self.sessions_seen += 1
        return self.sessions_seen

    def closed(self, session: SinkWire) -> None:
        self._open.discard(session)

    def take(self, message: TakenMessage) -> None:
        self.messages.append(message)
        self._changed.set()

    def scripted(self, step: str, line: str) -> Answer | None:
        """What a script answers here, used up by being asked for; None where the sink answers as usual."""
        for entry in self._script:
            if entry.step != step or entry.contains not in line.lower():
                continue
            answer = entry.answer(line) if callable(entry.answer) else entry.answer
            if answer is None:
                continue
            entry.left -= 1
            if not entry.left:
                self._script.remove(entry)
            return answer
        return None
