"""A parked message read back from its records in the journal: envelope, facts of the content, last replies.

Promises: each record is checked as recovery checks it, its place included, and must be about this message; what cannot
be read back raises `Unreadable` and concerns no other message. All calls block. Never: content, and no change of
anything.

docs/journal-format.md 2.2; reliability.md R1; seed D-53.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from errno import ENOENT
from types import TracebackType
from typing import Protocol, Self

from asyncmta.mail.envelope import QueueId, format_queue_id
from asyncmta.spool import codec, framing
from asyncmta.spool.ledger import Entry, IllegalTransition
from asyncmta.spool.parked import Parked
from asyncmta.spool.records import Accepted, Attempted, Carried, Checkpoint, Record
from asyncmta.spool.tail import segment_path
from asyncmta.system.disk import Disk

_USUAL = 1024
_MOST_OPEN = 16


class Unreadable(Exception):
    """It cannot be read back, for this reason. `place`: of the record, if it is the record's fault."""

    def __init__(self, queue_id: QueueId, reason: str, place: tuple[int, int] | None = None) -> None:
        super().__init__(f"{format_queue_id(queue_id)}: {reason}")
        self.queue_id = queue_id
        self.reason = reason
        self.place = place


class Messages(Protocol):
    """Messages as they stand, read back if they are parked; None: it is not queued, or is damaged (see `Recalling`)."""

    async def peek_many(self, queue_ids: Sequence[QueueId]) -> list[Entry | None]:
        """What is parked stays so."""
        ...

    async def recall(self, queue_id: QueueId) -> Entry | None:
        """What is parked is whole again. Raises Unreadable when it cannot be read now."""
        ...


class Recaller:
    """Reads a batch of them: `with Recaller(...) as recaller`, so that a segment is opened once for many."""

    def __init__(self, disk: Disk, directory: str, journal: bytes) -> None:
        self._disk = disk
        self._directory = directory
        self._journal = journal
        self._files: dict[int, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        while self._files:
            file = self._files.popitem()[1]
            with suppress(OSError):  # it was only read
                self._disk.close(file)

    def once(self, parked: Parked) -> Entry:
        """One, and nothing stays open. Raises Unreadable."""
        with self:
            return self.entry(parked)

    def entry(self, parked: Parked) -> Entry:
        """Raises Unreadable."""
        record = self._record(parked.queue_id, parked.segment, parked.offset)
        if not isinstance(record, Accepted | Carried):
            raise Unreadable(parked.queue_id, "its record is of another kind", (parked.segment, parked.offset))
        tried: Record | Checkpoint | None = None
        if (parked.tried_segment, parked.tried_offset) == (parked.segment, parked.offset):
            tried = record
        elif parked.tried_segment:
            tried = self._last_replies(parked)
        if tried is not None and not isinstance(tried, Attempted | Carried):
            place = parked.tried_segment, parked.tried_offset
            raise Unreadable(parked.queue_id, "the record of its last attempt is of another kind", place)
        try:
            entry = Entry.of(record, parked.segment, parked.offset)
            entry.resume(tried, parked)
        except IllegalTransition as error:
            raise Unreadable(parked.queue_id, str(error), (parked.segment, parked.offset)) from None
        return entry

    def _last_replies(self, parked: Parked) -> Record | Checkpoint | None:
        """None: they cannot be read any more. What is lost with them is the wait for the next attempt, and no mail; but
        who has failed is told why."""
        try:
            return self._record(parked.queue_id, parked.tried_segment, parked.tried_offset)
        except Unreadable as error:
            if error.place is None or parked.failed:
                raise
            return None

    def _record(self, queue_id: QueueId, segment: int, offset: int) -> Record | Checkpoint:
        where = framing.place(self._journal, segment)
        try:
            file = self._open(segment)
            octets = self._disk.read_at(file, _USUAL, offset)
            frame = framing.read_frame(
                memoryview(octets), 0, where, check_content=False, base=offset, has_content=False
            )
            if frame is None and len(octets) == _USUAL:
                octets += self._disk.read_at(file, framing.MAX_METADATA, offset + _USUAL)
                view = memoryview(octets)
                frame = framing.read_frame(view, 0, where, check_content=False, base=offset, has_content=False)
        except OSError as error:
            place = (segment, offset) if error.errno == ENOENT else None  # else another time it may be read
            raise Unreadable(queue_id, f"cannot read the journal: {error}", place) from error
        if frame is None or frame.queue_id != queue_id:
            raise Unreadable(queue_id, "its record in the journal is damaged", (segment, offset))
        metadata = octets[framing.HEADER_SIZE : framing.HEADER_SIZE + frame.metadata_size]
        try:
            return codec.decode(frame.kind, frame.queue_id, metadata, flags=frame.flags)
        except codec.Undecodable as error:
            raise Unreadable(queue_id, str(error), (segment, offset)) from None

    def _open(self, segment: int) -> int:
        file = self._files.get(segment)
        if file is None:
            if len(self._files) >= _MOST_OPEN:
                self._disk.close(self._files.pop(next(iter(self._files))))
            file = self._files[segment] = self._disk.open(segment_path(self._directory, segment))
        return file
