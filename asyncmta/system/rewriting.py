"""A small file of an administrator, written anew: one change at a time, whole or not at all.

Promises: the new file stands under another name, synced, before it takes the place of the old one, and the directory is
synced after it; mode and owner stay, and a new file is for its owner alone; two who write at once do it one after the
other, also from two processes; what a process that was killed left behind is in nobody's way. Never: the loop; it
blocks.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def rewrite(path: str, edit: Callable[[bytes], bytes]) -> None:
    """Replace the content of the file by what `edit` makes of it (of b"" where there is no file yet).

    Raises OSError; what `edit` raises leaves all as it was.
    """
    path = os.path.realpath(path)  # a link stays one
    with _locked(os.path.dirname(path)) as directory:
        try:
            with open(path, "rb") as file:
                octets, facts = file.read(), os.fstat(file.fileno())
        except FileNotFoundError:
            octets, facts = b"", None
        new = edit(octets)
        temporary = f"{path}.{os.getpid()}.new"
        if os.path.lexists(temporary):
            os.unlink(temporary)
        try:
            _write(temporary, new, facts)
            os.rename(temporary, path)
        except BaseException:
            if os.path.lexists(temporary):
                os.unlink(temporary)
            raise
        os.fsync(directory)


@contextmanager
def _locked(path: str) -> Iterator[int]:
    """The directory, open and locked: a lock on the file itself would go with the file."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield directory
    finally:
        os.close(directory)


def _write(path: str, octets: bytes, like: os.stat_result | None) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(file, "wb") as stream:
        if like is not None:
            if (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file, like.st_uid, like.st_gid)
            os.fchmod(file, like.st_mode & 0o7777)
        stream.write(octets)
        stream.flush()
        os.fsync(file)
