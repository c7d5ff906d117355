"""Disks that leave out a sync, or take a failed one for a good one: what the laboratory must catch."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from asyncmta.system.disk import PosixDisk
from asyncmta.testing.disk import FakeDisk


class _Ours(PosixDisk):
    """All that is written goes through the methods below."""

    def appender(self) -> None:
        return None


class WithoutDirectorySync(PosixDisk):
    """Names are not synced: one of the two mistakes that the laboratory must catch."""

    def fsync(self, file: int) -> None:
        if not stat.S_ISDIR(os.fstat(file).st_mode):
            super().fsync(file)

    def sync_directory(self, path: str) -> None:
        pass


class WithoutDataSync(_Ours):
    """The journal is written and not synced: the other one."""

    def fdatasync(self, file: int) -> None:
        pass


class WithoutSyncErrors(_Ours):
    """A sync that failed passes for one that did not."""

    def fdatasync(self, file: int) -> None:
        with suppress(OSError):
            super().fdatasync(file)


class ModelWithoutDirectorySync(FakeDisk):
    def fsync(self, file: int) -> None:
        with suppress(IsADirectoryError, OSError):
            self.size(file)
            super().fsync(file)

    def sync_directory(self, path: str) -> None:
        pass


class ModelWithoutDataSync(FakeDisk):
    def fdatasync(self, file: int) -> None:
        pass


REAL = {"": PosixDisk, "directories": WithoutDirectorySync, "data": WithoutDataSync, "errors": WithoutSyncErrors}
MODEL = {"": FakeDisk, "directories": ModelWithoutDirectorySync, "data": ModelWithoutDataSync}
