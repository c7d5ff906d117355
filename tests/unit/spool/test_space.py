from __future__ import annotations

import errno
from collections.abc import Callable

from asyncmta.mail.replies import STORAGE_FULL
from asyncmta.spool.reserve import Reserve
from asyncmta.spool.space import FreeSpace
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk


def make(space: int, inodes: int) -> tuple[FreeSpace, FakeDisk, FakeClock, list[Callable[[], None]]]:
    disk, clock = FakeDisk(), FakeClock()
    disk.make_directories("spool")
    disk.free = (space, inodes)
    reserve = Reserve(disk=disk, directory="spool", path="spool/reserve", size=1 << 20, minimum=1000)
    free = FreeSpace(disk=disk, path="spool", clock=clock, minimum=1000, minimum_inodes=10, reserve=reserve)
    free.measure()
    return free, disk, clock, []


def test_below_either_minimum_new_mail_is_refused() -> None:
    for space, inodes, size, refused in (
        (1000, 10, 0, False),
        (999, 10, 0, True),
        (1000, 9, 0, True),
        (5000, 10, 4000, False),
        (5000, 10, 4001, True),
    ):
        free, _, _, jobs = make(space, inodes)
        assert (free.refusal(size, jobs.append) is STORAGE_FULL) == refused


def test_it_is_measured_at_most_once_a_second_and_never_waited_for() -> None:
    free, disk, clock, jobs = make(0, 100)
    disk.free = (10_000, 100)
    assert free.refusal(0, jobs.append) is STORAGE_FULL
    assert jobs == []
    clock.advance(1.0)
    for _ in range(5):
        assert free.refusal(0, jobs.append) is STORAGE_FULL
    assert len(jobs) == 1
    jobs.pop()()
    assert free.refusal(0, jobs.append) is None


def test_a_write_that_found_no_room_refuses_for_a_moment() -> None:
    """A quota does not show in the measure."""
    free, _, clock, jobs = make(10_000, 100)
    free.found_full(jobs.append)
    assert free.refusal(0, jobs.append) is STORAGE_FULL
    clock.advance(1.0)
    assert free.refusal(0, jobs.append) is None


def test_what_cannot_be_measured_stays_as_it_was() -> None:
    free, disk, _, jobs = make(10_000, 100)
    disk.fail_at(1, errno.EIO)
    free.measure()
    assert free.refusal(0, jobs.append) is None
