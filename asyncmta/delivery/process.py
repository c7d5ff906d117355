"""One run of a command: content to its standard input, the beginning of what it writes, and how it ended.

Promises: no shell; an environment of its own that has only what is given; its own session and process group, which is
killed as a whole when it takes too long, when the content turns out to be damaged, and when we are cancelled; what it
writes beyond MOST_OUTPUT is read and dropped, so that it never waits for us. A command that does not read all of its
input, and says that it is content, is content. Never: what its end means (`sysexits`), or waiting for what it leaves
behind.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from subprocess import PIPE, STDOUT
from typing import cast

from msgspec import Struct

from asyncmta.system.clock import Clock
from asyncmta.system.deadline import Deadline

MOST_OUTPUT = 4096
LAST_WORDS = 1.0  # for its output after its end: somebody it left behind may keep our pipe open for ever
DYING = 5.0  # a process that waits for a disk cannot be killed


class Ended(Struct, frozen=True):
    """`status`: its exit status, or minus the number of a signal."""

    status: int
    output: bytes


class NotStarted(Struct, frozen=True):
    reason: str


async def run(
    arguments: Sequence[bytes],
    environment: Mapping[str, str],
    content: AsyncIterator[bytes],
    *,
    clock: Clock,
    seconds: float,
) -> Ended | NotStarted:
    """Run it. TimeoutError after `seconds`; what `content` raises goes to the caller, and the command gets no end."""
    try:
        transport, process = await asyncio.get_running_loop().subprocess_exec(
            _Process,
            *arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
            env=dict(environment),
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        return NotStarted(os.strerror(error.errno) if error.errno else str(error))
    try:
        async with Deadline(clock, seconds):
            await process.take(content, cast(asyncio.WriteTransport, transport.get_pipe_transport(0)))
            await process.exited.wait()
        await _within(clock, LAST_WORDS, process.silent)
        status = transport.get_returncode()
        assert status is not None
        return Ended(status, bytes(process.output))
    finally:
        if transport.get_returncode() is None:
            _kill(transport.get_pid())
            await _within(clock, DYING, process.exited)
        transport.close()


async def _within(clock: Clock, seconds: float, event: asyncio.Event) -> None:
    """Wait for it, but no longer than that."""
    with suppress(TimeoutError):
        async with Deadline(clock, seconds):
            await event.wait()


def _kill(group: int) -> None:
    """With all that it started, while its number is still its own: it has not been waited for."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


class _Process(asyncio.SubprocessProtocol):
    def __init__(self) -> None:
        self.exited = asyncio.Event()
        self.silent = asyncio.Event()
        self.output = bytearray()
        self._is_reading = True
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def take(self, content: AsyncIterator[bytes], pipe: asyncio.WriteTransport) -> None:
        """Feed it, as fast as it reads, as long as it does; then end its input."""
        async for chunk in content:
            if not self._is_reading:
                break
            pipe.write(chunk)
            await self._has_room.wait()
        pipe.close()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        room = MOST_OUTPUT - len(self.output)
        if room > 0:
            self.output += data[:room]

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 0:
            self._stop_feeding()
        else:
            self.silent.set()

    def process_exited(self) -> None:
        self._stop_feeding()
        self.exited.set()

    def pause_writing(self) -> None:
        if self._is_reading:
            self._has_room.clear()

    def resume_writing(self) -> None:
        self._has_room.set()

    def _stop_feeding(self) -> None:
        self._is_reading = False
        self._has_room.set()
