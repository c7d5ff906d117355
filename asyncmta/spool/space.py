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
from asyncmta.system.clock import Clock
from asyncmta.system.disk import Disk

MAX_AGE = 1.0
"""Seconds for which a measure is good, and for which we refuse after a write that found no room."""


class FreeSpace:
    def __init__(self, *, disk: Disk, path: str, clock: Clock, minimum: int, minimum_inodes: int) -> None:
        self._disk = disk
        self._path = path
        self._clock = clock
        self._minimum = minimum
        self._minimum_inodes = minimum_inodes
        self._free = (0, 0)
        self._measured = clock.monotonic()
        self._full_until = self._measured

    def measure(self) -> None:
        """In a thread. What cannot be measured stays as it was."""
        with suppress(OSError):
            self._free = self._disk.free_space(self._path)

    def found_full(self) -> None:
        """A write has just failed for want of room."""
        self._full_until = self._clock.monotonic() + MAX_AGE

    def refusal(self, size: int, run: Callable[[Callable[[], None]], None]) -> Reply | None:
        """`run` has a thread do something soon."""
        now = self._clock.monotonic()
        if now - self._measured >= MAX_AGE:
            self._measured = now
            run(self.measure)
        space, inodes = self._free
        if space < self._minimum + size or inodes < self._minimum_inodes or now < self._full_until:
            return STORAGE_FULL
        return None
