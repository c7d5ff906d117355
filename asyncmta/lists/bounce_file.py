"""The bounces of a list on the disk: a line for each, durable before the bounce is called delivered.

Promises: a bounce that comes again after a crash is counted once; the file stays small, since it is written anew as
sums when it has grown, under another name first; an error of the disk leaves what was counted. Never: the loop waits
for none of it; a decision about a member.
"""

from __future__ import annotations

import asyncio

from asyncmta.lists.bounce_counts import MOST_LINES, Bounce, line, lines, shortened
from asyncmta.system.disk import Disk
from asyncmta.system.replacing import replace

LARGEST = 16 << 20  # octets that are read


class BounceFile:
    """One list's. `directory` is made when it is first needed."""

    def __init__(self, *, disk: Disk, directory: str, name: str) -> None:
        self._disk = disk
        self._directory = directory
        self._path = f"{directory}/{name}.bounces"
        self._bounces: list[Bounce] | None = None
        self._seen: set[str] = set()
        self._turn = asyncio.Lock()

    async def add(self, bounce: Bounce) -> None:
        """Count it, if it was not counted before; raises OSError."""
        async with self._turn:
            try:
                await asyncio.to_thread(self._add, bounce)
            except BaseException:
                self._bounces = None  # whatever stands there now, it is read again
                raise

    def read(self) -> list[Bounce]:
        """What stands there. Blocks; raises OSError."""
        try:
            file = self._disk.open(self._path)
        except FileNotFoundError:
            return []
        try:
            return lines(self._disk.read_at(file, LARGEST, 0))
        finally:
            self._disk.close(file)

    def _add(self, bounce: Bounce) -> None:
        if self._bounces is None:
            self._bounces = self.read()
            self._seen = {one.id for one in self._bounces}
        if bounce.id in self._seen:
            return
        self._append(line(bounce))
        self._bounces.append(bounce)
        self._seen.add(bounce.id)
        if len(self._bounces) > MOST_LINES:
            self._shorten(self._bounces)
            self._bounces = None

    def _append(self, octets: bytes) -> None:
        disk = self._disk
        try:
            file = disk.open(self._path, write=True)
        except FileNotFoundError:
            disk.make_directories(self._directory)
            file = disk.create(self._path)
            disk.sync_directory(self._directory)
        try:
            size = disk.size(file)
            # Behind half a line, which a crash left, begins a new one.
            torn = size > 0 and disk.read_at(file, 1, size - 1) != b"\n"
            disk.writev(file, (b"\n", octets) if torn else (octets,), size)
            disk.fdatasync(file)
        finally:
            disk.close(file)

    def _shorten(self, bounces: list[Bounce]) -> None:
        replace(self._disk, self._path, shortened(bounces))
