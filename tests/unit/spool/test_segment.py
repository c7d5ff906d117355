from __future__ import annotations

from hashlib import blake2b

import pytest

from asyncmta.spool import framing, segment
from asyncmta.spool.records import Retired
from asyncmta.spool.segment import Batch, Damaged, Finding, Seal, Torn, UnknownFormat, decode_header, encode_header
from tests.unit.spool.spoolkit import JOURNAL, Image, accepted, header

HERE = framing.place(JOURNAL, 1)


def scan(octets: bytes, end: int | None = None, *, check_content: bool = True) -> list[Finding]:
    return list(segment.scan(octets, HERE, end=end, check_content=check_content))


def kinds(findings: list[Finding]) -> list[type]:
    return [type(finding) for finding in findings]


def flip(octets: bytes, at: int, bit: int = 0) -> bytes:
    return octets[:at] + bytes([octets[at] ^ 1 << bit]) + octets[at + 1 :]


def checked(octets: bytes) -> bytes:
    return octets[:112] + blake2b(octets[:112], digest_size=16).digest()


def three() -> Image:
    return Image().add(accepted(1)).add(accepted(2), Retired(1)).add(accepted(3))


# -- headers --------------------------------------------------------------------------------------------------------


def test_a_header_says_what_it_was_told() -> None:
    original = header(
        7, first_sequence=99, previous=6, previous_end=4096, previous_chain=bytes(range(16)), boot=3, oldest=5
    )
    octets = encode_header(original)
    found = decode_header(octets + b"more")
    assert len(octets) == segment.HEADER_SIZE
    assert found is not None
    assert found.chain == octets[-16:]
    assert encode_header(found) == octets
    fields = ("journal", "number", "first_sequence", "previous", "previous_end", "previous_chain", "boot", "oldest")
    assert [getattr(found, name) for name in fields] == [getattr(original, name) for name in fields]
    assert found.created == 1000.0


def test_every_flipped_bit_of_a_header_is_noticed_and_none_is_taken_for_a_newer_version() -> None:
    octets = encode_header(header())
    for at in range(segment.HEADER_SIZE):
        for bit in range(8):
            assert decode_header(flip(octets, at, bit)) is None


def test_what_is_no_header() -> None:
    octets = encode_header(header())
    for other in (b"", octets[:-1], bytes(128), b"From alice " * 12):
        assert decode_header(other) is None


def test_a_newer_major_version_is_refused_by_name() -> None:
    octets = encode_header(header())
    newer = checked(octets[:8] + (2).to_bytes(2, "little") + octets[10:])
    with pytest.raises(UnknownFormat, match="version 2; this program reads 1"):
        decode_header(newer)


def test_a_newer_minor_version_is_read_and_an_unknown_feature_refused() -> None:
    octets = encode_header(header())
    minor = checked(octets[:10] + (9).to_bytes(2, "little") + octets[12:])
    assert decode_header(minor) is not None
    feature = checked(octets[:84] + (4).to_bytes(4, "little") + octets[88:])
    with pytest.raises(UnknownFormat, match="0x4"):
        decode_header(feature)


# -- scanning -------------------------------------------------------------------------------------------------------


def test_batches_come_in_order_with_their_records() -> None:
    image = three()
    findings = scan(image.octets)
    assert kinds(findings) == [Batch, Batch, Batch]
    assert [finding.end for finding in findings] == image.ends[1:]
    assert [[frame.queue_id for frame in batch.frames] for batch in findings if isinstance(batch, Batch)] == [
        [1],
        [2, 1],
        [3],
    ]
    assert [batch.digest for batch in findings if isinstance(batch, Batch)] == [one.digest for one in image.layouts]


def test_an_empty_segment_and_preallocated_zeros_are_a_normal_end() -> None:
    assert scan(Image().octets) == []
    assert scan(Image().octets + bytes(10_000)) == []
    assert kinds(scan(three().octets + bytes(4096))) == [Batch] * 3


