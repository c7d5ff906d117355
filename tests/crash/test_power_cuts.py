"""The power goes at every step of the scripted life; of what was not synced, chance decides what is left."""

from __future__ import annotations

from contextlib import suppress

import pytest

from asyncmta.mail.envelope import ContentUnavailable
from asyncmta.spool.store import JournalFailed
from asyncmta.testing.disk import FakeDisk, PowerCut
from tests.crash.scripted import Book, live, reopen


async def test_the_life_without_a_cut_ends_well_and_small() -> None:
    disk, book = FakeDisk(), Book()
    await live(disk, book)
    assert len(book.answered) == len(book.asked) == 12
    assert len(book.finished) == 11
    await book.check(disk)
    assert disk.list("spool/content") == []
    assert len(disk.list("spool/journal")) <= 3
    assert disk.list("spool/quarantine") == []


async def count_steps() -> int:
    disk = FakeDisk()
    await live(disk, Book())
    return disk.steps


@pytest.mark.slow
@pytest.mark.parametrize("seed", [None, 1, 2, 3])
async def test_a_cut_at_every_step(seed: int | None) -> None:
    steps = await count_steps()
    assert steps > 150
    for step in range(1, steps + 1):
        disk, book = FakeDisk(), Book()
        disk.cut_at(step)
        with suppress(PowerCut, JournalFailed):
            await live(disk, book)
        await book.check(disk.crash(None if seed is None else seed * 10_000 + step))


@pytest.mark.slow
async def test_a_kill_at_every_step() -> None:
    """Nothing that was written is lost, and nothing that was not answered needs to be there."""
    for step in range(1, await count_steps() + 1):
        disk, book = FakeDisk(), Book()
        disk.cut_at(step)
        with suppress(PowerCut, JournalFailed):
            await live(disk, book)
        await book.check(disk.kill())


@pytest.mark.slow
async def test_a_second_cut_at_every_step_of_the_recovery() -> None:
    steps = await count_steps()
    for step in range(7, steps + 1, 9):
        first, book = FakeDisk(), Book()
        first.cut_at(step)
        with suppress(PowerCut, JournalFailed):
            await live(first, book)
        after = first.crash(step)
        store, _ = await reopen(recovered := after.kill())
        needed = recovered.steps
        await store.close()
        for second in range(1, needed + 1, 3):
            disk = after.kill()
            disk.cut_at(second)
            with suppress(PowerCut, JournalFailed):
                store, _ = await reopen(disk)
                await store.close()
            await book.check(disk.crash(second))


class LyingDisk(FakeDisk):
    """It says that it has synced, and has not."""

    lies: frozenset[str] = frozenset()

    def fdatasync(self, file: int) -> None:
        if "fdatasync" not in self.lies:
            super().fdatasync(file)

    def fsync(self, file: int) -> None:
        is_folder = self._name(file).endswith("/journal")
        if ("folder" if is_folder else "fsync") not in self.lies:
            super().fsync(file)

    def sync_directory(self, path: str) -> None:
        if "sync_directory" not in self.lies or not path.endswith("/content"):
            super().sync_directory(path)


@pytest.mark.slow
@pytest.mark.parametrize("lie", ["fdatasync", "fsync", "folder", "sync_directory"])
async def test_these_tests_can_fail(lie: str) -> None:
    """A journal without one of its syncs does lose mail here, so that one which forgets it would be caught."""
    caught = 0
    for step in range(1, await count_steps() + 1, 3):
        disk, book = LyingDisk(), Book()
        disk.lies = frozenset({lie})
        disk.cut_at(step)
        with suppress(PowerCut, JournalFailed):
            await live(disk, book)
        try:
            await book.check(disk.crash(None))
        except (AssertionError, ContentUnavailable):
            caught += 1
    assert caught > 3
