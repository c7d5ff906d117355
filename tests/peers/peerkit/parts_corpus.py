"""Messages of MIME parts, from a seed, that a server without BINARYMIME or without 8BITMIME cannot have as they are."""

from __future__ import annotations

import email
import random

from peerkit.corpus import CRLF, Odd

BOUNDARY = b"=_boundary_"


class PartsCorpus:
    """Number n is always the same. `binary`: any octets, handed in as BINARYMIME; otherwise lines of eight bits."""

    def __init__(self, seed: int, *, binary: bool) -> None:
        self._seed = seed
        self._binary = binary

    def parts(self, number: int) -> list[bytes]:
        """What the parts are, decoded."""
        chance = random.Random(f"{self._seed} {number} parts")
        make = self._octets if self._binary else self._text
        return [make(chance) for _ in range(chance.randint(1, 4))]

    def message(self, number: int) -> Odd:
        kind = b"application/octet-stream" if self._binary else b"text/plain; charset=iso-8859-1"
        encoding = b"binary" if self._binary else b"8bit"
        about = b"Content-Type: " + kind + CRLF + b"Content-Transfer-Encoding: " + encoding + CRLF + CRLF
        top = b"From: a@source.test\r\nSubject: parts\r\nMIME-Version: 1.0\r\n"
        parts = self.parts(number)
        if len(parts) == 1:
            content = top + about + parts[0]
        else:
            content = top + b'Content-Type: multipart/mixed; boundary="' + BOUNDARY + b'"\r\n\r\n'
            content += b"".join(b"--" + BOUNDARY + CRLF + about + part + CRLF for part in parts)
            content += b"--" + BOUNDARY + b"--" + CRLF
        return Odd(number, "parts", content, "BINARYMIME" if self._binary else "8BITMIME")

    @staticmethod
    def _octets(chance: random.Random) -> bytes:
        """Any octets; NUL, bare CR and bare LF among them."""
        some = chance.randbytes(chance.randint(1, 9000))
        return chance.choice((b"", b"\0", b"\r", b"\n", b".\r\n", b"\r\n.\r\n")) + some + b"\0\r\n\r.\r\n"

    @staticmethod
    def _text(chance: random.Random) -> bytes:
        words = [chance.choice((b"caf\xe9", b".", b"x" * 200, b"", b"=3D", b" end ", b"\xff")) for _ in range(30)]
        return CRLF.join(b" ".join(chance.choices(words, k=chance.randint(0, 6))) for _ in range(20)) + CRLF


def leaves(content: bytes) -> list[bytes]:
    """The decoded parts of what has come."""
    message = email.message_from_bytes(content)
    found = []
    for part in message.walk():
        if not part.is_multipart():
            decoded = part.get_payload(decode=True)
            assert isinstance(decoded, bytes)
            found.append(decoded)
    return found