def test_a_footer_ends_the_segment() -> None:
    image = three().seal()
    findings = scan(image.octets)
    assert kinds(findings) == [Batch, Batch, Batch, Seal]
    seal = findings[-1]
    assert isinstance(seal, Seal)
    assert (seal.records, seal.chain, seal.end) == (4, image.chain, len(image.octets))


def test_what_stands_behind_a_footer_is_torn_and_nothing_more() -> None:
    image = three().seal()
    findings = scan(image.octets + image.octets[128:])
    assert kinds(findings) == [Batch, Batch, Batch, Seal, Torn]


def test_a_tail_that_breaks_off_is_torn() -> None:
    image = three()
    for cut in range(image.ends[2] + 1, image.ends[3]):
        findings = scan(image.octets[:cut])
        assert findings[2:] == [Torn(image.ends[2], cut)]


def test_a_bad_last_batch_is_torn_though_its_commit_is_there() -> None:
    image = three()
    findings = scan(flip(image.octets, image.ends[2] + 45))
    assert findings[2:] == [Torn(image.ends[2], image.ends[3])]


def test_a_bad_batch_before_a_good_one_is_damage_and_the_rest_of_it_is_used() -> None:
    image = three()
    second = image.ends[1]
    findings = scan(flip(image.octets, second + 45))
    assert kinds(findings) == [Batch, Damaged, Batch]
    damaged = findings[1]
    assert isinstance(damaged, Damaged)
    assert (damaged.start, damaged.end) == (second, image.ends[2])
    assert [frame.queue_id for frame in damaged.frames] == [1]
    assert damaged.last == 5  # its commit


def test_a_batch_that_lost_its_commit_alone_loses_no_record() -> None:
    image = three()
    findings = scan(flip(image.octets, image.ends[2] - 1))
    damaged = findings[1]
    assert isinstance(damaged, Damaged)
    assert [frame.queue_id for frame in damaged.frames] == [2, 1]
    assert isinstance(findings[2], Batch)


def test_two_bad_batches_before_a_good_one() -> None:
    image = three().add(accepted(4))
    octets = flip(flip(image.octets, image.ends[1] + 3), image.ends[2] + 3)
    findings = scan(octets)
    assert kinds(findings) == [Batch, Damaged, Damaged, Batch]


def test_damage_then_a_torn_tail() -> None:
    image = three().add(accepted(4))
    octets = flip(image.octets, image.ends[2] + 3)[: image.ends[4] - 1]
    assert kinds(scan(octets)) == [Batch, Batch, Torn]  # nothing proves that the third was durable
    whole_commit = flip(flip(image.octets, image.ends[2] + 3), image.ends[3] + 3)
    assert kinds(scan(whole_commit)) == [Batch, Batch, Damaged, Torn]  # the fourth's own commit does


def test_the_footer_proves_what_is_before_it() -> None:
    image = three().seal()
    findings = scan(flip(image.octets, image.ends[2] + 3))
    assert kinds(findings) == [Batch, Batch, Damaged, Seal]


def test_commits_that_are_bad_too_put_all_up_to_the_next_good_one_in_doubt() -> None:
    image = three().add(accepted(4))
    octets = flip(flip(flip(image.octets, image.ends[1] + 3), image.ends[2] - 1), image.ends[3] - 1)
    findings = scan(octets)
    assert kinds(findings) == [Batch, Damaged, Batch]
    damaged = findings[1]
    assert isinstance(damaged, Damaged)
    assert (damaged.start, damaged.end) == (image.ends[1], image.ends[3])
    assert [frame.queue_id for frame in damaged.frames] == [1, 3]


def test_in_a_sealed_segment_nothing_is_torn() -> None:
    image = three()
    end = len(image.octets)
    assert kinds(scan(flip(image.octets, image.ends[2] + 3), end)) == [Batch, Batch, Damaged]
    assert kinds(scan(flip(image.octets, image.ends[3] - 1), end)) == [Batch, Batch, Damaged]
    assert kinds(scan(image.octets[: image.ends[2]] + bytes(end - image.ends[2]), end)) == [Batch, Batch, Damaged]


