from __future__ import annotations

import errno
from collections.abc import Callable
from functools import partial

import pytest

from asyncmta.mail.envelope import ContentUnavailable, QueueId, format_queue_id
from asyncmta.spool import chunks, segment
from asyncmta.spool.failures import JournalFailed
from asyncmta.spool.opening import Opened, open_spool, read_only
from asyncmta.spool.queue_ids import MAX_BOOT
from asyncmta.spool.recovery import SpoolRefused
from asyncmta.spool.tail import Tail
from asyncmta.system.disk import Locked
from asyncmta.testing.disk import FakeDisk, PowerCut
from tests.unit.spool.spoolkit import JOURNAL, Image, accepted, attempted, content_of, envelope, header

ONE = "spool/journal/0000000001.seg"


def open_it(disk: FakeDisk, on_full: Callable[[], None] | None = None) -> Opened:
    return open_spool(
        disk=disk,
        directory="spool",
        make_tail=partial(Tail, segment_size=1 << 20, now=lambda: 1000.0),
        park_as=None,
        on_event=lambda name, facts: None,
        on_full=on_full or (lambda: None),
    )


def first_boot(opened: Opened) -> int:
    return opened.ids.next() >> 36 & MAX_BOOT


def disk_with(octets: bytes) -> FakeDisk:
    disk = FakeDisk()
    for name in ("journal", "content", "quarantine"):
        disk.make_directories(f"spool/{name}")
    disk.put(ONE, octets)
    return disk


def header_of(disk: FakeDisk, number: int) -> segment.SegmentHeader:
    found = segment.decode_header(disk.get(f"spool/journal/{number:010d}.seg"))
    assert found is not None
    return found


def large_file(queue_id: int, octets: bytes) -> bytes:
    name = QueueId(queue_id)
    pieces = [octets[at : at + chunks.CHUNK] for at in range(0, len(octets), chunks.CHUNK)]
    seed = chunks.seed(JOURNAL, name)
    framed = [chunks.chunk_header(seed, index, piece) + piece for index, piece in enumerate(pieces)]
    return chunks.encode_header(JOURNAL, name) + b"".join(framed)


def test_the_first_start_makes_everything_and_it_survives_a_power_cut() -> None:
    disk = FakeDisk()
    opened = open_it(disk)
    after = disk.crash()
    assert after.list("spool") == ["content", "journal", "lock", "quarantine"]
    found = header_of(after, 1)
    assert (found.journal, found.boot, found.previous, found.oldest) == (opened.journal, 1, 0, 1)
    assert opened.journal.hex().encode() in disk.get("spool/lock")


def test_each_start_has_a_segment_and_a_boot_number_of_its_own() -> None:
    disk = FakeDisk()
    first = open_it(disk)
    second = open_it(disk := disk.kill())
    third = open_it(disk := disk.kill().crash())
    assert {one.journal for one in (first, second, third)} == {first.journal}
    assert [header_of(disk, number).boot for number in (1, 2, 3)] == [1, 2, 3]
    assert [first_boot(one) for one in (first, second, third)] == [1, 2, 3]
    assert third.ids.tag == first.ids.tag


def test_ids_never_come_again_when_a_header_was_lost() -> None:
    """The lost header may have been that of a boot number above all that can be read."""
    disk = disk_with(Image(boot=4).octets)
    disk.put("spool/journal/0000000002.seg", b"?" * 500)
    assert first_boot(open_it(disk)) == 6


def test_a_full_disk_is_no_reason_not_to_start_if_room_can_be_made() -> None:
    disk = FakeDisk()
    disk.fail_at(1, errno.ENOSPC, for_good=True, only=["create"])
    assert open_it(disk, disk.heal).tail.number == 2  # one number was lost


def test_a_second_one_is_told_who_holds_the_lock() -> None:
    disk = FakeDisk()
    opened = open_it(disk)
    with pytest.raises(Locked) as caught:
        open_it(disk)
    assert caught.value.holder is not None
    disk.close(opened.lock)
    assert open_it(disk).journal == opened.journal


@pytest.mark.parametrize("fault", ["newer", "spent", "full", "broken", "sync"])
def test_who_is_refused_leaves_no_lock_behind(fault: str) -> None:
    octets = Image(boot=MAX_BOOT).octets if fault == "spent" else Image().octets
    if fault == "newer":
        octets = octets[:8] + b"\x02\x00" + octets[10:112]
        octets += segment._checksum(octets)
    disk = disk_with(octets)
    if fault == "full":
        disk.fail_at(1, errno.ENOSPC, for_good=True, only=["create"])
    if fault == "broken":
        disk.fail_at(1, errno.EIO, only=["create"])
    if fault == "sync":
        disk.fail_at(3, errno.EIO, only=["fsync"])  # the tail, the lock, the new segment
    with pytest.raises((SpoolRefused, JournalFailed)):
        open_it(disk)
    disk.heal()
    disk.put(ONE, Image().octets)
    assert open_it(disk).tail.number >= 2


