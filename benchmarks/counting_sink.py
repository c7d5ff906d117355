"""A next hop that counts: connections, transactions, recipients, what came twice, and how old each message was.

    counting_sink.py REPORT PORT MILLISECONDS [ADDRESS ...]

Takes DATA with PIPELINING, answers each read that many milliseconds late, and keeps nothing of a message but the `X-Id`
and `X-Sent` that `source.py` put in. Tells `mesg=N conn=N` as smtp-sink -c does, where N counts recipients, and writes
the rest into REPORT, as JSON, when it is ended by SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import re
import signal
import sys
import time
from typing import cast

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from benchmarks.source import percentiles

EHLO = b"250-sink.test\r\n250-PIPELINING\r\n250-SIZE 100000000\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"
REPLIES = {
    b"EHLO": EHLO,
    b"HELO": b"250 sink.test\r\n",
    b"MAIL": b"250 2.1.0 ok\r\n",
    b"RCPT": b"250 2.1.5 ok\r\n",
    b"RSET": b"250 2.0.0 ok\r\n",
    b"NOOP": b"250 2.0.0 ok\r\n",
    b"QUIT": b"221 2.0.0 bye\r\n",
}
TAKEN = b"250 2.0.0 taken\r\n"
END = b"\r\n.\r\n"
STAMP = re.compile(rb"^X-Id: (\d+)\r\nX-Sent: ([0-9.]+)\r$", re.MULTILINE)
TELLING = 0.02  # seconds between two counts


class Count:
    """What there was. `open`, `most_open`: connections at the same time."""

    def __init__(self) -> None:
        self.connections = self.transactions = self.recipients = self.twice = self.open = self.most_open = 0
        self.first = self.last = 0.0
        self.ages: list[float] = []
        self._seen: set[tuple[bytes, bytes]] = set()

    def take(self, whom: list[bytes], content: bytes) -> None:
        now = time.monotonic()
        self.first, self.last = self.first or now, now
        self.transactions += 1
        self.recipients += len(whom)
        stamp = STAMP.search(content)
        if stamp is not None:
            self.ages += [now - float(stamp[2])] * len(whom)
            seen = {(stamp[1], address) for address in whom}
            self.twice += len(seen & self._seen)
            self._seen |= seen

    def report(self) -> dict[str, object]:
        numbers = {name: value for name, value in vars(self).items() if isinstance(value, int | float)}
        return {**numbers, "distinct": len(self._seen), "ms": percentiles(self.ages)}

    async def tell(self) -> None:
        told = (-1, -1)
        while True:
            if told != (self.recipients, self.connections):
                told = (self.recipients, self.connections)
                os.write(1, b"mesg=%d conn=%d\r" % told)
            await asyncio.sleep(TELLING)


class Hop(asyncio.Protocol):
    """One connection."""

    def __init__(self, count: Count, delay: float) -> None:
        self._count = count
        self._delay = delay
        self._buffer = bytearray()
        self._whom: list[bytes] = []
        self._is_content = False
        self._looked = 0  # so far no end of the content

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own are none by their class
        self._count.connections += 1
        self._count.open += 1
        self._count.most_open = max(self._count.most_open, self._count.open)
        self._say(b"220 sink.test ESMTP\r\n")

    def connection_lost(self, error: Exception | None) -> None:
        self._count.open -= 1

    def _say(self, replies: bytes) -> None:
        if self._delay:
            asyncio.get_running_loop().call_later(self._delay, self._write, replies)
        else:
            self._write(replies)

    def _write(self, replies: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(replies)
            if replies.endswith(REPLIES[b"QUIT"]):
                self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        replies = b""
        while (reply := self._content() if self._is_content else self._command()) is not None:
            replies += reply
        if replies:
            self._say(replies)

    def _command(self) -> bytes | None:
        line, found, _ = self._buffer.partition(b"\r\n")
        if not found:
            return None
        del self._buffer[: len(line) + 2]
        verb = bytes(line[:4]).upper()
        if verb == b"RCPT":
            self._whom.append(bytes(line))
        elif verb in (b"RSET", b"MAIL"):
            self._whom = []
        elif verb == b"DATA":
            if not self._whom:
                return b"503 5.5.1 for whom?\r\n"
            self._is_content, self._looked = True, 0
            self._buffer[:0] = b"\r\n"
            return b"354 go on\r\n"
        return REPLIES.get(verb, b"500 5.5.1 what?\r\n")

    def _content(self) -> bytes | None:
        end = self._buffer.find(END, self._looked)
        if end < 0:
            self._looked = max(0, len(self._buffer) - len(END))
            return None
        self._count.take(self._whom, bytes(self._buffer[: min(end, 2048)]))
        del self._buffer[: end + len(END)]
        self._is_content, self._whom = False, []
        return TAKEN


async def main(report: str, port: int, milliseconds: float, addresses: list[str]) -> None:
    count, loop = Count(), asyncio.get_running_loop()
    for address in addresses or ["127.0.0.1"]:
        await loop.create_server(lambda: Hop(count, milliseconds / 1000), address, port, backlog=4096)
    telling = asyncio.ensure_future(count.tell())
    loop.add_signal_handler(signal.SIGTERM, telling.cancel)
    try:
        await telling
    except asyncio.CancelledError:
        pathlib.Path(report).write_text(json.dumps(count.report()))


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
