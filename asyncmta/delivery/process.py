"""One run of a command: content to its standard input, the beginning of what it writes, and how it ended.

Promises: no shell; an environment of its own that has only what is given, and no file of ours; its own session and
process group, which is killed as a whole when it takes too long, when the content turns out to be damaged, and when we
are cancelled; what it writes beyond MOST_OUTPUT is read and dropped, so that it never waits for us. A command that does
not read all of its input, and says that it is content, is content. Never: what its end means (`sysexits`), or waiting
for what it leaves behind.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import suppress
from subprocess import PIPE, STDOUT, Popen

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
        # Not by the loop: uvloop lets one command inherit the pipes of the others.
        process = Popen(  # noqa: ASYNC220, S603 - by vfork, a millisecond; the settings name the program
            arguments, 0, None, PIPE, PIPE, STDOUT, cwd="/", env=dict(environment), start_new_session=True
        )
    except OSError as error:
        return NotStarted(os.strerror(error.errno) if error.errno else str(error))
    exited = asyncio.get_running_loop().create_task(_status(process))
    pipes = _Pipes(exited)
    try:
        await pipes.connect(process)
        async with Deadline(clock, seconds):
            await pipes.take(content)
            await asyncio.wait([exited])
        await _within(clock, LAST_WORDS, pipes.silent.wait())
        return Ended(exited.result(), bytes(pipes.output))
    finally:
        if not exited.done():
            _kill(process)
            await _within(clock, DYING, asyncio.wait([exited]))
            exited.cancel()
        pipes.close()


async def _status(process: Popen[bytes]) -> int:
    """Wait for its end, with a thread only where the system has nothing better."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        return await asyncio.to_thread(process.wait)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return process.wait()


async def _within(clock: Clock, seconds: float, wait: Awaitable[object]) -> None:
    """Wait, but no longer than that."""
    with suppress(TimeoutError):
        async with Deadline(clock, seconds):
            await wait


def _kill(process: Popen[bytes]) -> None:
    """With all that it started, while its number is still its own: it has not been waited for."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


class _Pipes:
    """Our ends of its standard input and output."""

    def __init__(self, exited: asyncio.Task[int]) -> None:
        self.silent = asyncio.Event()
        self.output = bytearray()
        self._is_reading = True
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._input: asyncio.WriteTransport | None = None
        self._outlet: asyncio.ReadTransport | None = None
        exited.add_done_callback(self.stop_feeding)

    async def connect(self, process: Popen[bytes]) -> None:
        loop = asyncio.get_running_loop()
        assert process.stdin is not None
        assert process.stdout is not None
        self._input, _ = await loop.connect_write_pipe(lambda: _Input(self), process.stdin)
        self._outlet, _ = await loop.connect_read_pipe(lambda: _Output(self), process.stdout)

    async def take(self, content: AsyncIterator[bytes]) -> None:
        """Feed it, as fast as it reads, as long as it does; then end its input."""
        async for chunk in content:
            if not self._is_reading or self._input is None:
                break
            self._input.write(chunk)
            await self._has_room.wait()
        if self._input is not None:
            self._input.close()

    def stop_feeding(self, _: object = None) -> None:
        self._is_reading = False
        self._has_room.set()

    def input_closed(self) -> None:
        self._input = None
        self.stop_feeding()

    def pause(self) -> None:
        if self._is_reading:
            self._has_room.clear()

    def resume(self) -> None:
        self._has_room.set()

    def hear(self, data: bytes) -> None:
        room = MOST_OUTPUT - len(self.output)
        if room > 0:
            self.output += data[:room]

    def close(self) -> None:
        if self._input is not None:
            self._input.abort()
        if self._outlet is not None:
            self._outlet.close()


class _Input(asyncio.BaseProtocol):
    def __init__(self, pipes: _Pipes) -> None:
        self._pipes = pipes

    def pause_writing(self) -> None:
        self._pipes.pause()

    def resume_writing(self) -> None:
        self._pipes.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        self._pipes.input_closed()


class _Output(asyncio.Protocol):
    def __init__(self, pipes: _Pipes) -> None:
        self._pipes = pipes

    def data_received(self, data: bytes) -> None:
        self._pipes.hear(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pipes.silent.set()
