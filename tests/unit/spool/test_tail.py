from __future__ import annotations

import errno

import pytest

from asyncmta.spool import framing, segment
from asyncmta.spool.codec import encode
from asyncmta.spool.failures import JournalFailed, SyncFailed, WriteFailed
from asyncmta.spool.records import Retired
from asyncmta.spool.segment import Batch, Damaged, Finding, Seal, Torn
from asyncmta.spool.tail import ROOM_PARTS, Position, Tail
from asyncmta.testing.disk import FakeDisk
from tests.unit.spool.spoolkit import JOURNAL, accepted

FRESH = Position(journal=JOURNAL, highest=0, number=0, end=0, chain=bytes(16), sequence=1)
DRAFTS = [encode(accepted(5))]


def make_disk() -> FakeDisk:
    disk = FakeDisk()
    disk.make_directories("journal")
    return disk


def make_tail(disk: FakeDisk, *, after: Position = FRESH, segment_size: int = 1 << 20) -> Tail:
    tail = Tail(
        disk=disk, directory="journal", after=after, segment_size=segment_size, boot=lambda: 3, now=lambda: 1000.0
    )
    tail.begin()
    return tail


def scan(disk: FakeDisk, number: int, end: int | None = None) -> list[Finding]:
    place = framing.place(JOURNAL, number)
    return list(segment.scan(disk.get(f"journal/{number:010d}.seg"), place, end=end))


def size_of(disk: FakeDisk, path: str) -> int:
    return len(disk.get(path))


def header_of(disk: FakeDisk, number: int) -> segment.SegmentHeader:
    header = segment.decode_header(disk.get(f"journal/{number:010d}.seg"))
    assert header is not None
    return header


def segments(disk: FakeDisk) -> list[str]:
    return [name.removesuffix(".seg").lstrip("0") for name in disk.list("journal")]


def test_a_new_segment_is_synced_with_its_directory_before_anything_is_in_it() -> None:
    disk = make_disk()
    make_tail(disk)
    operations = [name for name, _ in disk.calls]
    assert operations[-4:] == ["create", "writev", "fsync", "fsync"]
    after = disk.crash()
    assert header_of(after, 1).boot == 3


def test_a_batch_is_one_write_and_one_sync_and_survives_a_power_cut() -> None:
    disk = make_disk()
    tail = make_tail(disk)
    before = disk.steps
    written = tail.write(DRAFTS)
    assert [name for name, _ in disk.calls[before:]] == ["writev", "fdatasync"]
    assert written.offsets == [segment.HEADER_SIZE]
    (batch,) = scan(disk.crash(), 1)
    assert isinstance(batch, Batch)
    assert batch.end == written.end


def test_it_goes_on_where_it_was_told_to() -> None:
    disk = make_disk()
    after = Position(journal=JOURNAL, highest=9, number=7, end=4096, chain=bytes(range(16)), sequence=77)
    tail = make_tail(disk, after=after)
    tail.write(DRAFTS)
    header = header_of(disk, 10)
    assert (header.previous, header.previous_end, header.previous_chain) == (7, 4096, bytes(range(16)))
    assert header.first_sequence == 77
    assert tail.number == 10


def test_a_full_segment_is_sealed_and_the_next_one_names_its_end() -> None:
    disk = make_disk()
    tail = make_tail(disk, segment_size=600)
    places = [tail.write(DRAFTS).segment for _ in range(5)]
    assert places == sorted(places)
    assert len(set(places)) > 1
    for number in sorted(set(places))[:-1]:
        findings = scan(disk, number)
        seal = findings[-1]
        following = header_of(disk, number + 1)
        assert isinstance(seal, Seal)
        assert following.previous == number
        assert following.previous_end == seal.end
        assert following.previous_chain == seal.chain
        assert following.first_sequence == seal.last + 1
        assert len(disk.get(f"journal/{number:010d}.seg")) <= 600


def test_a_batch_larger_than_a_segment_has_one_of_its_own() -> None:
    disk = make_disk()
    tail = make_tail(disk, segment_size=600)
    large = [encode(accepted(5, b"x" * 5000 + b"\r\n"))]
    assert tail.write(large).segment == 1
    assert tail.write(large).segment == 2


def test_a_segment_is_begun_anew_when_asked_for() -> None:
    disk = make_disk()
    tail = make_tail(disk)
    tail.write(DRAFTS)
    assert tail.write(DRAFTS, fresh=True).segment == 2
    assert header_of(disk, 2).oldest == 1


def test_the_oldest_segment_is_named_in_each_header() -> None:
    disk = make_disk()
    tail = make_tail(disk)
    tail.oldest = 7
    tail.write(DRAFTS, fresh=True)
    assert header_of(disk, 2).oldest == 7


def test_closing_seals() -> None:
    disk = make_disk()
    tail = make_tail(disk)
    tail.write(DRAFTS)
    tail.close()
    assert isinstance(scan(disk, 1)[-1], Seal)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EINTR])
