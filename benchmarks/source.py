"""Mail for many domains from one process, kept connections or one for each message, as fast as it goes or at a rate.

    source.py --port N [--messages M] [--sessions S] [--size OCTETS] [--domains D] [--recipients R] [--rate R] [--once]

Message i has R recipients: number n of all is `u{n}@d{n % D}.test` (`--box`: `u@d{n % D}.test`). EHLO, MAIL, RCPT, DATA
and content each wait for the answer before, as smtp-source does, but the RCPTs of one message go together. Each message
carries `X-Id` and `X-Sent`, the moment at which it was to be sent: at a rate that is its place in the timetable, a
session being free then or not, so that a server that falls behind is seen to. Prints one line of JSON: what was taken,
the seconds, and the times from then until the 250 behind the dot, in milliseconds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import select
import socket
import sys
import time
from collections import deque

STATES = ("greeting", "ehlo", "mail", "rcpt", "data", "content", "quit")
PATIENCE = 100.0  # seconds without an answer from anybody


class Session:
    """One connection at a time; `waits_for` is the answer that is due, None while there is nothing to send."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.waits_for: str | None = "greeting"
        self.sock = socket.socket()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.connect(load.address)
        self.sock.setblocking(False)
        self.buffer = b""
        self.output = b""
        self.answers = 1
        self.is_pipelining = False
        self.is_full = False  # the socket: there is output that it did not take
        load.sessions[self.sock.fileno()] = self
        load.poll.register(self.sock, select.EPOLLIN)

    def close(self) -> None:
        self.load.poll.unregister(self.sock)
        del self.load.sessions[self.sock.fileno()]
        self.sock.close()

    def send(self, octets: bytes, waits_for: str, answers: int = 1) -> None:
        self.waits_for, self.answers = waits_for, answers
        self.output += octets
        self.flush()

    def flush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self.output = self.output[self.sock.send(self.output) :]
        if bool(self.output) != self.is_full:
            self.is_full = not self.is_full
            self.load.poll.modify(self.sock, select.EPOLLIN | (select.EPOLLOUT if self.is_full else 0))

    def read(self) -> None:
        found = self.sock.recv(65536)
        if not found:
            if self.waits_for == "quit":
                return self.ended()
            raise SystemExit(f"source: closed when waiting for the answer to {self.waits_for}: {self.buffer!r}")
        self.buffer += found
        *lines, self.buffer = self.buffer.split(b"\r\n")
        for line in lines:
            if self.waits_for == "ehlo" and line[4:].strip().upper() == b"PIPELINING":
                self.is_pipelining = True
            if line[3:4] == b"-":
                continue
            if line[:1] != (b"3" if self.waits_for == "data" else b"2"):
                raise SystemExit(f"source: answer to {self.waits_for}: {line!r}")
            self.answers -= 1
            if not self.answers:
                self.answered()
        return None

    def answered(self) -> None:
        match self.waits_for:
            case "greeting":
                self.send(b"EHLO bench.test\r\n", "ehlo")
            case "ehlo":
                self.next()
            case "mail":
                self.whom = self.load.rcpts(self.number)
                self.say_whom()
            case "rcpt":
                self.say_whom() if self.whom else self.send(b"DATA\r\n", "data")
            case "data":
                self.send(self.load.content(self.number, self.due), "content")
            case "content":
                self.load.taken(self.due)
                self.next() if self.load.is_kept else self.send(b"QUIT\r\n", "quit")
            case "quit":
                self.ended()

    def say_whom(self) -> None:
        """All together, where the server likes that."""
        number = len(self.whom) if self.is_pipelining else 1
        said, self.whom = self.whom[:number], self.whom[number:]
        self.send(b"".join(said), "rcpt", number)

    def next(self) -> None:
        """The next message, or leisure."""
        self.waits_for = None
        self.load.free.append(self)
        self.load.hand_out()

    def begin(self, number: int, due: float) -> None:
        self.number, self.due = number, due
        self.send(b"MAIL FROM:<sender@bench.test>\r\n", "mail")

    def ended(self) -> None:
        self.close()
        if self.load.unsent:
            Session(self.load)


