"""A client for messages as they are: half of them by DATA, half in chunks cut anywhere, over a few kept sessions."""

from __future__ import annotations

import queue
import random
import socket
import threading

from peerkit.client import wire
from peerkit.corpus import Corpus, Odd

SESSIONS = 8


def recipients(number: int, domain: str) -> list[str]:
    """Each tenth message has two."""
    return [f"m{number}@{domain}"] + ([f"m{number}-too@{domain}"] if number % 10 == 0 else [])


class Posting:
    """Hands in messages `0 .. messages - 1` of a corpus; `run` ends when each got its 250, or fails."""

    def __init__(self, port: int, corpus: Corpus, messages: int, domain: str) -> None:
        self._port = port
        self._corpus = corpus
        self._domain = domain
        self._numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(messages):
            self._numbers.put(number)
        self.refused: list[str] = []

    def run(self) -> None:
        threads = [threading.Thread(target=self._session, daemon=True) for _ in range(SESSIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not self.refused, self.refused[:5]

    def _session(self) -> None:
        try:
            with socket.create_connection(("127.0.0.1", self._port), 30) as sock, sock.makefile("rb") as lines:
                _expect(lines, b"220")
                sock.sendall(b"EHLO client.test\r\n")
                _expect(lines, b"250")
                while not self._numbers.empty():
                    self._post(sock, lines, self._corpus.message(self._numbers.get_nowait()))
                sock.sendall(b"QUIT\r\n")
        except queue.Empty:
            return
        except (OSError, AssertionError) as error:
            self.refused.append(repr(error))

    def _post(self, sock: socket.socket, lines: object, odd: Odd) -> None:
        whom = recipients(odd.number, self._domain)
        mail = f"MAIL FROM:<sender@source.test> BODY={odd.body}{' SMTPUTF8' if odd.smtputf8 else ''}\r\n"
        said = (mail + "".join(f"RCPT TO:<{address}>\r\n" for address in whom)).encode()
        consents = [b"250"] * (1 + len(whom))
        try:
            if random.Random(odd.content).random() < 0.5:
                sock.sendall(said + b"DATA\r\n")
                _expect(lines, *consents, b"354")
                sock.sendall(wire(odd.content))
                _expect(lines, b"250")
            else:
                pieces = chunks(odd)
                sock.sendall(said + b"".join(pieces))
                _expect(lines, *consents, *[b"250"] * len(pieces))
        except AssertionError as error:
            raise AssertionError(f"message {odd.number}, {odd.kind}: {error}") from None


def chunks(odd: Odd) -> list[bytes]:
    """The content in one to four chunks with their commands."""
    chance = random.Random(odd.number)
    size = len(odd.content)
    cuts = sorted(chance.randint(0, size) for _ in range(chance.randint(0, 3)))
    pieces = [odd.content[begin:end] for begin, end in zip([0, *cuts], [*cuts, size], strict=True)]
    last = len(pieces) - 1
    return [
        b"BDAT %d%s\r\n%b" % (len(piece), b" LAST" if at == last else b"", piece) for at, piece in enumerate(pieces)
    ]


def _expect(lines: object, *codes: bytes) -> None:
    """Read as many replies, each with its code."""
    for code in codes:
        line = b"-" * 4
        while line[3:4] == b"-":
            line = lines.readline()  # type: ignore[attr-defined]
            assert line.startswith(code), line
