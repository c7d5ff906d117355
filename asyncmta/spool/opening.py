"""Open a spool: lock, read, repair, begin a new segment; and the read-only way for tools. All calls block.

Promises: the lock comes first and outlives everything else; nothing is given out before the new segment and its boot
number are durable (V6); a crash anywhere in between leads to the same again. Never: the event loop, deliveries.

docs/journal-format.md 1, 5 and 7; reliability.md V1, V6, V8, V9.
"""

from __future__ import annotations

import errno
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TypeVar

from msgspec import Struct

from asyncmta.mail.envelope import ContentUnavailable, QueueId, format_queue_id, parse_queue_id
from asyncmta.spool.content import LargeReader, content_path, read_inline
from asyncmta.spool.failures import WriteFailed
from asyncmta.spool.ledger import Entry, Ledger, ParkAs
from asyncmta.spool.queue_ids import MAX_BOOT, QueueIds
from asyncmta.spool.recovery import MISSING, Damage, Reading, SpoolRefused, read_journal
from asyncmta.spool.repair import OnEvent, repair
from asyncmta.spool.tail import Tail, segment_path
from asyncmta.system.disk import Disk

_KNOWN = re.compile(rb"journal ([0-9a-f]{32})\n")
_TRIES = 5
_PID_LINE = 15  # "pid 0123456789\n"

T = TypeVar("T")


class Places(Struct, frozen=True):
    """The directories of a spool."""

    root: str

    @property
    def lock(self) -> str:
        return f"{self.root}/lock"

    @property
    def reserve(self) -> str:
        return f"{self.root}/reserve"

    @property
    def journal(self) -> str:
        return f"{self.root}/journal"

    @property
    def content(self) -> str:
        return f"{self.root}/content"

    @property
    def quarantine(self) -> str:
        return f"{self.root}/quarantine"


class Opened(Struct):
    """A spool that is ours."""

    lock: int
    journal: bytes
    ids: QueueIds
    tail: Tail
    ledger: Ledger
    reading: Reading
    pinned: frozenset[int]
    orphans: int
    sync_seconds: float  # for a new segment: its header and the directory


def open_spool(
    *, disk: Disk, directory: str, make_tail: Callable[..., Tail], park_as: ParkAs | None,
    on_event: OnEvent, on_full: Callable[[], None],
) -> Opened:  # fmt: skip
    """Raises OSError (Locked among them), SpoolRefused and JournalFailed; the spool is as it was, or recovered, and
    unlocked then. `park_as`: park whatever waits, with the marks that it gives. `on_full` may make room."""
    places = Places(directory)
    for path in (places.journal, places.content, places.quarantine):
        disk.make_directories(path)
    known = known_journal(disk, places.lock)
    lock = disk.lock(places.lock, _remember(known) if known is not None else b"")
    try:
        ledger = Ledger()
        ledger.park_as = park_as
        reading = read_journal(disk, places.journal, ledger, known=known, settle=True)
        ledger.park_as = None  # from now on who parks says so
        journal = reading.journal or secrets.token_bytes(16)
        if journal != known:  # another place that knows it, should the headers be unreadable one day
            disk.writev(lock, [_remember(journal)], _PID_LINE)
            disk.fsync(lock)
            disk.sync_directory(places.root)
        if reading.boot + 1 >= MAX_BOOT:
            raise SpoolRefused("the journal has been started a million times: let it drain, then move it away")
        pinned = repair(disk, places.journal, places.quarantine, reading, on_event)
        ids = QueueIds(journal, reading.boot + 1)
        tail = make_tail(disk=disk, directory=places.journal, after=reading.position(journal), boot=ids.boot)
        tail.oldest = min([file.number for file in reading.segments], default=reading.highest + 1)
        began = tail.now()
        _begin(tail, on_full)
        seconds = max(0.0, tail.now() - began)
        orphans = _remove_orphans(disk, places, ledger, reading)
    except BaseException:
        disk.close(lock)
        raise
    return Opened(lock, journal, ids, tail, ledger, reading, pinned, orphans, seconds)


def _begin(tail: Tail, on_full: Callable[[], None]) -> None:
    """The first segment of this life: on a full disk too, so that outcomes can be recorded and make room."""
    try:
        try:
            tail.begin()
        except WriteFailed as failure:
            if not failure.full:
                raise
            on_full()
            tail.begin()
    except BaseException:
        tail.abandon()
        raise


