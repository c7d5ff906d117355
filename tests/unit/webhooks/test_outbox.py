"""Events on the disk, and who has got them."""

from __future__ import annotations

import errno
import json

import pytest

from asyncmta.testing.disk import FakeDisk
from asyncmta.webhooks.events import Event, lines
from asyncmta.webhooks.outbox import FILES, Batch, Outbox, Place

DIRECTORY = "/spool/webhooks"
KINDS = frozenset({"delivered"})


def event(number: int, kind: str = "delivered") -> Event:
    return Event(id=f"e{number}", kind=kind, ts=100.0 + number, queue_id="q")


def ids(batch: Batch) -> list[str]:
    return [json.loads(line)["id"] for line in batch.lines]


def opened(disk: FakeDisk, *names: str, size: int = 64 << 20) -> Outbox:
    outbox = Outbox(disk=disk, directory=DIRECTORY, size=size)
    outbox.open(names or ("a",), 50.0)
    return outbox


def test_in_order_and_at_most_so_many() -> None:
    outbox = opened(FakeDisk())
    outbox.append(lines([event(1), event(2, "deferred"), event(3)]), 60.0)
    outbox.append(lines([event(4)]), 60.0)
    place = outbox.place("a")
    batch = outbox.read(place, 2, KINDS)
    assert ids(batch) == ["e1", "e3"]
    assert ids(outbox.read(place, 9, KINDS)) == ["e1", "e3", "e4"]
    outbox.advance("a", batch.place)
    rest = outbox.read(outbox.place("a"), 2, KINDS)
    assert ids(rest) == ["e4"]
    assert outbox.backlog("a") > 0
    outbox.advance("a", rest.place)
    assert (outbox.read(rest.place, 2, KINDS), outbox.backlog("a")) == (Batch((), rest.place), 0)


def test_a_restart_goes_on_where_everybody_was_and_who_is_new_begins_now() -> None:
    disk = FakeDisk()
    outbox = opened(disk, "a", "b")
    outbox.append(lines([event(1), event(2)]), 60.0)
    outbox.advance("a", outbox.read(outbox.place("a"), 1, KINDS).place)
    outbox.close(clean=True)
    again = Outbox(disk=disk, directory=DIRECTORY)
    assert again.is_clean()
    again.open(("a", "b", "c"), 70.0)
    assert not again.is_clean()
    again.append(lines([event(3)]), 70.0)

    def all_of(name: str) -> list[str]:
        found, place = [], again.place(name)
        while (batch := again.read(place, 1, KINDS)).lines:
            found += ids(batch)
            place = batch.place
        return found

    assert [all_of(name) for name in "abc"] == [["e2", "e3"], ["e1", "e2", "e3"], ["e3"]]


@pytest.mark.parametrize("seed", range(20))
def test_what_was_appended_survives_a_power_cut(seed: int) -> None:
    disk = FakeDisk()
    outbox = opened(disk)
    outbox.append(lines([event(1)]), 60.0)
    outbox.append(lines([event(2)]), 60.0)
    left = disk.crash(seed)
    again = opened(left)
    assert ids(again.read(again.place("a"), 9, KINDS)) == ["e1", "e2"]
    at, there = Outbox(disk=left, directory=DIRECTORY).last()
    assert {"e1", "e2"} <= there
    assert at == 102.0


def test_half_a_line_is_nobody_s_event() -> None:
    disk = FakeDisk()
    outbox = opened(disk)
    outbox.append(lines([event(1)]) + b'{"id":"e2","event":"deliv', 60.0)
    assert ids(outbox.read(outbox.place("a"), 9, KINDS)) == ["e1"]
    again = opened(disk)
    again.append(lines([event(3)]), 60.0)
    first = again.read(again.place("a"), 9, KINDS)
    assert ids(first) == ["e1"]
    assert ids(again.read(first.place, 9, KINDS)) == ["e3"]


def test_places_that_cannot_be_read_mean_that_all_is_told_again() -> None:
    disk = FakeDisk()
    outbox = opened(disk)
    outbox.append(lines([event(1)]), 60.0)
    outbox.advance("a", outbox.end)
    disk.unlink(f"{DIRECTORY}/places.json")
    disk.put(f"{DIRECTORY}/places.json", b"{")
    assert not Outbox(disk=disk, directory=DIRECTORY).is_clean()
    again = opened(disk)
    assert ids(again.read(again.place("a"), 9, KINDS)) == ["e1"]


def test_what_everybody_has_goes_but_for_the_two_newest() -> None:
    disk = FakeDisk()
    outbox = opened(disk, size=FILES * 4096)
    for number in range(400):
        outbox.append(lines([event(number)]), 60.0)
        outbox.advance("a", outbox.end)
    assert len([name for name in disk.list(DIRECTORY) if name.startswith("events-")]) == 2
    assert outbox.lost == 0


def test_it_is_bounded_and_what_is_lost_is_counted() -> None:
    disk = FakeDisk()
    outbox = opened(disk, "a", "b", size=FILES * 4096)
    told = 3000
    place = outbox.place("b")
    for number in range(told):
        outbox.append(lines([event(number)]), 60.0)
        batch = outbox.read(place, 9, KINDS)
        place = batch.place
        outbox.advance("b", place)
    found, place = 0, outbox.place("a")
    while (batch := outbox.read(place, 500, KINDS)).lines:
        found += len(batch.lines)
        place = batch.place
    assert outbox.lost > 0
    assert found + outbox.lost == told
    assert sum(len(octets) for octets in disk.tree().values()) < (FILES + 2) * 4200


def test_a_disk_that_fails_is_written_to_again_at_the_same_place() -> None:
    disk = FakeDisk()
    outbox = opened(disk)
    outbox.append(lines([event(1)]), 60.0)
    disk.fail_at(1, errno.EIO)
    with pytest.raises(OSError, match=r"."):
        outbox.append(lines([event(2)]), 60.0)
    outbox.append(lines([event(3)]), 60.0)
    assert ids(outbox.read(outbox.place("a"), 9, KINDS)) == ["e1", "e3"]


def test_before_it_was_ever_opened() -> None:
    outbox = Outbox(disk=FakeDisk(), directory=DIRECTORY)
    assert outbox.is_clean()
    assert outbox.last() == (0.0, frozenset())


def test_of_an_outbox_without_events_the_beginning_counts() -> None:
    disk = FakeDisk()
    opened(disk)
    assert Outbox(disk=disk, directory=DIRECTORY).last() == (50.0, frozenset())
    assert Place(1, 2) < Place(2, 0)
