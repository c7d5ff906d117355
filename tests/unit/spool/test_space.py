from __future__ import annotations

import errno
from collections.abc import Callable

from asyncmta.mail.replies import STORAGE_FULL
from asyncmta.spool.space import FreeSpace, Reserve
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk


class Scene:
    """A minimum of 1000 octets and 10 inodes."""

    def __init__(self, space: int, inodes: int = 100, reserve: int = 0) -> None:
        self.disk, self.clock = FakeDisk(), FakeClock()
        self.disk.make_directories("spool")
        self.disk.free = (space, inodes)
        self.reserve = Reserve(disk=self.disk, path="spool/reserve", size=reserve)
        self.space = FreeSpace(
            disk=self.disk, path="spool", clock=self.clock, reserve=self.reserve, minimum=1000, minimum_inodes=10
        )
        self.space.measure()
        self.jobs: list[Callable[[], None]] = []

    def refuses(self, size: int = 0) -> bool:
        reply = self.space.refusal(size, self.jobs.append)
        assert reply in (None, STORAGE_FULL)
        return reply is not None


def test_below_either_minimum_new_mail_is_refused() -> None:
    for space, inodes, size, refused in (
        (1000, 10, 0, False),
        (999, 10, 0, True),
        (1000, 9, 0, True),
        (5000, 10, 4000, False),
        (5000, 10, 4001, True),
    ):
        assert Scene(space, inodes).refuses(size) == refused


def test_it_is_measured_at_most_once_a_second_and_never_waited_for() -> None:
    scene = Scene(0)
    scene.disk.free = (10_000, 100)
    assert scene.refuses()
    assert scene.jobs == []
    scene.clock.advance(1.0)
    for _ in range(5):
        assert scene.refuses()
    assert len(scene.jobs) == 1
    scene.jobs.pop()()
    assert not scene.refuses()


def test_what_was_written_since_the_measure_counts() -> None:
    scene = Scene(5000)
    scene.space.spend(3000)
    assert not scene.refuses(1000)
    assert scene.refuses(1001)
    scene.space.measure()
    assert not scene.refuses(4000)


def test_a_write_that_found_no_room_refuses_for_a_moment() -> None:
    """A quota does not show in the measure."""
    scene = Scene(10_000)
    scene.space.found_full()
    assert scene.refuses()
    scene.clock.advance(1.0)
    assert not scene.refuses()


def test_what_cannot_be_measured_stays_as_it_was() -> None:
    scene = Scene(10_000)
    scene.disk.fail_at(1, errno.EIO)
    scene.space.measure()
    assert not scene.refuses()


# -- the reserve ----------------------------------------------------------------------------------------------------


def test_the_reserve_is_taken_when_there_is_room_above_the_minimum() -> None:
    scene = Scene(5999, reserve=5000)
    assert scene.space.is_scarce
    assert scene.refuses()
    scene.disk.free = (6000, 100)
    scene.space.measure()
    assert not scene.space.is_scarce
    assert len(scene.disk.get("spool/reserve")) == 5000
    assert not scene.refuses()


def test_a_reserve_that_is_there_needs_no_room() -> None:
    scene = Scene(1000, reserve=0)
    scene.disk.put("spool/reserve", bytes(5000))
    scene.reserve.size = 5000
    scene.reserve.is_held = False
    scene.space.measure()
    assert not scene.space.is_scarce
    assert [name for name, _ in scene.disk.calls].count("create") == 0


def test_a_reserve_of_another_size_is_made_anew() -> None:
    scene = Scene(1 << 30, reserve=3 << 20)
    scene.disk.put("spool/reserve", bytes(5000))
    scene.reserve.is_held = False
    scene.space.measure()
    assert len(scene.disk.get("spool/reserve")) == 3 << 20
    assert not scene.space.is_scarce


def test_given_up_it_is_gone_and_taken_again_when_there_is_room() -> None:
    scene = Scene(10_000, reserve=5000)
    scene.space.give_up_reserve()
    scene.space.give_up_reserve()
    assert scene.space.is_scarce
    assert scene.refuses()
    assert not scene.disk.exists("spool/reserve")
    scene.disk.free = (5000, 100)
    scene.space.measure()
    assert scene.space.is_scarce
    scene.disk.free = (7000, 100)
    scene.space.measure()
    assert not scene.space.is_scarce


def test_a_reserve_that_cannot_be_made_leaves_nothing_behind() -> None:
    for operation in ("create", "writev"):
        scene = Scene(0, reserve=5000)
        scene.disk.free = (1 << 20, 100)
        scene.disk.fail_at(1, errno.ENOSPC, only=[operation])
        scene.space.measure()
        assert scene.space.is_scarce
        assert not scene.disk.exists("spool/reserve")
        scene.space.measure()
        assert not scene.space.is_scarce


def test_without_a_reserve_a_full_disk_is_scarce_until_there_is_room() -> None:
    scene = Scene(10_000)
    assert not scene.space.is_scarce
    scene.space.give_up_reserve()
    assert scene.space.is_scarce
    scene.disk.free = (999, 100)
    scene.space.measure()
    assert scene.space.is_scarce
    scene.disk.free = (1000, 100)
    scene.space.measure()
    assert not scene.space.is_scarce