class Load:
    def __init__(self, asked: argparse.Namespace) -> None:
        self.address = (asked.address, asked.port)
        self.messages: int = asked.messages
        self.recipients: int = asked.recipients
        self.domains: int = asked.domains
        self.is_kept: bool = not asked.once
        self.rate: float = asked.rate
        self.is_box: bool = asked.box
        self.first: int = asked.first
        self.begun = 0
        self.times: list[float] = []
        self.poll = select.epoll()
        self.sessions: dict[int, Session] = {}
        self.free: deque[Session] = deque()
        line = b"X" * 78 + b"\r\n"
        self.body = (
            b"Subject: a load test\r\n\r\n" + (line * (asked.size // 80 + 1))[: max(asked.size - 2, 0)] + b"\r\n.\r\n"
        )

    @property
    def unsent(self) -> int:
        return self.messages - self.begun

    def rcpts(self, number: int) -> list[bytes]:
        first = number * self.recipients
        whom = range(first, first + self.recipients)
        box = b"" if self.is_box else b"%d"
        return [b"RCPT TO:<u" + (box % n if box else b"") + b"@d%d.test>\r\n" % (n % self.domains) for n in whom]

    def content(self, number: int, due: float) -> bytes:
        return (
            b"From: <sender@bench.test>\r\nTo: <list@bench.test>\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n"
            b"Message-Id: <%d@bench.test>\r\nX-Id: %d\r\nX-Sent: %.6f\r\n" % (number, number, due)
        ) + self.body

    def taken(self, due: float) -> None:
        self.times.append(time.monotonic() - due)

    def due(self) -> float:
        """When the next message is to be sent."""
        return self.start + self.begun / self.rate if self.rate else time.monotonic()

    def hand_out(self) -> None:
        while self.free and self.unsent:
            due = self.due()
            if due > time.monotonic():
                return
            self.begun += 1
            self.free.popleft().begin(self.first + self.begun - 1, due)
        while self.free and not self.unsent:
            self.free.popleft().send(b"QUIT\r\n", "quit")

    def run(self, sessions: int) -> dict[str, object]:
        for _ in range(min(sessions, self.messages)):
            Session(self)
        self.start = time.monotonic()
        while self.sessions:
            wait = PATIENCE
            if self.rate and self.unsent and self.free:
                wait = min(wait, max(0.0, self.due() - time.monotonic()))
            ready = self.poll.poll(wait)
            if not ready and wait == PATIENCE:
                raise SystemExit(f"source: {len(self.times)} of {self.messages} were taken, and nobody answers")
            for descriptor, event in ready:
                session = self.sessions.get(descriptor)
                if session is not None and event & select.EPOLLOUT:
                    session.flush()
                if session is not None and event & ~select.EPOLLOUT:
                    session.read()
            self.hand_out()
        seconds = time.monotonic() - self.start
        return {"taken": len(self.times), "seconds": round(seconds, 4), "ms": percentiles(self.times)}


def percentiles(times: list[float]) -> dict[str, float]:
    """In milliseconds."""
    ordered = sorted(times)
    shares = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}
    most = len(ordered) - 1
    return (
        {name: round(ordered[min(most, int(len(ordered) * share))] * 1000, 3) for name, share in shares.items()}
        if ordered
        else {}
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    for name, default in (
        ("messages", 1),
        ("sessions", 1),
        ("size", 4096),
        ("domains", 1),
        ("recipients", 1),
        ("first", 0),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--once", action="store_true", help="a connection for each message")
    parser.add_argument("--box", action="store_true")
    asked = parser.parse_args()
    print(json.dumps(Load(asked).run(asked.sessions)))


if __name__ == "__main__":
    sys.exit(main())
