"""A journal as it stands on the disk, for tools: each record and each fault in order, and the sums over them.

Promises: takes no lock and writes nothing, so that it is safe beside a running owner; of a running one it shows a
moment, whose last batch may be unfinished; content is checked, too, packed or not. Never: a decision about what is done
(`recovery` makes those).

docs/journal-format.md; reliability.md O2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

from msgspec import Struct

from asyncmta.mail.envelope import ContentUnavailable, QueueId, format_queue_id
from asyncmta.spool import chunks, codec, framing, segment
from asyncmta.spool.compression import unpack
from asyncmta.spool.content import LargeReader, content_path, plain_of
from asyncmta.spool.framing import Frame
from asyncmta.spool.ledger import Entry, Ledger
from asyncmta.spool.listing import SegmentFile, list_segments
from asyncmta.spool.opening import Places, known_journal, read_moment, undisturbed
from asyncmta.spool.records import Accepted, Carried, Checkpoint, Record
from asyncmta.spool.recovery import Damage, Reading
from asyncmta.spool.segment import Damaged, Seal, Torn
from asyncmta.spool.tail import segment_path
from asyncmta.system.disk import Disk


class Seen(Struct, frozen=True):
    """One record. `record` None: it verifies, but this program cannot decode it. `stored`: its content as it stands."""

    segment: int
    frame: Frame
    record: Record | Checkpoint | None
    stored: bytes

    @property
    def is_packed(self) -> bool:
        return bool(self.frame.flags & framing.PACKED)

    @property
    def saved(self) -> int:
        """Octets by which packing has made it smaller."""
        if not self.is_packed or not isinstance(self.record, Accepted | Carried):
            return 0
        return self.record.content.wire_size - len(self.stored)

    def content(self) -> bytes:
        """Unpacked; what does not unpack (`verify` says so) as it stands."""
        if not self.is_packed or not isinstance(self.record, Accepted | Carried):
            return self.stored
        plain = unpack(self.stored, self.record.content.wire_size)
        return self.stored if plain is None else plain


class Fault(Struct, frozen=True):
    """Octets that do not verify; `is_torn`: the unfinished end of the last segment, which is no damage."""

    segment: int
    start: int
    end: int
    is_torn: bool


class Verdict(Struct, frozen=True):
    """`damages`: what is not as it was written; `unfinished`: octets of a last batch that nobody was answered for."""

    segments: int
    records: int
    messages: int
    unfinished: int
    damages: tuple[Damage, ...]


class Totals(Struct, frozen=True):
    """Octets of all segments; those of them that open messages need; by how many packing has made smaller what these
    need, large content included; records by kind; messages that are queued."""

    segments: int
    octets: int
    live: int
    saved: int
    records: dict[str, int]
    messages: int
    damages: int
    unfinished: int
    quarantined: int
    reserve: int


def verify(disk: Disk, directory: str) -> Verdict:
    """Every octet that counts, large content included. Raises OSError (there is no spool) and SpoolRefused."""
    reading, ledger = read_moment(disk, directory, thorough=True)
    damages = [*reading.damages, *_altered(disk, directory, ledger)]
    places = Places(directory)
    for entry in ledger:
        if not entry.large or entry.is_closed or reading.journal is None:
            continue
        reader = LargeReader(disk, content_path(places.content, entry.queue_id), reading.journal, entry)
        try:
            while reader.next() is not None:
                pass
        except ContentUnavailable as error:
            if _is_still_wanted(disk, directory, entry.queue_id):
                text = f"content/{format_queue_id(entry.queue_id)}: {error}"
                damages.append(Damage(entry.segment, entry.offset, 0, text, entry.queue_id))
    return Verdict(len(reading.segments), reading.records, _open(ledger), _unfinished(reading), tuple(damages))


def _altered(disk: Disk, directory: str, ledger: Ledger) -> Iterator[Damage]:
    """Content in records that verify, and is not what was accepted all the same."""
    needed = {(entry.segment, entry.offset): entry for entry in ledger if not entry.is_closed and not entry.large}
    for seen in walk(disk, directory):
        if not isinstance(seen, Seen):
            continue
        entry = needed.get((seen.segment, seen.frame.offset))
        if entry is None:
            continue
        try:
            plain_of(entry.content, seen.stored, is_packed=seen.is_packed)
        except ContentUnavailable as error:
            start = seen.frame.offset
            yield Damage(seen.segment, start, start + seen.frame.size, str(error), entry.queue_id)


def totals(disk: Disk, directory: str) -> Totals:
    """Raises OSError (there is no spool) and SpoolRefused."""
    reading, ledger = read_moment(disk, directory)
    needed = {(entry.segment, entry.offset) for entry in ledger if not entry.is_closed}
    kinds: Counter[str] = Counter()
    live = saved = 0
    for seen in walk(disk, directory):
        if isinstance(seen, Seen):
            kinds[type(seen.record).__name__.lower() if seen.record is not None else "unknown"] += 1
            if (seen.segment, seen.frame.offset) in needed:
                live += seen.frame.size
                saved += seen.saved
    places = Places(directory)
    saved += sum(_saved_in_file(disk, places, entry) for entry in ledger if entry.large and not entry.is_closed)
    quarantined = len(disk.list(places.quarantine)) if disk.exists(places.quarantine) else 0
    return Totals(
        segments=len(reading.segments),
        octets=sum(file.size for file in reading.segments),
        live=live,
        saved=saved,
        records=dict(sorted(kinds.items())),
        messages=_open(ledger),
        damages=len(reading.damages),
        unfinished=_unfinished(reading),
        quarantined=quarantined,
        reserve=_size(disk, places.reserve),
    )


def walk(disk: Disk, directory: str) -> Iterator[Seen | Fault]:
    """All records in the order of the journal, those of segments that may go included."""
    places = Places(directory)
    files = undisturbed(disk, directory, lambda: list_segments(disk, places.journal))
    journal = next((file.header.journal for file in files if file.header is not None), None)
    journal = journal or known_journal(disk, places.lock)
    if journal is None:
        return
    for at, file in enumerate(files):
        following = files[at + 1].header if at + 1 < len(files) else None
        end = following.previous_end if following is not None and following.previous == file.number else None
        with suppress(FileNotFoundError):  # dropped by its owner since we looked
            yield from _segment(disk, places, file, framing.place(journal, file.number), end)


def _segment(
    disk: Disk, places: Places, file: SegmentFile, where: framing.Place, end: int | None
) -> Iterator[Seen | Fault]:
    handle = disk.open(segment_path(places.journal, file.number))
    try:
        octets = disk.read_at(handle, file.size, 0)
    finally:
        disk.close(handle)
    for finding in segment.scan(octets, where, end=end):
        match finding:
            case Seal():
                continue
            case Torn():
                yield Fault(file.number, finding.start, finding.end, end is None)
                continue
            case Damaged():
                yield Fault(file.number, finding.start, finding.end, False)
        for frame in finding.frames:
            yield _seen(file.number, frame, octets)


def _seen(number: int, frame: Frame, octets: bytes) -> Seen:
    metadata = octets[frame.metadata_offset : frame.metadata_offset + frame.metadata_size]
    content = octets[frame.content_offset : frame.offset + frame.size]
    try:
        record = codec.decode(frame.kind, frame.queue_id, metadata, flags=frame.flags)
    except codec.Undecodable:
        return Seen(number, frame, None, content)
    return Seen(number, frame, record, content)


def _is_still_wanted(disk: Disk, directory: str, queue_id: QueueId) -> bool:
    """Its owner may have retired it since we read the journal."""
    entry = read_moment(disk, directory)[1].get(queue_id)
    return entry is not None and not entry.is_closed


def _open(ledger: Ledger) -> int:
    return sum(not entry.is_closed for entry in ledger)


def _unfinished(reading: Reading) -> int:
    return reading.torn[2] - reading.torn[1] if reading.torn is not None else 0


def _saved_in_file(disk: Disk, places: Places, entry: Entry) -> int:
    size = _size(disk, content_path(places.content, entry.queue_id))
    return max(0, chunks.plain_file_size(entry.content.wire_size) - size) if size else 0


def _size(disk: Disk, path: str) -> int:
    try:
        file = disk.open(path)
    except FileNotFoundError:  # or it has gone since we looked
        return 0
    try:
        return disk.size(file)
    finally:
        disk.close(file)
