"""The `Disk` protocol kept in memory: names, descriptors, errors, as POSIX has them.

Promises: the contract of `PosixDisk` (one test body runs against both), each call under one lock, so that threads may
share it. The faults strike first; then the call takes effect whole, but for a write, which may be cut in two. Never: a
decision about what survives a power cut; that is `disk_state.py`.
"""

from __future__ import annotations

import errno
import os
import posixpath
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from asyncmta.system.appending import Buffer
from asyncmta.system.disk import NO_LIMIT, Locked
from asyncmta.testing.disk_faults import Faults, PowerCut
from asyncmta.testing.disk_state import FakeDirectory, FakeFile, NameChanges, Node

FIRST_DESCRIPTOR = 1_000_000  # no number that the real system gives, so that a mixture is noticed
PLENTY = 1 << 40


class MemoryDisk:
    """The root directory exists, is empty and durable. Paths without a leading slash begin there too."""

    def __init__(self) -> None:
        self.free = (PLENTY, NO_LIMIT)  # octets and inodes; a write that needs more is refused, nothing counts down
        self.granted: dict[str, tuple[int, int, int]] = {}  # mode, owner and group, by the path it was opened under
        self._faults = Faults()
        self._mutex = threading.RLock()
        self._root = FakeDirectory()
        self._changes = NameChanges()
        self._open: dict[int, tuple[Node, bool, str]] = {}
        self._next_descriptor = FIRST_DESCRIPTOR
        self._locks: dict[int, FakeFile] = {}

    def create(self, path: str, mode: int = 0o600) -> int:
        with self._call("create", path):
            directory, name = self._parent(path)
            if name in directory.seen:
                raise os_error(errno.EEXIST, path)
            if self.free[0] <= 0 or self.free[1] <= 0:
                raise os_error(errno.ENOSPC, path)
            file = FakeFile()
            self._changes.make((directory, name, file))
            return self._opened(file, True, path)

    def open(self, path: str, *, write: bool = False) -> int:
        with self._call("open", path):
            node = self._node(path)
            if write and isinstance(node, FakeDirectory):
                raise os_error(errno.EISDIR, path)
            return self._opened(node, write, path)

    def close(self, file: int) -> None:
        with self._call("close", self._name(file)):
            if self._open.pop(file, None) is None:
                raise os_error(errno.EBADF, "")
            self._locks.pop(file, None)

    def writev(self, file: int, buffers: Sequence[Buffer], offset: int) -> int:
        octets = b"".join(buffers)
        with self._mutex:
            node, was_cut = self._file(file, write=True), self._faults.is_cut
            try:
                with self._call("writev", self._name(file)):
                    if offset + len(octets) - len(node.seen) > self.free[0]:
                        raise os_error(errno.ENOSPC, self._name(file))
            except PowerCut:
                if not was_cut:
                    node.write(octets, offset)  # under way when the power went: any part of it may be there
                raise
            except OSError:
                node.write(octets[: len(octets) // 2], offset)  # a write that fails has often written something
                raise
            node.write(octets, offset)
        return len(octets)

    def append(self, path: str, octets: bytes) -> None:
        with self._mutex:
            with self._call("append", path):
                node = self._node(path)
                if isinstance(node, FakeDirectory):
                    raise os_error(errno.EISDIR, path)
                if len(octets) > self.free[0]:
                    raise os_error(errno.ENOSPC, path)
            node.write(octets, len(node.seen))

    def read_at(self, file: int, size: int, offset: int) -> bytes:
        with self._call("read_at", self._name(file)):
            return bytes(memoryview(self._file(file).seen)[offset : offset + size])

    def size(self, file: int) -> int:
        with self._call("size", self._name(file)):
            node = self._file(file)
            return len(node.seen)

    def truncate(self, file: int, size: int) -> None:
        with self._call("truncate", self._name(file)):
            self._file(file, write=True).truncate(size)

    def fdatasync(self, file: int) -> None:
        self._sync("fdatasync", file)

    def fsync(self, file: int) -> None:
        self._sync("fsync", file)

    def appender(self) -> None:
        """A machine without: what is written here is written by threads of Python."""

    def drop_cache(self, file: int) -> None:
        with self._mutex:
            node = self._open[file][0] if file in self._open else None
            if isinstance(node, FakeFile):
                node.forget_clean()

    def rename(self, old: str, new: str) -> None:
        with self._call("rename", new):
            source, old_name = self._parent(old)
            target, new_name = self._parent(new)
            if old_name not in source.seen:
                raise os_error(errno.ENOENT, old)
            node, there = source.seen[old_name], target.seen.get(new_name)
            if node is there:
                return  # POSIX: two names of one file, nothing happens
            if isinstance(there, FakeDirectory) and isinstance(node, FakeFile):
                raise os_error(errno.EISDIR, new)
            if isinstance(there, FakeFile) and isinstance(node, FakeDirectory):
                raise os_error(errno.ENOTDIR, new)
            if isinstance(there, FakeDirectory) and there.seen:
                raise os_error(errno.ENOTEMPTY, new)
            self._changes.make((source, old_name, None), (target, new_name, node))

    def link(self, old: str, new: str) -> None:
        with self._call("link", new):
            node = self._node(old)
            directory, name = self._parent(new)
            if isinstance(node, FakeDirectory):
                raise os_error(errno.EPERM, old)
            if name in directory.seen:
                raise os_error(errno.EEXIST, new)
            self._changes.make((directory, name, node))

    def unlink(self, path: str) -> None:
        with self._call("unlink", path):
            if isinstance(self._node(path), FakeDirectory):
                raise os_error(errno.EISDIR, path)
            self._changes.make((*self._parent(path), None))

    def list(self, path: str) -> list[str]:
        with self._call("list", path):
            return sorted(self._directory(path).seen)

    def make_directories(self, path: str, mode: int = 0o700) -> None:
        missing = []
        while not self.is_dir(path):
            missing.append(path)
            path = posixpath.dirname(path) or "."
        for name in reversed(missing):
            with self._call("mkdir", name):
                directory, last = self._parent(name)
                if isinstance(directory.seen.get(last), FakeFile):
                    raise os_error(errno.EEXIST, name)
                if last not in directory.seen:
                    self._changes.make((directory, last, FakeDirectory()))
            self.sync_directory(posixpath.dirname(name) or ".")

    def grant(self, file: int, mode: int, uid: int = -1, gid: int = -1) -> None:
        with self._call("grant", self._name(file)):
            if file not in self._open:
                raise os_error(errno.EBADF, "")
            self.granted[self._name(file)] = (mode, uid, gid)

    def sync_directory(self, path: str) -> None:
        with self._call("sync_directory", path):
            self._changes.sync(self._directory(path))

    def lock(self, path: str, note: bytes = b"") -> int:
        with self._call("lock", path):
            directory, name = self._parent(path)
            node = directory.seen.get(name)
            if node is None:
                node = FakeFile()
                self._changes.make((directory, name, node))
            if isinstance(node, FakeDirectory):
                raise os_error(errno.EISDIR, path)
            if any(locked is node for locked in self._locks.values()):
                raise Locked(path, os.getpid())
            text = b"pid %010d\n%b" % (os.getpid(), note)
            node.truncate(0)
            node.write(text, 0)
            file = self._opened(node, True, path)
            self._locks[file] = node
            return file

    def free_space(self, path: str) -> tuple[int, int]:
        with self._call("free_space", path):
            self._node(path)
            return self.free

    def exists(self, path: str) -> bool:
        with self._mutex:
            try:
                self._node(path)
            except OSError:
                return False
            return True

    def is_dir(self, path: str) -> bool:
        with self._mutex:
            return self.exists(path) and isinstance(self._node(path), FakeDirectory)

    def mount_options(self, path: str) -> frozenset[str]:
        return frozenset({"rw"})

    def file_system(self, path: str) -> str:
        with self._mutex:
            self._node(path)
            return "fake"

    # Inside

    @contextmanager
    def _call(self, operation: str, path: str) -> Iterator[None]:
        with self._mutex:
            self._faults.strike(operation, path)
            yield

    def _sync(self, operation: str, file: int) -> None:
        with self._mutex:
            node = self._open[file][0] if file in self._open else None
            try:
                with self._call(operation, self._name(file)):
                    if node is None:
                        raise os_error(errno.EBADF, "")
            except OSError:
                if isinstance(node, FakeFile):
                    node.fail_sync()
                raise
            if isinstance(node, FakeDirectory):
                self._changes.sync(node)
            elif node is not None:
                node.sync()

    def _opened(self, node: Node, write: bool, path: str) -> int:
        self._next_descriptor += 1
        self._open[self._next_descriptor] = (node, write, path)
        return self._next_descriptor

    def _name(self, file: int) -> str:
        return self._open[file][2] if file in self._open else f"descriptor {file}"

    def _file(self, file: int, *, write: bool = False) -> FakeFile:
        node, may_write, path = self._open.get(file, (None, False, ""))
        if node is None or (write and not may_write):
            raise os_error(errno.EBADF, path)
        if isinstance(node, FakeDirectory):
            raise os_error(errno.EISDIR, path)
        return node

    def _node(self, path: str) -> Node:
        node: Node = self._root
        for part in path_parts(path):
            if isinstance(node, FakeFile):
                raise os_error(errno.ENOTDIR, path)
            if part not in node.seen:
                raise os_error(errno.ENOENT, path)
            node = node.seen[part]
        return node

    def _directory(self, path: str) -> FakeDirectory:
        node = self._node(path)
        if isinstance(node, FakeFile):
            raise os_error(errno.ENOTDIR, path)
        return node

    def _parent(self, path: str) -> tuple[FakeDirectory, str]:
        *above, name = path_parts(path)
        return self._directory("/".join(above)), name


def path_parts(path: str) -> list[str]:
    return [part for part in posixpath.normpath(path).split("/") if part not in {"", "."}]


def os_error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)
