"""Whose mailboxes are, and who may look into them: the mode, owner and group of what is made there.

Never: a look at names of users (`mta_maildir` has made numbers of them).
"""

from __future__ import annotations

from msgspec import Struct

from asyncmta.system.disk import Disk

DEFAULT_MODE = 0o700


class Ownership(Struct, frozen=True):
    """`mode` of directories; files have the same without the right to search. -1: as the process has it."""

    mode: int = DEFAULT_MODE
    uid: int = -1
    gid: int = -1

    @property
    def file_mode(self) -> int:
        return self.mode & 0o666

    @property
    def is_plain(self) -> bool:
        """Nothing is to be done: what a process makes for itself is so."""
        return self == Ownership()

    def give(self, disk: Disk, file: int, *, directory: bool = False) -> None:
        """An open file becomes what it is to be."""
        if not self.is_plain:
            disk.grant(file, self.mode if directory else self.file_mode, self.uid, self.gid)