def test_a_sealed_segment_that_got_shorter() -> None:
    image = three()
    findings = scan(image.octets[: image.ends[2]], len(image.octets))
    assert findings[2:] == [Damaged(image.ends[2], len(image.octets), (), 0, ((image.ends[2], len(image.octets)),))]
    assert scan(b"", 4096) == [Damaged(segment.HEADER_SIZE, 4096, (), 0, ((segment.HEADER_SIZE, 4096),))]


def test_garbage_behind_the_end_of_a_sealed_segment_is_ignored() -> None:
    image = three()
    assert kinds(scan(image.octets + b"garbage", len(image.octets))) == [Batch] * 3


def test_content_of_a_sealed_segment_need_not_be_read() -> None:
    image = three()
    at = image.ends[1] - framing.COMMIT_SIZE - 1  # the last octet of the content of the first message
    assert kinds(scan(flip(image.octets, at), check_content=False)) == [Batch] * 3
    assert kinds(scan(flip(image.octets, at))) == [Damaged, Batch, Batch]


def test_marks_of_commits_inside_mail_prove_nothing() -> None:
    for mark in (framing.COMMIT_MARK, framing.FOOTER_MARK):
        wire = (b" " * 3 + mark) * 40 + b"\r\n"
        image = Image().add(accepted(1)).add(accepted(2, wire))
        assert kinds(scan(image.octets[:-1])) == [Batch, Torn]
        both = Image().add(accepted(1)).add(accepted(2, wire + (framing.FOOTER_MARK + b"    ") * 9))
        assert kinds(scan(both.octets[:-1])) == [Batch, Torn]


def test_a_whole_journal_inside_mail_proves_nothing() -> None:
    inner = three().octets
    for pad in range(8):
        image = Image().add(accepted(1)).add(accepted(2, b"x" * pad + inner))
        assert kinds(scan(image.octets[:-1])) == [Batch, Torn]


@pytest.mark.parametrize("start", [0, 8, 120, 136, 4, 10_000])
def test_a_commit_that_names_another_start_ends_no_batch(start: int) -> None:
    """Only by a bug, or by whoever knows the journal id; still no crash and no batch."""
    metadata = framing.COMMIT_MARK + start.to_bytes(8, "little") + bytes(24)
    commit = framing.lone_frame(framing.draft(framing.COMMIT, 0, metadata), HERE, 128, 1)
    findings = scan(Image().octets + commit)
    assert not [finding for finding in findings if isinstance(finding, Batch)]


def test_a_commit_with_another_count_or_digest_ends_no_batch() -> None:
    image = Image().add(accepted(1))
    commit_at = len(image.octets) - framing.COMMIT_SIZE
    for count, digest in ((2, image.layouts[0].digest), (1, bytes(16))):
        metadata = framing.COMMIT_MARK + (128).to_bytes(8, "little") + count.to_bytes(4, "little") + bytes(4) + digest
        commit = framing.lone_frame(framing.draft(framing.COMMIT, 0, metadata), HERE, commit_at, 2)
        assert kinds(scan(image.octets[:commit_at] + commit)) == [Torn]


def test_a_footer_in_the_middle_of_a_batch_and_records_out_of_sequence() -> None:
    image = Image().add(accepted(1))
    commit_at = len(image.octets) - framing.COMMIT_SIZE
    footer = framing.FOOTER_MARK + (128).to_bytes(8, "little") + bytes(24)
    octets = image.octets[:commit_at] + framing.lone_frame(framing.draft(framing.FOOTER, 0, footer), HERE, commit_at, 2)
    assert kinds(scan(octets)) == [Torn]
    skipped = framing.lone_frame(framing.draft(23, 5, b""), HERE, commit_at, 9)
    assert kinds(scan(image.octets[:commit_at] + skipped)) == [Torn]
