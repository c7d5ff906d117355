"""The drop directory on the disk: made so that users may leave files and not look at them, and emptied.

    SPOOL/drop/NAME.mail    a message that waits (`drop_file`); `tmp.NAME` while it is written
    SPOOL/drop/wake         a FIFO: whoever has left something writes an octet into it
    SPOOL/dropped/ID        taken: it has its queue id, and is not known to be in the journal yet
    SPOOL/dropped/bad/ID    set aside: it cannot be taken

Whoever may write into the directory may mean harm. Promises: a file is taken away from its users first and looked at
then; a link, a FIFO, a file with a second name, one that is too large, torn or not readable is never followed, waited
for or believed, and does not keep the others; whose a message is, is said by the owner of the file. All calls block,
and raise OSError only where the directory itself is not as `prepare` left it. Never: the loop, addresses, the journal.

Reliability P05, P06, J11 (torn); row P-71; docs/sendmail.md.
"""

from __future__ import annotations

import grp
import os
import re
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice

from msgspec import Struct

from asyncmta.inbound import drop_file
from asyncmta.inbound.drop_file import Dropped
from asyncmta.mail.envelope import QueueId, format_queue_id, parse_queue_id

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\.mail\Z")
TMP = "tmp."
WAKE = "wake"
MOST_SET_ASIDE = 100
MOST_AT_ONCE = 100  # names of one look
OCTETS_AT_ONCE = 16 << 20
OLD = 86400.0  # seconds after which somebody has died while writing
_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FIFO = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # with a writer of its own it never ends


class DropSettings(Struct, frozen=True, kw_only=True):
    """`mode` and `group` ("" is ours) of the directory; `largest`: octets of a message's content."""

    directory: str
    taken: str
    mode: int = 0o3733
    group: str = ""
    largest: int = 25 << 20


class Taken(Struct, frozen=True):
    """One that was taken: a message, or what is wrong with it; and the user who owned the file."""

    queue_id: QueueId
    userid: int
    message: Dropped | str


