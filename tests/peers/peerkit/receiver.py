"""A receiver of our own: an SMTP server in a thread that keeps every message byte for byte, and counts.

It says 250 only after a message is in its list. With `stalls` it takes the dot and never answers.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

EXTENSIONS = b"250-receiver.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 100000000\r\n250 ENHANCEDSTATUSCODES\r\n"


@dataclass
class Taken:
    """One transaction. `content` is unstuffed; `host` is our address that it came in at."""

    host: str
    sender: str
    recipients: list[str]
    content: bytes


@dataclass
class Receiver:
    """Listens at `port` (0: any free one) on each of the addresses."""

    addresses: tuple[str, ...] = ("127.0.0.1",)
    port: int = 0
    stalls: bool = False
    taken: list[Taken] = field(default_factory=list)
    sessions: Counter[str] = field(default_factory=Counter)
    open: set[asyncio.Transport] = field(default_factory=set)

    def __enter__(self) -> Receiver:
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        servers = []
        for address in self.addresses:
            server = self._loop.run_until_complete(
                self._loop.create_server(lambda: _Session(self), address, self.port, backlog=1024)
            )
            self.port = server.sockets[0].getsockname()[1]
            servers.append(server)
        started.set()
        self._loop.run_forever()
        for server in servers:
            server.close()
        self._loop.run_until_complete(self._hang_up())
        self._loop.close()

    async def _hang_up(self) -> None:
        """Also on those whom the loop is just accepting: that is a task for each, which comes to its own end."""
        quiet = 0
        while quiet < 10:  # turns: what follows from hanging up takes a few
            accepting = asyncio.all_tasks() - {asyncio.current_task()}
            quiet = 0 if self.open or accepting else quiet + 1
            for transport in tuple(self.open):
                transport.abort()
            await asyncio.sleep(0)

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


def wait(enough: Callable[[], object], timeout: float) -> bool:
    """Until `enough()` is true; False when it is not in time."""
    end = time.monotonic() + timeout
    while not enough():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


class _Session(asyncio.Protocol):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._buffer = bytearray()
        self._in_content = False
        self._sender = ""
        self._recipients: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._host = transport.get_extra_info("sockname")[0]
        self._receiver.sessions[self._host] += 1
        self._receiver.open.add(transport)
        transport.write(b"220 receiver.test ESMTP\r\n")

    def connection_lost(self, _: Exception | None) -> None:
        self._receiver.open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        replies = []
        while (reply := self._content() if self._in_content else self._command()) is not None:
            replies.append(reply)
        if replies:
            self._transport.write(b"".join(replies))

    def _content(self) -> bytes | None:
        if self._buffer.startswith(b".\r\n"):
            wire, rest = b"", self._buffer[3:]
        else:
            end = self._buffer.find(b"\r\n.\r\n")
            if end < 0:
                return None
            wire, rest = bytes(self._buffer[: end + 2]), self._buffer[end + 5 :]
        self._buffer = bytearray(rest)
        self._in_content = False
        content = (b"\r\n" + wire).replace(b"\r\n.", b"\r\n")[2:]
        self._receiver.taken.append(Taken(self._host, self._sender, self._recipients, content))
        self._sender, self._recipients = "", []
        return b"" if self._receiver.stalls else b"250 2.0.0 taken\r\n"

    def _command(self) -> bytes | None:
        line, found, rest = bytes(self._buffer).partition(b"\r\n")
        if not found:
            return None
        self._buffer = bytearray(rest)
        verb = line[:4].upper()
        path = line.partition(b"<")[2].partition(b">")[0].decode()
        match verb:
            case b"EHLO":
                return EXTENSIONS
            case b"MAIL":
                self._sender, self._recipients = path, []
                return b"250 2.1.0 ok\r\n"
            case b"RCPT":
                self._recipients.append(path)
                return b"250 2.1.5 ok\r\n"
            case b"DATA":
                self._in_content = True
                return b"354 go on\r\n"
            case b"QUIT":
                self._transport.write(b"221 2.0.0 bye\r\n")
                self._transport.close()
                return None
        return b"250 2.0.0 ok\r\n" if verb in (b"HELO", b"RSET", b"NOOP") else b"500 5.5.1 what\r\n"
