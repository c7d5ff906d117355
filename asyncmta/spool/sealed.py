"""The half of scrubbing that touches the disk: sealed segments and files of large content, read a little at a time.

Promises: what is looked at comes from the device and not from the page cache, and does not stay in it; a look at what
is whole reads about as much as it was told to, and only damage is loaded with the whole of its segment. All calls
block. Never: the tail, a write, what is done about a finding.

docs/journal-format.md 6.2; reliability.md O1.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

from msgspec import Struct

from asyncmta.mail.envelope import ContentUnavailable
from asyncmta.spool import chunks, framing, segment
from asyncmta.spool.content import LargeReader, content_path, read_inline
from asyncmta.spool.failures import may_pass, raise_if_it_may_pass
from asyncmta.spool.findings import Broken, broken
from asyncmta.spool.ledger import Entry
from asyncmta.spool.listing import list_segments, read_whole
from asyncmta.spool.opening import Places
from asyncmta.spool.segment import HEADER_SIZE, Damaged, Seal, UnknownFormat
from asyncmta.spool.tail import segment_path
from asyncmta.system.disk import Disk

WINDOW = 256 << 10
"""Octets that one look is after. A batch that is longer needs a longer one."""


class Sealed(Struct, frozen=True):
    """A segment that is not written to any more. `end`: where the next one says it ends; None: nothing says so."""

    number: int
    end: int | None


class Look(Struct, frozen=True):
    """What one look has come to. `size`: octets that were read; `at`, `window`: where the next one goes on, and how
    far; `is_last`: there is none. When anything is `broken`, `octets` are the whole segment."""

    size: int
    at: int = 0
    window: int = WINDOW
    is_last: bool = False
    broken: tuple[Broken, ...] = ()
    octets: bytes = b""


class SealedReader:
    """Of one journal; `places` are the directories of its spool."""

    def __init__(self, disk: Disk, places: Places, journal: bytes) -> None:
        self._disk = disk
        self._segments = places.journal
        self._content = places.content
        self._journal = journal

    def segments(self, tail: int) -> list[Sealed]:
        """All before the tail, oldest first. Raises OSError and SpoolRefused."""
        found = [file for file in list_segments(self._disk, self._segments) if file.number <= tail]
        begun = [file for file in found if file.header is not None or file.size > HEADER_SIZE]
        sealed = []
        for file, following in pairwise(begun):
            header = following.header
            is_next = header is not None and header.previous == file.number
            sealed.append(Sealed(file.number, header.previous_end if header is not None and is_next else None))
        return sealed

    def look(self, sealed: Sealed, at: int, window: int) -> Look:
        """Verify the batches that begin within the window. Raises OSError when the segment is not there (any more), or
        for a reason that may pass."""
        try:
            octets = self._read(sealed.number, at, window)
        except OSError as error:
            if isinstance(error, FileNotFoundError) or may_pass(error):
                raise
            return self._look_at_all(sealed)  # what the device does not give counts as damage
        start = at
        if at == 0:
            if not self._is_header(octets, sealed.number):
                return self._look_at_all(sealed)
            at = HEADER_SIZE
        where = framing.place(self._journal, sealed.number)
        is_all = len(octets) < window or (sealed.end is not None and start + window >= sealed.end)
        limit = start + len(octets) if sealed.end is None else min(sealed.end, start + len(octets))
        before = at
        with memoryview(octets)[: max(0, limit - start)] as view:
            while at < limit:
                finding = segment.read_batch(view, at, where, check_content=True, base=start)
                if finding is None:
                    break
                at = finding.end
                if isinstance(finding, Seal):
                    return Look(len(octets), is_last=True)
        if is_all and at == (limit if sealed.end is None else sealed.end):
            return Look(len(octets), is_last=True)
        if is_all:
            return self._look_at_all(sealed)
        return Look(len(octets), at, WINDOW if at > before else window * 2)

    def again(self, entry: Entry) -> bytes | None:
        """The content of a message, as the device has it now; None: it cannot be had. Raises OSError for what may
        pass."""
        with suppress(OSError):
            self._forget(segment_path(self._segments, entry.segment))
        try:
            return read_inline(self._disk, self._segments, self._journal, entry)
        except ContentUnavailable as error:
            raise_if_it_may_pass(error.__cause__)
        return None

    def large(self, entry: Entry) -> LargeReader:
        """For `chunk`."""
        return LargeReader(self._disk, content_path(self._content, entry.queue_id), self._journal, entry)

    def chunk(self, reader: LargeReader, entry: Entry) -> Look:
        """The next chunk of large content verified. Raises ContentUnavailable, and OSError for what may pass."""
        path = content_path(self._content, entry.queue_id)
        try:
            with suppress(OSError):
                self._forget(path)
            chunk = reader.next()
            with suppress(OSError):
                self._forget(path)
        except ContentUnavailable as error:
            raise_if_it_may_pass(error.__cause__)
            raise
        return Look(chunks.CHUNK_HEADER_SIZE + len(chunk or b""), is_last=chunk is None)

    def _read(self, number: int, at: int, size: int) -> bytes:
        file = self._disk.open(segment_path(self._segments, number))
        try:
            self._disk.drop_cache(file)
            octets = self._disk.read_at(file, size, at)
            self._disk.drop_cache(file)
            return octets
        finally:
            self._disk.close(file)

    def _forget(self, path: str) -> None:
        file = self._disk.open(path)
        try:
            self._disk.drop_cache(file)
        finally:
            self._disk.close(file)

    def _is_header(self, octets: bytes, number: int) -> bool:
        try:
            header = segment.decode_header(octets)
        except UnknownFormat:
            return False
        return header is not None and (header.journal, header.number) == (self._journal, number)

    def _look_at_all(self, sealed: Sealed) -> Look:
        """Something is not right: where, and with whom."""
        octets, is_whole = read_whole(self._disk, segment_path(self._segments, sealed.number), past_cache=True)
        where = framing.place(self._journal, sealed.number)
        found = [] if self._is_header(octets, sealed.number) else [Broken(0, HEADER_SIZE)]
        end = sealed.end
        if end is None and (found or not is_whole):
            end = len(octets)  # as recovery has it: what cannot be read is no torn tail
        for finding in segment.scan(octets, where, end=end):
            if isinstance(finding, Damaged):
                found += broken(octets, finding, where)
        return Look(len(octets), is_last=True, broken=tuple(found), octets=octets if found else b"")
