"""Fuzz target: what a reader of the journal may meet (rows J12 to J14, J19).

Input: one octet says how the rest is meant.

- octets as they are: a segment's header, a frame, a chunk, packed content, the metadata of a record
- edits of a segment that was written whole: whatever is found in a batch is what was written, to the octet
- a segment whose records verify and hold these octets as metadata: the whole reader over it, as `journal verify`

Nothing raises but what says that it cannot be read; nothing is found that was not written; sizes are believed by none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import cache

from asyncmta.mail.envelope import QueueId
from asyncmta.spool import chunks, framing, segment
from asyncmta.spool.codec import Undecodable, decode, encode
from asyncmta.spool.compression import unpack
from asyncmta.spool.listing import SpoolRefused
from asyncmta.spool.records import Retired
from asyncmta.spool.segment import Batch, UnknownFormat
from asyncmta.spool.survey import verify
from asyncmta.testing.disk import MemoryDisk
from tests.unit.spool.spoolkit import JOURNAL, Image, accepted, attempted

HERE = framing.place(JOURNAL, 1)
SPOOL = "/spool"
FOLDER = f"{SPOOL}/journal"
NAME = f"{FOLDER}/0000000001.seg"
KINDS = (framing.CHECKPOINT, *range(16, 25), 0, 99, framing.COMMIT, framing.FOOTER)


def check(octets: bytes) -> None:
    if len(octets) < 2:
        return
    way, rest = octets[0] % 3, octets[1:]
    if way == 0:
        _as_they_are(rest)
    elif way == 1:
        _edited(rest)
    else:
        _in_frames(rest)


def _as_they_are(octets: bytes) -> None:
    with suppress(UnknownFormat):
        segment.decode_header(octets)
    with suppress(UnknownFormat):
        segment.decode_header(segment.MAGIC + octets)
    list(segment.scan(octets, HERE))
    assert framing.read_frame(memoryview(octets), 0, HERE, check_content=True) is None
    chunks.read_chunk(chunks.seed(JOURNAL, QueueId(1)), 0, octets)
    chunks.is_header(octets, JOURNAL, QueueId(1))
    size = int.from_bytes(octets[:2], "little")
    plain = unpack(octets[2:], size)
    assert plain is None or len(plain) == size
    kind, flags = octets[0], octets[-1] & 3
    try:
        record = decode(kind, 5, octets[1:], flags=flags)
    except Undecodable:
        return
    try:
        draft = encode(record)
    except (ValueError, OverflowError):
        return  # we would not have written it
    again = decode(draft.kind, draft.queue_id, draft.metadata[: draft.metadata_size], flags=draft.flags)
    assert repr(again) == repr(record)  # a time may be NaN, which is not equal to itself


@cache
def _written() -> tuple[bytes, frozenset[bytes]]:
    """A segment of four batches, and the octets of each record in it."""
    image = Image().add(accepted(1), accepted(2, b"x" * 300)).add(attempted(1)).add(Retired(QueueId(1)))
    image.add(accepted(3, b"\x89commit\n" * 9))
    octets = image.seal().octets
    frames = [frame for found in segment.scan(octets, HERE) if isinstance(found, Batch) for frame in found.frames]
    return octets, frozenset(octets[frame.offset :][: frame.size] for frame in frames)


def _edited(edits: bytes) -> None:
    """Four octets an edit: where (two of them), how, and with what."""
    octets, records = _written()
    damaged = bytearray(octets)
    for at in range(0, len(edits) - 3, 4):
        place = int.from_bytes(edits[at : at + 2], "little") % (len(damaged) or 1)
        how, what = edits[at + 2] % 6, edits[at + 3]
        if how == 0:
            damaged[place : place + 1] = bytes((what,))
        elif how == 1:
            del damaged[place:]
        elif how == 2:
            damaged[place : place + what] = bytes(min(what, len(damaged) - place))
        elif how == 3:
            damaged[place:place] = damaged[: 8 * what]
        elif how == 4:
            del damaged[place : place + what]
        else:
            damaged[place:place] = bytes(edits[:what])
    ours = bytes(damaged)
    for frame in _frames(ours):
        assert ours[frame.offset :][: frame.size] in records
    _read(ours)


def _frames(octets: bytes) -> Iterator[framing.Frame]:
    for found in segment.scan(octets, HERE):
        if isinstance(found, Batch):
            yield from found.frames


def _in_frames(octets: bytes) -> None:
    """Records of three octets of facts (kind, queue id, sizes) and what follows, each in a frame that verifies."""
    image = Image()
    drafts = []
    while len(octets) > 3:
        kind, queue_id, sizes = KINDS[octets[0] % len(KINDS)], octets[1] % 4, octets[2]
        metadata, content = octets[3 : 3 + sizes % 64], octets[3 + sizes % 64 :][: sizes // 64]
        octets = octets[3 + len(metadata) + len(content) :]
        drafts.append(framing.draft(kind, queue_id, metadata, (content,), sizes // 128))
    layout = framing.lay_out(drafts, image.place, len(image.octets), 1)
    _read(image.octets + b"".join(layout.buffers))


def _read(octets: bytes) -> None:
    disk = MemoryDisk()
    disk.make_directories(FOLDER)
    file = disk.create(NAME)
    if octets:
        disk.writev(file, [octets], 0)
    disk.close(file)
    with suppress(SpoolRefused):
        verify(disk, SPOOL)
