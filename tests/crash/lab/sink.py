"""The next hop: keeps each message before it says 250. Local parts steer it: `bounce-*` gets 550, `keep-*` gets 451
until `opened` is set; while `closed` is set everything gets 451.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass

EXTENSIONS = b"250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 100000000\r\n250 ENHANCEDSTATUSCODES\r\n"


@dataclass(frozen=True)
class Taken:
    time: float
    recipients: tuple[str, ...]
    content: bytes


class Sink:
    """A server in a thread of its own."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.opened = False
        self.closed = False
        self.transports: set[asyncio.Transport] = set()
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="sink", daemon=True)
        self._thread.start()
        assert started.wait(10)

    def fresh(self) -> None:
        """For the next run."""
        self.taken = []
        self.opened = self.closed = False

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            self._loop.create_server(lambda: _Session(self), "127.0.0.1", 0, backlog=1024)
        )
        self.port: int = server.sockets[0].getsockname()[1]
        started.set()
        self._loop.run_forever()
        server.close()
        for transport in tuple(self.transports):
            transport.abort()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def answer(self, recipient: str) -> bytes:
        recipient = recipient.lstrip("0123456789")  # smtp-source counts its recipients there
        if recipient.startswith("bounce-"):
            return b"550 5.1.1 nobody of that name\r\n"
        if self.closed or (recipient.startswith("keep-") and not self.opened):
            return b"451 4.3.2 not now\r\n"
        return b"250 2.1.5 ok\r\n"


class _Session(asyncio.Protocol):
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._buffer = bytearray()
        self._looked = 0
        self._in_content = False
        self._recipients: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._sink.transports.add(transport)
        transport.write(b"220 sink.test ESMTP\r\n")

    def connection_lost(self, _: Exception | None) -> None:
        self._sink.transports.discard(self._transport)

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
            end = self._buffer.find(b"\r\n.\r\n", self._looked)
            if end < 0:
                self._looked = max(0, len(self._buffer) - 4)
                return None
            wire, rest = bytes(self._buffer[: end + 2]), self._buffer[end + 5 :]
        self._buffer, self._looked = bytearray(rest), 0
        self._in_content = False
        content = (b"\r\n" + wire).replace(b"\r\n.", b"\r\n")[2:]
        self._sink.taken.append(Taken(time.monotonic(), tuple(self._recipients), content))
        self._recipients = []
        return b"250 2.0.0 taken\r\n"

    def _command(self) -> bytes | None:
        line, found, rest = bytes(self._buffer).partition(b"\r\n")
        if not found:
            return None
        self._buffer = bytearray(rest)
        match line[:4].upper():
            case b"EHLO":
                return EXTENSIONS
            case b"MAIL":
                self._recipients = []
                return b"250 2.1.0 ok\r\n"
            case b"RCPT":
                recipient = line.partition(b"<")[2].partition(b">")[0].decode().lower()
                reply = self._sink.answer(recipient)
                if reply.startswith(b"2"):
                    self._recipients.append(recipient)
                return reply
            case b"DATA":
                if not self._recipients:
                    return b"554 5.5.1 no valid recipients\r\n"
                self._in_content = True
                return b"354 go on\r\n"
            case b"QUIT":
                self._transport.write(b"221 2.0.0 bye\r\n")
                self._transport.close()
                return None
        return b"250 2.0.0 ok\r\n" if line[:4].upper() in (b"HELO", b"RSET", b"NOOP") else b"500 5.5.1 what\r\n"
