"""The tail: the one segment that is written to, and how the next one takes its place. All calls block.

Promises: a batch is durable when `write` returns; nothing is appended to a segment before its header and the directory
are synced, nor behind octets that are not ours; the descriptor that wrote is the one that syncs. A failed sync raises
`SyncFailed` and is final; a failed write is undone and raises `WriteFailed`. Behind the end of a busy segment there is
room of zeros (`make_room`), which a reader takes for its end. Never: threads, loops, the ledger.

reliability.md R5, F1, F2, F5, F6, F7, K1; docs/journal-format.md 6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn

from msgspec import Struct

from asyncmta.spool import framing, segment
from asyncmta.spool.failures import PASSING, SyncFailed, WriteFailed
from asyncmta.spool.framing import Draft, Layout, Place
from asyncmta.spool.segment import SegmentHeader
from asyncmta.system.appending import Appender
from asyncmta.system.disk import Disk

ROOM_PARTS = 128
"""Room is made a 128th of a full segment at a time (512 KiB), once half as much stands in it."""
SMALL_PARTS = 4
"""Only where batches are below a fourth of it: for larger ones a sync costs little beside the octets."""


class Position(Struct, frozen=True):
    """Where a journal ends: what the header of the next segment says of the one before it."""

    journal: bytes
    highest: int  # number that any file has; the next segment has the one after it
    number: int  # of the last segment; 0: there is none
    end: int
    chain: bytes
    sequence: int  # of the next record


class Appending(Struct, frozen=True, gc=False):
    """Octets for the open segment, and where they go: a batch, or room, which has no layout."""

    file: int
    offset: int
    buffers: Sequence[bytes]
    layout: Layout | None


class Written(Struct, frozen=True, gc=False):
    """Where the records of a batch stand, and where it ends."""

    segment: int
    offsets: list[int]
    end: int


def segment_path(directory: str, number: int) -> str:
    return f"{directory}/{number:010d}.seg"


class Tail:
    """`boot` is asked at each new header for the boot number up to which queue ids may be given out; `oldest` is the
    oldest segment that is still needed, set by whoever drops the others."""

    def __init__(
        self, *, disk: Disk, directory: str, after: Position, segment_size: int, boot: Callable[[], int],
        now: Callable[[], float],
    ) -> None:  # fmt: skip
        self._disk = disk
        self._directory = directory
        self._folder = disk.open(directory)  # for its syncs, kept for life (F2)
        self._segment_size = segment_size
        self._room_size = segment_size // ROOM_PARTS
        self._boot = boot
        self.now = now
        self._journal = after.journal
        self._sequence = after.sequence
        self._number = after.number
        self._end = after.end
        self._room = 0  # where the zeros end; 0: none were written to this segment
        self._may_have_room = True
        self._chain = after.chain
        self._records = 0
        self._file: int | None = None
        self._place: Place = framing.place(after.journal, after.number)
        self._tried = after.highest
        self.oldest = 1

    @property
    def number(self) -> int:
        return self._number

    def appender(self) -> Appender | None:
        """Somebody else for `plan` and `plan_room`, who needs no interpreter's lock."""
        return self._disk.appender()

    def begin(self) -> None:
        """Make the next segment and go on there. Raises WriteFailed or SyncFailed."""
        self._tried += 1
        number, place = self._tried, framing.place(self._journal, self._tried)
        octets = segment.encode_header(
            SegmentHeader(
                journal=self._journal,
                number=number,
                first_sequence=self._sequence,
                previous=self._number,
                previous_end=self._end,
                previous_chain=self._chain,
                boot=self._boot(),
                oldest=self.oldest,
                created=self.now(),
            )
        )
        path = segment_path(self._directory, number)
        file = None
        try:
            file = self._disk.create(path)
            self._disk.writev(file, [octets], 0)
        except OSError as error:
            self._forget(path, file)
            raise WriteFailed("cannot begin a segment", error) from error
        try:
            self._disk.fsync(file)
            self._disk.fsync(self._folder)
        except OSError as error:
            self._close(file)
            raise SyncFailed(f"cannot sync a new segment: {error}") from error
        self._file = file
        self._number, self._place, self._end, self._records = number, place, segment.HEADER_SIZE, 0
        self._room, self._may_have_room = 0, True
        self._chain = octets[-framing.DIGEST_SIZE :]

    def write(self, drafts: Sequence[Draft], *, fresh: bool = False) -> Written:
        """Make one batch durable; `fresh`: in a new segment. Raises WriteFailed (nothing of it counts) or SyncFailed
        (nobody knows)."""
        try:
            layout = None if fresh else self._lay_out(drafts)
            if layout is None:
                self.seal()
                self.begin()
                layout = framing.lay_out(drafts, self._place, self._end, self._sequence)
            self._append(layout.buffers)
        except WriteFailed:
            self._renew()
            raise
        return self.settle(layout)

    def plan(self, drafts: Sequence[Draft]) -> Appending | None:
        """What `write` would do, for somebody who does it elsewhere and then says `settle` or `fail`; nothing blocks.
        None: the batch needs a new segment."""
        layout = self._lay_out(drafts)
        if layout is None or self._file is None:
            return None
        return Appending(self._file, self._end, layout.buffers, layout)

    def settle(self, layout: Layout) -> Written:
        """It is durable."""
        self._end = layout.end
        self._chain = framing.next_chain(self._chain, layout.digest)
        self._sequence += len(layout.offsets) + 1
        self._records += len(layout.offsets)
        return Written(self._number, layout.offsets, layout.end)

    def fail(self, error: OSError, *, in_sync: bool) -> NoReturn:
        """What was planned came to nothing: raises what `write` raises. Blocks."""
        if in_sync:
            raise _sync_failed(error)
        try:
            raise self._cut(error)
        except WriteFailed:
            self._renew()
            raise

    def make_room(self, batch: int) -> None:
        """Between two batches, the last of which had so many octets: zeros behind the end, synced with the next batch.

        Where a batch makes the file longer, its sync has the file system write its own journal as well; in room that is
        there already it writes the octets alone: half the time and half the CPU on ext4. For want of space, or where
        the disk does not take it, the segment grows as it did: what is wrong will be said to the next batch."""
        room = self.plan_room(batch)
        if room is None:
            return
        try:
            self._disk.writev(room.file, room.buffers, room.offset)
        except OSError:
            self.do_without_room()

    def plan_room(self, batch: int) -> Appending | None:
        """What `make_room` would do, for somebody who does it elsewhere and says `do_without_room` if it fails; nothing
        blocks. None: there is enough, or none is to be made."""
        room, size = max(self._room, self._end), self._room_size
        if self._file is None or not self._may_have_room or batch > size // SMALL_PARTS or self._end < size // 2:
            return None
        if room - self._end > size // SMALL_PARTS or room + size > self._segment_size:
            return None
        self._room = room + size
        return Appending(self._file, room, (bytes(size),), None)

    def do_without_room(self) -> None:
        self._may_have_room = False

    def drop(self, first: int, oldest: int) -> None:
        """Unlink the segments from `first` to before `oldest`. Not synced: what comes back is recognised."""
        self.oldest = oldest
        for number in range(first, oldest):
            with suppress(OSError):
                self._disk.unlink(segment_path(self._directory, number))

    def seal(self) -> None:
        """Write the footer. A footer that cannot be written is not missed: the next header says where this one ends."""
        if self._file is None:
            return
        octets = framing.footer(self._place, self._end, self._sequence, self._records, self._chain)
        end = self._end + len(octets)
        with suppress(WriteFailed):
            if self._room > end:  # before the footer, so that its sync has this as well
                with suppress(OSError):
                    self._disk.truncate(self._file, end)
            self._append([octets])
            self._end = end
            self._sequence += 1
            self._close(self._file)
            self._file = None

    def close(self) -> None:
        """Seal and let go. Raises SyncFailed when the footer could not be synced."""
        try:
            self.seal()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let go of the files and write nothing: after a failed sync."""
        file, self._file = self._file, None
        if file is not None:
            self._close(file)
        self._close(self._folder)

    def _lay_out(self, drafts: Sequence[Draft]) -> Layout | None:
        """Behind the end of the open segment; None where there is none, or the batch is too large for what is left."""
        size = sum([draft.size for draft in drafts]) + framing.COMMIT_SIZE + framing.FOOTER_SIZE
        if self._file is None or (self._end + size > self._segment_size and self._end > segment.HEADER_SIZE):
            return None
        return framing.lay_out(drafts, self._place, self._end, self._sequence)

    def _append(self, buffers: Sequence[bytes]) -> None:
        assert self._file is not None
        try:
            self._disk.writev(self._file, buffers, self._end)
        except OSError as error:
            raise self._cut(error) from error
        try:
            self._disk.fdatasync(self._file)
        except OSError as error:
            raise _sync_failed(error) from error

    def _renew(self) -> None:
        """Go on in a new segment at once, so that a disk that takes nothing any more is known for broken now. A full
        one is not broken: the next batch tries again."""
        try:
            self.begin()
        except WriteFailed as failure:
            if failure.error.errno not in PASSING:
                failure.final = True
                raise

    def _cut(self, error: OSError) -> WriteFailed:
        """After a failed write: back to the last commit, and never write to this segment again (F7). If it cannot be
        cut, the next header names the end all the same."""
        assert self._file is not None
        with suppress(OSError):
            self._disk.truncate(self._file, self._end)
        self._close(self._file)
        self._file = None
        return WriteFailed("cannot write to the journal", error)

    def _close(self, file: int) -> None:
        # All that was written through it has been synced, or given up: there is no news that close could bring.
        with suppress(OSError):
            self._disk.close(file)

    def _forget(self, path: str, file: int | None) -> None:
        """A segment that did not come to be. If its name stays, the next try takes the next number."""
        if file is not None:
            self._close(file)
        with suppress(OSError):
            self._disk.unlink(path)


def _sync_failed(error: OSError) -> SyncFailed:
    return SyncFailed(f"cannot sync the journal: {error}")
