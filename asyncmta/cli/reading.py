"""A progress bar over what is read from a spool: by octets, since one record may be as large as a thousand others.

Promises: reads only, as the disk below it; on standard error, where that is a terminal, else nothing is seen. The total
is what the files have at the start: a running owner may add to it. Never: what is read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from asyncmta.spool.opening import Places
from asyncmta.system.disk import PosixDisk


class Reading(PosixDisk):
    """Says after each read how many octets that have been."""

    def __init__(self, shows: Callable[[int], None]) -> None:
        super().__init__()
        self._shows = shows
        self._done = 0

    def read_at(self, file: int, size: int, offset: int) -> bytes:
        octets = super().read_at(file, size, offset)
        self._done += len(octets)
        self._shows(self._done)
        return octets


@contextmanager
def reading(directory: str, times: int, *, quiet: bool = False) -> Iterator[PosixDisk]:
    """A disk to read this spool with, its journal so many times over."""
    if quiet or not sys.stderr.isatty():
        yield PosixDisk()
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        places = Places(directory)
        total = times * octets_below(places.journal) + octets_below(places.content)
        task = progress.add_task("", total=total)
        yield Reading(lambda done: progress.update(task, completed=min(done, total)))


def octets_below(directory: str) -> int:
    """Of the files in it; what is not there has none."""
    try:
        with os.scandir(directory) as found:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in found if entry.is_file())
    except OSError:
        return 0
