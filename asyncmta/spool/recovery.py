"""Read a journal back: segments in order, each record through the fold of live operation. Writes nothing.

Promises: whatever stands on the disk, reading ends with the messages that can be had and a list of what cannot; a torn
tail is told from damage (`segment.scan`); damage to one message leaves the others alone; reading twice gives the same.
It refuses (`SpoolRefused`) only what it must not touch: a journal of a newer program, or of two journals mixed. Never:
repairs (`repair` does), deliveries, the lock.

docs/journal-format.md 7; reliability.md V1 to V8.
"""

from __future__ import annotations

from itertools import chain

from msgspec import Struct, field

from asyncmta.mail.envelope import QueueId
from asyncmta.spool import codec, framing, segment
from asyncmta.spool.framing import Frame
from asyncmta.spool.ledger import IllegalTransition, Ledger
from asyncmta.spool.listing import SEGMENT_NAME, SegmentFile, SpoolRefused, list_segments, read_whole
from asyncmta.spool.recall import Recaller, Unreadable
from asyncmta.spool.records import Checkpoint
from asyncmta.spool.segment import Batch, Damaged, Finding, Seal, Torn
from asyncmta.spool.tail import Position, segment_path
from asyncmta.system.disk import Disk

__all__ = ["MISSING", "Damage", "Reading", "SpoolRefused", "read_journal"]

MISSING = "the segment is missing"
_NO_CHAIN = bytes(framing.DIGEST_SIZE)


class Damage(Struct, frozen=True):
    """Octets that were durable once and are not what they were, or a record that makes no sense. `end` 0: to the end
    of the segment, or all of it; `queue_id`: the message that it set aside, if it was about one."""

    segment: int
    start: int
    end: int
    reason: str
    queue_id: QueueId | None = None


class Reading(Struct):
    """What `read_journal` found out. The entries are in the ledger that it was given."""

    journal: bytes | None = None  # None: there is none yet
    segments: list[SegmentFile] = field(default_factory=list)
    unborn: list[SegmentFile] = field(default_factory=list)  # segments that never began
    returned: list[int] = field(default_factory=list)  # dropped once, and brought back by the file system
    damages: list[Damage] = field(default_factory=list)
    torn: tuple[int, int, int] | None = None  # segment, start, end
    aside: dict[QueueId, int] = field(default_factory=dict)  # messages set aside, and the segment they live in
    boot: int = 0  # the highest that ids may have
    oldest: int = 1
    is_thorough: bool = False
    records: int = 0
    entered: dict[int, tuple[int, int]] = field(
        default_factory=dict
    )  # by segment: messages and octets of their records
    highest: int = 0  # number of any segment, also of those that never began
    number: int = 0
    end: int = 0
    chain: bytes = _NO_CHAIN
    sequence: int = 1

    def position(self, journal: bytes) -> Position:
        """Where the next segment goes on."""
        return Position(
            journal=journal,
            highest=self.highest,
            number=self.number,
            end=self.end,
            chain=self.chain,
            sequence=self.sequence,
        )

    def damage(self, number: int, start: int, end: int, reason: str, queue_id: QueueId | None = None) -> None:
        self.damages.append(Damage(number, start, end, reason, queue_id))


def read_journal(
    disk: Disk,
    directory: str,
    ledger: Ledger,
    *,
    known: bytes | None = None,
    settle: bool = False,
    thorough: bool = False,
) -> Reading:
    """Replay all segments of the directory into the ledger. `known`: the journal id, if somebody else remembers it.
    `settle`: we own the journal, so sync its end and forget the cache first, that we may read what the disk has.
    `thorough`: check content in sealed segments too."""
    reading = Reading(is_thorough=thorough)
    if settle:
        _settle(disk, directory)
    found = list_segments(disk, directory)
    _identify(reading, found, known)
    if reading.journal is not None:
        ledger.thaw = Recaller(disk, directory, reading.journal).once
    replay = _Replay(disk, directory, ledger, reading)
    for at, file in enumerate(reading.segments):
        following = reading.segments[at + 1] if at + 1 < len(reading.segments) else None
        replay.read(file, following)
    reading.damages = [damage for damage in reading.damages if damage.segment >= reading.oldest]
    reading.returned += [file.number for file in reading.segments if file.number < reading.oldest]
    reading.segments = [file for file in reading.segments if file.number >= reading.oldest]
    return reading


