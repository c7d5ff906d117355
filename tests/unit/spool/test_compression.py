"""Packed content: what comes back, what is refused, and that no frame takes more memory than was recorded (J19)."""

from __future__ import annotations

import random
import resource
import struct
import tracemalloc

import pytest
import zstandard

from asyncmta.spool.compression import LIMIT, SMALLEST, pack, unpack

TEXT = b"Subject: hello\r\n\r\nThis is a line of a letter, and there are more.\r\n" * 50
FRAME = bytes.fromhex("28b52ffd6000014d00001078780100fb2ac002")
"""512 times "x", as version 0.1.0 writes them."""


def frame(octets: bytes, **options: object) -> bytes:
    return zstandard.ZstdCompressor(level=1, **options).compress(octets)  # type: ignore[arg-type]


def without_size(octets: bytes) -> bytes:
    return frame(octets, write_content_size=False)


def claiming(size: int) -> bytes:
    """The frame of 600 octets, which says that it is of another size."""
    octets = frame(bytes(range(100)) * 6)
    assert octets[4] == 0x60  # one segment, size in two octets that count from 256
    return octets[:5] + struct.pack("<H", size - 256) + octets[7:]


@pytest.mark.parametrize("size", [SMALLEST, 1000, 65_536, LIMIT])
def test_what_was_packed_comes_back_and_takes_less_room(size: int) -> None:
    octets = (TEXT * 100)[:size]
    packed = pack(octets)
    assert packed is not None
    assert len(packed) < size // 2
    assert unpack(packed, size) == octets
    assert pack(memoryview(octets)) == packed
    assert unpack(memoryview(packed), size) == octets


def test_what_is_not_worth_it_is_left_alone() -> None:
    assert pack(b"") is None
    assert pack(TEXT[: SMALLEST - 1]) is None
    assert pack(random.Random(1).randbytes(5000)) is None
    assert pack(bytes(LIMIT + 1)) is None


def test_it_must_save_a_sixteenth() -> None:
    chance = random.Random(2)
    noise = chance.randbytes(10_000)
    assert pack(noise + bytes(500)) is None
    packed = pack(noise + bytes(800))
    assert packed is not None
    assert len(packed) < 10_800 * 15 / 16


def test_a_frame_of_ours_says_its_size_and_nothing_more() -> None:
    packed = pack(TEXT)
    assert packed is not None
    found = zstandard.get_frame_parameters(packed)
    assert (found.content_size, found.window_size, found.dict_id) == (len(TEXT), len(TEXT), 0)


def test_only_the_recorded_size_is_taken() -> None:
    packed = pack(TEXT)
    assert packed is not None
    for size in (0, -1, 1, len(TEXT) - 1, len(TEXT) + 1, LIMIT, LIMIT + 1, 1 << 40):
        assert unpack(packed, size) is None


def test_a_size_that_is_not_said_or_not_true() -> None:
    assert zstandard.ZstdDecompressor().decompress(without_size(TEXT), max_output_size=1 << 20) == TEXT
    assert unpack(without_size(TEXT), len(TEXT)) is None
    assert unpack(claiming(600), 600) == bytes(range(100)) * 6
    for size in (256, 599, 601, 5000, 65_000):
        assert unpack(claiming(size), size) is None
        assert unpack(claiming(size), 600) is None


def test_nothing_may_stand_behind_a_frame_or_before_it() -> None:
    packed = pack(TEXT)
    assert packed is not None
    skippable = struct.pack("<II", 0x184D2A50, 5) + bytes(5)
    for octets in (packed + b"\0", packed + packed, packed + skippable, skippable + packed, b"\0" + packed):
        assert unpack(octets, len(TEXT)) is None
        assert unpack(octets, 2 * len(TEXT)) is None
    assert unpack(struct.pack("<II", 0x184D2A50, 600) + bytes(600), 600) is None
    for size in range(len(packed)):
        assert unpack(packed[:size], len(TEXT)) is None


def test_frames_with_a_dictionary_or_a_wide_window_are_not_ours() -> None:
    dictionary = zstandard.ZstdCompressionDict(TEXT[:2000], dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    assert unpack(frame(TEXT, dict_data=dictionary), len(TEXT)) is None  # without a number: it does not unpack
    named = b"\x28\xb5\x2f\xfd\x61\x07" + struct.pack("<H", 344) + frame(b"x" * 600)[7:]
    assert zstandard.get_frame_parameters(named).dict_id == 7
    assert unpack(named, 600) is None
    wide = b"\x28\xb5\x2f\xfd\x40\x48" + struct.pack("<H", 344) + frame(b"x" * 600)[7:]
    assert zstandard.get_frame_parameters(wide).window_size == 2 * LIMIT
    assert unpack(wide, 600) is None
    narrow = wide[:5] + b"\x40" + wide[6:]
    assert zstandard.get_frame_parameters(narrow).window_size == LIMIT
    assert unpack(narrow, 600) == b"x" * 600


@pytest.fixture(scope="module")
def bombs() -> dict[str, bytes]:
    """A gigabyte in 32 kilobytes, with its size in the frame, without it, and with a size that looks harmless."""
    said = zstandard.ZstdCompressor(level=19).compressobj(size=1 << 30)
    unsaid = zstandard.ZstdCompressor(level=19).compressobj()
    mebibyte = bytes(1 << 20)
    honest, mute = (
        b"".join([*[stream.compress(mebibyte) for _ in range(1 << 10)], stream.flush()]) for stream in (said, unsaid)
    )
    # A block that stands for 128 KiB of one octet, 8192 times, behind a header that speaks of 1000 octets.
    block = struct.pack("<I", (128 << 10) << 3 | 1 << 1)[:3] + b"x"
    last = struct.pack("<I", (128 << 10) << 3 | 1 << 1 | 1)[:3] + b"x"
    lying = b"\x28\xb5\x2f\xfd\x60" + struct.pack("<H", 1000 - 256) + block * 8191 + last
    return {"honest": honest, "mute": mute, "lying": lying, "window": b"\x28\xb5\x2f\xfd\x00\x98" + honest[14:]}


@pytest.mark.parametrize("name", ["honest", "mute", "lying", "window"])
@pytest.mark.parametrize("size", [1000, LIMIT, 1 << 30])
def test_a_bomb_takes_no_room(bombs: dict[str, bytes], name: str, size: int) -> None:
    bomb = bombs[name]
    assert len(bomb) < 40_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    try:
        assert unpack(bomb, size) is None
        assert tracemalloc.get_traced_memory()[1] < LIMIT
    finally:
        tracemalloc.stop()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 << 10  # what the library took by itself


def test_a_bomb_is_one(bombs: dict[str, bytes]) -> None:
    """Else the tests above would show nothing."""
    assert zstandard.frame_content_size(bombs["honest"]) == 1 << 30
    reader = zstandard.ZstdDecompressor().stream_reader(bombs["mute"])
    assert sum(len(piece) for piece in iter(lambda: reader.read(1 << 20), b"")) == 1 << 30


def test_octets_of_the_first_version_are_read_for_ever() -> None:
    assert unpack(FRAME, 512) == b"x" * 512
