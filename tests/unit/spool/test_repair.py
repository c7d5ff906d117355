from __future__ import annotations

import errno

import pytest

from asyncmta.spool.ledger import Ledger
from asyncmta.spool.recovery import Reading, read_journal
from asyncmta.spool.repair import TORN_KEPT, TORN_LIMIT, repair
from asyncmta.testing.disk import FakeDisk, PowerCut
from tests.unit.spool.spoolkit import Image, Witness, accepted

ONE = "journal/0000000001.seg"
TWO = "journal/0000000002.seg"


def disk_with(octets: bytes) -> FakeDisk:
    disk = FakeDisk()
    disk.make_directories("journal")
    disk.make_directories("quarantine")
    disk.put(ONE, octets)
    return disk


def mend(disk: FakeDisk, witness: Witness | None = None) -> tuple[Reading, frozenset[int]]:
    seen = witness or Witness()
    reading = read_journal(disk, "journal", Ledger())
    pinned = repair(disk, "journal", "quarantine", reading, lambda name, facts: seen.events.append((name, facts)))
    return reading, pinned


def torn() -> tuple[Image, bytes]:
    image = Image().add(accepted(1)).add(accepted(2))
    return image, image.octets[:-9]


def test_a_torn_tail_is_copied_aside_and_cut_for_good() -> None:
    image, octets = torn()
    disk, witness = disk_with(octets), Witness()
    mend(disk, witness)
    after = disk.crash()
    assert after.get(ONE) == image.octets[: image.ends[1]]
    assert after.get(f"quarantine/0000000001-{image.ends[1]}.torn") == octets[image.ends[1] :]
    size = len(octets) - image.ends[1]
    assert witness.events == [("torn_tail", {"segment": 1, "offset": image.ends[1], "octets": size})]
    assert mend(after)[0].torn is None


def test_copies_of_torn_tails_are_bounded_in_size_and_number() -> None:
    image = Image().add(accepted(1))
    disk = disk_with(image.octets + b"\x01" * (TORN_LIMIT + 5000))
    for number in range(20):
        disk.put(f"quarantine/{number:010d}-128.torn", b"old")
    disk.put("quarantine/0000000000-128.damaged", b"kept")
    mend(disk)
    names = [name for name in disk.list("quarantine") if name.endswith(".torn")]
    assert len(names) == TORN_KEPT
    assert f"0000000001-{len(image.octets)}.torn" in names
    assert len(disk.get(f"quarantine/0000000001-{len(image.octets)}.torn")) == TORN_LIMIT
    assert disk.exists("quarantine/0000000000-128.damaged")


def test_damage_is_copied_aside_once_and_the_segment_left_as_it_is() -> None:
    image = Image().add(accepted(1)).add(accepted(2))
    octets = image.octets[:140] + b"!" + image.octets[141:]
    disk = disk_with(octets)
    _, pinned = mend(disk)
    assert pinned == frozenset()
    assert disk.get(ONE) == octets
    copy = "quarantine/0000000001-128.damaged"
    assert disk.crash().get(copy) == octets[128 : image.ends[1]]


def test_a_second_start_finds_the_copy_there() -> None:
    image = Image().add(accepted(1)).add(accepted(2))
    disk = disk_with(image.octets[:140] + b"!" + image.octets[141:])
    mend(disk)
    steps = disk.steps
    mend(disk)
    assert not [name for name, _ in disk.calls[steps:] if name in {"create", "writev", "truncate"}]


def test_damage_that_cannot_be_copied_pins_its_segment() -> None:
    image = Image().add(accepted(1)).add(accepted(2))
    disk, witness = disk_with(image.octets[:140] + b"!" + image.octets[141:]), Witness()
    for operation in ("create", "writev", "rename"):
        disk.fail_at(1, errno.ENOSPC, only=[operation])
        _, pinned = mend(disk, witness)
        assert pinned == {1}
    assert witness.names == ["quarantine_failed"] * 3
    _, pinned = mend(disk)
    assert pinned == frozenset()


def test_what_cannot_be_read_leaves_a_hole_in_the_copy() -> None:
    image = Image().add(accepted(1, b"x" * 9000 + b"\r\n")).add(accepted(2))
    octets = image.octets[:140] + b"!" + image.octets[141:]
    disk = disk_with(octets)
    reading = read_journal(disk, "journal", Ledger())
    disk.fail_at(1, errno.EIO, only=["read_at"])
    disk.fail_at(2, errno.EIO, only=["read_at"])  # the calls after the first failure: the second piece
    repair(disk, "journal", "quarantine", reading, lambda name, facts: None)
    copy = disk.get("quarantine/0000000001-128.damaged")
    whole = octets[128 : image.ends[1]]
    assert copy == whole[:4096] + bytes(4096) + whole[8192:]


def test_a_torn_tail_is_cut_though_there_is_no_room_for_a_copy() -> None:
    image, octets = torn()
    disk, witness = disk_with(octets), Witness()
    disk.fail_at(1, errno.ENOSPC, only=["create"])
    mend(disk, witness)
    assert disk.get(ONE) == image.octets[: image.ends[1]]
    assert witness.names == ["quarantine_failed", "torn_tail"]


def test_segments_that_never_began_or_came_back_are_removed() -> None:
    disk, witness = disk_with(Image().octets), Witness()
    disk.unlink(ONE)
    disk.put(TWO, Image(2, oldest=2, previous=1).add(accepted(2)).octets)
    disk.put(ONE, Image().add(accepted(1)).octets)
    disk.put("journal/0000000003.seg", b"begun")
    mend(disk, witness)
    assert disk.list("journal") == ["0000000002.seg"]
    assert witness.names == ["segment_unborn", "segment_returned"]


def test_every_interruption_is_made_good_by_the_next_start() -> None:
    image, octets = torn()
    disk = disk_with(octets)
    first = disk.steps
    mend(disk)
    total = disk.steps - first
    for step in range(1, total + 1):
        disk = disk_with(octets)
        disk.cut_at(step)
        with pytest.raises(PowerCut):
            mend(disk)
        after = disk.crash(step)
        mend(after)
        assert after.get(ONE) == image.octets[: image.ends[1]]
