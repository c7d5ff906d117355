"""What is broken in a segment, record by record, and what of it can still be had.

Promises: every gap of `segment.scan` is named once, with the message it is about where a header still says so; content
is rescued from a broken record only when its digest proves it. Never: files, what is done about it (`scrub`).

docs/journal-format.md 6.2; reliability.md O1, J18.
"""

from __future__ import annotations

from msgspec import Struct

from asyncmta.mail.envelope import Content, QueueId
from asyncmta.mail.wire import digest
from asyncmta.spool import framing
from asyncmta.spool.framing import Place
from asyncmta.spool.segment import Damaged


class Broken(Struct, frozen=True, gc=False):
    """Octets of a segment that are not as they were written; `queue_id`: whom they were about, if that can be read.
    Nothing between `start` and `end`: each record is whole, and what holds them together is not."""

    start: int
    end: int
    queue_id: QueueId | None = None


def broken(octets: bytes, damaged: Damaged, where: Place) -> list[Broken]:
    """The records that a finding of the scan lost."""
    found: list[Broken] = []
    with memoryview(octets) as view:
        for start, end in damaged.gaps:
            with view[:end] as region:
                found += _headed(region, start, end, where)
    return found or [Broken(damaged.start, damaged.start)]


def _headed(region: memoryview, start: int, end: int, where: Place) -> list[Broken]:
    """One gap, cut where headers verify although what they speak of does not. The region may end before it does."""
    found: list[Broken] = []
    at = unknown = start
    while at < len(region):
        frame = framing.read_header(region, at, where)
        if frame is None or at + frame.size > len(region):
            at += 8
            continue
        if at > unknown:
            found.append(Broken(unknown, at))
        queue_id = QueueId(frame.queue_id) if frame.queue_id else None
        found.append(Broken(at, at + frame.size, queue_id))
        at = unknown = at + frame.size
    if end > unknown:
        found.append(Broken(unknown, end))
    return found


def rescued(octets: bytes, record: Broken, content: Content) -> bytes | None:
    """The content that stood at the end of this record, if the decay spared it, and as it came: not packed."""
    start = record.end - content.wire_size
    if start < record.start + framing.HEADER_SIZE:
        return None
    found = octets[start : record.end]
    return found if digest((found,), content.dotted) == content.digest else None
