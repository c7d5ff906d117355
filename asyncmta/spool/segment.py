"""One segment as octets: its header, and the scan that tells batches, damage and a torn tail apart.

Promises: a batch is reported when it verifies whole and not otherwise; octets that fail are damage exactly when
something proves that they were durable (a commit or footer of a later batch, or a later segment), and a torn tail
when nothing does; within damage whatever verifies by itself is still given out. Terminates on any input. Never:
files, the meaning of a record.

docs/journal-format.md 2.1, 2.4, 2.5 and 7; reliability.md R1, V2, V3, V5.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from hashlib import blake2b

from msgspec import Struct

from asyncmta.spool import framing
from asyncmta.spool.framing import COMMIT, COMMIT_MARK, FOOTER, FOOTER_MARK, Commit, Footer, Frame, Place

MAGIC = b"\x89AMJ\r\n\x1a\n"
MAJOR, MINOR = 1, 2
HEADER_SIZE = 128
FEATURES = 0  # those that this reader knows

_HEADER = struct.Struct("<8sHHI16sQQQQ16sIIQQ8x")
_VERSION = struct.Struct("<8sHHI")
_CHECKED = HEADER_SIZE - framing.DIGEST_SIZE


class UnknownFormat(Exception):
    """A newer program wrote this. The text is for the operator."""


class SegmentHeader(Struct, frozen=True, kw_only=True):
    """See docs/journal-format.md 2.1. `chain` is the value with which the chain of this segment begins."""

    journal: bytes
    number: int
    first_sequence: int
    previous: int
    previous_end: int
    previous_chain: bytes
    boot: int
    oldest: int
    created: float
    chain: bytes = b""


def encode_header(header: SegmentHeader) -> bytes:
    octets = _HEADER.pack(
        MAGIC,
        MAJOR,
        MINOR,
        HEADER_SIZE,
        header.journal,
        header.number,
        header.first_sequence,
        header.previous,
        header.previous_end,
        header.previous_chain,
        header.boot,
        FEATURES,
        header.oldest,
        int(header.created * 1_000_000),
    )
    return octets + _checksum(octets)


def decode_header(octets: bytes | memoryview) -> SegmentHeader | None:
    """None for what is no header or a damaged one; UnknownFormat for that of a newer program."""
    octets = bytes(octets[:HEADER_SIZE])
    if len(octets) < HEADER_SIZE or not octets.startswith(MAGIC):
        return None
    _, major, _, _ = _VERSION.unpack_from(octets)
    if major != MAJOR:
        as_ours = octets[:8] + MAJOR.to_bytes(2, "little") + octets[10:]
        if _is_whole(as_ours):  # one flipped bit, and not another version
            return None
        raise UnknownFormat(f"the journal has format version {major}; this program reads {MAJOR}")
    if not _is_whole(octets):
        return None
    _, _, _, _, journal, number, first, previous, end, chain, boot, features, oldest, created = _HEADER.unpack_from(
        octets
    )
    if features & ~FEATURES:
        raise UnknownFormat(f"the journal uses features ({features:#x}) that this program does not know")
    return SegmentHeader(
        journal=journal,
        number=number,
        first_sequence=first,
        previous=previous,
        previous_end=end,
        previous_chain=chain,
        boot=boot,
        oldest=oldest,
        created=created / 1_000_000,
        chain=octets[_CHECKED:],
    )


def _checksum(octets: bytes) -> bytes:
    return blake2b(octets, digest_size=framing.DIGEST_SIZE).digest()


def _is_whole(octets: bytes) -> bool:
    return _checksum(octets[:_CHECKED]) == octets[_CHECKED:]


class Batch(Struct, frozen=True, gc=False):
    """A batch that verified whole; `frames` are its records without the commit, whose sequence `last` is."""

    start: int
    end: int
    frames: tuple[Frame, ...]
    last: int
    digest: bytes


class Seal(Struct, frozen=True, gc=False):
    """A footer that verified: nothing follows it."""

    start: int
    end: int
    last: int
    records: int
    chain: bytes


class Damaged(Struct, frozen=True, gc=False):
    """Octets that were durable and do not verify, from `start` to `end`; `frames` are those records in between that
    verify by themselves, `last` the highest sequence that was read there (0: none), `gaps` what is left: from where to
    where nothing verifies."""

    start: int
    end: int
    frames: tuple[Frame, ...]
    last: int
    gaps: tuple[tuple[int, int], ...] = ()


class Torn(Struct, frozen=True, gc=False):
    """The unfinished end of the last segment: nobody was answered."""

    start: int
    end: int


Finding = Batch | Seal | Damaged | Torn


def scan(octets: bytes, where: Place, *, end: int | None = None, check_content: bool = True) -> Iterator[Finding]:
    """All that stands behind the header, in order. `end`: a later segment says that this one goes on to there and no
    further, so that nothing in it may be bad; None: it is the last one. Sequences between findings are the caller's."""
    limit = len(octets) if end is None else min(end, len(octets))
    with memoryview(octets) as whole, whole[:limit] as view:
        at = HEADER_SIZE
        while at < limit:
            finding: Finding | None = read_batch(view, at, where, check_content=check_content)
            if finding is None:
                if end is None and _are_zeros(octets, at, limit):
                    return
                finding = _bad(octets, view, at, where, sealed=end is not None)
            yield finding
            if isinstance(finding, Torn):
                return
            if isinstance(finding, Seal):
                if not _are_zeros(octets, finding.end, limit):
                    yield Torn(finding.end, limit)
                return
            at = finding.end
    if end is not None and end > limit:
        lost = (max(limit, HEADER_SIZE), end)
        yield Damaged(*lost, (), 0, (lost,))  # it was longer once


