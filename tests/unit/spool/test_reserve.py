from __future__ import annotations

import errno

import pytest

from asyncmta.mail.replies import STORAGE_FULL
from asyncmta.spool.records import Accepted, Attempted
from asyncmta.spool.reserve import SLACK, Reserve
from asyncmta.spool.store import JournalFailed, SpoolSettings
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk
from tests.unit.spool.spoolkit import OK, Witness, content_of, envelope, make_store, settled

SIZE = 1 << 20


class SmallDisk(FakeDisk):
    """A disk of so many octets, used up by what stands on it."""

    capacity = 1 << 40

    def used(self) -> int:
        with self._mutex:
            reserve = self._root.seen.get("spool")
            held = getattr(getattr(reserve, "seen", {}).get("reserve"), "allocated", 0)
            return sum(map(len, self.tree().values())) + held

    def _recount(self) -> None:
        self.free = (max(0, self.capacity - self.used()), self.free[1])

    def create(self, path: str, mode: int = 0o600) -> int:
        self._recount()
        return super().create(path, mode)

    def writev(self, file, buffers, offset):  # type: ignore[no-untyped-def]
        self._recount()
        return super().writev(file, buffers, offset)

    def allocate(self, file: int, size: int) -> None:
        self._recount()
        super().allocate(file, size)

    def free_space(self, path: str) -> tuple[int, int]:
        self._recount()
        return super().free_space(path)


def made(disk: FakeDisk, size: int = SIZE, minimum: int = 0) -> Reserve:
    disk.make_directories("spool")
    reserve = Reserve(disk=disk, directory="spool", path="spool/reserve", size=size, minimum=minimum)
    reserve.make()
    return reserve


def test_room_is_set_aside_and_taken_up_at_the_next_start() -> None:
    disk = FakeDisk()
    assert made(disk).held == SIZE
    calls = len(disk.calls)
    assert made(disk).held == SIZE
    assert "allocate" not in [name for name, _ in disk.calls[calls:]]


def test_one_that_is_much_too_small_is_made_again() -> None:
    disk = FakeDisk()
    assert made(disk, size=SIZE // 4).held == SIZE // 4
    assert made(disk).held == SIZE


def test_of_a_small_disk_it_takes_a_small_part_and_of_a_tiny_one_nothing() -> None:
    disk = FakeDisk()
    disk.free = (800_000, 100)
    assert made(disk).held == 100_000
    disk = FakeDisk()
    disk.free = (8000, 100)
    assert made(disk).held == 0
    assert not disk.exists("spool/reserve")


def test_it_is_given_up_and_comes_back_only_above_the_minimum() -> None:
    disk = FakeDisk()
    reserve = made(disk, minimum=1000)
    reserve.give_up()
    assert (reserve.held, reserve.is_given_up) == (0, True)
    assert not disk.exists("spool/reserve")
    reserve.give_up()
    reserve.restore(SIZE + 999)
    assert reserve.is_given_up
    reserve.restore(SIZE + 1000)
    assert (reserve.held, reserve.is_given_up) == (SIZE, False)


def test_one_that_never_was_is_not_given_up() -> None:
    disk = FakeDisk()
    disk.free = (0, 100)
    reserve = made(disk)
    reserve.give_up()
    assert not reserve.is_given_up


@pytest.mark.parametrize("operation", ["create", "allocate", "close", "free_space"])
def test_no_error_leaves_it(operation: str) -> None:
    disk = FakeDisk()
    disk.make_directories("spool")
    disk.fail_at(1, errno.EDQUOT, for_good=True, only=[operation])
    reserve = made(disk)
    assert not reserve.is_given_up
    disk.heal()
    assert made(disk).held == SIZE


def test_a_quota_that_does_not_show_keeps_it_given_up() -> None:
    disk = FakeDisk()
    reserve = made(disk)
    reserve.give_up()
    disk.fail_at(1, errno.EDQUOT, only=["allocate"])
    reserve.restore(1 << 40)
    assert reserve.is_given_up
    assert not disk.exists("spool/reserve")
    reserve.restore(1 << 40)
    assert not reserve.is_given_up


def test_a_reserve_that_cannot_be_unlinked_is_still_held() -> None:
    disk = FakeDisk()
    reserve = made(disk)
    disk.fail_at(1, errno.EIO, only=["unlink"])
    reserve.give_up()
    assert (reserve.held, reserve.is_given_up) == (SIZE, False)


def test_what_it_can_be_claimed_for() -> None:
    disk = FakeDisk()
    reserve = made(disk)
    disk.free = (SLACK + 100, 10)
    assert reserve.claim(100)
    assert reserve.held
    assert not reserve.claim(SIZE + 101)
    assert reserve.held
    assert reserve.claim(SIZE + 100)
    assert reserve.is_given_up
    disk.fail_at(1, errno.EIO, for_good=True, only=["free_space"])
    assert not reserve.claim(1)
    assert reserve.room() == 0


# -- a store on a disk that is full ---------------------------------------------------------------------------------


@pytest.mark.parametrize("minimum", [0, 300_000])
async def test_a_full_disk_takes_outcomes_and_refuses_mail_and_comes_back_by_itself(minimum: int) -> None:
    disk, clock, witness = SmallDisk(), FakeClock(), Witness()
    disk.capacity = 2_000_000
    settings = SpoolSettings(min_free_space=minimum, min_free_inodes=0, segment_size=200_000)
    store = make_store(disk, settings=settings, clock=clock, witness=witness)
    await store.open()
    wire = b"Subject: fill\r\n" + b"x" * 20_000 + b"\r\n"
    taken, answered, failures = [], 0, []
    for _ in range(200):  # as somebody who does not ask before
        queue_id = store.next_queue_id()
        try:
            await store.commit(Accepted(queue_id, 1.0, envelope(), content_of(wire), "c", None, False, (wire,)))
            taken.append(queue_id)
        except JournalFailed as failure:
            failures.append(failure)
            break
    assert [failure.full for failure in failures] == [True]
    assert len(taken) > 50
    await settled(store)
    assert store.refusal() is STORAGE_FULL
    assert store._reserve.is_given_up
    for queue_id in taken:
        store.note(Attempted(queue_id, 2.0, {0: OK}))
    for _ in range(8):
        clock.advance(1.1)
        await settled(store)
        answered += store.refusal() is None
    assert answered
    assert list(store.entries()) == []
    assert store._reserve.held
    assert store.refusal() is None
    assert witness.poisoned == []
    assert disk.used() < 400_000
    await store.close()


async def test_a_full_disk_does_not_keep_us_from_starting() -> None:
    disk = FakeDisk()
    store = make_store(disk, settings=SpoolSettings(min_free_space=0, min_free_inodes=0, segment_size=200_000))
    await store.open()
    await store.close()
    disk.fail_at(1, errno.ENOSPC, only=["create"])
    store = make_store(disk)
    await store.open()
    assert ("unlink", "spool/reserve") in disk.calls
    await store.close()
