"""Each row of the table in docs/journal-format.md 7, as far as reading goes."""

from __future__ import annotations

import errno

import pytest

from asyncmta.mail.envelope import QueueId
from asyncmta.spool import framing, segment
from asyncmta.spool.framing import draft
from asyncmta.spool.ledger import Ledger
from asyncmta.spool.records import Checkpoint, Record, Retired
from asyncmta.spool.recovery import Reading, SpoolRefused, read_journal
from asyncmta.testing.disk import FakeDisk
from tests.unit.spool.spoolkit import JOURNAL, LATER, NEVER, OK, Image, accepted, attempted, header


def path(number: int) -> str:
    return f"journal/{number:010d}.seg"


def chain_of(*batches: list[list[Record | Checkpoint]], sealed: bool = True, first: int = 1) -> list[Image]:
    """Segments that follow one another, each with its batches."""
    images: list[Image] = []
    for at, records in enumerate(batches):
        changes: dict[str, object] = {}
        if images:
            before = images[-1]
            changes = {
                "first_sequence": before.sequence,
                "previous": first + at - 1,
                "previous_end": len(before.octets),
                "previous_chain": before.chain,
            }
        image = Image(first + at, **changes)
        image.sequence = images[-1].sequence if images else 1
        for batch in records:
            image.add(*batch)
        if sealed and at < len(batches) - 1:
            image.seal()
            image.sequence += 1
        images.append(image)
    return images


def disk_with(*images: Image, first: int = 1, **others: bytes) -> FakeDisk:
    disk = FakeDisk()
    disk.make_directories("journal")
    for number, image in enumerate(images, first):
        disk.put(path(number), image.octets)
    for name, octets in others.items():
        disk.put(f"journal/{name}", octets)
    return disk


def read(disk: FakeDisk, known: bytes | None = None, *, settle: bool = False) -> tuple[Reading, Ledger]:
    ledger = Ledger()
    return read_journal(disk, "journal", ledger, known=known, settle=settle), ledger


def ids(ledger: Ledger) -> list[int]:
    return [int(entry.queue_id) for entry in ledger]


def flip(octets: bytes, at: int) -> bytes:
    return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]


def test_no_segment_is_a_new_journal() -> None:
    reading, ledger = read(disk_with(**{"notes.txt": b"not ours", "1.seg": b"neither"}))
    assert reading.journal is None
    assert (reading.segments, reading.damages, reading.torn) == ([], [], None)
    assert reading.position(JOURNAL).sequence == 1
    assert len(ledger) == 0


def test_segments_are_read_in_order_through_the_fold() -> None:
    images = chain_of([[accepted(1)], [accepted(2, recipients=2)]], [[attempted(2, {1: OK})], [accepted(3)]], [])
    reading, ledger = read(disk_with(*images))
    assert ids(ledger) == [1, 2, 3]
    entry = ledger.get(QueueId(2))
    assert entry is not None
    assert entry.pending() == (0,)
    assert (entry.segment, entry.offset) == (1, images[0].layouts[1].offsets[0])
    assert reading.damages == []
    assert reading.records == 4
    position = reading.position(JOURNAL)
    assert (position.number, position.highest, position.end) == (3, 3, segment.HEADER_SIZE)
    assert (position.sequence, position.chain) == (images[2].sequence, images[2].chain)


def test_reading_writes_nothing_and_is_the_same_twice() -> None:
    images = chain_of([[accepted(1)]], [[accepted(2)], [accepted(3)]])
    disk = disk_with(images[0], images[1])
    disk.put(path(2), images[1].octets[:-5])
    before = disk.tree()
    first, second = read(disk), read(disk)
    assert disk.tree() == before
    assert ids(first[1]) == ids(second[1]) == [1, 2]
    assert first[0].torn == second[0].torn == (2, images[1].ends[1], len(images[1].octets) - 5)


def test_a_torn_tail_is_no_damage() -> None:
    (image,) = chain_of([[accepted(1)], [accepted(2)]])
    for cut in (1, 30, image.ends[2] - image.ends[1] - 1):
        disk = disk_with()
        disk.put(path(1), image.octets[:-cut])
        reading, ledger = read(disk)
        assert reading.damages == []
        assert reading.torn == (1, image.ends[1], len(image.octets) - cut)
        assert reading.position(JOURNAL).end == image.ends[1]
        assert reading.position(JOURNAL).sequence == 3
        assert ids(ledger) == [1]


