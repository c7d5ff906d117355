"""A journal as it stands on the disk, for tools: each record and each fault in order, and the sums over them.

Promises: takes no lock and writes nothing, so that it is safe beside a running owner; of a running one it shows a
moment, whose last batch may be unfinished; content of sealed segments is checked, too. Never: a decision about what is
done (`recovery` makes those).

docs/journal-format.md; reliability.md O2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

from msgspec import Struct

from asyncmta.mail.envelope import ContentUnavailable, QueueId, format_queue_id
from asyncmta.spool import codec, framing, segment
from asyncmta.spool.content import LargeReader, content_path
from asyncmta.spool.framing import Frame
from asyncmta.spool.ledger import Ledger
from asyncmta.spool.listing import SegmentFile, list_segments
from asyncmta.spool.opening import Places, known_journal, read_moment, undisturbed
from asyncmta.spool.records import Checkpoint, Record
from asyncmta.spool.recovery import Damage, Reading
from asyncmta.spool.segment import Damaged, Seal, Torn
from asyncmta.spool.tail import segment_path
from asyncmta.system.disk import Disk


class Seen(Struct, frozen=True):
    """One record. `record` None: it verifies, but this program cannot decode it."""

    segment: int
    frame: Frame
    record: Record | Checkpoint | None
    content: bytes


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
    """Octets of all segments; those of them that open messages need; records by kind; messages that are queued."""

    segments: int
    octets: int
    live: int
    records: dict[str, int]
    messages: int
    damages: int
    unfinished: int
    quarantined: int
    reserve: int


def verify(disk: Disk, directory: str) -> Verdict:
    """Every octet that counts, large content included. Raises OSError (there is no spool) and SpoolRefused."""
    reading, ledger = read_moment(disk, directory, thorough=True)
    damages = list(reading.damages)
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


def totals(disk: Disk, directory: str) -> Totals:
    """Raises OSError (there is no spool) and SpoolRefused."""
    reading, ledger = read_moment(disk, directory)
    needed = {(entry.segment, entry.offset) for entry in ledger if not entry.is_closed}
    kinds: Counter[str] = Counter()
    live = 0
    for seen in walk(disk, directory):
        if isinstance(seen, Seen):
            kinds[type(seen.record).__name__.lower() if seen.record is not None else "unknown"] += 1
            live += seen.frame.size if (seen.segment, seen.frame.offset) in needed else 0
    places = Places(directory)
    quarantined = len(disk.list(places.quarantine)) if disk.exists(places.quarantine) else 0
    return Totals(
        segments=len(reading.segments),
        octets=sum(file.size for file in reading.segments),
        live=live,
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


def _size(disk: Disk, path: str) -> int:
    if not disk.exists(path):
        return 0
    file = disk.open(path)
    try:
        return disk.size(file)
    finally:
        disk.close(file)
