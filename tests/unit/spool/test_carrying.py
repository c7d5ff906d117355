"""What the device must give back before a source may go."""

from __future__ import annotations

import errno

import pytest

from asyncmta.mail.envelope import QueueId
from asyncmta.spool.carrying import Carrier
from asyncmta.spool.ledger import Entry
from asyncmta.spool.records import Carried
from asyncmta.spool.space import Reserve
from asyncmta.testing.disk import FakeDisk
from tests.unit.spool.spoolkit import JOURNAL, Image, accepted

WIRE = b"Subject: x\r\n\r\nhello\r\n"


def carried(queue_id: int) -> Carried:
    return Entry(accepted(queue_id, WIRE), 1, 128).carried((WIRE,))


def scene() -> tuple[FakeDisk, Carrier, list[tuple[tuple[int, int], Carried]]]:
    """Three carried messages in two segments."""
    disk = FakeDisk()
    first, second = Image(1).add(carried(1), carried(2)), Image(2).add(carried(3))
    disk.put("journal/0000000001.seg", first.octets)
    disk.put("journal/0000000002.seg", second.octets)
    reserve = Reserve(disk=disk, path="journal/reserve", size=0)
    places = [(1, offset) for offset in first.layouts[0].offsets] + [(2, second.layouts[0].offsets[0])]
    carrier = Carrier(disk=disk, directory="journal", journal=JOURNAL, reserve=reserve)
    return disk, carrier, list(zip(places, [carried(1), carried(2), carried(3)], strict=True))


def test_what_is_there_is_there() -> None:
    _, carrier, written = scene()
    assert carrier.differing(written) == []
    assert carrier.differing([]) == []


def test_every_flipped_bit_is_seen() -> None:
    disk, carrier, written = scene()
    whole = disk.get("journal/0000000001.seg")
    (_, start), (_, end) = written[0][0], written[1][0]
    for at in range(start, end):
        octets = bytearray(whole)
        octets[at] ^= 1 << at % 8
        disk.put("journal/0000000001.seg", bytes(octets))
        assert carrier.differing(written) == [0]


def test_another_record_in_its_place_or_another_state_is_seen() -> None:
    _, carrier, written = scene()
    (first, one), (second, two), _ = written
    assert carrier.differing([(second, one), (first, two)]) == [0, 1]
    other = Entry(accepted(1, WIRE), 1, 128)
    other.held = True
    assert carrier.differing([(first, other.carried((WIRE,)))]) == [0]
    assert carrier.differing([(first, one)]) == []


def test_a_segment_that_is_gone_or_cut_off_and_a_device_that_gives_nothing() -> None:
    disk, carrier, written = scene()
    disk.unlink("journal/0000000002.seg")
    assert carrier.differing(written) == [2]
    disk.put("journal/0000000001.seg", disk.get("journal/0000000001.seg")[: written[1][0][1] + 10])
    assert carrier.differing(written) == [1, 2]
    disk.fail_at(1, errno.EIO, for_good=True, only=["read_at"])
    assert sorted(carrier.differing(written)) == [0, 1, 2]


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
@pytest.mark.parametrize("call", ["open", "read_at"])
def test_what_may_pass_says_nothing_about_the_device(error: int, call: str) -> None:
    disk, carrier, written = scene()
    (segment, offset), _ = written[0]
    entry = Entry(accepted(1, WIRE), segment, offset)
    disk.fail_at(1, error, only=[call])
    with pytest.raises(OSError, match=r"\[Errno") as first:
        carrier.differing(written)
    disk.fail_at(1, error, only=[call])
    with pytest.raises(OSError, match=r"\[Errno") as second:
        carrier.read([entry])
    assert first.value.errno == second.value.errno == error
    assert carrier.differing(written) == []
    assert carrier.read([entry]) == [(WIRE,)]


@pytest.mark.parametrize("error", [errno.EIO, errno.EACCES])
def test_content_that_cannot_be_had_is_none(error: int) -> None:
    disk, carrier, written = scene()
    (segment, offset), record = written[0]
    entry = Entry(accepted(1, WIRE), segment, offset)
    assert carrier.read([entry]) == [(WIRE,)]
    disk.fail_at(1, error, for_good=True)
    assert carrier.read([entry]) == [None]
    large = Entry(accepted(1, WIRE), segment, offset)
    large.large = True
    assert carrier.read([large]) == [()]
    assert record.queue_id == QueueId(1)
