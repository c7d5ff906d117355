"""Large content on its way in: a file of its own, written while it arrives, so that memory stays bounded.

Promises: `write` never blocks; a chunk is packed in the thread that writes it, while we keep up with who sends; the
file is complete and synced, with its directory, before `finish` returns; a failure leaves no file that a record could
name. Never: reading (`content` does), the record, or a second try after a failed sync.

docs/journal-format.md 3; reliability.md R6, F2, F6.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from hashlib import blake2b

from asyncmta.mail.envelope import Content, QueueId
from asyncmta.mail.wire import DIGEST_SIZE, Unstuffer
from asyncmta.spool import chunks
from asyncmta.spool.compression import pack
from asyncmta.spool.failures import JournalFailed, SyncFailed, WriteFailed
from asyncmta.system.disk import Disk

KEEPING_UP = chunks.CHUNK * 3 // 2
"""Octets that come to the thread in one turn, at most, if they are to be packed. A turn begins as soon as a chunk is
there; when more has come meanwhile, the sender waits for us and not we for him, and nobody shall wait for packing."""


class LargeContent:
    """Content that arrives. `write` never blocks; `unwritten` is what is still in memory, for back-pressure. A failure
    to write is kept for `finish`, which raises it as JournalFailed. `abort` is right at any time, after `finish` too.
    """

    def __init__(self, *, writer: LargeWriter, pool: Executor, on_poisoned: Callable[[JournalFailed], None]) -> None:
        self._writer = writer
        self._pool = pool
        self._on_poisoned = on_poisoned
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes] = []
        self._job: asyncio.Future[None] | None = None
        self._failure: JournalFailed | None = None
        self._aborted = False
        self.unwritten = 0

    def write(self, octets: bytes) -> None:
        if self._failure is not None or self._aborted:
            return
        self._parts.append(octets)
        self.unwritten += len(octets)
        if self._job is None and self.unwritten >= chunks.CHUNK:
            self._start()

    async def room(self) -> None:
        """Wait while there is much in memory, for whoever can write faster than the disk."""
        while self._job is not None and self.unwritten > KEEPING_UP:
            await asyncio.wait([self._job])

    async def finish(self) -> Content:
        """All of it on disk and synced, with its directory. Raises JournalFailed; the file is gone then."""
        try:
            while self._job is not None:
                await asyncio.wait([self._job])
            if self._failure is None:
                parts, self._parts = self._parts, []
                await self._loop.run_in_executor(self._pool, self._writer.finish, parts)
                self.unwritten = 0
        except JournalFailed as failure:
            self._failure = failure
        except BaseException:  # cancelled: nobody will name this file
            self.abort()
            raise
        if self._failure is not None:
            self.abort()
            if self._failure.final:
                self._on_poisoned(self._failure)
            raise self._failure
        return self._writer.content()

    def abort(self) -> None:
        self._aborted = True
        self._parts.clear()
        self.unwritten = 0
        if self._job is None:
            self._discard()

    def _discard(self) -> None:
        with suppress(RuntimeError):  # the pool has been shut down: the next start removes the file
            self._pool.submit(self._writer.discard)

    def _start(self) -> None:
        parts, self._parts = self._parts, []
        size = self.unwritten
        self._job = self._loop.run_in_executor(self._pool, self._writer.write, parts)
        self._job.add_done_callback(lambda job: self._written(job, size))

    def _written(self, job: asyncio.Future[None], size: int) -> None:
        self._job = None
        failure = job.exception()
        if self._aborted:
            self._discard()
        elif failure is not None:
            self._failure = failure if isinstance(failure, JournalFailed) else JournalFailed(f"a bug: {failure!r}")
            self._parts.clear()
            self.unwritten = 0
        else:
            self.unwritten -= size
            if self.unwritten >= chunks.CHUNK:
                self._start()


class LargeWriter:
    """The blocking half of `LargeContent`; one call at a time. Raises WriteFailed and SyncFailed."""

    def __init__(
        self, *, disk: Disk, path: str, journal: bytes, queue_id: QueueId, is_scarce: Callable[[], bool],
        binary: bool = False,
    ) -> None:  # fmt: skip
        self._disk = disk
        self._path = path
        self._is_scarce = is_scarce
        self._header = chunks.encode_header(journal, queue_id)
        self._seed = chunks.seed(journal, queue_id)
        self._digest = blake2b(digest_size=DIGEST_SIZE)
        self._unstuffer = None if binary else Unstuffer()
        self._file: int | None = None
        self._rest = b""
        self._end = 0
        self._index = 0
        self._size = self._wire_size = 0
        self._eight_bit = False

    def write(self, parts: list[bytes]) -> None:
        """Take these octets and write all whole chunks of them."""
        octets = b"".join((self._rest, *parts))
        whole = len(octets) - len(octets) % chunks.CHUNK
        if whole:
            self._append(octets[:whole], is_packing=len(octets) - len(self._rest) <= KEEPING_UP)
        self._rest = octets[whole:]

    def finish(self, parts: list[bytes]) -> None:
        """Write the rest, and sync the file and its directory."""
        self.write(parts)
        self._append(self._rest, is_packing=True)
        assert self._file is not None
        try:
            self._disk.fsync(self._file)
            self._disk.sync_directory(self._path.rpartition("/")[0])
        except OSError as error:
            raise SyncFailed(f"cannot sync content: {error}") from error
        finally:
            self._close()

    def content(self) -> Content:
        return Content(
            size=self._size,
            digest=self._digest.digest(),
            dotted=self._size != self._wire_size,
            wire_size=self._wire_size,
            eight_bit=self._eight_bit,
        )

    def discard(self) -> None:
        self._close()
        with suppress(OSError):
            self._disk.unlink(self._path)

    def _append(self, octets: bytes, *, is_packing: bool) -> None:
        plain = octets if self._unstuffer is None else self._unstuffer.feed(octets)
        self._digest.update(plain)
        self._size += len(plain)
        self._wire_size += len(octets)
        self._eight_bit = self._eight_bit or not octets.isascii()
        buffers: list[bytes | memoryview] = []
        if self._file is None:
            buffers.append(self._header)
        view = memoryview(octets)
        for at in range(0, len(view), chunks.CHUNK):
            chunk = view[at : at + chunks.CHUNK]
            packed = pack(chunk) if is_packing else None
            stored = chunk if packed is None else packed
            buffers += (chunks.chunk_header(self._seed, self._index, stored, len(chunk)), stored)
            self._index += 1
        try:
            if self._is_scarce():
                raise OSError(errno.ENOSPC, "what room there is belongs to what makes more", self._path)
            if self._file is None:
                self._file = self._disk.create(self._path)
            self._end += self._disk.writev(self._file, buffers, self._end)
        except OSError as error:
            self._close()
            raise WriteFailed("cannot write content", error) from error

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                self._disk.close(file)
