"""A disk that fails at step n, once or for good, with every error that matters; then it heals, and the power goes."""

from __future__ import annotations

import errno
from contextlib import suppress

import pytest

from asyncmta.spool.store import JournalFailed
from asyncmta.testing.disk import FakeDisk
from tests.crash.scripted import Book, live

SYNCS = ("fdatasync", "fsync", "sync_directory")
WRITES = ("writev", "create", "truncate")
OTHERS = ("open", "close", "unlink", "rename", "list", "size", "mkdir", "lock", "free_space")


async def run(disk: FakeDisk, book: Book) -> None:
    """The life, and what it is allowed to end with: a value for those who commit, an OSError at start."""
    with suppress(JournalFailed, OSError):
        await live(disk, book)


async def count(operations: tuple[str, ...]) -> int:
    disk = FakeDisk()
    await live(disk, Book())
    return sum(name in operations for name, _ in disk.calls)


@pytest.mark.slow
@pytest.mark.parametrize("for_good", [False, True])
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
async def test_a_sync_that_fails(error: int, for_good: bool) -> None:
    for step in range(1, await count(SYNCS) + 1):
        disk, book = FakeDisk(), Book()
        disk.fail_at(step, error, for_good=for_good, only=SYNCS)
        await run(disk, book)
        assert book.answers_after_failed_sync == 0
        after = disk.kill()
        await book.check(after)  # a process that comes at once, and sees what the cache shows
        await book.check(disk.crash(None))  # and one that comes after a power cut


@pytest.mark.slow
async def test_a_failed_sync_of_the_journal_is_not_tried_again() -> None:
    for step in range(1, await count(("fdatasync",)) + 1):
        disk, book = FakeDisk(), Book()
        disk.fail_at(step, errno.EIO, only=["fdatasync"])
        await run(disk, book)
        calls = [name for name, _ in disk.calls]
        failed = [at for at, name in enumerate(calls) if name == "fdatasync"][step - 1]
        end = calls.index("lock", failed) if "lock" in calls[failed:] else len(calls)  # where the next life begins
        assert not {*WRITES, *SYNCS} & set(calls[failed + 1 : end])


@pytest.mark.slow
@pytest.mark.parametrize("for_good", [False, True])
@pytest.mark.parametrize(
    "error", [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENOMEM, errno.EROFS, errno.EINTR]
)
async def test_a_write_that_fails(error: int, for_good: bool) -> None:
    for step in range(1, await count(WRITES) + 1):
        disk, book = FakeDisk(), Book()
        disk.fail_at(step, error, for_good=for_good, only=WRITES)
        await run(disk, book)
        if not for_good:
            assert book.witness.poisoned == []
        disk.heal()
        await book.check(disk.crash(step))


@pytest.mark.slow
@pytest.mark.parametrize("error", [errno.EIO, errno.EMFILE, errno.EROFS])
async def test_anything_else_that_fails(error: int) -> None:
    for step in range(1, await count(OTHERS) + 1):
        disk, book = FakeDisk(), Book()
        disk.fail_at(step, error, only=OTHERS)
        await run(disk, book)
        await book.check(disk.crash(step))


@pytest.mark.slow
async def test_everything_that_can_fail_after_a_step_fails_for_good() -> None:
    whole = FakeDisk()
    await live(whole, Book())
    for step in range(1, whole.steps + 1, 2):
        for error in (errno.EIO, errno.ENOSPC):
            disk, book = FakeDisk(), Book()
            disk.fail_at(step, error, for_good=True)
            await run(disk, book)
            assert book.answers_after_failed_sync == 0
            disk.heal()
            await book.check(disk.crash(step))
