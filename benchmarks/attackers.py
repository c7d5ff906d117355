"""Hostile clients at once, as a process of their own: `attackers.py PORT SCALE SECONDS`; what became of each, as JSON.

slow: connections, a third each of which say nothing, drip a command octet by octet, or stop in the middle of content;
line: a command line of 1 GB; recipients: a million RCPTs; headers: a million header fields; deaf: sends commands and
never reads a reply. Each says what was answered last, what it got rid of, and how it ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import pathlib
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from benchmarks import probe

SLOW = 5_000
LINE = 1 << 30
RECIPIENTS = 1_000_000
HEADERS = 1_000_000
CONTENT = 200_000  # octets of content before a slow one stops: below what is kept in memory
OPENING = b"EHLO slow.example\r\nMAIL FROM:<a@slow.example>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n"
TEXT = b"Subject: slow\r\n\r\n" + b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abc\r\n" * (CONTENT // 63)
PIECE = 1 << 16


class Attack:
    """One connection: what it was told, and what it could send."""

    def __init__(self, port: int, number: int, end: float) -> None:
        self.port, self.number, self.end = port, number, end
        self.last = ""
        self.sent = 0

    async def open(self, sock: socket.socket | None = None) -> None:
        sock = sock or socket.socket()
        sock.bind(probe.source(self.number))
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        self.reader, self.writer = await asyncio.open_connection(sock=sock, limit=1 << 16)
        self.last = await self.line()

    async def line(self) -> str:
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(max(0.1, self.end - time.monotonic())):
                return (await self.reader.readline()).decode(errors="replace").strip()
        return ""

    async def listen(self) -> None:
        """Read until the other side ends, or the time is over; keep the last line."""
        while line := await self.line():
            self.last = line

    async def send(self, pieces: Iterator[bytes]) -> str:
        """As fast as it is taken. How it ended."""
        try:
            async with asyncio.timeout(max(0.1, self.end - time.monotonic())):
                for piece in pieces:
                    self.writer.write(piece)
                    await self.writer.drain()
                    self.sent += len(piece)
        except TimeoutError:
            return "not read any more"
        except ConnectionError:
            return "closed"
        return "all was read"

    async def flood(self, opening: bytes, pieces: Iterator[bytes]) -> str:
        """Send all of it while somebody listens."""
        listening = asyncio.ensure_future(self.listen())
        if opening:
            self.writer.write(opening)
            await asyncio.sleep(0.5)
        how = await self.send(pieces)
        await asyncio.wait([listening], timeout=max(0.1, min(10.0, self.end - time.monotonic())))
        listening.cancel()
        return how

    def result(self, how: str) -> dict[str, object]:
        return {"how": how, "sent": self.sent, "last": self.last[:70]}


async def slow(attack: Attack, kind: int) -> str:
    """What a slow connection was told last, in short."""
    try:
        await attack.open()
        if not attack.last.startswith("220 "):
            return f"refused: {attack.last[:9]}"
        if kind == 1:
            for each in b"EHLO a-very-slow-client-that-has-all-the-time-of-the-world.example":
                attack.writer.write(bytes([each]))
                await asyncio.sleep(1.0)
                if time.monotonic() > attack.end:
                    break
        elif kind == 2:
            await attack.flood(OPENING, iter([TEXT]))
        await asyncio.sleep(max(0.0, attack.end - time.monotonic()))
    except (OSError, asyncio.IncompleteReadError) as error:
        return type(error).__name__
    return f"{('silent', 'dripping', 'in content')[kind]}, last told {attack.last[:9].strip()}"


async def line(attack: Attack, scale: float) -> dict[str, object]:
    await attack.open()
    pieces = int(LINE * scale) // PIECE
    how = await attack.flood(b"", (b"x" * PIECE for _ in range(pieces)))
    return attack.result(how)


async def recipients(attack: Attack, scale: float) -> dict[str, object]:
    await attack.open()
    wanted = int(RECIPIENTS * scale)
    pieces = (
        b"".join(b"RCPT TO:<u%d@example.net>\r\n" % each for each in range(at, min(at + 500, wanted)))
        for at in range(0, wanted, 500)
    )
    how = await attack.flood(b"EHLO many.example\r\nMAIL FROM:<a@many.example>\r\n", pieces)
    return attack.result(how)


async def headers(attack: Attack, scale: float) -> dict[str, object]:
    await attack.open()
    wanted = int(HEADERS * scale)
    fields = (
        b"".join(b"X-Field-%d: of many\r\n" % each for each in range(at, min(at + 500, wanted)))
        for at in range(0, wanted, 500)
    )

    def pieces() -> Iterator[bytes]:
        yield from fields
        yield b"\r\ntext\r\n.\r\nQUIT\r\n"

    how = await attack.flood(OPENING, pieces())
    return attack.result(how)


async def deaf(attack: Attack, scale: float) -> dict[str, object]:
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # else the system reads megabytes for it
    await attack.open(narrow)
    attack.reader._transport.pause_reading()  # type: ignore[attr-defined]
    # Each block ends in a message that is taken, so that no count of errors ends the session.
    block = b"MAIL FROM:<a@deaf.example>\r\n" + b"RCPT TO:<b@example.net>\r\n" * 900 + b"BDAT 2 LAST\r\n\r\n"
    attack.writer.write(b"EHLO deaf.example\r\n")
    how = await attack.send(block for _ in range(max(1, int(20_000 * scale))))
    return attack.result(how)


async def attack_all(port: int, scale: float, seconds: float) -> dict[str, object]:
    probe.allow_many_files()
    end = time.monotonic() + seconds
    many = max(3, int(SLOW * scale))
    tasks = []
    for number in range(many):
        tasks.append(asyncio.ensure_future(slow(Attack(port, number, end), number % 3)))
        if number % 50 == 49:
            await asyncio.sleep(0.02)
    single = (line, recipients, headers, deaf)
    found: dict[str, object] = {}
    results = await asyncio.gather(
        *(each(Attack(port, many + 100 * (at + 1), end), scale) for at, each in enumerate(single)),
        return_exceptions=True,
    )
    for each, result in zip(single, results, strict=True):
        found[each.__name__] = result if isinstance(result, dict) else {"how": repr(result), "sent": 0, "last": ""}
    found["slow"] = dict(Counter(await asyncio.gather(*tasks)))
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(attack_all(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))))
