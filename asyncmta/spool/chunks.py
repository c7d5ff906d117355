"""The file of a large content as octets: a header that says whose it is, then chunks, each with its own checksum.

Promises: a chunk of another message, journal or place in the file does not verify; sizes are checked before anything is
read by them. Never: files, and the digest of the whole, which is in the record that names the file.

docs/journal-format.md 3; reliability.md R6.
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from zlib import crc32

from msgspec import Struct

from asyncmta.mail.envelope import QueueId
from asyncmta.spool.segment import UnknownFormat

MAGIC = b"\x89AMC\r\n\x1a\n"
MAJOR, MINOR = 1, 0
HEADER_SIZE = 64
CHUNK = 256 << 10
CHUNK_HEADER_SIZE = 16

_HEADER = struct.Struct("<8sHHI16s10s6x")
_CHUNK = struct.Struct("<IIII")
_REST = struct.Struct("<III")
_DIGEST_SIZE = 16


def _identity(queue_id: QueueId) -> bytes:
    return queue_id.to_bytes(10, "big")


def encode_header(journal: bytes, queue_id: QueueId) -> bytes:
    octets = _HEADER.pack(MAGIC, MAJOR, MINOR, 0, journal, _identity(queue_id))
    return octets + blake2b(octets, digest_size=_DIGEST_SIZE).digest()


def is_header(octets: bytes, journal: bytes, queue_id: QueueId) -> bool:
    """Is this the header of that message's content? UnknownFormat: it is, but a newer program wrote it."""
    octets = octets[:HEADER_SIZE]
    if octets == encode_header(journal, queue_id):
        return True
    if (
        len(octets) < HEADER_SIZE
        or blake2b(octets[:-_DIGEST_SIZE], digest_size=_DIGEST_SIZE).digest() != octets[-_DIGEST_SIZE:]
    ):
        return False
    magic, major, _, features, whose, name = _HEADER.unpack(octets[:-_DIGEST_SIZE])
    if magic != MAGIC or whose != journal or name != _identity(queue_id):
        return False
    if major != MAJOR or features:
        raise UnknownFormat("the content was written by a newer program")
    return True  # a higher minor version


def plain_file_size(wire_size: int) -> int:
    """Octets of a file in which so many octets of content stand as they are."""
    return HEADER_SIZE + -(-wire_size // CHUNK) * CHUNK_HEADER_SIZE + wire_size


def seed(journal: bytes, queue_id: QueueId) -> int:
    return crc32(_identity(queue_id), crc32(journal))


class Chunk(Struct, frozen=True, gc=False):
    """The octets as they stand in the file; packed, if they are fewer than `plain_size`."""

    octets: bytes
    plain_size: int

    @property
    def is_packed(self) -> bool:
        return len(self.octets) < self.plain_size


def chunk_header(start: int, index: int, octets: bytes | memoryview, plain_size: int | None = None) -> bytes:
    """What stands before these octets; `start` is the seed, `plain_size` is given if they are packed."""
    size = len(octets)
    plain = plain_size if plain_size is not None else size
    rest = _REST.pack(index, size, plain)
    return _CHUNK.pack(crc32(octets, crc32(rest, start)), index, size, plain)


def read_chunk(start: int, index: int, octets: bytes) -> Chunk | None:
    """The chunk of this index that begins `octets`, if it verifies."""
    if len(octets) < CHUNK_HEADER_SIZE:
        return None
    checksum, found, stored, plain = _CHUNK.unpack_from(octets)
    if found != index or not 0 < stored <= plain <= CHUNK:
        return None
    chunk = octets[CHUNK_HEADER_SIZE : CHUNK_HEADER_SIZE + stored]
    if len(chunk) < stored or crc32(chunk, crc32(octets[4:CHUNK_HEADER_SIZE], start)) != checksum:
        return None
    return Chunk(chunk, plain)
