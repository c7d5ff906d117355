"""Clients that write down every reply: one that sends a script, and many that send as fast as they are answered."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.crash.lab.letters import letter, wire


@dataclass
class Sent:
    """A letter that was tried: what was answered to each step, and when its dot went. It is never sent twice."""

    identity: str
    recipients: tuple[str, ...]
    sender: str
    dot: float = 0.0
    code: int = 0
    refusals: list[str] = field(default_factory=list)

    @property
    def acknowledged(self) -> bool:
        return self.code == 250


class Refused(Exception):
    """A reply that is not the wanted one; the session is over for this letter."""


class Session:
    """One connection. Raises OSError when it breaks, Refused when a reply is another than hoped for."""

    def __init__(self, port: int, timeout: float = 30.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # the dot goes in a packet of its own
        self._lines = self._socket.makefile("rb")
        try:
            self.ask(None, 220)
            self.ask(b"EHLO client.test\r\n", 250)
        except BaseException:
            self._drop()
            raise

    def ask(self, command: bytes | None, code: int) -> None:
        if command is not None:
            self._socket.sendall(command)
        while True:
            line = self._lines.readline()
            if not line.endswith(b"\n"):
                raise ConnectionError("the connection broke")
            if line[3:4] != b"-":
                break
        if not line.startswith(b"%d" % code):
            raise Refused(line.decode(errors="replace").strip())

    def send(self, sent: Sent, content: bytes) -> None:
        """One transaction; what came of it stands in `sent`."""
        try:
            self.ask(f"MAIL FROM:<{sent.sender}> BODY=8BITMIME SIZE={len(content)}\r\n".encode(), 250)
            for recipient in sent.recipients:
                self.ask(f"RCPT TO:<{recipient}>\r\n".encode(), 250)
            self.ask(b"DATA\r\n", 354)
            self._socket.sendall(wire(content)[:-3])
            sent.dot = time.monotonic()
            self.ask(b".\r\n", 250)
            sent.code = 250
        except Refused as refused:
            sent.refusals.append(str(refused))
            sent.code = int(str(refused)[:3]) if str(refused)[:3].isdigit() else -1
            raise

    def close(self) -> None:
        try:
            self._socket.sendall(b"QUIT\r\n")
            self._lines.readline()
        except OSError:
            pass
        self._drop()

    def _drop(self) -> None:
        self._lines.close()
        self._socket.close()


def send_all(port: int, letters: Sequence[tuple[Sent, int]], *, timeout: float = 30.0) -> None:
    """One after the other; after a refusal or a broken connection the rest is tried over a new one, once each."""
    session: Session | None = None
    for sent, size in letters:
        try:
            if session is None:
                session = Session(port, timeout)
            session.send(sent, letter(sent.identity, size))
        except Refused as refused:
            if str(refused) not in sent.refusals:
                sent.refusals.append(str(refused))  # of the greeting
            session = _closed(session)
        except OSError:
            session = _closed(session)
    _closed(session)


def _closed(session: Session | None) -> None:
    if session is not None:
        session.close()


class Crowd:
    """`sessions` threads that send letters, to whom `addressed` says and as large as `size` says, until they are
    stopped or `limit` were tried. After a refusal the next one is tried soon."""

    def __init__(
        self,
        port: int,
        addressed: Callable[[int], tuple[str, ...]],
        *,
        prefix: str,
        sessions: int = 6,
        limit: int = 1_000_000,
        size: Callable[[int], int] = lambda _: 1500,
    ) -> None:
        self.port = port
        self.sent: list[Sent] = []
        self._addressed, self._prefix, self._limit, self._size = addressed, prefix, limit, size
        self._numbers = itertools.count()
        self._over = threading.Event()
        self.pause = 0.01
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(sessions)]

    def start(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        self._over.set()
        self.join()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(60)

    @property
    def acknowledged(self) -> int:
        return sum(sent.acknowledged for sent in self.sent)

    def wait(self, acknowledged: int, timeout: float = 30.0) -> bool:
        end = time.monotonic() + timeout
        while self.acknowledged < acknowledged:
            if time.monotonic() > end:
                return False
            time.sleep(0.002)
        return True

    def _run(self) -> None:
        while not self._over.is_set():
            session = None
            try:
                session = Session(self.port)
                while not self._over.is_set():
                    if not self._one(session):
                        self._over.set()
            except (OSError, Refused):
                time.sleep(self.pause)
            finally:
                _closed(session)

    def _one(self, session: Session) -> bool:
        number = next(self._numbers)
        if number >= self._limit:
            return False
        identity = f"{self._prefix}-{number}"
        recipients = self._addressed(number)
        sent = Sent(identity, recipients, "sender@local.test")
        self.sent.append(sent)
        session.send(sent, letter(identity, self._size(number)))
        self.took(sent)
        return True

    def took(self, sent: Sent) -> None:
        """It got its 250, just now."""
