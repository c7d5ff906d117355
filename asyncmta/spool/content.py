"""Content read back from the disk: from its record in the journal, or from a file of its own.

Promises: what is given out was checked chunk by chunk, and the last chunk only after the digest of the whole, so that
what leaves is what came; what was packed is unpacked here, in a thread, and what does not unpack to the recorded size
is damage; no file stays open between two chunks. Never: writing (`large` does), and no decision about when content may
go.

docs/journal-format.md 3; reliability.md R4.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import suppress
from hashlib import blake2b

from msgspec import Struct

from asyncmta.mail.envelope import Content, ContentUnavailable, QueueId, format_queue_id
from asyncmta.mail.wire import DIGEST_SIZE, Unstuffer, digest
from asyncmta.spool import chunks, framing
from asyncmta.spool.compression import unpack
from asyncmta.spool.failures import JournalFailed
from asyncmta.spool.large import LargeContent, LargeWriter
from asyncmta.spool.ledger import Entry
from asyncmta.spool.segment import UnknownFormat
from asyncmta.spool.tail import segment_path
from asyncmta.system.disk import Disk

USUAL_METADATA = 4096


def content_path(directory: str, queue_id: QueueId) -> str:
    return f"{directory}/{format_queue_id(queue_id)}"


class Inline(Struct, frozen=True, gc=False):
    """Content that stands in the journal: what it is, and the octets that stand there."""

    plain: bytes
    stored: bytes
    is_packed: bool


def read_inline(disk: Disk, directory: str, journal: bytes, entry: Entry) -> bytes:
    """The content of a message that stands in the journal, checked. Raises ContentUnavailable."""
    return read_stored(disk, directory, journal, entry).plain


def read_stored(disk: Disk, directory: str, journal: bytes, entry: Entry) -> Inline:
    """The same, and what of it stands there."""
    where = framing.place(journal, entry.segment)
    wanted = entry.content.wire_size + USUAL_METADATA
    try:
        file = disk.open(segment_path(directory, entry.segment))
        try:
            octets = disk.read_at(file, wanted, entry.offset)
            frame = framing.read_frame(memoryview(octets), 0, where, check_content=True, base=entry.offset)
            if frame is None and len(octets) == wanted:
                octets += disk.read_at(file, framing.MAX_METADATA, entry.offset + wanted)
                frame = framing.read_frame(memoryview(octets), 0, where, check_content=True, base=entry.offset)
        finally:
            disk.close(file)
    except OSError as error:
        raise ContentUnavailable(f"cannot read the journal: {error}") from error
    if frame is None or frame.queue_id != entry.queue_id:
        raise ContentUnavailable("its record in the journal is damaged")
    stored = octets[frame.size - frame.content_size : frame.size]
    is_packed = bool(frame.flags & framing.PACKED)
    return Inline(plain_of(entry.content, stored, is_packed=is_packed), stored, is_packed)


def plain_of(content: Content, stored: bytes, *, is_packed: bool) -> bytes:
    """What was accepted, from what stands in the journal. Raises ContentUnavailable."""
    plain = unpack(stored, content.wire_size) if is_packed else stored
    if plain is None:
        raise ContentUnavailable("the packed content in the journal does not unpack")
    if digest((plain,), content.dotted) != content.digest:
        raise ContentUnavailable("the content in the journal is not what was accepted")
    return plain


class LargeReader:
    """Reads one file of large content, a chunk for each call, blocking. Raises ContentUnavailable."""

    def __init__(self, disk: Disk, path: str, journal: bytes, entry: Entry) -> None:
        self._disk = disk
        self._path = path
        self._journal = journal
        self._entry = entry
        self._seed = chunks.seed(journal, entry.queue_id)
        self._digest = blake2b(digest_size=DIGEST_SIZE)
        self._unstuffer = Unstuffer() if entry.content.dotted else None
        self._offset = 0
        self._index = 0
        self._left = entry.content.wire_size

    def next(self) -> bytes | None:
        """The next chunk; None at the end."""
        if self._left == 0:
            return None
        chunk = self._read()
        self._digest.update(chunk if self._unstuffer is None else self._unstuffer.feed(chunk))
        self._left -= len(chunk)
        if self._left < 0 or (self._left == 0 and self._digest.digest() != self._entry.content.digest):
            raise ContentUnavailable("the content on disk is not what was accepted")
        return chunk

    def _read(self) -> bytes:
        try:
            file = self._disk.open(self._path)
            try:
                if self._offset == 0:
                    header = self._disk.read_at(file, chunks.HEADER_SIZE, 0)
                    if not chunks.is_header(header, self._journal, self._entry.queue_id):
                        raise ContentUnavailable("the file is not the content of this message")
                    self._offset = chunks.HEADER_SIZE
                octets = self._disk.read_at(file, chunks.CHUNK_HEADER_SIZE + chunks.CHUNK, self._offset)
            finally:
                self._disk.close(file)
        except (OSError, UnknownFormat) as error:
            raise ContentUnavailable(f"cannot read the content: {error}") from error
        chunk = chunks.read_chunk(self._seed, self._index, octets)
        if chunk is None:
            raise ContentUnavailable(f"chunk {self._index} of the content is damaged")
        plain = unpack(chunk.octets, chunk.plain_size) if chunk.is_packed else chunk.octets
        if plain is None:
            raise ContentUnavailable(f"chunk {self._index} of the content does not unpack")
        self._offset += chunks.CHUNK_HEADER_SIZE + len(chunk.octets)
        self._index += 1
        return plain


class ContentCache:
    """The content of fresh messages, until their first attempt ends: what goes straight through is never read back.
    When `limit` octets are reached the oldest goes first; the disk has it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[QueueId, tuple[tuple[bytes, ...], int]] = OrderedDict()
        self.size = 0

    def put(self, queue_id: QueueId, parts: tuple[bytes, ...], size: int) -> None:
        self._kept[queue_id] = (parts, size)
        self.size += size
        while self.size > self._limit:
            self.size -= self._kept.popitem(last=False)[1][1]

    def get(self, queue_id: QueueId) -> tuple[bytes, ...] | None:
        kept = self._kept.get(queue_id)
        return kept[0] if kept is not None else None

    def drop(self, queue_id: QueueId) -> None:
        kept = self._kept.pop(queue_id, None)
        if kept is not None:
            self.size -= kept[1]


