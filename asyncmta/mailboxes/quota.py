"""How full a mailbox is: its `maildirsize` is read, counted anew where it may be wrong, and kept up to date.

A file that is there decides for its mailbox (so an operator gives somebody more); where there is none, and a limit is
set, it is made with that limit. It is shared with the reader, who writes down what is deleted. Promises: nobody is
called full on the word of an old file: before that the mailbox is counted, once in a quarter of an hour, or whenever
something was added since; what is linked and written down under `held` is counted once. It is no journal: it is not
synced, and after a crash of the machine it may be wrong until the next count. Blocking calls only. Never: a reply.

Maildir++ (quota); seeds W-085.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from threading import RLock

from asyncmta.mailboxes.maildirsize import MOST_OCTETS, Limit, Usage, change, limit_in, parse, size_in, written
from asyncmta.mailboxes.ownership import Ownership
from asyncmta.system.clock import Clock
from asyncmta.system.disk import Disk

FILE = "maildirsize"
STALE = 900.0  # seconds after which the word "full" is not believed without a count
LOCKS = 1024  # so that a long count holds up hardly anybody else
KNOWN = 100_000


class Quota:
    """The mailboxes of one disk. `limit`: of those that have no file of their own yet."""

    def __init__(
        self, *, disk: Disk, clock: Clock, limit: Limit | None = None, ownership: Ownership | None = None
    ) -> None:
        self._disk = disk
        self._clock = clock
        self._limit = limit or Limit()
        self._ownership = ownership or Ownership()
        self._counted: dict[str, float] = {}
        self._doubted: set[str] = set()
        self._locks = tuple(RLock() for _ in range(LOCKS))

    def limits(self, path: str) -> bool:
        """Has this mailbox a limit, or at least a file to be kept?"""
        return bool(self._limit) or self._disk.exists(f"{path}/{FILE}")

    def held(self, path: str) -> RLock:
        """As long as this is held, nobody of us counts this mailbox or adds to it."""
        return self._locks[hash(path) % LOCKS]

    def admit(self, path: str, sizes: Sequence[int]) -> list[bool]:
        """Which of these find room. May raise OSError."""
        if not self.limits(path):
            return [True] * len(sizes)
        with self.held(path):
            usage = self._usage(path)
            found = usage.admitted(sizes)
            if not all(found) and self._may_be_old(path, usage):
                found = self._count(path, usage.limit).admitted(sizes)
        return found

    def is_full(self, path: str) -> bool:
        """Is there no room for any message? What cannot be told is no."""
        try:
            if not self.limits(path):
                return False
            with self.held(path):
                usage = self._usage(path)
                return usage.is_full and not (
                    self._may_be_old(path, usage) and not self._count(path, usage.limit).is_full
                )
        except OSError:
            return False

    def add(self, path: str, sizes: Sequence[int]) -> None:
        """These came in, and are to be seen in the mailbox; call it under `held`."""
        try:
            if sizes:
                self._disk.append(f"{path}/{FILE}", change(sum(sizes), len(sizes)))
        except OSError:
            self.doubt(path)  # it was delivered, and that is what counts

    def renew(self, path: str) -> None:
        """What the file says may be wrong, and nobody may come for long who would find out."""
        self.doubt(path)
        with suppress(OSError):
            if self.limits(path):
                with self.held(path):
                    self._usage(path)

    def doubt(self, path: str) -> None:
        """What the file says may be wrong: it is counted anew before it is believed again."""
        if len(self._doubted) < KNOWN:
            self._doubted.add(path)

    def _usage(self, path: str) -> Usage:
        text = self._read(path)
        usage = None if text is None or path in self._doubted else parse(text)
        if usage is None:
            limit = None if text is None else limit_in(text)
            return self._count(path, self._limit if limit is None else limit)
        return usage

    def _read(self, path: str) -> bytes | None:
        try:
            file = self._disk.open(f"{path}/{FILE}")
        except FileNotFoundError:
            return None
        try:
            return self._disk.read_at(file, MOST_OCTETS + 1, 0)
        finally:
            self._disk.close(file)

    def _may_be_old(self, path: str, usage: Usage) -> bool:
        counted = self._counted.get(path)
        return usage.changes > 0 or counted is None or counted + STALE < self._clock.monotonic()

    def _count(self, path: str, limit: Limit) -> Usage:
        """Look at every message of the mailbox and its folders, and write the sum down."""
        octets = messages = 0
        for folder in (path, *(f"{path}/{name}" for name in self._disk.list(path) if name.startswith("."))):
            for part in ("new", "cur"):
                for size in self._sizes(f"{folder}/{part}"):
                    octets, messages = octets + size, messages + 1
        usage = Usage(limit, octets, messages)
        self._write(path, written(usage))
        if len(self._counted) > KNOWN:
            self._counted.clear()
        self._counted[path] = self._clock.monotonic()
        self._doubted.discard(path)
        return usage

    def _sizes(self, directory: str) -> list[int]:
        try:
            names = self._disk.list(directory)
        except (FileNotFoundError, NotADirectoryError):
            return []
        found = [self._size(directory, name) for name in names if not name.startswith(".")]
        return [size for size in found if size is not None]

    def _size(self, directory: str, name: str) -> int | None:
        said = size_in(name)
        if said is not None:
            return said
        with suppress(OSError):  # a reader has moved or removed it
            file = self._disk.open(f"{directory}/{name}")
            try:
                return self._disk.size(file)
            finally:
                self._disk.close(file)
        return None

    def _write(self, path: str, text: bytes) -> None:
        new = f"{path}/tmp/{FILE}.asyncmta"  # noqa: S108 - the mailbox's own
        with suppress(FileNotFoundError):
            self._disk.unlink(new)
        file = self._disk.create(new, self._ownership.file_mode)
        try:
            self._ownership.give(self._disk, file)
            self._disk.writev(file, (text,), 0)
        finally:
            self._disk.close(file)
        self._disk.rename(new, f"{path}/{FILE}")
