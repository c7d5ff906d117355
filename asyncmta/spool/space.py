"""Free space: whether there is room for more mail, measured in a thread at most once a second and answered at once.

Promises: `refusal` neither blocks nor waits; it refuses new mail while less than the minimum is left, in octets or
inodes, and for a moment after a write that found no room (a quota does not show in the measure). Never: deliveries
held up, which are what makes room.

reliability.md J07, F10.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from asyncmta.mail.replies import STORAGE_FULL
from asyncmta.mail.reply import Reply
from asyncmta.spool.reserve import Reserve
from asyncmta.system.clock import Clock
from asyncmta.system.disk import Disk

MAX_AGE = 1.0
"""Seconds for which a measure is good, and for which we refuse after a write that found no room."""

Run = Callable[[Callable[[], None]], None]
"""Has a thread do something soon."""


class FreeSpace:
    """`reserve`: while it is given up, new mail is refused."""

    def __init__(
        self, *, disk: Disk, path: str, clock: Clock, minimum: int, minimum_inodes: int, reserve: Reserve
    ) -> None:
        self._disk = disk
        self._path = path
        self._clock = clock
        self._minimum = minimum
        self._minimum_inodes = minimum_inodes
        self._reserve = reserve
        self._free = (0, 0)
        self._measured = clock.monotonic()
        self._full_until = self._measured

    def measure(self) -> None:
        """In a thread. What cannot be measured stays as it was."""
        with suppress(OSError):
            self._free = self._disk.free_space(self._path)
            self._reserve.restore(self._free[0])

    def found_full(self, run: Run) -> None:
        """A write has just failed for want of room."""
        self._full_until = self._clock.monotonic() + MAX_AGE
        run(self._reserve.give_up)

    def found_room(self, run: Run) -> None:
        """A write has just succeeded."""
        if self._reserve.is_given_up:
            self._measure_soon(self._clock.monotonic(), run)

    def _measure_soon(self, now: float, run: Run) -> None:
        if now - self._measured >= MAX_AGE:
            self._measured = now
            run(self.measure)

    def refusal(self, size: int, run: Run) -> Reply | None:
        """What to answer to somebody who wants to send us that much."""
        now = self._clock.monotonic()
        self._measure_soon(now, run)
        space, inodes = self._free
        if (
            self._reserve.is_given_up
            or space < self._minimum + size
            or inodes < self._minimum_inodes
            or now < self._full_until
        ):
            return STORAGE_FULL
        return None
