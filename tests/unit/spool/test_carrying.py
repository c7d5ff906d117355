"""What the device must give back before a source may go."""

from __future__ import annotations

import errno

import pytest

from asyncmta.mail.envelope import ContentUnavailable, QueueId
from asyncmta.spool import carrying
from asyncmta.spool.carrying import Carrier, Load, laden
from asyncmta.spool.compression import pack
from asyncmta.spool.content import read_inline
from asyncmta.spool.ledger import Entry
from asyncmta.spool.records import Carried
from asyncmta.spool.space import Reserve
from asyncmta.testing.disk import FakeDisk
from tests.unit.spool.spoolkit import JOURNAL, Image, accepted

WIRE = b"Subject: x\r\n\r\nhello\r\n"


def carried(queue_id: int) -> Carried:
    return Entry.of(accepted(queue_id, WIRE), 1, 128).carried((WIRE,))


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
    other = Entry.of(accepted(1, WIRE), 1, 128)
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


@pytest.mark.parametrize("error", [errno.EIO, errno.EROFS])
def test_a_close_that_fails_says_nothing_about_what_was_read(error: int) -> None:
    disk, carrier, written = scene()
    disk.fail_at(1, error, for_good=True, only=["close"])
    assert carrier.differing(written) == []


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
@pytest.mark.parametrize("call", ["open", "read_at"])
def test_what_may_pass_says_nothing_about_the_device(error: int, call: str) -> None:
    disk, carrier, written = scene()
    (segment, offset), _ = written[0]
    entry = Entry.of(accepted(1, WIRE), segment, offset)
    disk.fail_at(1, error, only=[call])
    with pytest.raises(OSError, match=r"\[Errno") as first:
        carrier.differing(written)
    disk.fail_at(1, error, only=[call])
    with pytest.raises(OSError, match=r"\[Errno") as second:
        carrier.read([entry])
    assert first.value.errno == second.value.errno == error
    assert carrier.differing(written) == []
    assert [load and load.parts for load in carrier.read([entry])] == [(WIRE,)]


@pytest.mark.parametrize("error", [errno.EIO, errno.EACCES])
def test_content_that_cannot_be_had_is_none(error: int) -> None:
    disk, carrier, written = scene()
    (segment, offset), record = written[0]
    entry = Entry.of(accepted(1, WIRE), segment, offset)
    assert carrier.read([entry]) == [Load((WIRE,))]
    disk.fail_at(1, error, for_good=True)
    assert carrier.read([entry]) == [None]
    large = Entry.of(accepted(1, WIRE), segment, offset)
    large.large = True
    assert carrier.read([large]) == [Load(())]
    assert record.queue_id == QueueId(1)


# -- packed ---------------------------------------------------------------------------------------------------------

LETTER = b"Subject: a letter\r\n\r\n" + b"..It has lines, and each of them begins with a dot.\r\n" * 60


def letters() -> tuple[FakeDisk, Carrier, Entry]:
    """A message as it came."""
    disk, carrier, _ = scene()
    image = Image(3).add(accepted(7, LETTER))
    disk.put("journal/0000000003.seg", image.octets)
    return disk, carrier, Entry.of(accepted(7, LETTER), 3, image.layouts[0].offsets[0])


def carry(disk: FakeDisk, number: int, entry: Entry, load: Load) -> tuple[tuple[int, int], Carried]:
    """Write what was read into a segment of this number."""
    record = laden(entry, load)
    image = Image(number).add(record)
    disk.put(f"journal/{number:010d}.seg", image.octets)
    return (number, image.layouts[0].offsets[0]), record


def test_content_is_packed_once_and_then_goes_on_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    disk, carrier, entry = letters()
    (load,) = carrier.read([entry])
    assert load == Load((pack(LETTER) or b"",), packed=True)
    written = carry(disk, 4, entry, load)
    assert carrier.differing([written]) == []
    assert len(disk.get("journal/0000000004.seg")) < 1000 < len(disk.get("journal/0000000003.seg"))
    entry.segment, entry.offset = written[0]
    assert read_inline(disk, "journal", JOURNAL, entry) == LETTER
    monkeypatch.setattr(carrying, "pack", lambda _: pytest.fail("it is packed already"))
    assert carrier.read([entry]) == [load]


def test_packed_content_that_is_damaged_is_not_carried_on() -> None:
    disk, carrier, entry = letters()
    (load,) = carrier.read([entry])
    assert load is not None
    (packed,) = load.parts
    for octets in (packed[:-1], packed + b"x", pack(LETTER + b"more\r\n") or b"", pack(b"x" * len(LETTER)) or b""):
        entry.segment, entry.offset = carry(disk, 4, entry, Load((octets,), packed=True))[0]
        assert carrier.read([entry]) == [None]
        with pytest.raises(ContentUnavailable, match=r"does not unpack|not what was accepted"):
            read_inline(disk, "journal", JOURNAL, entry)


def test_the_flag_is_read_back_too() -> None:
    disk, carrier, entry = letters()
    (load,) = carrier.read([entry])
    assert load is not None
    place, _ = carry(disk, 4, entry, Load(load.parts))
    assert carrier.differing([(place, laden(entry, load))]) == [0]
    assert carrier.differing([(place, laden(entry, Load(load.parts)))]) == []
