"""What a `FakeDisk` is made of: files and directories, each with what is seen now and what would survive a power cut.

The model is as unkind as POSIX allows: what was not synced may be there after a cut or not, sector by sector (512
octets, each whole or not at all), and one directory entry independently of the next; only a rename is atomic. A sync
of a file says nothing about its name. A sync that fails makes its pages clean without making them durable, so that
the next one succeeds and means nothing (reliability.md 2.3). Pure: no clock, and chance only as an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

SECTOR = 512

Chance = Callable[[], bool]
"""Does this unsynced piece survive?"""


class FakeFile:
    """The octets that are seen, the octets that are durable, and where they differ."""

    __slots__ = ("durable", "lost", "seen", "unsynced", "was_truncated")

    def __init__(self, durable: bytes = b"") -> None:
        self.seen = bytearray(durable)
        self.durable = bytearray(durable)
        self.unsynced: list[tuple[int, int]] = []
        self.lost: set[int] = set()
        self.was_truncated = False

    def write(self, octets: bytes, offset: int) -> None:
        if offset > len(self.seen):
            self.seen += bytes(offset - len(self.seen))
        end = offset + len(octets)
        self.seen[offset:end] = octets
        self.lost -= set(_sectors([(offset, end)]))
        if self.unsynced and self.unsynced[-1][1] == offset:
            self.unsynced[-1] = (self.unsynced[-1][0], end)
        else:
            self.unsynced.append((offset, end))

    def truncate(self, size: int) -> None:
        if size < len(self.seen):
            del self.seen[size:]
            self.unsynced = [(start, min(end, size)) for start, end in self.unsynced if start < size]
        else:
            self.seen += bytes(size - len(self.seen))
        self.was_truncated = True

    def sync(self) -> None:
        """Sizes become durable too, as both fsync and fdatasync have it."""
        _resize(self.durable, len(self.seen))
        for start, end in self.unsynced:
            self.durable[start:end] = self.seen[start:end]
        self.unsynced, self.was_truncated = [], False

    def fail_sync(self) -> None:
        self.lost |= set(_sectors(self.unsynced))
        self.unsynced = []

    def forget_clean(self) -> None:
        """Drop the cache: what a failed sync lost is now seen to be lost."""
        for sector in self.lost:
            start, end = sector * SECTOR, min((sector + 1) * SECTOR, len(self.seen))
            old = bytes(self.durable[start:end])
            self.seen[start:end] = old + bytes(end - start - len(old))
        self.lost = set()

    def after_cut(self, survives: Chance) -> FakeFile:
        image = bytearray(self.durable)
        if self.was_truncated and survives():
            _resize(image, len(self.seen))
        for sector in _sectors(self.unsynced):
            if survives():
                start = sector * SECTOR
                octets = self.seen[start : start + SECTOR]
                _resize(image, max(len(image), start + len(octets)))
                image[start : start + len(octets)] = octets
        if len(image) < len(self.seen) and survives():
            _resize(image, len(self.seen))  # the size came, its octets did not: zeros
        return FakeFile(bytes(image))

    def after_kill(self) -> FakeFile:
        """The same file for the next process: nothing is lost and nothing is synced by that."""
        copy = FakeFile()
        copy.seen, copy.durable = bytearray(self.seen), bytearray(self.durable)
        copy.unsynced, copy.lost, copy.was_truncated = list(self.unsynced), set(self.lost), self.was_truncated
        return copy


class FakeDirectory:
    """Names as they are seen and as they are durable."""

    __slots__ = ("durable", "seen")

    def __init__(self) -> None:
        self.seen: dict[str, Node] = {}
        self.durable: dict[str, Node] = {}


Node = FakeFile | FakeDirectory


class Copier:
    """A copy of a tree for the disk of the next life, in which a file with two names is still one file.

    durable: only the durable names, and they are all that is seen then; else the names of both kinds.
    """

    def __init__(self, copy_file: Callable[[FakeFile], FakeFile], *, durable: bool) -> None:
        self._copy_file = copy_file
        self._durable = durable
        self._copies: dict[int, Node] = {}

    def node(self, node: Node) -> Node:
        if isinstance(node, FakeDirectory):
            return self.directory(node)
        if id(node) not in self._copies:
            self._copies[id(node)] = self._copy_file(node)
        return self._copies[id(node)]

    def directory(self, directory: FakeDirectory) -> FakeDirectory:
        known = self._copies.get(id(directory))
        if isinstance(known, FakeDirectory):
            return known
        copy = FakeDirectory()
        self._copies[id(directory)] = copy
        copy.durable = {name: self.node(node) for name, node in directory.durable.items()}
        copy.seen = dict(copy.durable)
        if not self._durable:
            copy.seen = {name: self.node(node) for name, node in directory.seen.items()}
        return copy


class NameChange:
    """One change of names, atomic: in each directory, what stands under a name from now on (None: nothing)."""

    __slots__ = ("parts",)

    def __init__(self, *parts: tuple[FakeDirectory, str, Node | None]) -> None:
        self.parts = list(parts)
        for directory, name, node in parts:
            _enter(directory.seen, name, node)


class NameChanges:
    """The changes of names that no sync of their directory has made durable yet, oldest first."""

    def __init__(self) -> None:
        self._pending: list[NameChange] = []

    def make(self, *parts: tuple[FakeDirectory, str, Node | None]) -> None:
        self._pending.append(NameChange(*parts))

    def sync(self, synced: FakeDirectory) -> None:
        self._apply(lambda directory, _change: directory is synced)

    def cut(self, survives: Chance) -> None:
        """The survivors become durable, the others never were."""
        kept = {id(change): survives() for change in self._pending}
        self._apply(lambda _directory, change: kept[id(change)])
        self._pending = []

    def _apply(self, wanted: Callable[[FakeDirectory, NameChange], bool]) -> None:
        for change in self._pending:
            for directory, name, node in change.parts:
                if wanted(directory, change):
                    _enter(directory.durable, name, node)
            change.parts = [part for part in change.parts if not wanted(part[0], change)]
        self._pending = [change for change in self._pending if change.parts]

    def after_kill(self, copied: Callable[[Node], Node]) -> NameChanges:
        copy = NameChanges()
        for change in self._pending:
            twin = NameChange()
            for directory, name, node in change.parts:
                holder = copied(directory)
                assert isinstance(holder, FakeDirectory)
                twin.parts.append((holder, name, None if node is None else copied(node)))
            copy._pending.append(twin)
        return copy


def _enter(names: dict[str, Node], name: str, node: Node | None) -> None:
    if node is None:
        names.pop(name, None)
    else:
        names[name] = node


def _resize(image: bytearray, size: int) -> None:
    if size < len(image):
        del image[size:]
    else:
        image += bytes(size - len(image))


def _sectors(ranges: list[tuple[int, int]]) -> Iterator[int]:
    for start, end in ranges:
        if start < end:
            yield from range(start // SECTOR, (end - 1) // SECTOR + 1)
