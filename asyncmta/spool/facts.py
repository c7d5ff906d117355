"""What a spool is told and what it tells: its settings, what opening found, how it is. Values only. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from asyncmta.spool.compaction_plan import SegmentFacts
from asyncmta.spool.meter import BatchMeter, Distribution

_LOST = frozenset({"aufs", "overlay", "ramfs", "rootfs", "tmpfs"})
_REMOTE = frozenset({"9p", "afs", "ceph", "cifs", "fuse", "fuseblk", "nfs", "nfs4", "smb3", "vboxsf", "virtiofs"})
DOUBTFUL = _LOST | _REMOTE
"""File systems on which what was synced may be gone after a power cut, or a lock may not hold (V9, J22)."""

DOUBTFUL_OPTIONS = frozenset({"nobarrier", "barrier=0", "nointegrity", "volatile", "ro"})
"""Mounted in this way a file system forgets to flush the device, or cannot be written to."""


class SpoolSettings(Struct, frozen=True, kw_only=True):
    """Octets, all but `min_free_inodes` and what follows. Below either minimum new mail is refused; deliveries go on,
    with what is in reserve when the disk is full. The scrub begins `scrub_after` seconds after the start and so many
    seconds after its last end as `scrub_interval` says (0: never), at `scrub_rate` octets a second."""

    min_free_space: int = 200 << 20
    min_free_inodes: int = 1000
    reserve_size: int = 4 << 20
    segment_size: int = 64 << 20
    cache_size: int = 64 << 20
    scrub_after: float = 600.0
    scrub_interval: float = 86_400.0
    scrub_rate: int = 4 << 20


def doubt(file_system: str, options: frozenset[str] = frozenset()) -> str:
    """What is doubtful about a spool on this file system, mounted so; "" for nothing."""
    kind = file_system.partition(".")[0]  # fuse.sshfs is fuse
    if kind in _LOST:
        return "it goes when the container or the machine goes; mount a volume there"
    if kind in _REMOTE:
        return "it may lose what was synced, and a lock may not hold; use a local disk"
    return "mounted so, it may lose what was synced" if options & DOUBTFUL_OPTIONS else ""


_UNTOLD = frozenset({"journal", "orphans", "skipped"})


class Recovery(Struct, frozen=True, kw_only=True):
    """What opening found. `torn`: octets of an unfinished batch that were cut off; `skipped`: records about messages
    whose segment was dropped; `orphans`: files of large content that no record named; `sync_seconds`: what it took to
    begin a segment, with two syncs: a disk that is very quick at it may be lying (O4);
    `writer`: who writes batches, "compiled" for the thread of C, else "python"."""

    messages: int
    records: int
    segments: int
    skipped: int
    torn: int
    damaged: int
    orphans: int
    seconds: float
    file_system: str
    journal: str
    boot: int
    sync_seconds: float = 0.0
    writer: str = "python"

    def told(self) -> dict[str, Any]:
        """For the log: times to the millisecond, and to the microsecond for what a sync takes."""
        said = {name: getattr(self, name) for name in self.__struct_fields__ if name not in _UNTOLD}
        return said | {"seconds": round(self.seconds, 3), "sync_seconds": round(self.sync_seconds, 6)}


class StoreFacts(Struct, frozen=True, kw_only=True):
    """How a spool is, as plain numbers. `sync_seconds`: from the first octet of a batch until it is durable; `live`:
    about how many octets open messages need, `dead` the others; `damages`: what was set aside at start or by the
    scrub; `freed`: segments that compaction made unneeded; `oldest`: when the oldest message was accepted, to some
    seconds; `free_space`, `free_inodes`: of the disk, as last measured; `scrub_found`: what the scrub found broken,
    `scrub_repaired` of that; `file_system`: the type; `is_doubtful`: what is synced there may be lost (`doubt`)."""

    sync_seconds: Distribution
    batch_records: Distribution
    batch_octets: int
    failed_batches: int
    is_poisoned: bool
    messages: int
    segments: int
    live: int
    dead: int
    damages: int
    skipped: int
    compactions: int
    carried: int
    freed: int
    reserve: int
    is_reserve_given_up: bool
    oldest: float | None = None
    free_space: int = 0
    free_inodes: int = 0
    file_system: str = "unknown"
    is_doubtful: bool = False
    scrub_rounds: int = 0
    scrub_found: int = 0
    scrub_repaired: int = 0


def summed(batches: BatchMeter, segments: Sequence[SegmentFacts], **others: Any) -> StoreFacts:
    """The facts from what is measured, and the `others` as they are."""
    live = sum(segment.live for segment in segments)
    return StoreFacts(
        sync_seconds=batches.seconds.read(),
        batch_records=batches.records.read(),
        batch_octets=batches.octets,
        failed_batches=batches.failed,
        segments=len(segments),
        live=live,
        dead=max(0, sum(segment.octets for segment in segments) - live),
        **others,
    )
