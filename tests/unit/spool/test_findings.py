from __future__ import annotations

import msgspec

from asyncmta.spool import framing, segment
from asyncmta.spool.findings import Broken, broken, rescued
from asyncmta.spool.segment import Damaged
from tests.unit.spool.spoolkit import JOURNAL, Image, accepted, attempted, content_of

WHERE = framing.place(JOURNAL, 1)
WIRE = b"Subject: x\r\n\r\nhello\r\n"


def flip(octets: bytes, *places: int) -> bytes:
    changed = bytearray(octets)
    for place in places:
        changed[place] ^= 1
    return bytes(changed)


def found(octets: bytes, end: int | None = None) -> list[Broken]:
    damages = [
        finding for finding in segment.scan(octets, WHERE, end=end or len(octets)) if isinstance(finding, Damaged)
    ]
    return [each for damaged in damages for each in broken(octets, damaged, WHERE)]


def image() -> Image:
    return Image().add(accepted(1)).add(accepted(2), attempted(1), accepted(3)).add(accepted(4)).seal()


def places(made: Image) -> list[tuple[int, int]]:
    """Where the three records of the second batch stand."""
    offsets = made.layouts[1].offsets
    return list(zip(offsets, [*offsets[1:], made.ends[2] - framing.COMMIT_SIZE], strict=True))


def test_a_record_whose_content_decayed_says_whom_it_is_about() -> None:
    made = image()
    first, _, _ = places(made)
    assert found(flip(made.octets, first[1] - 1)) == [Broken(*first, accepted(2).queue_id)]


def test_a_record_whose_header_decayed_does_not() -> None:
    made = image()
    _, second, _ = places(made)
    assert found(flip(made.octets, second[0] + 20)) == [Broken(*second)]


def test_records_that_decayed_side_by_side_are_told_apart_where_a_header_is_left() -> None:
    made = image()
    first, second, third = places(made)
    octets = flip(made.octets, first[0], second[1] - 1, third[0] + 1)
    end = made.ends[2] - framing.COMMIT_SIZE
    assert found(octets) == [Broken(*first), Broken(*second, attempted(1).queue_id), Broken(third[0], end)]


def test_a_commit_is_about_nobody() -> None:
    made = image()
    commit = made.ends[2] - framing.COMMIT_SIZE
    assert found(flip(made.octets, commit + 40)) == [Broken(commit, made.ends[2])]


def test_whole_records_that_no_commit_holds_together_are_one_finding_and_nobody_s() -> None:
    made = image()
    damaged = Damaged(made.ends[1], made.ends[2], (), 0)
    assert broken(made.octets, damaged, WHERE) == [Broken(made.ends[1], made.ends[1])]


def test_what_is_missing_at_the_end_is_a_finding() -> None:
    made = image()
    assert found(made.octets[: made.ends[3]], len(made.octets)) == [Broken(made.ends[3], len(made.octets))]


def test_content_is_rescued_from_a_record_whose_head_decayed() -> None:
    made = image()
    first, _, _ = places(made)
    for place in (first[0] + 5, first[0] + framing.HEADER_SIZE + 3):
        octets = flip(made.octets, place)
        (record,) = found(octets)
        assert rescued(octets, record, content_of(WIRE)) == WIRE


def test_content_that_decayed_is_not_rescued() -> None:
    made = image()
    first, _, _ = places(made)
    octets = flip(made.octets, first[1] - 1)
    (record,) = found(octets)
    assert rescued(octets, record, content_of(WIRE)) is None


def test_a_record_too_short_for_the_content_is_not_looked_at() -> None:
    made = image()
    large = msgspec.structs.replace(content_of(WIRE), wire_size=1 << 20)
    assert rescued(made.octets, Broken(*places(made)[0]), large) is None
