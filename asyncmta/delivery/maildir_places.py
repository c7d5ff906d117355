"""Directories of Maildirs: found or made, with their folders, and durable under their names before mail is in them.

Promises: a directory is opened through no symbolic link; one that is made has the mode and the owner of the settings,
and so have those above it that are made with it; a folder is taken for a detail only when it is there, or when folders
may be made. Blocking calls only. Never: messages.

Maildir++ (folders); reliability.md F11.
"""

from __future__ import annotations

import errno
import posixpath
from contextlib import suppress

from msgspec import Struct

from asyncmta.mailboxes.folder_names import folder_for, folder_name
from asyncmta.mailboxes.ownership import Ownership
from asyncmta.mailboxes.resolver import Mailbox
from asyncmta.system.disk import Disk

KNOWN_DIRECTORIES = 100_000
USES = 64  # of a Maildir between two looks at its directories
FOLDER_MARK = "maildirfolder"

# Where a directory cannot be synced for such a reason, nobody of us has made anything in it.
_NOT_OURS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EINVAL})


class MaildirSettings(Struct, frozen=True, kw_only=True):
    """[maildir]. size_in_name: names say how large a file is. subfolders: "none"; "detail": what stands behind the
    name in the address is the folder, if it is there; "create": it is made. once: what reaches a mailbox by several
    addresses of one message is put there once; then names say no size, since the name alone is how that is seen."""

    size_in_name: bool = True
    subfolders: str = "none"
    ownership: Ownership = Ownership()
    once: bool = False


class Places:
    """The directories of one disk. It remembers which are durable under their names, for this life."""

    def __init__(self, disk: Disk, settings: MaildirSettings) -> None:
        self._disk = disk
        self._subfolders = settings.subfolders
        self._ownership = settings.ownership
        self.durable: set[str] = set()
        self._uses_left: dict[str, int] = {}  # Maildirs that were looked at, and are not to be doubted yet

    def directory(self, mailbox: Mailbox) -> str:
        """Where mail for this mailbox goes: into it, or into one of its folders."""
        if not mailbox.detail or self._subfolders == "none":
            return mailbox.path
        try:
            names = self._disk.list(mailbox.path)
        except FileNotFoundError:
            names = []
        name = folder_for(mailbox.detail, [name for name in names if self._disk.is_dir(f"{mailbox.path}/{name}")])
        if name is None and self._subfolders == "create":
            name = folder_name(mailbox.detail)
        return mailbox.path if name is None else f"{mailbox.path}/{name}"

    def prepare(self, mailbox: Mailbox, directory: str) -> None:
        """Make what is missing of the Maildir. A link where a directory should be is refused by `open`."""
        uses_left = self._uses_left.get(directory, 0)
        if uses_left > 0:
            self._uses_left[directory] = uses_left - 1
            return
        self._prepare(mailbox.path, may_make=mailbox.may_make)
        if directory != mailbox.path:
            self._prepare(directory, may_make=self._subfolders == "create")
            with suppress(FileExistsError):
                self._give(self._disk.create(f"{directory}/{FOLDER_MARK}", self._ownership.file_mode), False)
        if len(self._uses_left) > KNOWN_DIRECTORIES:
            self._uses_left.clear()
        self._uses_left[directory] = USES

    def doubt(self, directory: str) -> None:
        """Something is wrong there: look again at the next use."""
        self._uses_left.pop(directory, None)

    def _prepare(self, directory: str, *, may_make: bool) -> None:
        for part in ("", "tmp", "new", "cur"):
            path = f"{directory}/{part}" if part else directory
            try:
                self._disk.close(self._disk.open(path))
            except FileNotFoundError:
                if not part and not may_make:
                    raise
                self._make(path)
        if directory not in self.durable:
            self._make_durable(directory)

    def _make(self, path: str) -> None:
        if self._ownership.is_plain:
            self._disk.make_directories(path)
            return
        missing = []
        while path and not self._disk.is_dir(path):
            missing.append(path)
            path = posixpath.dirname(path)
        for one in reversed(missing):
            self._disk.make_directories(one, self._ownership.mode)
            self._give(self._disk.open(one), True)

    def _give(self, file: int, is_directory: bool) -> None:
        try:
            self._ownership.give(self._disk, file, directory=is_directory)
        finally:
            self._disk.close(file)

    def _make_durable(self, path: str) -> None:
        """Sync the mailbox and the directories above it, once in a life: whoever made them (an operator, or a life
        that ended before its sync) may not have, and all mail in them would go with the directory."""
        self._disk.sync_directory(path)
        top = "/" if path.startswith("/") else "."
        named = set()
        while path != top and path not in self.durable:
            above = path.rpartition("/")[0] or top
            try:
                self._disk.sync_directory(above)
            except OSError as error:
                if error.errno not in _NOT_OURS:
                    raise
            named.add(path)
            path = above
        if len(self.durable) > KNOWN_DIRECTORIES:
            self.durable.clear()
        self.durable |= named
