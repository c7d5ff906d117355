"""A clock that can be hurried: the real time, but for the seconds that a run skips instead of sleeping through them.

So what waits for a second (compaction, the spool's own notes) comes about in a run of a tenth of one. It moves both
scales together, and what fell due by it is called in the next turn of the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from asyncmta.system.clock import SystemClock


class _Timer:
    __slots__ = ("callback", "clock", "handle", "when")

    def __init__(self, clock: HurriedClock, when: float, callback: Callable[[], object]) -> None:
        self.clock, self.when, self.callback = clock, when, callback
        self.handle: asyncio.TimerHandle | None = None

    def arm(self) -> None:
        if self.handle is not None:
            self.handle.cancel()
        wait = max(0.0, self.when - self.clock.monotonic())
        self.handle = asyncio.get_running_loop().call_later(wait, self._run)

    def _run(self) -> None:
        self.clock.timers.discard(self)
        self.callback()

    def cancel(self) -> None:
        self.clock.timers.discard(self)
        if self.handle is not None:
            self.handle.cancel()


class HurriedClock(SystemClock):
    """The `Clock` of `system/clock.py`; `hurry` is what the laboratory has besides."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self.timers: set[_Timer] = set()

    def now(self) -> float:
        return super().now() + self._ahead

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead

    def call_at(self, when: float, callback: Callable[[], object]) -> _Timer:
        timer = _Timer(self, when, callback)
        self.timers.add(timer)
        timer.arm()
        return timer

    async def sleep_until(self, when: float) -> None:
        woken = asyncio.Event()
        timer = self.call_at(when, woken.set)
        try:
            await woken.wait()
        finally:
            timer.cancel()

    def hurry(self, seconds: float) -> None:
        self._ahead += seconds
        for timer in tuple(self.timers):
            timer.arm()
