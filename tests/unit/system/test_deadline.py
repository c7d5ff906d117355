"""A deadline on the house's clock."""

from __future__ import annotations

import asyncio

import pytest

from asyncmta.system.deadline import Deadline
from asyncmta.testing.clock import FakeClock


async def waiting(clock: FakeClock, seconds: float) -> str:
    async with Deadline(clock, seconds):
        await asyncio.Event().wait()
    return "unreachable"


async def test_in_time(clock: FakeClock) -> None:
    async with Deadline(clock, 5.0):
        await asyncio.sleep(0)
    assert clock.next_timer() is None


async def test_too_late(clock: FakeClock) -> None:
    task = asyncio.create_task(waiting(clock, 5.0))
    await asyncio.sleep(0)
    clock.advance(4.9)
    await asyncio.sleep(0)
    assert not task.done()
    clock.advance(0.1)
    with pytest.raises(TimeoutError):
        await task
    assert not task.cancelled()


async def test_a_cancellation_from_elsewhere_passes_through(clock: FakeClock) -> None:
    task = asyncio.create_task(waiting(clock, 5.0))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert clock.next_timer() is None


async def test_both_at_once_is_a_cancellation(clock: FakeClock) -> None:
    task = asyncio.create_task(waiting(clock, 5.0))
    await asyncio.sleep(0)
    task.cancel()
    clock.advance(5.0)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_inner_one_of_two(clock: FakeClock) -> None:
    async def both() -> str:
        async with Deadline(clock, 10.0):
            try:
                return await waiting(clock, 5.0)
            except TimeoutError:
                return "inner"

    task = asyncio.create_task(both())
    await asyncio.sleep(0)
    clock.advance(5.0)
    assert await task == "inner"


async def test_another_error_is_not_hidden(clock: FakeClock) -> None:
    async def fails() -> None:
        async with Deadline(clock, 5.0):
            clock.advance(5.0)
            raise KeyError

    task = asyncio.create_task(fails())
    with pytest.raises(KeyError):
        await task
