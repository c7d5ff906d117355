"""The time: a `Clock` protocol and the real one. The only file that reads it.

`now` is wall-clock Unix seconds, for stamps, ages and due times; `monotonic` is for deadlines and never jumps.
A timer is set by `call_at` on the monotonic scale; `sleep_until` waits there. The fake of `asyncmta.testing` moves
both together. Never: policy about when anything is due.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    def now(self) -> float: ...

    def monotonic(self) -> float: ...

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Call back once, at or after `when` on the monotonic scale; at once (next turn) if it is past."""
        ...

    async def sleep_until(self, when: float) -> None:
        """Return at or after `when` on the monotonic scale."""
        ...


class SystemClock:
    """The machine's clock. `call_at` and `sleep_until` need a running loop."""

    # Each is asked a dozen times for a message.
    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        return asyncio.get_running_loop().call_later(max(0.0, when - time.monotonic()), callback)

    async def sleep_until(self, when: float) -> None:
        await asyncio.sleep(max(0.0, when - time.monotonic()))
