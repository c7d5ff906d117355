"""The file of users read from the disk, once: its users, who may read it, and a signature that tells its states apart.

Blocks. Promises: what cannot be read is `UsersRefused` with the reason. Never: when (`users`), the loop, a log; the
check of the settings is to load nothing that it does not need.
"""

from __future__ import annotations

import os

from msgspec import Struct

from asyncmta.auth.users_file import MAX_FILE, Users, parse_users

Signature = tuple[int, ...]


class UsersRefused(ValueError):
    """There is no working with this file; the message says why."""


class Found(Struct, frozen=True):
    """`signature` tells one state of the file from another."""

    users: Users
    signature: Signature
    mode: int


def read(path: str) -> Found:
    """Read the file; raises UsersRefused where it cannot be read. Links are followed: secrets are often mounted so."""
    found = read_if_changed(path, None)
    assert found is not None
    return found


def read_if_changed(path: str, signature: Signature | None) -> Found | None:
    """The same, unless it still has this signature. Taken before it is read, so that a change while it is read is
    seen by the next look."""
    try:
        with open(path, "rb") as file:
            facts = os.fstat(file.fileno())
            new = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
            if new == signature:
                return None
            octets = file.read(MAX_FILE + 1)
    except OSError as error:
        raise UsersRefused(f"{path}: cannot be read: {error.strerror}") from None
    return Found(parse_users(octets), new, facts.st_mode)


def said(path: str, faults: tuple[str, ...]) -> str:
    """The first fault, and how many there are beside it."""
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{path}: {faults[0]}{more}"
