"""The power goes, the process is killed, and the disk fails at every step of a life in which the journal is compacted
while mail comes and goes: what is found is what was answered, from the old segments or from the new ones (J15)."""

from __future__ import annotations

import errno
from contextlib import suppress

import pytest

from asyncmta.spool.records import Attempted
from asyncmta.spool.store import JournalFailed
from asyncmta.testing.disk import FakeDisk, PowerCut
from tests.crash.scripted import LARGE, Book, Compacting
from tests.crash.test_disk_fails import OTHERS, SYNCS, WRITES
from tests.unit.spool.spoolkit import LATER, OK


async def live(disk: FakeDisk, book: Book) -> int:
    """The script; how many messages were carried."""
    life = Compacting(disk, book)
    await life.open()
    try:
        store = life.store
        two = await life.accept(b"Subject: for two\r\n\r\n..\r\n", recipients=2)
        large = await life.accept_large(LARGE)
        store.note(Attempted(two, 1.5, {0: OK, 1: LATER}))
        # Every third is large enough to be packed when it is carried.
        wires = [b"Subject: many\r\n" + b"%d\r\n" % at * (297 if at % 3 == 2 else 99) for at in range(14)]
        ids = await life.accept_together(*wires)
        await life.deliver(*ids[1:8], *ids[9:])
        assert all(store.park(each, 1) for each in (two, ids[8]))
        await life.compact()
        await life.accept(b"Subject: in between\r\n")
        await life.deliver(ids[0], large)
        more = await life.accept_together(*[b"Subject: more\r\n" + b"%d\r\n" % at * 99 for at in range(8)])
        await life.deliver(*more)
        await life.compact()
        carried = store._compactor.carried
    finally:
        await life.store.close()
    await life.open()
    try:
        await life.compact()
        await life.accept(b"Subject: the last\r\n")
    finally:
        await life.store.close()
    return carried


async def count_steps() -> int:
    disk = FakeDisk()
    await live(disk, Book())
    return disk.steps


async def test_it_is_compacted_twice_and_nothing_is_lost() -> None:
    disk, book = FakeDisk(), Book()
    assert await live(disk, book) >= 7
    assert len(book.answered) == len(book.asked)
    assert len(disk.list("spool/journal")) <= 3
    assert disk.list("spool/quarantine") == []
    segments = [octets for path, octets in disk.tree().items() if path.endswith(".seg")]
    assert any(b"\x28\xb5\x2f\xfd" in octets for octets in segments)  # packed content is among what was carried
    await book.check(disk)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [None, 1, 2])
async def test_a_cut_at_every_step(seed: int | None) -> None:
    for step in range(1, await count_steps() + 1):
        disk, book = FakeDisk(), Book()
        disk.cut_at(step)
        with suppress(PowerCut, JournalFailed):
            await live(disk, book)
        await book.check(disk.crash(None if seed is None else seed * 10_000 + step))


@pytest.mark.slow
async def test_a_kill_at_every_step() -> None:
    for step in range(1, await count_steps() + 1):
        disk, book = FakeDisk(), Book()
        disk.cut_at(step)
        with suppress(PowerCut, JournalFailed):
            await live(disk, book)
        await book.check(disk.kill())


@pytest.mark.slow
@pytest.mark.parametrize("for_good", [False, True])
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.EROFS])
async def test_a_disk_that_fails_at_any_step(error: int, for_good: bool) -> None:
    for step in range(1, await count_steps() + 1, 3):
        disk, book = FakeDisk(), Book()
        disk.fail_at(step, error, for_good=for_good, only=(*SYNCS, *WRITES, *OTHERS))
        with suppress(JournalFailed, OSError):
            await live(disk, book)
        assert book.answers_after_failed_sync == 0
        disk.heal()
        await book.check(disk.crash(step))