def _are_zeros(octets: bytes, start: int, end: int) -> bool:
    """As room that was made and not used, or nothing at all."""
    return octets.count(b"\0", start, end) == end - start


def read_batch(
    view: memoryview, start: int, where: Place, *, check_content: bool, base: int = 0
) -> Batch | Seal | None:
    """The batch, or the footer, that begins exactly here and verifies whole. `base`: where in the segment the view
    begins; `start` and what is returned are places in the segment."""
    frames: list[Frame] = []
    headers: list[memoryview] = []
    at = start
    while True:
        frame = framing.read_frame(view, at - base, where, check_content=check_content, base=base)
        if frame is None or (frames and frame.sequence != frames[-1].sequence + 1):
            return None
        if frame.kind in {COMMIT, FOOTER}:
            break
        frames.append(frame)
        headers.append(view[at - base : at - base + framing.HEADER_SIZE])
        at += frame.size
    at += frame.size
    ending = framing.read_ending(view, frame, base)
    if ending is None or ending.start != start:
        return None
    if isinstance(ending, Footer):
        return None if frames else Seal(start, at, frame.sequence, ending.records, ending.chain)
    if ending.count != len(frames) or ending.digest != framing.batch_digest(where, start, headers):
        return None
    return Batch(start, at, tuple(frames), frame.sequence, ending.digest)


def _bad(octets: bytes, view: memoryview, start: int, where: Place, *, sealed: bool) -> Damaged | Torn:
    """Octets from `start` on are no batch. One batch is in flight at a time, so anything that a later batch wrote
    proves that this one had been synced: then it is damage, up to where the next batch begins."""
    limit = len(view)
    first = _ending_after(octets, view, start, where)
    if first is None:
        return _salvage(view, start, limit, where) if sealed else Torn(start, limit)
    frame, ending = first
    if ending.start > start:
        return _salvage(view, start, ending.start, where)
    end = frame.offset + frame.size  # the commit of this very batch
    if sealed or _ending_after(octets, view, end, where) is not None:
        return _salvage(view, start, end, where)
    return Torn(start, limit)


def _ending_after(octets: bytes, view: memoryview, start: int, where: Place) -> tuple[Frame, Commit | Footer] | None:
    """The first commit or footer at or after `start` that verifies by itself."""
    at = start + framing.HEADER_SIZE
    limit = len(view)
    while True:
        commit, seal = octets.find(COMMIT_MARK, at, limit), octets.find(FOOTER_MARK, at, limit)
        if commit < 0 and seal < 0:
            return None
        mark = min(commit, seal) if commit >= 0 and seal >= 0 else max(commit, seal)
        offset = mark - framing.HEADER_SIZE
        at = mark + 1
        if offset & 7:
            continue
        frame = framing.read_frame(view, offset, where, check_content=True)
        ending = framing.read_ending(view, frame) if frame is not None else None
        if frame is not None and ending is not None and ending.start <= offset and not ending.start & 7:
            return frame, ending


def _salvage(view: memoryview, start: int, end: int, where: Place) -> Damaged:
    frames: list[Frame] = []
    gaps: list[tuple[int, int]] = []
    last = 0
    at = good = start
    region = view[:end]
    while at < end:
        frame = None
        if end - at >= framing.HEADER_SIZE and view[at + framing.KIND_AT]:  # kind 0 was never written: skip zeros fast
            frame = framing.read_frame(region, at, where, check_content=True)
        if frame is None:
            at += 8
            continue
        if at > good:
            gaps.append((good, at))
        at = good = at + frame.size
        last = max(last, frame.sequence)
        if frame.kind not in {COMMIT, FOOTER}:
            frames.append(frame)
    if end > good:
        gaps.append((good, end))
    return Damaged(start, end, tuple(frames), last, tuple(gaps))
