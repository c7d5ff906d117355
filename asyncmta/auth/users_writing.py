"""The file of users, written: one change at a time, whole or not at all.

Promises: the new file stands under another name, synced, before it takes the place of the old one, and the directory
is synced after it; mode and owner stay, and a new file is for its owner alone; two who write at once do it one after
the other; a file with a fault is not touched. Never: the loop; this is for commands.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from asyncmta.auth.reading import UsersRefused, said
from asyncmta.auth.users_file import Users, parse_users


def change(path: str, edit: Callable[[str, Users], str]) -> None:
    """Replace the text of the file by what `edit` makes of it and its users (of "" where there is no file yet).

    Raises UsersRefused for a file with a fault, and OSError; what `edit` raises leaves all as it was.
    """
    path = os.path.realpath(path)  # a link stays one
    with _locked(os.path.dirname(path)) as directory:
        try:
            with open(path, "rb") as file:
                octets, facts = file.read(), os.fstat(file.fileno())
        except FileNotFoundError:
            octets, facts = b"", None
        users = parse_users(octets)
        if users.faults:
            raise UsersRefused(said(path, users.faults))
        text = edit(octets.decode(), users)
        new = parse_users(text.encode())
        if new.faults:
            raise UsersRefused(said(path, new.faults))
        temporary = f"{path}.{os.getpid()}.new"
        try:
            _write(temporary, text.encode(), facts)
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