def test_the_journal_id_is_remembered_in_the_lock_file() -> None:
    disk = FakeDisk()
    journal = open_it(disk).journal
    after = disk.kill()
    broken = bytearray(after.get(ONE))
    broken[20] ^= 1
    after.put(ONE, bytes(broken) + b"?")
    again = open_it(after)
    assert again.journal == journal
    assert [damage.start for damage in again.reading.damages] == [0, 128]


def test_content_that_no_record_names_is_removed_and_the_rest_left() -> None:
    wire = b"x" * 300_000 + b"\r\n"
    kept = accepted(5)
    large = type(kept)(QueueId(6), 1.0, envelope(), content_of(wire), "", None, True)
    disk = disk_with(Image().add(kept, large).octets)
    for number in (6, 7):
        disk.put(f"spool/content/{format_queue_id(QueueId(number))}", large_file(number, wire))
    disk.put("spool/content/README", b"not ours")
    opened = open_it(disk)
    assert opened.orphans == 1
    assert disk.list("spool/content") == [format_queue_id(QueueId(6)), "README"]


def test_after_damage_content_without_a_record_goes_into_quarantine() -> None:
    """The record may be what was lost."""
    image = Image().add(accepted(5)).add(accepted(6))
    disk = disk_with(image.octets[:140] + b"!" + image.octets[141:])
    name = format_queue_id(QueueId(7))
    disk.put(f"spool/content/{name}", b"evidence")
    assert open_it(disk).orphans == 1
    assert disk.get(f"spool/quarantine/{name}.content") == b"evidence"


def test_the_header_names_the_oldest_segment_that_is_there() -> None:
    disk = disk_with(Image().octets)
    disk.unlink(ONE)
    disk.put("spool/journal/0000000004.seg", segment.encode_header(header(4, oldest=4, previous=3)))
    open_it(disk)
    assert header_of(disk, 5).oldest == 4


def test_every_power_cut_while_opening_leaves_a_spool_that_opens() -> None:
    image = Image().add(accepted(5)).add(accepted(6))
    disk = disk_with(image.octets[:-9])
    disk.put("spool/journal/0000000002.seg", b"half a header")
    whole = disk.kill()
    opened = open_it(whole)
    assert [entry.queue_id for entry in opened.ledger] == [5]
    for step in range(1, whole.steps + 1):
        for seed in (None, step):
            disk = disk_with(image.octets[:-9])
            disk.put("spool/journal/0000000002.seg", b"half a header")
            disk.cut_at(step)
            with pytest.raises(PowerCut):
                open_it(disk)
            after = open_it(disk.crash(seed))
            assert [entry.queue_id for entry in after.ledger] == [5]
            assert after.reading.damages == []
            assert first_boot(after) > 1


# -- read only ------------------------------------------------------------------------------------------------------


def test_a_stopped_spool_can_be_read_without_a_change() -> None:
    wire = b"Subject: large\r\n" + b"x" * 300_000 + b"\r\n"
    record = accepted(5)
    large = type(record)(QueueId(6), 1.0, envelope(), content_of(wire), "", None, True)
    image = Image().add(record, large, accepted(7), attempted(7)).add(accepted(8))
    disk = disk_with(image.octets[:-9])
    disk.put(f"spool/content/{format_queue_id(QueueId(6))}", large_file(6, wire))
    before = disk.tree()
    spool = read_only(disk, "spool")
    assert [entry.queue_id for entry in spool.entries()] == [5, 6]
    assert b"".join(spool.content(QueueId(5))) == b"".join(record.parts)
    assert b"".join(spool.content(QueueId(6))) == wire
    assert spool.entry(QueueId(5)) is not None
    assert spool.entry(QueueId(7)) is None
    assert spool.entry(QueueId(9)) is None
    assert spool.torn > 0
    assert spool.damaged() == []
    with pytest.raises(ContentUnavailable):
        list(spool.content(QueueId(9)))
    assert disk.tree() == before


def test_a_running_spool_can_be_read_too_and_an_absent_one_is_an_error() -> None:
    disk = FakeDisk()
    open_it(disk)
    spool = read_only(disk, "spool")
    assert list(spool.entries()) == []
    assert spool.torn == 0
    with pytest.raises(FileNotFoundError):
        read_only(disk, "elsewhere")


def test_damage_is_listed() -> None:
    image = Image().add(accepted(5)).add(accepted(6))
    disk = disk_with(image.octets[:140] + b"!" + image.octets[141:])
    spool = read_only(disk, "spool")
    assert [entry.queue_id for entry in spool.entries()] == [6]
    assert [damage.start for damage in spool.damaged()] == [128]