def test_a_failed_write_is_cut_off_and_the_journal_goes_on_in_a_new_segment(error: int) -> None:
    disk = make_disk()
    tail = make_tail(disk)
    first = tail.write(DRAFTS)
    disk.fail_at(1, error)
    with pytest.raises(WriteFailed) as caught:
        tail.write(DRAFTS)
    assert caught.value.full == (error in {errno.ENOSPC, errno.EDQUOT})
    assert not caught.value.final
    second = tail.write([encode(Retired(5))])  # type: ignore[arg-type]
    assert second.segment == 2
    header = header_of(disk, 2)
    assert header.previous_end == first.end == len(disk.get("journal/0000000001.seg"))
    assert [type(found) for found in scan(disk, 1, header.previous_end)] == [Batch]
    (batch,) = scan(disk, 2)
    assert isinstance(batch, Batch)
    assert batch.frames[0].sequence == header.first_sequence == 3


def test_what_cannot_be_cut_is_named_garbage_by_the_next_header() -> None:
    disk = make_disk()
    tail = make_tail(disk)
    first = tail.write(DRAFTS)
    disk.fail_at(1, errno.EIO)
    disk.fail_at(1, errno.EIO, only=["truncate"])
    with pytest.raises(WriteFailed):
        tail.write(DRAFTS)
    assert len(disk.get("journal/0000000001.seg")) > first.end
    assert header_of(disk, 2).previous_end == first.end


def test_a_full_disk_is_not_broken_it_is_tried_again() -> None:
    disk = make_disk()
    tail = make_tail(disk)
    tail.write(DRAFTS)
    disk.fail_at(1, errno.ENOSPC, for_good=True, only=["writev", "create"])
    for _ in range(3):
        with pytest.raises(WriteFailed) as caught:
            tail.write(DRAFTS)
        assert caught.value.full
        assert not caught.value.final
    disk.heal()
    written = tail.write(DRAFTS)
    assert written.offsets == [segment.HEADER_SIZE]
    assert segments(disk) == ["1", str(written.segment)]
    assert header_of(disk, written.segment).previous == 1


def test_no_descriptor_left_passes_too() -> None:
    disk = make_disk()
    tail = make_tail(disk)
    disk.fail_at(1, errno.EMFILE, only=["create"])
    with pytest.raises(WriteFailed) as caught:
        tail.write(DRAFTS, fresh=True)
    assert (caught.value.full, caught.value.final) == (False, False)
    assert tail.write(DRAFTS).offsets


@pytest.mark.parametrize("error", [errno.EIO, errno.EROFS])
def test_a_disk_that_takes_no_new_segment_either_is_broken(error: int) -> None:
    disk = make_disk()
    tail = make_tail(disk)
    disk.fail_at(1, error, for_good=True, only=["writev", "create"])
    with pytest.raises(WriteFailed) as caught:
        tail.write(DRAFTS)
    assert caught.value.final


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_failed_sync_is_final(step: int) -> None:
    """Of the batch, of a new segment, and of its directory."""
    disk = make_disk()
    tail = make_tail(disk)
    if step == 1:
        disk.fail_at(1, errno.EIO, only=["fdatasync"])
        with pytest.raises(SyncFailed) as caught:
            tail.write(DRAFTS)
    else:
        disk.fail_at(step - 1, errno.EIO, only=["fsync"])
        with pytest.raises(SyncFailed) as caught:
            tail.write(DRAFTS, fresh=True)
    assert caught.value.final
    assert isinstance(caught.value, JournalFailed)
    steps = disk.steps
    tail.abandon()
    assert disk.steps - steps <= 2  # closes, and nothing else


def test_a_footer_that_cannot_be_written_is_not_missed() -> None:
    disk = make_disk()
    tail = make_tail(disk, segment_size=600)
    first = tail.write(DRAFTS)
    disk.fail_at(1, errno.ENOSPC, only=["writev"])
    while (written := tail.write(DRAFTS)).segment == 1:
        first = written
    assert header_of(disk, 2).previous_end == first.end
    assert not [found for found in scan(disk, 1, first.end) if isinstance(found, Damaged | Seal)]


def test_a_segment_that_did_not_come_to_be_leaves_its_number() -> None:
    disk = make_disk()
    tail = make_tail(disk)
    tail.write(DRAFTS)
    disk.fail_at(2, errno.EIO, only=["writev"])  # the footer goes in, the new header does not
    disk.fail_at(1, errno.EIO, only=["unlink"])
    with pytest.raises(WriteFailed) as caught:
        tail.write(DRAFTS, fresh=True)
    assert not caught.value.final
    written = tail.write(DRAFTS)
    assert written.segment == 3
    assert header_of(disk, 3).previous == 1


ROOM = (1 << 20) // ROOM_PARTS
NUMBER_1 = "journal/0000000001.seg"


