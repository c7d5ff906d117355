"""What is done to a journal before it goes on: a torn tail is cut, what cannot be read is copied aside. Calls block.

Promises: nothing is cut or renamed before its octets are safe in quarantine, unless there is no room for them there (a
torn tail holds nothing that anybody was answered for); damaged segments are left as they are; every step may be
interrupted and is then done again. Never: a record changed, a segment that is needed removed.

docs/journal-format.md 7; reliability.md V4, V5, V7, V8.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from asyncmta.spool.recovery import Reading
from asyncmta.spool.tail import segment_path
from asyncmta.system.disk import Disk

TORN_LIMIT = 1 << 20
TORN_KEPT = 8
_PIECE = 1 << 20

OnEvent = Callable[[str, dict[str, object]], None]


def repair(disk: Disk, journal: str, quarantine: str, reading: Reading, on_event: OnEvent) -> frozenset[int]:
    """Make the directory what `reading` says it should be. The segments that hold damage which could not be copied
    aside, and which must therefore never be dropped. Raises OSError."""
    pinned = set()
    for damage in reading.damages:
        name = f"{damage.segment:010d}-{damage.start}.damaged"
        if damage.end and not _copy_aside(
            disk, segment_path(journal, damage.segment), f"{quarantine}/{name}", damage.start, damage.end, on_event
        ):
            pinned.add(damage.segment)
    if reading.torn is not None:
        _cut(disk, journal, quarantine, reading.torn, on_event)
    for file in reading.unborn:
        # Its header was never synced, so that nothing was ever in it.
        disk.unlink(segment_path(journal, file.number))
        on_event("segment_unborn", {"segment": file.number, "octets": file.size})
    for number in sorted(reading.returned):
        disk.unlink(segment_path(journal, number))
        on_event("segment_returned", {"segment": number})
    return frozenset(pinned)


def _cut(disk: Disk, journal: str, quarantine: str, torn: tuple[int, int, int], on_event: OnEvent) -> None:
    number, start, end = torn
    path = segment_path(journal, number)
    kept = [name for name in disk.list(quarantine) if name.endswith(".torn")]
    for name in kept[: max(0, len(kept) - TORN_KEPT + 1)]:
        with suppress(OSError):
            disk.unlink(f"{quarantine}/{name}")
    _copy_aside(disk, path, f"{quarantine}/{number:010d}-{start}.torn", start, min(end, start + TORN_LIMIT), on_event)
    file = disk.open(path, write=True)
    try:
        disk.truncate(file, start)
        disk.fsync(file)
    finally:
        disk.close(file)
    on_event("torn_tail", {"segment": number, "offset": start, "octets": end - start})


def _copy_aside(disk: Disk, path: str, copy: str, start: int, end: int, on_event: OnEvent) -> bool:
    """Copy these octets into quarantine, whole and synced; a copy that is there is from an earlier start."""
    if disk.exists(copy):
        return True
    try:
        if disk.exists(copy + ".part"):
            disk.unlink(copy + ".part")
        source = disk.open(path)
        try:
            _copy(disk, source, copy + ".part", start, end)
        finally:
            disk.close(source)
        disk.rename(copy + ".part", copy)
        disk.sync_directory(copy.rpartition("/")[0])
    except OSError as error:
        on_event("quarantine_failed", {"path": copy, "error": str(error)})
        return False
    return True


def _copy(disk: Disk, source: int, path: str, start: int, end: int) -> None:
    copy = disk.create(path)
    try:
        for at in range(start, end, _PIECE):
            disk.writev(copy, [_readable(disk, source, min(_PIECE, end - at), at)], at - start)
        disk.fsync(copy)
    finally:
        disk.close(copy)


def _readable(disk: Disk, file: int, size: int, offset: int) -> bytes:
    """What the disk gives of it, 4 KiB by 4 KiB where it does not give all; nothing for the rest."""
    with suppress(OSError):
        return disk.read_at(file, size, offset)
    pieces = []
    for at in range(offset, offset + size, 4096):
        try:
            pieces.append(disk.read_at(file, min(4096, offset + size - at), at))
        except OSError:
            pieces.append(bytes(min(4096, offset + size - at)))
    return b"".join(pieces)