def test_damage_in_the_middle_is_reported_and_the_rest_read() -> None:
    (image,) = chain_of([[accepted(1)], [accepted(2), accepted(3)], [accepted(4)]])
    disk = disk_with()
    disk.put(path(1), flip(image.octets, image.ends[1] + 50))
    reading, ledger = read(disk)
    assert ids(ledger) == [1, 3, 4]
    (damage,) = reading.damages
    assert (damage.segment, damage.start, damage.end) == (1, image.ends[1], image.ends[2])
    assert reading.torn is None
    assert reading.position(JOURNAL).sequence == image.sequence


def test_the_last_batch_of_a_segment_that_goes_on_is_damage_not_torn() -> None:
    images = chain_of([[accepted(1)], [accepted(2)]], [[accepted(3)]], sealed=False)
    disk = disk_with(*images)
    disk.put(path(1), flip(images[0].octets, images[0].ends[1] + 50))
    reading, ledger = read(disk)
    assert ids(ledger) == [1, 3]
    assert [damage.segment for damage in reading.damages] == [1]
    disk.put(path(1), images[0].octets[: images[0].ends[1]])  # it was cut off wholly
    assert [damage.start for damage in read(disk)[0].damages] == [images[0].ends[1]]


def test_garbage_behind_the_end_that_the_next_header_names_is_ignored() -> None:
    images = chain_of([[accepted(1)]], [[accepted(2)]], sealed=False)
    disk = disk_with(*images)
    disk.put(path(1), images[0].octets + b"half a batch")
    reading, ledger = read(disk)
    assert reading.damages == []
    assert ids(ledger) == [1, 2]


def test_the_footer_of_the_last_segment_makes_its_last_batch_damage() -> None:
    (image,) = chain_of([[accepted(1)], [accepted(2)]])
    octets = image.seal().octets
    disk = disk_with()
    disk.put(path(1), flip(octets, image.ends[1] + 50))
    reading, _ = read(disk)
    assert reading.torn is None
    assert len(reading.damages) == 1


def test_records_that_were_swapped_for_others_do_not_fit_the_seal() -> None:
    image = Image().add(accepted(1))
    image.records += 1
    reading, _ = read(disk_with(image.seal()))
    assert "sealed" in reading.damages[0].reason


def test_a_segment_that_never_began() -> None:
    (image,) = chain_of([[accepted(1)]])
    for octets in (b"", b"\0" * 128, segment.encode_header(header(2))[:100]):
        disk = disk_with(image)
        disk.put(path(2), octets)
        reading, ledger = read(disk)
        assert [file.number for file in reading.unborn] == [2]
        assert reading.damages == []
        assert reading.position(JOURNAL).number == 1
        assert reading.position(JOURNAL).highest == 2
        assert ids(ledger) == [1]


def test_a_spool_that_died_in_its_first_start_is_a_new_one() -> None:
    disk = disk_with()
    disk.put(path(1), b"")
    reading, _ = read(disk)
    assert reading.journal is None
    assert reading.position(JOURNAL).highest == 1


def test_a_header_that_cannot_be_read_is_damage_and_its_records_are_read_all_the_same() -> None:
    images = chain_of([[accepted(1)]], [[accepted(2)]], [[accepted(3)]])
    for number in (1, 2, 3):
        disk = disk_with(*images)
        disk.put(path(number), flip(images[number - 1].octets, 20))
        reading, ledger = read(disk)
        assert ids(ledger) == [1, 2, 3]
        assert [(damage.segment, damage.start) for damage in reading.damages] == [(number, 0)]
        assert reading.boot == 2  # the lost header may have named one more


def test_without_any_header_the_lock_file_may_know_the_journal() -> None:
    (image,) = chain_of([[accepted(1)]])
    disk = disk_with()
    disk.put(path(1), flip(image.octets, 20))
    with pytest.raises(SpoolRefused, match="nothing says which journal"):
        read(disk)
    reading, ledger = read(disk, JOURNAL)
    assert reading.journal == JOURNAL
    assert ids(ledger) == [1]


def test_a_segment_under_another_number_is_not_taken_for_that() -> None:
    images = chain_of([[accepted(1)]], [[accepted(2)]])
    disk = disk_with(images[0])
    disk.put(path(2), images[0].octets)  # the same file twice
    reading, ledger = read(disk)
    assert ids(ledger) == [1]
    assert [(damage.segment, damage.start) for damage in reading.damages] == [(2, 0), (2, segment.HEADER_SIZE)]
    assert reading.torn is None  # too little is known of it to cut anything off