class ContentFiles:
    """The directory of large content, and that of the segments. `on_poisoned` hears of a sync that failed."""

    def __init__(
        self, *, disk: Disk, directory: str, segments: str, journal: bytes, pool: Executor,
        is_scarce: Callable[[], bool], on_poisoned: Callable[[JournalFailed], None],
    ) -> None:  # fmt: skip
        self._disk = disk
        self._directory = directory
        self._segments = segments
        self._journal = journal
        self._pool = pool
        self._is_scarce = is_scarce
        self._on_poisoned = on_poisoned

    def begin(self, queue_id: QueueId, *, binary: bool = False) -> LargeContent:
        path = content_path(self._directory, queue_id)
        return LargeContent(
            writer=LargeWriter(
                disk=self._disk,
                path=path,
                journal=self._journal,
                queue_id=queue_id,
                is_scarce=self._is_scarce,
                binary=binary,
            ),
            pool=self._pool,
            on_poisoned=self._on_poisoned,
        )

    async def stream(self, entry: Entry) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        if not entry.large:
            yield await loop.run_in_executor(self._pool, read_inline, self._disk, self._segments, self._journal, entry)
            return
        reader = LargeReader(self._disk, content_path(self._directory, entry.queue_id), self._journal, entry)
        while (chunk := await loop.run_in_executor(self._pool, reader.next)) is not None:
            yield chunk

    def remove(self, queue_id: QueueId) -> None:
        """In a thread; what is not removed is an orphan at the next start."""
        self.submit(lambda: self._unlink(queue_id))

    def submit(self, job: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the pool has been shut down: the next start removes it
            self._pool.submit(job)

    def _unlink(self, queue_id: QueueId) -> None:
        with suppress(OSError):
            self._disk.unlink(content_path(self._directory, queue_id))
