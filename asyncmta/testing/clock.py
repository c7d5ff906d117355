"""`FakeClock`: a clock that stands still until a test moves it.

Promises: `now` and `monotonic` move together (but for `jump`, which is the wall clock being set); timers run in the
order of their times, equal ones in the order in which they were set, each with the clock standing at its own time.
A callback never runs inside `call_at`. Never: a real wait for time to pass; `settle` only gives way to other tasks,
and `run_until` gives threads (the disk) a moment to come back before it moves the clock.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

EPOCH = 1_750_000_000.0  # a day in June 2025, so that dates in tests look like dates


class FakeTimer:
    """What `call_at` returns."""

    __slots__ = ("_callback", "when")

    def __init__(self, when: float, callback: Callable[[], object]) -> None:
        self.when = when
        self._callback: Callable[[], object] | None = callback

    @property
    def is_set(self) -> bool:
        """Neither run nor cancelled."""
        return self._callback is not None

    def cancel(self) -> None:
        self._callback = None

    def run(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class FakeClock:
    """The `Clock` of `system/clock.py`, moved by `advance`."""

    def __init__(self, now: float = EPOCH, monotonic: float = 1_000.0) -> None:
        self._now = now
        self._monotonic = monotonic
        self._timers: list[tuple[float, int, FakeTimer]] = []
        self._count = 0

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def call_at(self, when: float, callback: Callable[[], object]) -> FakeTimer:
        timer = FakeTimer(when, callback)
        if when <= self._monotonic:
            try:
                asyncio.get_running_loop().call_soon(timer.run)
            except RuntimeError:  # no loop runs: the next `advance`, be it by nothing, runs it
                pass
            else:
                return timer
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, timer))
        return timer

    async def sleep_until(self, when: float) -> None:
        woken = asyncio.Event()
        timer = self.call_at(when, woken.set)
        try:
            await woken.wait()
        finally:
            timer.cancel()

    # What only the fake can do.

    def advance(self, seconds: float) -> None:
        """Move both scales forward and run what falls due on the way, also what those callbacks set."""
        if seconds < 0:
            raise ValueError("time does not go back; use jump() for the wall clock")
        self.advance_to(self._monotonic + seconds)

    def advance_to(self, when: float) -> None:
        """`advance` to a point on the monotonic scale; nothing happens if it is past."""
        while (due := self.next_timer()) is not None and due <= when:
            _, _, timer = heapq.heappop(self._timers)
            self._move(due)
            timer.run()
        self._move(when)

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back; the monotonic scale and all timers stay as they are."""
        self._now += seconds

    def next_timer(self) -> float | None:
        """When the next timer is due on the monotonic scale, or None."""
        while self._timers and not self._timers[0][2].is_set:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    async def settle(self, turns: int = 50) -> None:
        """Let everything run that can run without time passing: `turns` turns of the loop."""
        for _ in range(turns):
            await asyncio.sleep(0)

    async def run_until(
        self, predicate: Callable[[], object], *, limit: float = 30 * 86_400.0, patience: float = 0.002
    ) -> None:
        """Move from timer to timer until `predicate()` holds; TimeoutError after `limit` seconds of this clock.

        Before each move the loop turns, and then waits `patience` real seconds, so that what threads are doing (a
        sync, a look at a directory) comes back before the clock runs on without it. With no timer set within
        `limit` it waits for the threads alone, a thousand times `patience`.
        """
        deadline = self._monotonic + limit
        idle = 0
        while True:
            await self.settle()
            if predicate():
                return
            await asyncio.sleep(patience)
            await self.settle()
            if predicate():
                return
            due = self.next_timer()
            if due is not None and due <= deadline:
                idle = 0
                self.advance_to(due)
                continue
            idle += 1
            if idle > 1_000:
                raise TimeoutError("nothing that is still to come makes the condition true")

    def _move(self, when: float) -> None:
        if when > self._monotonic:
            self._now += when - self._monotonic
            self._monotonic = when