def test_a_segment_whose_end_nobody_names_and_that_has_none() -> None:
    images = chain_of([[accepted(1)], [accepted(2)]], [[accepted(3)]], sealed=False)
    disk = disk_with(*images)
    disk.put(path(1), images[0].octets[:-9])
    disk.put(path(2), flip(images[1].octets, 20))  # it would have said where the first one ends
    reading, ledger = read(disk)
    assert ids(ledger) == [1, 3]
    assert reading.torn is None
    assert reading.damages[0].reason == "the segment has no end"


def test_a_missing_segment_is_damage() -> None:
    images = chain_of([[accepted(1)]], [[accepted(2)]], [[accepted(3)]])
    disk = disk_with(*images)
    disk.unlink(path(2))
    reading, ledger = read(disk)
    assert ids(ledger) == [1, 3]
    assert [(damage.segment, damage.reason) for damage in reading.damages] == [(2, "the segment is missing")]


def test_records_missing_between_two_segments_or_batches() -> None:
    images = chain_of([[accepted(1)]], [[accepted(2)]], sealed=False)
    changed = Image(2, first_sequence=9, previous=1, previous_end=images[0].ends[-1], previous_chain=images[0].chain)
    changed.sequence = 9
    reading, ledger = read(disk_with(images[0], changed.add(accepted(2))))
    assert ids(ledger) == [1, 2]
    assert "before sequence 9" in reading.damages[0].reason
    jump = Image().add(accepted(1))
    jump.sequence += 5
    reading, ledger = read(disk_with(jump.add(accepted(2))))
    assert ids(ledger) == [1, 2]
    assert "before sequence 8" in reading.damages[0].reason


def test_a_segment_that_was_not_the_one_continued_here() -> None:
    images = chain_of([[accepted(1)]], [[accepted(2)]], sealed=False)
    other = Image().add(accepted(7))
    reading, ledger = read(disk_with(other, images[1]))
    assert ids(ledger) == [7, 2]
    assert any("not the one" in damage.reason for damage in reading.damages)


def test_segments_below_the_oldest_came_back_and_count_for_nothing() -> None:
    images = chain_of([[accepted(1)]], [[accepted(2)]])
    kept = Image(3, oldest=3, previous=2, previous_end=9999, first_sequence=50)
    kept.sequence = 50
    kept.add(accepted(3))
    reading, ledger = read(disk_with(*images, kept))
    assert ids(ledger) == [3]
    assert reading.returned == [1, 2]
    assert [file.number for file in reading.segments] == [3]
    assert (reading.damages, reading.oldest) == ([], 3)


def test_a_checkpoint_forgets_what_came_back_without_its_end() -> None:
    """Segments 1 and 2 were dropped; the unlink of 1 was lost in a power cut, that of 2 was not."""
    images = chain_of(
        [[accepted(1)]], [[attempted(1), Retired(QueueId(1))]], [[accepted(3), Checkpoint(3)], [accepted(4)]]
    )
    disk = disk_with(*images)
    disk.unlink(path(2))
    reading, ledger = read(disk)
    assert ids(ledger) == [3, 4]
    assert reading.returned == [1]
    assert (reading.damages, reading.oldest) == ([], 3)


def test_what_makes_no_sense_about_one_that_came_back_is_no_damage() -> None:
    """The same when the end of it stands in the segment with the checkpoint, but not what led to it."""
    images = chain_of([[accepted(1)]], [[attempted(1)]], [[Retired(QueueId(1)), accepted(3)], [Checkpoint(3)]])
    disk = disk_with(*images)
    disk.unlink(path(2))
    reading, ledger = read(disk)
    assert ids(ledger) == [3]
    assert (reading.damages, reading.aside) == ([], {})


def test_records_about_messages_of_dropped_segments_are_skipped_and_counted() -> None:
    image = Image(5, previous=4, oldest=5, previous_end=999, first_sequence=80)
    image.sequence = 80
    image.add(attempted(1), Retired(QueueId(1)), accepted(2))
    reading, ledger = read(disk_with(image, first=5))
    assert ids(ledger) == [2]
    assert ledger.skipped == 2
    assert reading.damages == []


