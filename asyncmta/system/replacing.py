"""A small file of our own on a `Disk`, written anew: whole or not at all, whenever it is cut off.

Promises: the new octets stand under another name, synced, before they take the place of the old ones, and the directory
is synced after that; its directories are made. Never: two writers of one file (an administrator's is for `rewriting`);
the loop, since it blocks.
"""

from __future__ import annotations

from contextlib import suppress

from asyncmta.system.disk import Disk


def replace(disk: Disk, path: str, octets: bytes) -> None:
    """Make `octets` the content of the file at `path`, which has a directory; raises OSError."""
    directory, temporary = path.rpartition("/")[0], f"{path}.new"
    disk.make_directories(directory)
    with suppress(FileNotFoundError):
        disk.unlink(temporary)  # of a life that was cut off
    file = disk.create(temporary)
    try:
        disk.writev(file, (octets,), 0)
        disk.fsync(file)
    finally:
        disk.close(file)
    disk.rename(temporary, path)
    disk.sync_directory(directory)