def _settle(disk: Disk, directory: str) -> None:
    """The process before us may have died before its sync, or of it: then the cache shows what the disk does not have,
    of the last batch or of a segment just begun. Once the cache is dropped we see the truth (reliability.md 2.3)."""
    for name in [name for name in disk.list(directory) if SEGMENT_NAME.match(name)][-2:]:
        file = disk.open(f"{directory}/{name}", write=True)
        try:
            disk.fsync(file)
            disk.drop_cache(file)
        finally:
            disk.close(file)


def _identify(reading: Reading, found: list[SegmentFile], known: bytes | None) -> None:
    """Which journal this is, which boot numbers are used up, and which of the files are segments of it."""
    journals = {file.header.journal for file in found if file.header is not None}
    if len(journals) > 1:
        raise SpoolRefused("the segments belong to different journals: " + ", ".join(sorted(j.hex() for j in journals)))
    unreadable = [file for file in found if file.header is None]
    if journals:
        (reading.journal,) = journals
    elif any(file.size > segment.HEADER_SIZE for file in unreadable):
        if known is None:
            raise SpoolRefused("no header of any segment can be read, and nothing says which journal it is")
        reading.journal = known
    headers = [file.header for file in found if file.header is not None]
    reading.boot = max((header.boot for header in headers), default=0) + len(unreadable)
    reading.oldest = max((header.oldest for header in headers), default=1)
    # Sizes are enough to tell: a segment takes no record before its header is durable.
    reading.unborn = [file for file in unreadable if file.size <= segment.HEADER_SIZE]
    begun = [file for file in found if file.header is not None or file.size > segment.HEADER_SIZE]
    reading.segments = [file for file in begun if file.number >= reading.oldest]
    reading.returned = [file.number for file in begun if file.number < reading.oldest]
    reading.highest = max((file.number for file in found), default=0)


