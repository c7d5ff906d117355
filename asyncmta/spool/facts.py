"""What a spool is told and what it tells: its settings, what opening found, how it is. Values only. Pure."""

from __future__ import annotations

from msgspec import Struct


class SpoolSettings(Struct, frozen=True, kw_only=True):
    """Octets, all but `min_free_inodes`. Below either minimum new mail is refused; deliveries go on."""

    min_free_space: int = 200 << 20
    min_free_inodes: int = 1000
    segment_size: int = 64 << 20
    cache_size: int = 64 << 20


class Recovery(Struct, frozen=True, kw_only=True):
    """What opening found. `torn`: octets of an unfinished batch that were cut off; `skipped`: records about messages
    whose segment was dropped; `orphans`: files of large content that no record named."""

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
