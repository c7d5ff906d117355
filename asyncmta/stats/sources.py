"""Where lines come from: a file, a compressed file, a pipe. `Source` gives them in blocks, whole and bounded.

Promises: a line that is longer than a block costs no memory and comes cut off; a file is read to the end that it had
when it was opened; `gzip` is known by its first octets, not by a name. Never: what a line means.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

CHUNK = 1 << 20
MAX_LINE = 1 << 16
TAIL = 4096  # octets before the place that was reached, by which it is known again


class SourceFailed(Exception):
    """It cannot be read, or not to its end; the message says why. What came before counts."""


class Source:
    """One input. `size` is None where nobody knows; `position` is in octets as they are stored."""

    def __init__(self, name: str, raw: BinaryIO) -> None:
        self.name = name
        # Python's own standard input is one already; a BytesIO can be made one.
        self._raw: Any = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, raw))
        self._left: int | None = None
        self.identity: tuple[int, int] | None = None
        self.size: int | None = None
        self.position = 0
        self.offset = 0  # of the end of the last whole line
        is_packed = self._raw.peek(2)[:2] == b"\x1f\x8b"
        self._stream: Any = gzip.GzipFile(fileobj=self._raw) if is_packed else self._raw
        self._look(is_packed)

    @classmethod
    def open(cls, path: str) -> Source:
        try:
            raw = open(path, "rb")  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise SourceFailed(f"{path}: {error.strerror}") from None
        try:
            return cls(path, raw)
        except OSError as error:
            raw.close()
            raise SourceFailed(f"{path}: {error.strerror}") from None

    def _look(self, is_packed: bool) -> None:
        try:
            found = os.fstat(self._raw.fileno())
        except (OSError, ValueError):  # not a file at all
            return
        if stat.S_ISREG(found.st_mode):
            self.size = found.st_size
            if not is_packed:
                self.identity = (found.st_dev, found.st_ino)
                self._left = found.st_size - self._raw.tell()

    def close(self) -> None:
        self._raw.close()

    def tail(self) -> bytes:
        """A digest of what stands before `offset`."""
        assert self.identity is not None
        length = min(TAIL, self.offset)
        return hashlib.blake2b(os.pread(self._raw.fileno(), length, self.offset - length), digest_size=16).digest()

    def resume(self, offset: int, tail: bytes) -> bool:
        """Begin where somebody stopped, if this still is what he read; else at its beginning."""
        assert self.identity is not None
        if self._raw.tell() or self.size is None or offset > self.size:
            return False
        self.offset = offset
        if self.tail() != tail:
            self.offset = 0
            return False
        self._raw.seek(offset)
        self.position = offset
        self._left = self.size - offset
        return True

    def blocks(self) -> Iterator[list[bytes]]:
        """Lines without their ends. The last one may have had none; it is given, and `offset` stays before it."""
        carry = b""
        reached = self.offset
        is_cut = False  # inside a line whose beginning was given already
        while chunk := self._read():
            reached += len(chunk)
            lines = (carry + chunk).split(b"\n")
            carry = lines.pop()
            if is_cut and lines:
                is_cut = False
                del lines[0]
            if len(carry) > MAX_LINE or is_cut:
                if not is_cut:
                    lines.append(carry[:MAX_LINE])
                carry, is_cut = b"", True
            self.offset = reached - len(carry)
            yield lines
        if carry:
            yield [carry]

    def _read(self) -> bytes:
        try:
            chunk: bytes
            if self._left is None:
                chunk = self._stream.read(CHUNK)
            else:
                chunk = self._stream.read(min(CHUNK, self._left))
                self._left -= len(chunk)
            self.position = self.position + len(chunk) if self.size is None else self._raw.tell()
        except (OSError, EOFError, zlib.error) as error:
            raise SourceFailed(f"{self.name}: {error}") from None
        return chunk