def test_a_record_that_cannot_be_decoded_sets_its_message_aside() -> None:
    image = Image().add(accepted(1), accepted(2))
    unknown = framing.lay_out([draft(99, 1, b"")], image.place, len(image.octets), image.sequence)
    image.octets += b"".join(unknown.buffers)
    image.sequence += 2
    image.chain = framing.next_chain(image.chain, unknown.digest)
    image.add(attempted(1), accepted(3))
    reading, ledger = read(disk_with(image))
    assert ids(ledger) == [2, 3]
    (damage,) = reading.damages
    assert damage.queue_id == 1
    assert "kind 99" in damage.reason
    assert reading.aside == {1: 1}


def test_an_illegal_transition_sets_its_message_aside_and_pins_the_segment_it_lives_in() -> None:
    images = chain_of([[accepted(1), accepted(2)]], [[attempted(1, {0: LATER}), attempted(1, {7: OK})]])
    reading, ledger = read(disk_with(*images))
    assert ids(ledger) == [2]
    assert reading.aside == {1: 1}
    assert reading.damages[0].queue_id == 1


def test_an_illegal_transition_of_a_closed_message_does_it_no_harm() -> None:
    image = Image().add(accepted(1), attempted(1), attempted(1))
    reading, ledger = read(disk_with(image))
    assert ids(ledger) == [1]
    assert reading.aside == {}
    assert len(reading.damages) == 1


def test_two_journals_in_one_directory_are_refused() -> None:
    disk = disk_with(Image())
    disk.put(path(2), segment.encode_header(header(2, journal=bytes(16))))
    with pytest.raises(SpoolRefused, match="different journals"):
        read(disk)


def test_a_newer_version_is_refused_by_name() -> None:
    octets = bytearray(Image().octets)
    octets[8] = 2
    octets[112:] = segment._checksum(bytes(octets[:112]))
    disk = disk_with()
    disk.put(path(1), bytes(octets))
    with pytest.raises(SpoolRefused, match=r"0000000001\.seg: the journal has format version 2"):
        read(disk)


@pytest.mark.parametrize("following", [True, False])
def test_what_the_disk_does_not_give_is_damage_and_never_cut(following: bool) -> None:
    wire = b"x" * 200_000 + b"\r\n"
    batches: list[list[Record | Checkpoint]] = [[accepted(number, wire)] for number in range(1, 10)]
    images = chain_of(batches, [[accepted(10)]])[: 2 if following else 1]
    disk = disk_with(*images)
    disk.fail_at(len(images) + 2, errno.EIO, only=["read_at"])  # the second MiB of the first segment
    reading, ledger = read(disk)
    assert reading.torn is None
    assert reading.damages
    assert {1, 2, 3} <= set(ids(ledger)) < set(range(1, 11))
    assert 10 not in ids(ledger) or following


def test_settling_syncs_the_tail_and_looks_past_the_cache() -> None:
    """The process before us died of a failed sync: the cache shows a batch that the disk does not have."""
    (image,) = chain_of([[accepted(1)], [accepted(2)]])
    disk = disk_with()
    disk.put(path(1), image.octets[: image.ends[1]])
    file = disk.open(path(1), write=True)
    disk.writev(file, [image.octets[image.ends[1] :]], image.ends[1])
    disk.fail_at(1, errno.EIO, only=["fdatasync"])
    with pytest.raises(OSError, match="error"):
        disk.fdatasync(file)
    after = disk.kill()
    assert ids(read(after)[1]) == [1, 2]
    reading, ledger = read(after, settle=True)
    assert ids(ledger) == [1]
    assert reading.damages == []


def test_settling_makes_durable_what_a_killed_process_wrote_and_did_not_sync() -> None:
    (image,) = chain_of([[accepted(1)], [accepted(2)]])
    disk = disk_with()
    disk.put(path(1), image.octets[: image.ends[1]])
    file = disk.open(path(1), write=True)
    disk.writev(file, [image.octets[image.ends[1] :]], image.ends[1])
    after = disk.kill()
    assert ids(read(after, settle=True)[1]) == [1, 2]
    assert ids(read(after.crash())[1]) == [1, 2]


def test_failures_wait_to_be_reported() -> None:
    image = Image().add(accepted(1), attempted(1, {0: NEVER}))
    _, ledger = read(disk_with(image))
    entry = ledger.get(QueueId(1))
    assert entry is not None
    assert entry.failed() == {0: NEVER}
    assert not entry.is_closed
