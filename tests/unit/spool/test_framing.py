from __future__ import annotations

import pytest

from asyncmta.spool import framing
from asyncmta.spool.codec import encode
from asyncmta.spool.records import Retired
from tests.unit.spool.spoolkit import JOURNAL, Image, accepted

HERE = framing.place(JOURNAL, 1)


def frame_at(octets: bytes, offset: int, where: framing.Place = HERE, **options: object) -> framing.Frame | None:
    options.setdefault("check_content", True)
    return framing.read_frame(memoryview(octets), offset, where, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", range(9))
def test_a_record_is_padded_to_eight_and_ends_with_its_content(size: int) -> None:
    item = framing.draft(16, 5, b"m" * size, (b"content",))
    assert item.size % 8 == 0
    layout = framing.lay_out([item], HERE, 128, 1)
    octets = bytes(128) + b"".join(layout.buffers)
    frame = frame_at(octets, 128)
    assert frame is not None
    assert octets[frame.metadata_offset :][: frame.metadata_size] == b"m" * size
    assert octets[frame.content_offset :][: frame.content_size] == b"content"
    assert (frame.kind, frame.queue_id, frame.sequence, frame.size) == (16, 5, 1, item.size)
    assert layout.offsets == [128]
    assert layout.end == len(octets)


def test_content_goes_out_as_the_very_parts_it_came_in() -> None:
    parts = (b"one", b"two" * 1000)
    layout = framing.lay_out([framing.draft(16, 5, b"", parts)], HERE, 128, 1)
    assert [any(part is buffer for buffer in layout.buffers) for part in parts] == [True, True]


def test_a_queue_id_has_eighty_bits() -> None:
    highest = (1 << 80) - 1
    octets = b"".join(framing.lay_out([framing.draft(23, highest, b"")], HERE, 0, 1).buffers)
    frame = frame_at(octets, 0)
    assert frame is not None
    assert frame.queue_id == highest


@pytest.mark.parametrize("where", [framing.place(JOURNAL, 2), framing.place(bytes(16), 1)], ids=["segment", "journal"])
def test_a_record_of_another_segment_or_journal_does_not_pass(where: framing.Place) -> None:
    octets = Image().add(Retired(5)).octets
    assert frame_at(octets, 128) is not None
    assert frame_at(octets, 128, where) is None


def test_a_record_at_another_offset_does_not_pass_but_with_the_right_base() -> None:
    octets = Image().add(Retired(5)).octets
    assert frame_at(bytes(8) + octets, 136) is None
    moved = frame_at(octets[128:], 0, base=128)
    assert moved is not None
    assert moved.offset == 128


def test_sizes_are_checked_before_anything_is_read_by_them() -> None:
    octets = bytearray(Image().add(accepted(5)).octets)
    for at, limit in ((12, framing.MAX_METADATA), (16, framing.MAX_CONTENT)):
        for size in (limit + 1, 0xFFFFFFFF, limit):
            broken = bytearray(octets)
            broken[128 + at : 128 + at + 4] = size.to_bytes(4, "little")
            assert frame_at(bytes(broken), 128) is None


def test_content_is_checked_only_when_asked_for() -> None:
    image = Image().add(accepted(5, b"Subject: flip\r\n"))
    frame = frame_at(image.octets, 128)
    assert frame is not None
    broken = bytearray(image.octets)
    broken[frame.content_offset] ^= 1
    assert frame_at(bytes(broken), 128) is None
    assert frame_at(bytes(broken), 128, check_content=False) == frame


def test_what_is_too_large_for_a_reader_is_not_written() -> None:
    with pytest.raises(ValueError, match="too large"):
        framing.draft(16, 5, bytes(framing.MAX_METADATA + 1))
    with pytest.raises(ValueError, match="too large"):
        framing.draft(16, 5, b"", (bytes(framing.MAX_CONTENT), b"x"))


def test_endings_are_told_apart_from_each_other_and_from_records() -> None:
    image = Image().add(Retired(5)).seal()
    view = memoryview(image.octets)
    record = frame_at(image.octets, 128)
    commit = frame_at(image.octets, 168)
    footer = frame_at(image.octets, 168 + framing.COMMIT_SIZE)
    assert record is not None
    assert commit is not None
    assert footer is not None
    assert framing.read_ending(view, record) is None
    assert framing.read_ending(view, commit) == framing.Commit(128, 1, image.layouts[0].digest)
    assert framing.read_ending(view, footer) == framing.Footer(footer.offset, 1, image.chain)


@pytest.mark.parametrize("kind", [framing.COMMIT, framing.FOOTER])
def test_an_ending_without_its_mark_or_of_another_size_is_none(kind: int) -> None:
    for metadata in (bytes(40), b"short"):
        octets = b"".join(framing.lay_out([framing.draft(kind, 0, metadata)], HERE, 0, 1).buffers)
        frame = frame_at(octets, 0)
        assert frame is not None
        assert framing.read_ending(memoryview(octets), frame) is None


def test_the_digest_of_a_batch_depends_on_every_header_its_place_and_the_journal() -> None:
    headers = [b"a" * 40, b"b" * 40]
    digests = {
        framing.batch_digest(HERE, 128, headers),
        framing.batch_digest(HERE, 136, headers),
        framing.batch_digest(HERE, 128, headers[::-1]),
        framing.batch_digest(HERE, 128, headers[:1]),
        framing.batch_digest(framing.place(JOURNAL, 2), 128, headers),
        framing.batch_digest(framing.place(bytes(16), 1), 128, headers),
    }
    assert len(digests) == 6


def test_sequences_go_up_by_one_through_a_batch_and_its_commit() -> None:
    image = Image().add(Retired(1), accepted(2), Retired(3)).add(Retired(4))
    sequences = []
    at = 128
    while (frame := frame_at(image.octets, at)) is not None:
        sequences.append(frame.sequence)
        at += frame.size
    assert sequences == [1, 2, 3, 4, 5, 6]
    assert encode(Retired(1)).size == framing.HEADER_SIZE