class _Replay:
    """One pass over the segments, with what must hold from each to the next."""

    def __init__(self, disk: Disk, directory: str, ledger: Ledger, reading: Reading) -> None:
        self._disk = disk
        self._directory = directory
        self._ledger = ledger
        self._reading = reading
        self._sequence: int | None = None  # expected next; None: cannot be known
        self._chain: bytes | None = None
        self._previous = 0
        self._present = {file.number for file in reading.segments}

    def read(self, file: SegmentFile, following: SegmentFile | None) -> None:
        reading, number = self._reading, file.number
        self._enter(file)
        octets, whole = read_whole(self._disk, segment_path(self._directory, number))
        end: int | None = None
        if following is not None and following.header is not None and following.header.previous == number:
            end = following.header.previous_end
        elif not whole or file.header is None:
            end = len(octets)  # what we cannot read, or know too little of, is no torn tail: it must not be cut
        assert reading.journal is not None
        where = framing.place(reading.journal, number)
        reading.number, reading.end = number, segment.HEADER_SIZE
        count = 0
        for finding in segment.scan(octets, where, end=end, check_content=reading.is_thorough or following is None):
            count += self._take(finding, number, memoryview(octets), count, last=following is None)
        self._previous = number
        if self._chain is not None:
            reading.chain = self._chain
        reading.sequence = max(reading.sequence, self._sequence or 1)

    def _enter(self, file: SegmentFile) -> None:
        """What the header says must agree with what was read before it."""
        reading, header = self._reading, file.header
        if header is None:
            reading.damage(file.number, 0, segment.HEADER_SIZE, "the header cannot be read")
            self._chain = None
            return
        if header.previous >= reading.oldest and header.previous not in self._present:
            reading.damage(header.previous, 0, 0, MISSING)
            self._sequence = None
        elif self._previous == header.previous and self._previous:
            if self._sequence is not None and header.first_sequence != self._sequence:
                reading.damage(file.number, 0, 0, f"records before sequence {header.first_sequence} are missing")
            elif self._chain is not None and header.previous_chain != self._chain:
                reading.damage(header.previous, 0, 0, "the segment is not the one that was continued here")
        self._sequence = header.first_sequence
        self._chain = header.chain

    def _take(self, finding: Finding, number: int, view: memoryview, count: int, *, last: bool) -> int:
        """One finding of the scan; the number of records in it."""
        reading = self._reading
        if isinstance(finding, Torn):
            if last:
                reading.torn = (number, finding.start, finding.end)
            else:
                reading.damage(number, finding.start, finding.end, "the segment has no end")
            return 0
        reading.end = finding.end
        if isinstance(finding, Damaged):
            reading.damage(number, finding.start, finding.end, "octets that do not verify")
            reading.sequence = max(reading.sequence, finding.last + 1)
            self._chain = None
            self._sequence = None
        else:
            first = finding.frames[0].sequence if isinstance(finding, Batch) and finding.frames else finding.last
            if self._sequence is not None and first != self._sequence:
                reading.damage(number, finding.start, finding.end, f"records before sequence {first} are missing")
            self._sequence = finding.last + 1
        if isinstance(finding, Seal):
            if self._chain is not None and (finding.chain != self._chain or finding.records != count):
                reading.damage(number, 0, finding.start, "the records are not those that were sealed")
            return 0
        if isinstance(finding, Batch) and self._chain is not None:
            self._chain = framing.next_chain(self._chain, finding.digest)
        for frame in finding.frames:
            self._apply(frame, number, view)
        reading.records += len(finding.frames)
        return len(finding.frames)

    def _apply(self, frame: Frame, number: int, view: memoryview) -> None:
        reading = self._reading
        metadata = view[frame.metadata_offset : frame.metadata_offset + frame.metadata_size]
        try:
            record = codec.decode(frame.kind, frame.queue_id, metadata, flags=frame.flags)
            if isinstance(record, Checkpoint):
                self._checkpoint(record.oldest)
            else:
                self._ledger.apply(record, number, frame.offset)
                if frame.kind in codec.ENTERING:
                    messages, octets = reading.entered.get(number, (0, 0))
                    reading.entered[number] = messages + 1, octets + frame.size
        except (codec.Undecodable, IllegalTransition, Unreadable) as error:
            queue_id = QueueId(frame.queue_id)
            reading.damage(number, frame.offset, frame.offset + frame.size, str(error), queue_id)
            entry = self._ledger.get(queue_id) or self._ledger.parked(queue_id)
            if entry is None or not entry.is_closed:  # of a closed one nothing more is wanted anyway
                self._ledger.discard(queue_id)
                reading.aside.setdefault(queue_id, entry.segment if entry is not None else number)

    def _checkpoint(self, oldest: int) -> None:
        """Nothing lived below `oldest` any more when this was written. What we have read from there came back after its
        unlink, perhaps without the segment that says what became of it."""
        reading = self._reading
        reading.oldest = max(reading.oldest, oldest)
        gone = [entry.queue_id for entry in self._ledger if entry.segment < oldest]
        for queue_id in (*gone, *chain.from_iterable(self._ledger.all_parked.below(oldest))):
            self._ledger.discard(queue_id)
        # What made no sense about one of those is no damage: segments come back one by one, and some do not.
        void = {queue_id for queue_id, segment in reading.aside.items() if segment < oldest}
        reading.aside = {queue_id: at for queue_id, at in reading.aside.items() if queue_id not in void}
        reading.damages = [damage for damage in reading.damages if damage.queue_id not in void]
