"""Room on the disk: how much there is, whether it is enough for more mail, and a reserve for what must go on without.

Promises: `refusal` neither blocks nor waits; new mail is refused while less than the minimum is left, in octets or
inodes, while the reserve is given up, and for a moment after a write that found no room (a quota does not show in the
measure). The reserve is a file that is removed when the disk is full, so that outcomes can still be recorded, messages
retired and segments dropped, which is what makes room; it is made again when there is some. Never: deliveries held up.

reliability.md J07, F10.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from posixpath import dirname

from asyncmta.mail.replies import STORAGE_FULL
from asyncmta.mail.reply import Reply
from asyncmta.system.clock import Clock
from asyncmta.system.disk import Disk

MAX_AGE = 1.0
"""Seconds for which a measure is good, and for which we refuse after a write that found no room."""
_PIECE = 1 << 20
SLACK = 1 << 20
"""Octets that compaction leaves alone: directories and headers need some, too."""


class Reserve:
    """A file of `size` octets. All calls block. It is never synced: its octets have no meaning, and a file system that
    allocates late counts them as taken from the write on."""

    def __init__(self, *, disk: Disk, path: str, size: int) -> None:
        self._disk = disk
        self._path = path
        self.size = size
        self.is_held = False

    def take(self, room: int) -> None:
        """Find the file there, or make it if there is so much room. Raises OSError; then there is none."""
        if self.size and not self._is_there():
            if room < self.size:
                return
            try:
                self._fill()
            except OSError:
                self.give_up()
                raise
        self.is_held = self.size > 0 or room >= 0

    def room(self) -> int:
        """Octets that compaction may write, the reserve included."""
        try:
            free = self._disk.free_space(dirname(self._path))[0]
        except OSError:
            return 0
        return max(0, free + (self.size if self.is_held else 0) - SLACK)

    def claim(self, octets: int) -> bool:
        """Is there room for that much? The reserve is given up for it if need be (K4)."""
        room = self.room()
        if octets > room:
            return False
        if self.is_held and octets > room - self.size:
            self.give_up()
        return True

    def give_up(self) -> None:
        self.is_held = False
        with suppress(OSError):
            self._disk.unlink(self._path)

    def _is_there(self) -> bool:
        if not self._disk.exists(self._path):
            return False
        file = self._disk.open(self._path)
        try:
            if self._disk.size(file) == self.size:
                return True
        finally:
            self._disk.close(file)
        self._disk.unlink(self._path)
        return False

    def _fill(self) -> None:
        file = self._disk.create(self._path)
        try:
            for at in range(0, self.size, _PIECE):
                self._disk.writev(file, [bytes(min(_PIECE, self.size - at))], at)
        finally:
            self._disk.close(file)


class FreeSpace:
    """Methods are for the loop but for `measure` and `give_up_reserve`, which block."""

    def __init__(
        self, *, disk: Disk, path: str, clock: Clock, reserve: Reserve, minimum: int, minimum_inodes: int
    ) -> None:  # fmt: skip
        self._disk = disk
        self._path = path
        self._clock = clock
        self._reserve = reserve
        self._minimum = minimum
        self._minimum_inodes = minimum_inodes
        self._free = (0, 0)
        self._written = 0
        self._measured = clock.monotonic()
        self._full_until = self._measured

    @property
    def is_scarce(self) -> bool:
        """The reserve is given up: what room there is belongs to what makes more."""
        return not self._reserve.is_held

    @property
    def free(self) -> tuple[int, int]:
        """Octets and inodes, as they were last measured."""
        return self._free

    def measure(self) -> None:
        """And take the reserve again if there is room for it. What cannot be measured stays as it was."""
        with suppress(OSError):
            self._written = 0
            self._free = self._disk.free_space(self._path)
            if not self._reserve.is_held:
                self._reserve.take(self._free[0] - self._minimum)
                self._free = self._disk.free_space(self._path)

    def give_up_reserve(self) -> None:
        self._reserve.give_up()

    def spend(self, octets: int) -> None:
        """So much was written since the last measure."""
        self._written += octets

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
        if (
            space < self._minimum + self._written + size
            or inodes < self._minimum_inodes
            or now < self._full_until
            or not self._reserve.is_held
        ):
            return STORAGE_FULL
        return None
