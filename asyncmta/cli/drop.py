"""A message left in the drop directory: by anybody who may write there, whether or not the MTA runs.

Promises: when `leave` returns, the message is on the disk under its name; the directory need not be readable, so that
its own entry is made durable by the second sync of the file (a rename is in the journal of the file system that this
one waits for). Nothing half written ever has a name that is looked for. Never: what is in the file.

docs/sendmail.md; the reader is `inbound/drop_directory`.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress

from asyncmta.inbound.drop_directory import TMP, WAKE

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FIFO = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
READABLE = 0o640  # the MTA is of the group, which the directory gives to the file


def leave(directory: str, octets: bytes) -> str:
    """Write it, wake whoever may be there, and say its name. Raises OSError, and then nothing is left."""
    place = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        name = _write(place, octets)
        _wake(place)
    finally:
        os.close(place)
    return name


def _write(place: int, octets: bytes) -> str:
    token = secrets.token_hex(16)
    name, unfinished = f"{token}.mail", f"{TMP}{token}"
    file = os.open(unfinished, _NEW, READABLE, dir_fd=place)
    current = unfinished
    try:
        os.fchmod(file, READABLE)  # whatever the umask
        rest = memoryview(octets)
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
        os.rename(unfinished, name, src_dir_fd=place, dst_dir_fd=place)
        current = name
        os.fsync(file)
    except BaseException:
        with suppress(OSError):
            os.unlink(current, dir_fd=place)
        raise
    finally:
        os.close(file)
    _sync_directory(place)
    return name


def _sync_directory(place: int) -> None:
    """Where we may read it."""
    with suppress(PermissionError):
        directory = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=place)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _wake(place: int) -> None:
    """Nobody may be there; then it is taken when somebody is."""
    with suppress(OSError):
        fifo = os.open(WAKE, _FIFO, dir_fd=place)
        try:
            if stat.S_ISFIFO(os.fstat(fifo).st_mode):
                os.write(fifo, b"\n")
        finally:
            os.close(fifo)
