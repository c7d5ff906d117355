"""The segments of a directory, as their names, sizes and headers show them. Reads only.

Promises: a header that cannot be read is no error, only unknown; one of a newer program is refused by name. Never: what
stands behind the headers (`recovery` and `survey` do).

docs/journal-format.md 1 and 2.1; reliability.md V1.
"""

from __future__ import annotations

import re

from msgspec import Struct

from asyncmta.spool import segment
from asyncmta.spool.segment import SegmentHeader
from asyncmta.spool.tail import segment_path
from asyncmta.system.disk import Disk

_PIECE = 1 << 20
SEGMENT_NAME = re.compile(r"([0-9]{10})\.seg\Z")


class SpoolRefused(Exception):
    """We do not start on this spool. The text is for the operator."""


class SegmentFile(Struct):
    """A segment as it was found. `header` None: it cannot be read."""

    number: int
    size: int
    header: SegmentHeader | None


def list_segments(disk: Disk, directory: str) -> list[SegmentFile]:
    """In the order of their numbers. Raises SpoolRefused."""
    found = []
    for name in disk.list(directory):
        match = SEGMENT_NAME.match(name)
        if match is None:
            continue
        number = int(match[1])
        file = disk.open(segment_path(directory, number))
        try:
            size = disk.size(file)
            header = segment.decode_header(read_piece(disk, file, segment.HEADER_SIZE, 0) or b"")
        except segment.UnknownFormat as error:
            raise SpoolRefused(f"{segment_path(directory, number)}: {error}") from None
        finally:
            disk.close(file)
        found.append(SegmentFile(number, size, header if header is not None and header.number == number else None))
    return found


def read_piece(disk: Disk, file: int, size: int, offset: int) -> bytes | None:
    """None: the disk does not give it."""
    try:
        return disk.read_at(file, size, offset)
    except OSError:
        return None


def read_whole(disk: Disk, path: str, *, past_cache: bool = False) -> tuple[bytes, bool]:
    """All octets of a segment; and whether all could be read. What could not is filled, so that it cannot verify and is
    not taken for the zeros of preallocated room. `past_cache`: as the device has them."""
    file = disk.open(path)
    try:
        if past_cache:
            disk.drop_cache(file)
        size = disk.size(file)
        pieces = []
        whole = True
        for at in range(0, size, _PIECE):
            piece = read_piece(disk, file, min(_PIECE, size - at), at)
            if piece is None:
                whole = False
                piece = b"\xff" * min(_PIECE, size - at)
            pieces.append(piece)
        return b"".join(pieces), whole
    finally:
        disk.close(file)
