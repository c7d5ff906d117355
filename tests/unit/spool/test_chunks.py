from __future__ import annotations

from hashlib import blake2b

import pytest

from asyncmta.mail.envelope import QueueId
from asyncmta.spool import chunks
from asyncmta.spool.chunks import Chunk
from asyncmta.spool.segment import UnknownFormat
from tests.unit.spool.spoolkit import JOURNAL

FIVE = QueueId(5)
SEED = chunks.seed(JOURNAL, FIVE)


def chunk(index: int, octets: bytes, seed: int = SEED) -> bytes:
    return chunks.chunk_header(seed, index, octets) + octets


def checked(octets: bytes) -> bytes:
    return octets[:48] + blake2b(octets[:48], digest_size=16).digest()


def test_a_header_belongs_to_one_message_of_one_journal() -> None:
    octets = chunks.encode_header(JOURNAL, FIVE)
    assert len(octets) == chunks.HEADER_SIZE
    assert chunks.is_header(octets + b"chunks", JOURNAL, FIVE)
    assert not chunks.is_header(octets, JOURNAL, QueueId(6))
    assert not chunks.is_header(octets, bytes(16), FIVE)
    assert not chunks.is_header(octets[:-1], JOURNAL, FIVE)
    assert not chunks.is_header(checked(bytes(8) + octets[8:]), JOURNAL, FIVE)


def test_every_flipped_bit_of_a_header_is_noticed() -> None:
    octets = chunks.encode_header(JOURNAL, FIVE)
    for bit in range(8 * len(octets)):
        flipped = bytearray(octets)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not chunks.is_header(bytes(flipped), JOURNAL, FIVE)


def test_versions() -> None:
    octets = chunks.encode_header(JOURNAL, FIVE)
    assert chunks.is_header(checked(octets[:10] + b"\x05\x00" + octets[12:]), JOURNAL, FIVE)
    for newer in (octets[:8] + b"\x02\x00" + octets[10:], octets[:12] + b"\x01\x00\x00\x00" + octets[16:]):
        with pytest.raises(UnknownFormat):
            chunks.is_header(checked(newer), JOURNAL, FIVE)


def test_a_chunk_comes_back_whatever_follows_it() -> None:
    found = chunks.read_chunk(SEED, 3, chunk(3, b"content") + b"more")
    assert found == Chunk(b"content", 7)
    assert not found.is_packed


def test_a_chunk_that_is_packed_says_its_plain_size() -> None:
    octets = chunks.chunk_header(SEED, 3, b"packed", 900) + b"packed"
    found = chunks.read_chunk(SEED, 3, octets + b"more")
    assert found == Chunk(b"packed", 900)
    assert found.is_packed
    for size in (5, 0, chunks.CHUNK + 1):  # more than it unpacks to, nothing, or too much
        assert chunks.read_chunk(SEED, 3, chunks.chunk_header(SEED, 3, b"packed", size) + b"packed") is None


@pytest.mark.parametrize("size", [0, 1, chunks.CHUNK, chunks.CHUNK + 1, 3 * chunks.CHUNK])
def test_the_size_of_a_file_in_which_nothing_is_packed(size: int) -> None:
    content = bytes(size)
    pieces = [content[at : at + chunks.CHUNK] for at in range(0, size, chunks.CHUNK)]
    octets = b"".join(chunk(index, piece) for index, piece in enumerate(pieces))
    assert chunks.plain_file_size(size) == len(chunks.encode_header(JOURNAL, FIVE) + octets)


def test_a_chunk_of_another_place_message_or_journal_does_not_pass() -> None:
    octets = chunk(3, b"content")
    assert chunks.read_chunk(SEED, 2, octets) is None
    assert chunks.read_chunk(chunks.seed(JOURNAL, QueueId(6)), 3, octets) is None
    assert chunks.read_chunk(chunks.seed(bytes(16), FIVE), 3, octets) is None


def test_every_flipped_bit_and_every_cut_of_a_chunk_is_noticed() -> None:
    octets = chunk(3, b"content")
    for bit in range(8 * len(octets)):
        flipped = bytearray(octets)
        flipped[bit // 8] ^= 1 << bit % 8
        assert chunks.read_chunk(SEED, 3, bytes(flipped)) is None
    for size in range(len(octets)):
        assert chunks.read_chunk(SEED, 3, octets[:size]) is None


def test_sizes_are_bounded() -> None:
    assert chunks.read_chunk(SEED, 0, chunk(0, bytes(chunks.CHUNK))) == Chunk(bytes(chunks.CHUNK), chunks.CHUNK)
    assert chunks.read_chunk(SEED, 0, chunk(0, bytes(chunks.CHUNK + 1))) is None
    assert chunks.read_chunk(SEED, 0, chunk(0, b"")) is None
