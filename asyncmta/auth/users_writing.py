"""The file of users, written: a change at a time, whole or not at all (`system/rewriting`), and never with a fault.

Promises: a file with a fault is not touched, and none is made. Never: the loop; this is for commands.
"""

from __future__ import annotations

from collections.abc import Callable

from asyncmta.auth.reading import UsersRefused, said
from asyncmta.auth.users_file import Users, parse_users
from asyncmta.system.rewriting import rewrite


def change(path: str, edit: Callable[[str, Users], str]) -> None:
    """Replace the text of the file by what `edit` makes of it and its users (of "" where there is no file yet).

    Raises UsersRefused for a file with a fault, and OSError; what `edit` raises leaves all as it was.
    """

    def edited(octets: bytes) -> bytes:
        users = parse_users(octets)
        if users.faults:
            raise UsersRefused(said(path, users.faults))
        text = edit(octets.decode(), users)
        new = parse_users(text.encode())
        if new.faults:
            raise UsersRefused(said(path, new.faults))
        return text.encode()

    rewrite(path, edited)
