from __future__ import annotations

import asyncio
import threading

import pytest

from asyncmta.system.clock import Clock
from asyncmta.testing.clock import FakeClock


def test_it_stands_still_until_it_is_moved() -> None:
    clock: Clock = FakeClock(now=100.0, monotonic=5.0)
    assert (clock.now(), clock.monotonic()) == (100.0, 5.0)


def test_both_scales_move_together() -> None:
    clock = FakeClock(now=100.0, monotonic=5.0)
    clock.advance(2.5)
    assert (clock.now(), clock.monotonic()) == (102.5, 7.5)


def test_a_jump_moves_the_wall_clock_alone() -> None:
    clock = FakeClock(now=100.0, monotonic=5.0)
    ran = []
    clock.call_at(6.0, lambda: ran.append(1))
    clock.jump(3600.0)
    clock.jump(-7200.0)
    assert (clock.now(), clock.monotonic(), ran) == (-3500.0, 5.0, [])


def test_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="back"):
        FakeClock().advance(-1.0)


def test_timers_run_in_order_and_at_their_time() -> None:
    clock = FakeClock(monotonic=0.0)
    ran: list[tuple[str, float]] = []
    for name, when in (("c", 3.0), ("a", 1.0), ("b1", 2.0), ("b2", 2.0), ("late", 9.0)):
        clock.call_at(when, lambda name=name: ran.append((name, clock.monotonic())))
    clock.advance(5.0)
    assert ran == [("a", 1.0), ("b1", 2.0), ("b2", 2.0), ("c", 3.0)]
    assert clock.monotonic() == 5.0
    assert clock.next_timer() == 9.0


def test_a_timer_set_by_a_timer_runs_in_the_same_move() -> None:
    clock = FakeClock(monotonic=0.0)
    ran: list[float] = []

    def again() -> None:
        ran.append(clock.monotonic())
        clock.call_at(clock.monotonic() + 2.0, again)

    clock.call_at(1.0, again)
    clock.advance(6.0)
    assert ran == [1.0, 3.0, 5.0]


def test_a_cancelled_timer_does_not_run() -> None:
    clock = FakeClock(monotonic=0.0)
    ran: list[int] = []
    timer = clock.call_at(1.0, lambda: ran.append(1))
    timer.cancel()
    timer.cancel()
    clock.advance(2.0)
    assert ran == []
    assert clock.next_timer() is None


def test_without_a_loop_what_is_past_runs_with_the_next_move() -> None:
    clock = FakeClock()
    ran: list[int] = []
    clock.call_at(0.0, lambda: ran.append(1))
    assert ran == []
    clock.advance(0.0)
    assert ran == [1]


async def test_with_a_loop_what_is_past_runs_in_its_next_turn() -> None:
    clock = FakeClock()
    ran: list[int] = []
    clock.call_at(0.0, lambda: ran.append(1))
    clock.call_at(0.0, lambda: ran.append(2)).cancel()
    assert ran == []
    await asyncio.sleep(0)
    assert ran == [1]


async def test_a_sleeper_wakes_when_the_clock_gets_there() -> None:
    clock = FakeClock(monotonic=0.0)
    sleeper = asyncio.ensure_future(clock.sleep_until(10.0))
    await clock.settle()
    clock.advance(9.0)
    await clock.settle()
    assert not sleeper.done()
    clock.advance(1.0)
    await asyncio.wait_for(sleeper, 1.0)
    await clock.sleep_until(5.0)
    assert clock.monotonic() == 10.0


async def test_a_cancelled_sleeper_leaves_no_timer() -> None:
    clock = FakeClock(monotonic=0.0)
    sleeper = asyncio.ensure_future(clock.sleep_until(10.0))
    await clock.settle()
    sleeper.cancel()
    await clock.settle()
    assert sleeper.cancelled()
    assert clock.next_timer() is None


async def test_run_until_goes_from_timer_to_timer() -> None:
    clock = FakeClock(monotonic=0.0)
    seen: list[float] = []

    async def work() -> None:
        for _ in range(5):
            await clock.sleep_until(clock.monotonic() + 3600.0)
            seen.append(clock.monotonic())

    working = asyncio.ensure_future(work())
    await clock.run_until(lambda: len(seen) == 3)
    assert clock.monotonic() == 3 * 3600.0
    await clock.run_until(working.done)
    assert seen[-1] == 5 * 3600.0


async def test_run_until_waits_for_a_thread_before_it_moves() -> None:
    clock = FakeClock(monotonic=0.0)
    late: list[int] = []
    clock.call_at(60.0, lambda: late.append(1))
    come_back = threading.Event()
    job = asyncio.get_running_loop().run_in_executor(None, come_back.set)
    await clock.run_until(lambda: job.done() and come_back.is_set(), patience=0.05)
    assert late == []


async def test_run_until_gives_up_where_nothing_is_to_come() -> None:
    clock = FakeClock(monotonic=0.0)
    with pytest.raises(TimeoutError):
        await clock.run_until(lambda: False, patience=0.0)
    clock.call_at(100.0, lambda: None)
    with pytest.raises(TimeoutError):
        await clock.run_until(lambda: False, limit=50.0, patience=0.0)
    assert clock.monotonic() == 0.0