def known_journal(disk: Disk, path: str) -> bytes | None:
    """The journal id in the lock file."""
    if not disk.exists(path):
        return None
    file = disk.open(path)
    try:
        match = _KNOWN.search(disk.read_at(file, 256, 0))
    finally:
        disk.close(file)
    return bytes.fromhex(match[1].decode()) if match is not None else None


def _remember(journal: bytes) -> bytes:
    return b"journal %b\n" % journal.hex().encode()


def _remove_orphans(disk: Disk, places: Places, ledger: Ledger, reading: Reading) -> int:
    """Large content that no record names: its message was never accepted, or is retired. After damage the record may
    be what was lost; then the file goes into quarantine."""
    named = {entry.queue_id for entry in ledger if entry.large} | reading.aside.keys()
    named.update(ledger.all_parked.large())
    orphans = 0
    for name in disk.list(places.content):
        with suppress(ValueError, OSError):
            if parse_queue_id(name) in named:
                continue
            if reading.damages:
                disk.rename(f"{places.content}/{name}", f"{places.quarantine}/{name}.content")
            else:
                disk.unlink(f"{places.content}/{name}")
            orphans += 1
    return orphans


class ReadOnlySpool:
    """What a spool held when it was read. Writes nothing and takes no lock: of a running one it shows a moment."""

    def __init__(self, disk: Disk, directory: str, ledger: Ledger, reading: Reading) -> None:
        self._disk = disk
        self._places = Places(directory)
        self._ledger = ledger
        self._reading = reading

    @property
    def torn(self) -> int:
        """Octets of an unfinished last batch, which the next start will cut off."""
        return self._reading.torn[2] - self._reading.torn[1] if self._reading.torn is not None else 0

    def entries(self) -> Iterator[Entry]:
        return (entry for entry in self._ledger if not entry.is_closed)

    def entry(self, queue_id: QueueId) -> Entry | None:
        entry = self._ledger.get(queue_id)
        return entry if entry is not None and not entry.is_closed else None

    def damaged(self) -> list[Damage]:
        return list(self._reading.damages)

    def content(self, queue_id: QueueId) -> Iterator[bytes]:
        """The octets in wire form, checked chunk by chunk. Raises ContentUnavailable."""
        entry, journal = self._ledger.get(queue_id), self._reading.journal
        if entry is None or journal is None:
            raise ContentUnavailable(f"no message {format_queue_id(queue_id)}")
        if not entry.large:
            yield read_inline(self._disk, self._places.journal, journal, entry)
            return
        reader = LargeReader(self._disk, content_path(self._places.content, queue_id), journal, entry)
        while (chunk := reader.next()) is not None:
            yield chunk


def read_only(disk: Disk, directory: str) -> ReadOnlySpool:
    """Raises OSError (there is no spool, or it cannot be read) and SpoolRefused."""
    reading, ledger = read_moment(disk, directory)
    return ReadOnlySpool(disk, directory, ledger, reading)


def read_moment(disk: Disk, directory: str, *, thorough: bool = False) -> tuple[Reading, Ledger]:
    """A journal whose owner may be running. Raises OSError and SpoolRefused."""
    places = Places(directory)

    def read() -> tuple[Reading, Ledger]:
        ledger = Ledger()
        known = known_journal(disk, places.lock)
        reading = read_journal(disk, places.journal, ledger, known=known, thorough=thorough)
        for damage in reading.damages:
            if damage.reason != MISSING:  # else of one that was dropped when we had read half of it
                disk.close(disk.open(segment_path(places.journal, damage.segment)))
        return reading, ledger

    return undisturbed(disk, directory, read)


def undisturbed(disk: Disk, directory: str, read: Callable[[], T]) -> T:
    """Once more from the listing, when the owner has dropped a segment under our eyes. Raises FileNotFoundError when
    there is no journal, and another OSError when it is never quiet for long enough."""
    for _ in range(_TRIES):
        try:
            return read()
        except FileNotFoundError:
            if not disk.exists(Places(directory).journal):
                raise
    raise OSError(errno.EBUSY, "the journal changes faster than it can be read", directory)
