"""A deadline on the house's clock: `async with Deadline(clock, 30.0)` raises TimeoutError when the time is over.

As `asyncio.timeout`, but on the `Clock` that is given, so that a test moves it. For what happens once per session or
look-up; sessions at work are swept once a second instead. Never: a timer per command or message.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from asyncmta.system.clock import Clock, Timer


class Deadline:
    """Must be entered inside a task. A cancellation from elsewhere passes through."""

    __slots__ = ("_cancelling", "_clock", "_expired", "_seconds", "_task", "_timer")

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._expired = False
        self._task: asyncio.Task[object] | None = None
        self._timer: Timer | None = None
        self._cancelling = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        assert self._task is not None
        self._cancelling = self._task.cancelling()
        self._timer = self._clock.call_at(self._clock.monotonic() + self._seconds, self._expire)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._task is not None
        assert self._timer is not None
        self._timer.cancel()
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _expire(self) -> None:
        assert self._task is not None
        self._expired = True
        self._task.cancel()
