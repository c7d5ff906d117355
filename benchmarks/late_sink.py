"""A next hop that is far away: each of its replies comes some milliseconds after what it answers; it keeps nothing.

    late_sink.py PORT MILLISECONDS [ADDRESS ...]

Commands that come together are answered together, as they would be over a long line: lateness is of the line, and not
of a slow machine. It offers PIPELINING and CHUNKING, as most servers do (smtp-sink has no CHUNKING). Writes
`mesg=N conn=N` and a carriage return, nearly as smtp-sink -c does.
"""

from __future__ import annotations

import asyncio
import os
import sys

EHLO = b"250-far.test\r\n250-PIPELINING\r\n250-SIZE 100000000\r\n250-8BITMIME\r\n250-CHUNKING\r\n250 OK\r\n"
REPLIES = {
    b"EHLO": EHLO,
    b"HELO": b"250 far.test\r\n",
    b"MAIL": b"250 2.1.0 ok\r\n",
    b"RCPT": b"250 2.1.5 ok\r\n",
    b"RSET": b"250 2.0.0 ok\r\n",
    b"NOOP": b"250 2.0.0 ok\r\n",
}
TAKEN = b"250 2.0.0 taken\r\n"
END = b"\r\n.\r\n"
TELLING = 0.02  # seconds between two counts


class Count:
    """How many messages and connections there were."""

    def __init__(self) -> None:
        self.messages = 0
        self.connections = 0

    async def tell(self) -> None:
        told = (-1, -1)
        while True:
            if told != (self.messages, self.connections):
                told = (self.messages, self.connections)
                os.write(1, b"mesg=%d conn=%d\r" % told)
            await asyncio.sleep(TELLING)


class Far(asyncio.Protocol):
    """One connection. `_left` is what is still to come of a chunk; -1 while content goes on to its dot."""

    def __init__(self, count: Count, delay: float) -> None:
        self._count = count
        self._delay = delay
        self._buffer = b""
        self._left: int | None = None
        self._is_last = False
        self._recipients = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._count.connections += 1
        self._later(b"220 far.test ESMTP\r\n")

    def _later(self, replies: bytes) -> None:
        self._loop.call_later(self._delay, self._say, replies)

    def _say(self, replies: bytes) -> None:
        self._transport.write(replies)
        if replies.endswith(b"221 2.0.0 bye\r\n"):
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        replies = b""
        while (reply := self._step()) is not None:
            replies += reply
        if replies:
            self._later(replies)

    def _step(self) -> bytes | None:
        """The reply to what stands first in the buffer; None when more of it is needed."""
        if self._left == -1:
            return self._to_the_dot()
        if self._left is not None:
            return self._chunk()
        line, found, rest = self._buffer.partition(b"\n")
        if not found:
            return None
        self._buffer = rest
        verb = line[:4].upper()
        if verb == b"RCPT":
            self._recipients += 1
        elif verb == b"DATA":
            if not self._recipients:
                return b"503 5.5.1 for whom?\r\n"
            self._left = -1
            self._buffer = b"\r\n" + rest
            return b"354 go on\r\n"
        elif verb == b"BDAT":
            self._left = int(line.split()[1])
            self._is_last = line.rstrip().upper().endswith(b"LAST")
            return b""
        elif verb == b"QUIT":
            return b"221 2.0.0 bye\r\n"
        return REPLIES.get(verb, b"500 5.5.1 what?\r\n")

    def _to_the_dot(self) -> bytes | None:
        end = self._buffer.find(END)
        if end < 0:
            self._buffer = self._buffer[-4:]
            return None
        self._buffer = self._buffer[end + len(END) :]
        return self._taken()

    def _chunk(self) -> bytes | None:
        assert self._left is not None
        taken = min(self._left, len(self._buffer))
        self._buffer = self._buffer[taken:]
        self._left -= taken
        if self._left:
            return None
        self._left = None
        return self._taken() if self._is_last else b"250 2.0.0 more\r\n"

    def _taken(self) -> bytes:
        self._left = None
        self._count.messages += 1
        self._recipients = 0
        return TAKEN


async def main(port: int, milliseconds: float, addresses: list[str]) -> None:
    count, loop = Count(), asyncio.get_running_loop()
    for address in addresses or ["127.0.0.1"]:
        await loop.create_server(lambda: Far(count, milliseconds / 1000), address, port, backlog=1024)
    await count.tell()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
