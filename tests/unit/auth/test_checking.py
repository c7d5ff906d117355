"""auth/checking: bounded threads, a memory of what was right, and nothing lost when clients go."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from asyncmta.auth import checking
from asyncmta.auth.checking import Checking
from asyncmta.auth.users_file import User
from asyncmta.testing.clock import FakeClock
from tests.unit.auth.authkit import fits, hash_of

ALICE = User("alice", hash_of("secret"))


class Slow:
    """A check that takes as long as the test wants; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.at_once = 0
        self.most_at_once = 0
        self.go = threading.Event()
        self._lock = threading.Lock()

    def __call__(self, user: User, password: str) -> bool:
        with self._lock:
            self.asked += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        assert self.go.wait(30)
        with self._lock:
            self.at_once -= 1
        return fits(user, password)


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def checks(slow: Slow, clock: FakeClock) -> AsyncIterator[Checking]:
    made = Checking(clock.monotonic, fits=slow, threads=2)
    yield made
    slow.go.set()
    await made.close()


async def test_right_wrong_and_nobody(checks: Checking, slow: Slow) -> None:
    slow.go.set()
    assert await checks.fits(ALICE, "secret") is True
    assert await checks.fits(ALICE, "wrong") is False
    assert await checks.fits(ALICE, "secret", is_real=False) is False
    assert slow.asked == 3  # also for nobody, whom what is remembered of somebody does not help


async def test_what_was_right_is_not_asked_again_until_it_is_old_or_has_changed(
    checks: Checking, slow: Slow, clock: FakeClock
) -> None:
    slow.go.set()
    for _ in range(5):
        assert await checks.fits(ALICE, "secret") is True
    assert slow.asked == 1
    assert await checks.fits(User("alice", hash_of("new")), "secret") is False
    clock.advance(checking.REMEMBERED_FOR)
    assert await checks.fits(ALICE, "secret") is True
    assert slow.asked == 3
    checks.forget()
    assert await checks.fits(ALICE, "secret") is True
    assert slow.asked == 4


async def test_what_is_remembered_is_bounded(checks: Checking, slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    slow.go.set()
    monkeypatch.setattr(checking, "REMEMBERED", 2)
    users = [User(f"u{number}", hash_of("x")) for number in range(3)]
    for user in users:
        assert await checks.fits(user, "x") is True
    assert await checks.fits(users[2], "x") is True
    assert slow.asked == 3
    assert await checks.fits(users[0], "x") is True
    assert slow.asked == 4


async def test_too_many_are_told_so_and_a_client_that_goes_gives_its_place_back_when_the_work_is_done(
    slow: Slow, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "QUEUE", 3)
    checks = Checking(clock.monotonic, fits=slow, threads=2)
    waiting = [asyncio.ensure_future(checks.fits(ALICE, f"guess {number}")) for number in range(5)]
    await asyncio.sleep(0)
    assert await checks.fits(ALICE, "secret") is None
    waiting[0].cancel()  # may be at work already: its place is taken until that is done
    waiting[4].cancel()  # has not begun, and gives its place back at once
    await clock.settle()
    slow.go.set()
    assert await asyncio.gather(*waiting[1:4]) == [False] * 3
    for _ in range(1000):
        if checks._room == 5:
            break
        await asyncio.sleep(0.001)
    assert checks._room == 5
    assert slow.most_at_once <= 2
    assert await checks.fits(ALICE, "secret") is True
    await checks.close()


async def test_a_check_that_breaks_is_an_error_of_who_asked(clock: FakeClock) -> None:
    def broken(user: User, password: str) -> bool:
        raise MemoryError

    checks = Checking(clock.monotonic, fits=broken, threads=1)
    with pytest.raises(MemoryError):
        await checks.fits(ALICE, "secret")
    await checks.close()
