"""`FakeDisk`: a `Disk` in memory that can lose power, fail at a given call, fill up, and be killed under its owner.

Promises: `crash` gives back a disk with what was synced, and of the rest as much as a seed lets survive; each call
that would be a system call is a step, counted in `steps`, at which `fail_at` and `cut_at` can strike. Safe to use from
several threads. Never: a real file.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Collection, Iterator, Sequence

from asyncmta.testing.disk_faults import PowerCut
from asyncmta.testing.disk_memory import MemoryDisk, os_error, path_parts
from asyncmta.testing.disk_state import Copier, FakeDirectory, FakeFile

__all__ = ["FakeDisk", "PowerCut"]


class FakeDisk(MemoryDisk):
    """A new one has an empty root directory; paths without a leading slash begin there too. `free` may be set: octets
    and inodes; a call that needs more gets ENOSPC, and nothing counts down."""

    @property
    def steps(self) -> int:
        """How many calls there were."""
        return self._faults.steps

    @property
    def calls(self) -> Sequence[tuple[str, str]]:
        """The last of them: operation and path."""
        return tuple(self._faults.calls)

    def fail_at(self, step: int, error: int, *, for_good: bool = False, only: Collection[str] = ()) -> None:
        """The `step`-th call from now on (the first is 1) raises OSError(error), and with `for_good` all after it.
        `only`: count and strike these operations alone, as in `only=("fsync", "fdatasync")`."""
        self._faults.fail_at(step, error, for_good=for_good, only=only)

    def cut_at(self, step: int) -> None:
        """At the `step`-th call from now on the power goes: that call and all after it raise `PowerCut`."""
        self._faults.cut_at(step)

    def heal(self) -> None:
        self._faults.heal()

    def crash(self, seed: int | None = None) -> FakeDisk:
        """The disk after a power cut. Without a seed nothing survives that was not synced; with one, chance decides
        for each sector and each change of a name. This disk is dead from now on."""
        chance = random.Random(seed)  # noqa: S311 - repeatable is what it has to be
        with self._mutex:
            self._faults.is_cut = True
            survives = (lambda: False) if seed is None else (lambda: chance.random() < 0.5)
            self._changes.cut(survives)
            after = FakeDisk()
            after._root = Copier(lambda file: file.after_cut(survives), durable=True).directory(self._root)
            return after

    def kill(self) -> FakeDisk:
        """The disk as the next process finds it after `kill -9`: everything seen is there, synced or not; open files
        and locks are gone. This disk is dead from now on."""
        with self._mutex:
            self._faults.is_cut = True
            after = FakeDisk()
            copier = Copier(FakeFile.after_kill, durable=False)
            after._root = copier.directory(self._root)
            after._changes = self._changes.after_kill(copier.node)
            after.free = self.free
            return after

    def put(self, path: str, content: bytes = b"") -> None:
        """A durable file with that content, and the directories above it. Not a step."""
        with self._mutex:
            directory = self._root
            *above, name = path_parts(path)
            for part in above:
                node = directory.seen.setdefault(part, FakeDirectory())
                assert isinstance(node, FakeDirectory), f"{part} in {path} is a file"
                directory.durable[part] = node
                directory = node
            directory.seen[name] = directory.durable[name] = FakeFile(content)

    def get(self, path: str) -> bytes:
        """What is seen in a file. Not a step."""
        with self._mutex:
            node = self._node(path)
            if isinstance(node, FakeDirectory):
                raise os_error(errno.EISDIR, path)
            return bytes(node.seen)

    def tree(self) -> dict[str, bytes]:
        """Every file that is seen, by its path. Not a step."""
        with self._mutex:
            return dict(_walk("", self._root))


def _walk(above: str, directory: FakeDirectory) -> Iterator[tuple[str, bytes]]:
    for name, node in directory.seen.items():
        path = f"{above}/{name}" if above else name
        if isinstance(node, FakeDirectory):
            yield from _walk(path, node)
        else:
            yield path, bytes(node.seen)
