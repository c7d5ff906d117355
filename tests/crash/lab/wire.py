"""A wire between smtp-source and the server that reads along: whose letter it is, what was in it, what was answered.

smtp-source does not tell which of its letters got 250; the wire does, and lives, like everything that must know the
truth, in another process than the server. Octets pass as they are. Who was refused is told so a little later, since
smtp-source would try again at once, a hundred thousand times.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import threading
import time

from tests.crash.lab.client import Sent
from tests.crash.lab.letters import MESSAGE_ID

PAUSE = 0.02


class Wire:
    """Listens in a thread of its own. `sent` are the transactions so far, by the Message-Id that smtp-source makes;
    `digests` says by that what the content was; `greetings` are replies before the first transaction that are no
    220."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.sent: list[Sent] = []
        self.digests: dict[str, str] = {}
        self.greetings: list[str] = []
        self.acknowledged = 0
        self.refused = 0
        self.sessions: set[_Near] = set()
        self.numbers = itertools.count()
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="wire", daemon=True)
        self._thread.start()
        assert started.wait(10)

    def fresh(self) -> None:
        """For the next round; nobody is connected."""
        self.sent, self.digests, self.greetings = [], {}, []
        self.acknowledged = self.refused = 0

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(self._loop.create_server(lambda: _Near(self), "127.0.0.1", 0))
        self.port: int = server.sockets[0].getsockname()[1]
        started.set()
        self._loop.run_forever()
        server.close()
        for each in tuple(self.sessions):
            each.transport.abort()
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    def is_idle(self) -> bool:
        return not self.sessions

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


class _Near(asyncio.Protocol):
    """The end at smtp-source."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.far: _Far | None = None
        self._early: list[bytes] = []
        self._content: bytearray | None = None
        self.letter: Sent | None = None
        self.last = b""
        self.is_at_end = False  # the dot has gone, and its reply is yet to come

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.wire.sessions.add(self)
        self._task = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        try:
            _, far = await asyncio.get_running_loop().create_connection(
                lambda: _Far(self), "127.0.0.1", self.wire.target
            )
        except OSError:
            self.transport.close()
            return
        self.far = far
        for data in self._early:
            self.data_received(data)

    def data_received(self, data: bytes) -> None:
        if self.far is None:
            self._early.append(data)
            return
        if self._content is not None:
            self._content += data
            if self._content.endswith(b"\r\n.\r\n"):
                self._ended()
        else:
            self._commanded(data)
        self.far.transport.write(data)

    def _commanded(self, line: bytes) -> None:
        """smtp-source waits for each reply, so what comes together is one command."""
        self.last = line[:4].upper()
        if self.last == b"MAIL":
            sender = line.partition(b"<")[2].partition(b">")[0].decode()
            self.letter = Sent(f"without-content-{next(self.wire.numbers)}", (), sender)
            self.wire.sent.append(self.letter)
        elif self.last == b"RCPT" and self.letter is not None:
            self.letter.recipients += (line.partition(b"<")[2].partition(b">")[0].decode().lower(),)

    def _ended(self) -> None:
        assert self._content is not None
        assert self.letter is not None
        content, self._content = bytes(self._content[:-3]).replace(b"\r\n..", b"\r\n."), None
        named = MESSAGE_ID.search(content)
        assert named is not None
        self.letter.identity = named[1].decode()
        self.wire.digests[self.letter.identity] = hashlib.sha256(content).hexdigest()
        self.letter.dot = time.monotonic()
        self.last = b"."
        self.is_at_end = True

    def replied(self, data: bytes) -> None:
        """The server says this; all of a reply, as smtp-source has only one command under way."""
        code = data[:3].decode(errors="replace")
        pause = 0.0
        if code == "354":
            self._content = bytearray()
        elif code[:1] != "2":
            self.wire.refused += 1
            pause = PAUSE
            text = data.decode(errors="replace").strip()
            if self.letter is None:
                self.wire.greetings.append(text)
            else:
                self.letter.refusals.append(text)
        elif self.last == b"." and self.letter is not None:
            self.letter.code = int(code)
            self.wire.acknowledged += 1
        self.is_at_end = self.is_at_end and self.last != b"."
        asyncio.get_running_loop().call_later(pause, self.transport.write, data)

    def connection_lost(self, _: Exception | None) -> None:
        """What was sent to its end may still be answered."""
        self._task.cancel()
        if self.far is None:
            self.wire.sessions.discard(self)
        elif not self.is_at_end:
            self.far.transport.close()
            self.wire.sessions.discard(self)


class _Far(asyncio.Protocol):
    """The end at the server."""

    def __init__(self, near: _Near) -> None:
        self._near = near

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._near.replied(data)
        if self._near.transport.is_closing():
            self.transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self._near.is_at_end = False
        self._near.wire.sessions.discard(self._near)
        self._near.transport.close()
