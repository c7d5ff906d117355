"""The file of a list's members on the disk: read, and written anew when somebody joins or leaves.

Promises: a change is whole or not there, and durable when `change` returns; the loop never waits for the disk; what
cannot be read, or is not there, is an OSError and never an empty list. Never: an include (who stands in it is not put
off by us).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from asyncmta.lists.members_text import members
from asyncmta.lists.verp import marked, member
from asyncmta.mail.address import Address
from asyncmta.system.file_state import FileState, file_state
from asyncmta.system.rewriting import rewrite

LARGEST = 64 << 20


class MembersFile:
    """One file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._state: FileState | None = None
        self._members: dict[str, Address] = {}
        self._marked: dict[str, Address] = {}

    async def marked(self, mark: str) -> Address | None:
        """Whose mark that is (`verp`), if he stands in it; raises OSError."""
        return await asyncio.to_thread(lambda: member(mark, self._current_marked()))

    async def change(self, edit: Callable[[str], str]) -> None:
        """Replace its text by what `edit` makes of it; raises OSError."""
        await asyncio.to_thread(self._change, edit)

    def _change(self, edit: Callable[[str], str]) -> None:
        os.stat(self._path)  # one that is gone is not made anew with one member
        rewrite(self._path, lambda octets: edit(_text(octets)).encode())

    def _current(self) -> dict[str, Address]:
        state = file_state(self._path)
        if state != self._state:
            self._members = read_members(self._path)
            self._marked = {}
            self._state = state
        return self._members

    def _current_marked(self) -> dict[str, Address]:
        members = self._current()
        if not self._marked:
            self._marked = marked(members.values())
        return self._marked


def read_members(path: str) -> dict[str, Address]:
    """Who stands in the file, by mailbox. Blocks; raises OSError."""
    with open(path, "rb") as file:
        return members(_text(file.read(LARGEST + 1)))


def _text(octets: bytes) -> str:
    if len(octets) > LARGEST:
        raise OSError(f"the file of members is larger than {LARGEST >> 20} MiB")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        raise OSError("the file of members is not UTF-8") from None
