"""The frame of a record, and how records are laid out as one batch. docs/journal-format.md 2.2 to 2.5.

Promises: the checksum of a record covers its position (journal, segment, offset), so that octets of another place or
time never pass; a size is checked before anything is read by it; one commit ends a batch and covers every header in
it. Content is never joined or copied: it goes out as the parts it came in. Never: files, the meaning of a record.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import blake2b
from zlib import crc32

from msgspec import Struct

HEADER_SIZE = 40
KIND_AT = 38
MAX_METADATA = 16 << 20
MAX_CONTENT = 1 << 20
PACKED = 1
"""The flag of a record whose content is packed (`compression`)."""
COMMIT, FOOTER, CHECKPOINT = 1, 2, 3
COMMIT_MARK = b"\x89commit\n"
FOOTER_MARK = b"\x89footer\n"
DIGEST_SIZE = 16

# metadata crc, content crc, metadata size, content size, sequence, queue id low and high, kind, flags, offset
_REST = struct.Struct("<IIIIQQHBBQ")
_HEADER = struct.Struct("<IIIIIQQHBB")
_CRCS = struct.Struct("<II")  # of metadata and content, behind the checksum of a header
_OFFSET = struct.Struct("<Q")
_CHECK = struct.Struct("<I")
_COMMIT = struct.Struct("<8sQII16s")
_FOOTER = struct.Struct("<8sQQ16s")
_PLACE = struct.Struct("<QQ")
_LOW = (1 << 64) - 1
_PADDING = tuple(bytes(count) for count in range(8))
COMMIT_SIZE = HEADER_SIZE + _COMMIT.size
FOOTER_SIZE = HEADER_SIZE + _FOOTER.size


class Draft(Struct, frozen=True, gc=False):
    """A record ready to be written but for its place. `metadata` is padded already; `metadata_size` is without that.
    `size` is what it will take in the file."""

    kind: int
    queue_id: int
    metadata: bytes
    metadata_size: int
    parts: tuple[bytes, ...]
    content_size: int
    size: int
    flags: int = 0


class Frame(Struct, frozen=True, gc=False):
    """The header of a record that was read and verified, and where it stands."""

    offset: int
    kind: int
    flags: int
    sequence: int
    queue_id: int
    metadata_size: int
    content_size: int
    size: int

    @property
    def metadata_offset(self) -> int:
        return self.offset + HEADER_SIZE

    @property
    def content_offset(self) -> int:
        return self.offset + self.size - self.content_size


class Layout(Struct, frozen=True, gc=False):
    """One batch as it goes to the disk: the buffers, where each record begins, where it ends, and its digest."""

    buffers: list[bytes]
    offsets: list[int]
    end: int
    digest: bytes


def draft(kind: int, queue_id: int, metadata: bytes, parts: tuple[bytes, ...] = (), flags: int = 0) -> Draft:
    """Raises ValueError for what a reader would refuse."""
    content_size = sum(map(len, parts)) if parts else 0
    size = HEADER_SIZE + len(metadata) + content_size
    padding = -size & 7
    if len(metadata) > MAX_METADATA or content_size > MAX_CONTENT:
        raise ValueError("the record is too large for the journal")
    if not padding:
        return Draft(kind, queue_id, metadata, len(metadata), parts, content_size, size, flags)
    padded = metadata + _PADDING[padding]
    return Draft(kind, queue_id, padded, len(metadata), parts, content_size, size + padding, flags)


class Place(Struct, frozen=True, gc=False):
    """Which segment of which journal: what every checksum in it depends on."""

    journal: bytes
    segment: int
    seed: int


def place(journal: bytes, segment: int) -> Place:
    return Place(journal, segment, crc32(_OFFSET.pack(segment), crc32(journal)))


def lay_out(drafts: Sequence[Draft], where: Place, offset: int, sequence: int) -> Layout:
    """The batch of these records from `offset` on, the first with this sequence, with its commit at the end."""
    start, seed = offset, where.seed
    pack, check = _REST.pack, _CHECK.pack
    buffers: list[bytes] = []
    headers: list[bytes] = []
    offsets: list[int] = []
    for item in drafts:
        content_crc = 0
        for part in item.parts:
            content_crc = crc32(part, content_crc)
        metadata, queue_id = item.metadata, item.queue_id
        rest = pack(
            crc32(metadata),
            content_crc,
            item.metadata_size,
            item.content_size,
            sequence,
            queue_id & _LOW,
            queue_id >> 64,
            item.kind,
            item.flags,
            offset,
        )
        header = check(crc32(rest, seed)) + rest[:36]
        headers.append(header)
        buffers.append(header + metadata)
        buffers += item.parts
        offsets.append(offset)
        offset += item.size
        sequence += 1
    digest = batch_digest(where, start, headers)
    commit = draft(COMMIT, 0, _COMMIT.pack(COMMIT_MARK, start, len(drafts), 0, digest))
    buffers.append(lone_frame(commit, where, offset, sequence))
    return Layout(buffers, offsets, offset + COMMIT_SIZE, digest)


def lone_frame(item: Draft, where: Place, offset: int, sequence: int) -> bytes:
    """The octets of a record without content."""
    rest = _REST.pack(
        crc32(item.metadata), 0, item.metadata_size, 0, sequence, item.queue_id & _LOW, item.queue_id >> 64, item.kind,
        item.flags, offset,
    )  # fmt: skip
    return _CHECK.pack(crc32(rest, where.seed)) + rest[:36] + item.metadata


def footer(where: Place, offset: int, sequence: int, records: int, chain: bytes) -> bytes:
    """The octets that seal a segment."""
    item = draft(FOOTER, 0, _FOOTER.pack(FOOTER_MARK, offset, records, chain))
    return lone_frame(item, where, offset, sequence)


def batch_digest(where: Place, start: int, headers: Sequence[bytes | memoryview]) -> bytes:
    """What a commit says of its batch. Keyed, so that content which a stranger chose cannot look like a commit."""
    state = blake2b(_PLACE.pack(where.segment, start), digest_size=DIGEST_SIZE, key=where.journal)
    state.update(b"".join(headers))
    return state.digest()


def next_chain(chain: bytes, digest: bytes) -> bytes:
    return blake2b(chain + digest, digest_size=DIGEST_SIZE).digest()


def read_frame(
    view: memoryview, offset: int, where: Place, *, check_content: bool, base: int = 0, has_content: bool = True
) -> Frame | None:
    """The record at `offset`, if the header and what it speaks of verify and lie within the view; else None. `base`:
    where in the segment the view begins. `has_content` False: the view may end before the content."""
    frame = read_header(view, offset, where, base)
    if frame is None:
        return None
    content_size, end = frame.content_size, offset + frame.size
    if (end if has_content else end - content_size) > len(view):
        return None
    metadata_crc, content_crc = _CRCS.unpack_from(view, offset + 4)
    if crc32(view[offset + HEADER_SIZE : end - content_size]) != metadata_crc:
        return None
    if check_content and crc32(view[end - content_size : end]) != content_crc:
        return None
    return frame


def read_header(view: memoryview, offset: int, where: Place, base: int = 0) -> Frame | None:
    """The same by the header alone: what it speaks of may be broken, and may lie beyond the view."""
    if len(view) - offset < HEADER_SIZE:
        return None
    fields = _HEADER.unpack_from(view, offset)
    checksum, _, _, metadata_size, content_size, sequence, low, high, kind, flags = fields
    if metadata_size > MAX_METADATA or content_size > MAX_CONTENT:
        return None
    header = view[offset + 4 : offset + HEADER_SIZE]
    if crc32(_OFFSET.pack(base + offset), crc32(header, where.seed)) != checksum:
        return None
    size = HEADER_SIZE + metadata_size + content_size
    size += -size & 7
    return Frame(base + offset, kind, flags, sequence, high << 64 | low, metadata_size, content_size, size)


class Commit(Struct, frozen=True, gc=False):
    start: int
    count: int
    digest: bytes


class Footer(Struct, frozen=True, gc=False):
    start: int
    records: int
    chain: bytes


def read_ending(view: memoryview, frame: Frame, base: int = 0) -> Commit | Footer | None:
    """What a verified frame of kind COMMIT or FOOTER says; None when it is neither, or not whole."""
    at = frame.metadata_offset - base
    metadata = view[at : at + frame.metadata_size]
    if frame.kind == COMMIT and len(metadata) == _COMMIT.size:
        mark, start, count, _, digest = _COMMIT.unpack(metadata)
        return Commit(start, count, digest) if mark == COMMIT_MARK else None
    if frame.kind == FOOTER and len(metadata) == _FOOTER.size:
        mark, start, records, chain = _FOOTER.unpack(metadata)
        return Footer(start, records, chain) if mark == FOOTER_MARK else None
    return None