def busy_tail(disk: FakeDisk) -> tuple[Tail, int]:
    """A tail with just enough in it for room; and where it ends."""
    tail = make_tail(disk)
    end = 0
    while end < ROOM // 2:
        tail.make_room(100)
        assert size_of(disk, NUMBER_1) == max(end, segment.HEADER_SIZE)  # none so far
        end = tail.write(DRAFTS).end
    return tail, end


def batches(disk: FakeDisk, end: int | None = None) -> int:
    findings = scan(disk, 1, end)
    assert all(isinstance(finding, Batch) for finding in findings)
    return len(findings)


def test_a_busy_segment_has_room_of_zeros_and_a_reader_takes_it_for_the_end() -> None:
    disk = make_disk()
    tail, end = busy_tail(disk)
    count = batches(disk)
    tail.make_room(100)
    assert size_of(disk, NUMBER_1) == end + ROOM
    assert batches(disk) == count
    written = tail.write(DRAFTS)
    assert size_of(disk, NUMBER_1) == end + ROOM  # into the room, whose sync it shares
    assert disk.get(NUMBER_1)[written.end :] == bytes(end + ROOM - written.end)
    assert batches(disk.crash()) == count + 1


def test_room_is_made_again_when_little_of_it_is_left() -> None:
    disk = make_disk()
    tail, end = busy_tail(disk)
    tail.make_room(100)
    sizes = set()
    for _ in range(3 * ROOM // 100):
        end = tail.write(DRAFTS).end
        assert size_of(disk, NUMBER_1) > end
        tail.make_room(100)
        sizes.add(size_of(disk, NUMBER_1))
        if len(sizes) == 3:
            break
    assert len(sizes) == 3
    assert max(sizes) - min(sizes) == 2 * ROOM
    assert end > min(sizes)  # it went through all of the first


def test_no_room_is_made_for_large_batches() -> None:
    disk = make_disk()
    tail, end = busy_tail(disk)
    tail.make_room(ROOM // 4 + 1)
    assert size_of(disk, NUMBER_1) == end


def test_no_room_is_made_beyond_a_full_segment() -> None:
    disk = make_disk()
    tail = make_tail(disk)
    while tail.number == 1:
        tail.write(DRAFTS)
        tail.make_room(100)
        assert size_of(disk, NUMBER_1) <= 1 << 20


def test_a_footer_is_written_where_the_records_end_and_what_is_left_of_the_room_goes() -> None:
    disk = make_disk()
    tail, _ = busy_tail(disk)
    tail.make_room(100)
    end = tail.write(DRAFTS).end
    tail.close()
    after = disk.crash()
    assert end < size_of(after, NUMBER_1) < end + 200
    *_, last = scan(after, 1)
    assert isinstance(last, Seal)
    assert last.start == end


def test_a_footer_with_room_behind_it_is_no_torn_end() -> None:
    disk = make_disk()
    tail, end = busy_tail(disk)
    tail.make_room(100)
    disk.fail_at(1, errno.EIO, only=["truncate"])
    tail.close()
    after = disk.crash()
    assert size_of(after, NUMBER_1) == end + ROOM
    *_, last = scan(after, 1)
    assert isinstance(last, Seal)


def test_a_disk_that_has_no_room_is_not_asked_again_in_this_segment_and_takes_batches_as_before() -> None:
    disk = make_disk()
    tail, end = busy_tail(disk)
    disk.fail_at(1, errno.ENOSPC, only=["writev"])
    tail.make_room(100)
    before = disk.steps
    tail.make_room(100)
    assert disk.steps == before
    count = batches(disk)
    assert tail.write(DRAFTS).end > end
    assert batches(disk.crash()) == count + 1


def test_a_write_that_fails_in_the_room_is_cut_with_it() -> None:
    disk = make_disk()
    tail, end = busy_tail(disk)
    tail.make_room(100)
    disk.fail_at(1, errno.EIO, only=["writev"])
    with pytest.raises(WriteFailed):
        tail.write(DRAFTS)
    assert size_of(disk, NUMBER_1) == end
    assert header_of(disk, 2).previous_end == end
    tail.make_room(100)  # the next one has none yet
    assert size_of(disk, "journal/0000000002.seg") == segment.HEADER_SIZE


def test_what_a_power_cut_leaves_in_the_room_is_a_torn_end_and_what_was_answered_stays() -> None:
    disk = make_disk()
    tail, end = busy_tail(disk)
    count = batches(disk)
    tail.make_room(100)
    octets = bytearray(disk.get(NUMBER_1))
    octets[end + 8 : end + 50] = b"x" * 42  # a part of the batch that was under way
    findings = list(segment.scan(bytes(octets), framing.place(JOURNAL, 1), end=None))
    assert [type(finding) for finding in findings] == [Batch] * count + [Torn]
    assert findings[-1].start == end
