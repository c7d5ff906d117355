"""A client that remembers which messages got a 250, each by an id of its own; it never sends one twice."""

from __future__ import annotations

import itertools
import random
import socket
import threading
import time

LINES = (b".", b"..", b".x", b"", b"caf\xc3\xa9 \xff\x80", b"x" * 998, b"From here", b"plain text", b"\ttab")


def letter(identity: str, seed: int) -> bytes:
    """A message of 1 to 6 KiB with all that is awkward in it: dots, 8-bit, long lines, empty lines at the end."""
    chance = random.Random(seed)
    body = b"".join(chance.choice(LINES) + b"\r\n" for _ in range(chance.randint(3, 40)))
    return b"X-Identity: " + identity.encode() + b"\r\nSubject: test\r\n\r\n" + body


def wire(content: bytes) -> bytes:
    """Stuffed, with the final dot."""
    return (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


class Client:
    """`sessions` threads that send until `messages` have got their 250; a lost connection is opened again."""

    def __init__(self, port: int, messages: int, *, sessions: int = 20, seed: int = 0) -> None:
        self._port = port
        self._messages = messages
        self._seed = seed
        self._numbers = itertools.count()
        self._over = threading.Event()
        self.acknowledged: dict[str, int] = {}  # identity -> seed of its content
        self.tried = 0
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(sessions)]

    def start(self) -> Client:
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    def wait(self, acknowledged: int, timeout: float) -> None:
        """Until so many have got their 250."""
        end = time.monotonic() + timeout
        while len(self.acknowledged) < acknowledged:
            assert time.monotonic() < end, f"only {len(self.acknowledged)} of {acknowledged} were taken"
            time.sleep(0.002)

    def _run(self) -> None:
        while not self._done():
            try:
                with socket.create_connection(("127.0.0.1", self._port), 10) as sock:
                    sock.settimeout(30)
                    self._session(sock)
            except OSError:
                time.sleep(0.01)

    def _done(self) -> bool:
        return self._over.is_set() or len(self.acknowledged) >= self._messages

    def _session(self, sock: socket.socket) -> None:
        lines = sock.makefile("rb")
        _expect(lines, b"220")
        sock.sendall(b"EHLO client.test\r\n")
        _expect(lines, b"250")
        while not self._done():
            number = next(self._numbers)
            identity = f"{self._seed}-{number}"
            self.tried += 1
            sock.sendall(b"MAIL FROM:<sender@client.test> BODY=8BITMIME\r\n")
            _expect(lines, b"250")
            sock.sendall(f"RCPT TO:<r{number}@next.test>\r\n".encode())
            _expect(lines, b"250")
            sock.sendall(b"DATA\r\n")
            _expect(lines, b"354")
            sock.sendall(wire(letter(identity, number)))
            _expect(lines, b"250")
            self.acknowledged[identity] = number
        sock.sendall(b"QUIT\r\n")


def _expect(lines: object, code: bytes) -> None:
    """Read one reply; any other code, or none, ends the session."""
    while True:
        line = lines.readline()  # type: ignore[attr-defined]
        if not line.startswith(code):
            raise ConnectionError(line)
        if line[3:4] != b"-":
            return
