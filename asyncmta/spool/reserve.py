"""The reserve: room that is set aside while there is plenty, and given up when the disk is full. All calls block.

Promises: when a write finds no room the reserve goes, so that outcomes and compaction, which are what frees space, can
still be written; it is made again only when there is room for it above the minimum, and until then new mail is refused,
so that what was set aside for outcomes is not eaten by input. No error of the disk leaves here: without a reserve we
go on as well as we can. Never: decides what is written.

reliability.md F10, J07.
"""

from __future__ import annotations

import threading
from contextlib import suppress

from asyncmta.system.disk import Disk

SLACK = 1 << 20
"""Octets that are left alone: directories and headers need some, too."""
LEAST = 4096
_SHARE = 8  # of a small disk it takes no more than one part of so many


class Reserve:
    """`size`: what it should have. `held`: what it has; `is_given_up`: it was needed, and is not back yet."""

    def __init__(self, *, disk: Disk, directory: str, path: str, size: int, minimum: int) -> None:
        self._disk = disk
        self._directory = directory
        self._path = path
        self._size = size
        self._minimum = minimum
        self._mutex = threading.Lock()
        self._wanted = 0
        self.held = 0
        self.is_given_up = False

    def make(self) -> None:
        """At start: take up the one that is there, or set room aside if there is some."""
        with self._mutex, suppress(OSError):
            there = self._there()
            wanted = min(self._size, (self._disk.free_space(self._directory)[0] + there) // _SHARE)
            if there >= max(LEAST, wanted // 2):
                self.held = self._wanted = there
                return
            if there:
                self._disk.unlink(self._path)
            self._allocate(wanted)

    def give_up(self) -> None:
        """A write found no room."""
        with self._mutex:
            if not self.held:
                return
            with suppress(OSError):
                self._disk.unlink(self._path)
                self.held = 0
                self.is_given_up = True

    def restore(self, free: int) -> None:
        """That much is free now: is it enough to have the reserve back?"""
        with self._mutex, suppress(OSError):
            if self.is_given_up and free >= self._minimum + self._wanted:
                self._allocate(self._wanted)

    def room(self) -> int:
        """Octets that compaction may write, the reserve included."""
        try:
            return max(0, self._disk.free_space(self._directory)[0] + self.held - SLACK)
        except OSError:
            return 0

    def claim(self, octets: int) -> bool:
        """Is there room for that much? The reserve is given up for it if need be (K4)."""
        try:
            if octets > self.room():
                return False
            if octets > self._disk.free_space(self._directory)[0] - SLACK:
                self.give_up()
        except OSError:
            return False
        return True

    def _there(self) -> int:
        if not self._disk.exists(self._path):
            return 0
        file = self._disk.open(self._path)
        try:
            return self._disk.size(file)
        finally:
            self._disk.close(file)

    def _allocate(self, size: int) -> None:
        if size < LEAST:
            return
        file = self._disk.create(self._path)
        try:
            self._disk.allocate(file, size)
        except OSError:
            self._disk.unlink(self._path)
            raise
        finally:
            self._disk.close(file)
        self.held = self._wanted = size
        self.is_given_up = False