class DropDirectory:
    """One of them."""

    def __init__(self, settings: DropSettings) -> None:
        self._settings = settings
        self._bad = os.path.join(settings.taken, "bad")

    def prepare(self, now: float) -> tuple[int, list[str]]:
        """Make it, or make it right: the descriptor of its FIFO, and what keeps others from using it all the same.
        Raises OSError and KeyError (there is no such group)."""
        settings = self._settings
        for path in (settings.taken, self._bad):
            os.makedirs(path, mode=0o700, exist_ok=True)
        with suppress(FileExistsError):
            os.mkdir(settings.directory, 0o700)
        made = os.open(settings.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            group = grp.getgrnam(settings.group).gr_gid if settings.group else os.getegid()
            if os.fstat(made).st_gid != group:
                os.fchown(made, -1, group)
            if stat.S_IMODE(os.fstat(made).st_mode) != settings.mode:
                os.fchmod(made, settings.mode)
        finally:
            os.close(made)
        self._remove_unfinished(now)
        return self._fifo(), self._closed_to_others()

    def _fifo(self) -> int:
        path = os.path.join(self._settings.directory, WAKE)
        with suppress(FileNotFoundError):
            found = os.lstat(path)
            if not stat.S_ISFIFO(found.st_mode) or found.st_uid != os.geteuid():
                os.unlink(path)
        with suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        fifo = os.open(path, _FIFO)
        if not stat.S_ISFIFO(os.fstat(fifo).st_mode):
            os.close(fifo)
            raise FileExistsError(f"{path} is no FIFO")
        os.fchmod(fifo, self._settings.mode & 0o022 | 0o600)
        return fifo

    def _remove_unfinished(self, now: float) -> None:
        """What was begun a day ago will not be finished, and what is no message is none of ours."""
        with os.scandir(self._settings.directory) as entries:
            for entry in entries:
                with suppress(OSError):
                    is_ours = NAME.match(entry.name) or entry.name == WAKE
                    if not is_ours and now - entry.stat(follow_symlinks=False).st_mtime > OLD:
                        os.unlink(entry.path)

    def _closed_to_others(self) -> list[str]:
        """The spool itself is opened for passing through, since it is ours; what is above it is not."""
        settings = self._settings
        if not settings.mode & 0o033:
            return []
        needed = 0o001 if settings.mode & 0o003 else 0o011
        spool = os.path.dirname(settings.directory)
        found = os.stat(spool)
        if found.st_uid == os.geteuid() and not found.st_mode & needed:
            os.chmod(spool, stat.S_IMODE(found.st_mode) | 0o011)  # noqa: S103 - to pass through, not to look
        closed = []
        path = spool
        while True:
            if not os.stat(path).st_mode & needed:
                closed.append(f"{path} cannot be passed through by those who may leave mail in {settings.directory}")
            if path == os.path.dirname(path):
                return closed
            path = os.path.dirname(path)

    # -- emptying ----------------------------------------------------------------------------------------------------

    def look(self) -> tuple[list[str], list[QueueId]]:
        """Names of messages that wait, and ids of those that were taken and not finished."""
        with os.scandir(self._settings.directory) as entries:
            # A directory cannot be taken away from its owner, and is none of ours.
            found = (each.name for each in entries if NAME.match(each.name) and not each.is_dir(follow_symlinks=False))
            names = list(islice(found, MOST_AT_ONCE))
        return names, [queue_id for name in os.listdir(self._settings.taken) if (queue_id := _id_of(name)) is not None]

    def take(self, wanted: Sequence[tuple[str, QueueId]]) -> None:
        """Give them their ids, durably: from now on they are ours."""
        for name, queue_id in wanted:
            with suppress(FileNotFoundError):  # its owner has thought better of it
                self._take(os.path.join(self._settings.directory, name), self._path(queue_id))
        if wanted:
            self._sync(self._settings.taken)
            self._sync(self._settings.directory)

    @staticmethod
    def _take(path: str, to: str) -> None:
        with suppress(PermissionError):  # a directory, put there since the look; a file is ours to move
            os.rename(path, to)
            if stat.S_ISDIR(os.lstat(to).st_mode):  # it could neither be read nor removed
                with suppress(OSError):  # there is another one already
                    os.rename(to, path)

    def read(self, queue_ids: Iterable[QueueId]) -> list[Taken]:
        """As many of them as fit into memory, and at least one."""
        found: list[Taken] = []
        room = OCTETS_AT_ONCE
        for queue_id in queue_ids:
            if room <= 0:
                break
            with suppress(FileNotFoundError):
                taken, octets = self._read(queue_id)
                found.append(taken)
                room -= octets
        return found

    def _read(self, queue_id: QueueId) -> tuple[Taken, int]:
        path = self._path(queue_id)
        owner = os.lstat(path).st_uid
        try:
            file = os.open(path, _LOOK)
        except OSError as error:
            return Taken(queue_id, owner, f"it cannot be opened: {error.strerror}"), 0
        try:
            facts = os.fstat(file)
            owner = facts.st_uid
            if not stat.S_ISREG(facts.st_mode):
                return Taken(queue_id, owner, "it is no file"), 0
            if facts.st_nlink != 1:
                return Taken(queue_id, owner, "it has a second name"), 0
            largest = self._settings.largest + drop_file.ROOM
            octets = _whole(file, largest + 1) if facts.st_size <= largest else None
            if octets is None or len(octets) > largest:
                return Taken(queue_id, owner, "it is too large"), 0
        except OSError as error:
            return Taken(queue_id, owner, f"it cannot be read: {error.strerror}"), 0
        finally:
            os.close(file)
        return Taken(queue_id, owner, drop_file.read(octets)), len(octets)

    def finish(self, done: Iterable[QueueId], bad: Iterable[QueueId]) -> None:
        """Those that are in the journal go away; those that cannot be taken are set aside, as far as there is room."""
        for queue_id in done:
            with suppress(FileNotFoundError):
                os.unlink(self._path(queue_id))
        for queue_id in bad:
            self._set_aside(queue_id)
        self._sync(self._settings.taken)

    def _set_aside(self, queue_id: QueueId) -> None:
        path = self._path(queue_id)
        with suppress(FileNotFoundError, IsADirectoryError):  # the second: its owner was quicker than `take`
            facts = os.lstat(path)
            is_plain = stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1
            if is_plain and len(os.listdir(self._bad)) < MOST_SET_ASIDE:
                os.rename(path, os.path.join(self._bad, format_queue_id(queue_id)))
            else:
                os.unlink(path)

    def _path(self, queue_id: QueueId) -> str:
        return os.path.join(self._settings.taken, format_queue_id(queue_id))

    @staticmethod
    def _sync(path: str) -> None:
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _id_of(name: str) -> QueueId | None:
    try:
        return parse_queue_id(name)
    except ValueError:
        return None


def _whole(file: int, most: int) -> bytes:
    """Up to `most` octets of it."""
    chunks = []
    while most > 0 and (chunk := os.read(file, min(most, 1 << 20))):
        chunks.append(chunk)
        most -= len(chunk)
    return b"".join(chunks)
