"""The disk: a `Disk` protocol and the real one. The only file that imports os for files of the spool and mailboxes.

All calls block; whoever is on the event loop makes them in a thread. Files are named by descriptor (an int) once
open, every write names its offset, and every error is an OSError. Promises: a write is whole or raises; a file is
created exclusively, never through a symbolic link, and never inherited by a child. A sync that failed is not repeated
here: after an error the kernel may report success for pages it has dropped. Never: policy about when to sync.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from asyncmta.system.appending import VERSION, Appender, Buffer

try:
    from asyncmta.system import _appending
except ImportError:  # there was no compiler, or this is not Linux
    _appending = None  # type: ignore[assignment]

IOV_MAX = 1024
NO_LIMIT = 1 << 62  # free inodes of a file system that has no such limit
_READ, _WRITE = os.O_RDONLY, os.O_RDWR
_SAFE = os.O_NOFOLLOW | os.O_CLOEXEC
_AT_ONCE = os.O_NONBLOCK  # means nothing to files and directories; a FIFO in their place must not hold up a thread


class Locked(OSError):
    """Somebody else has the lock; `holder` is the process id that it wrote into the file, if it could be read."""

    def __init__(self, path: str, holder: int | None) -> None:
        by = f"process {holder}" if holder is not None else "another process"
        super().__init__(errno.EWOULDBLOCK, f"locked by {by}", path)
        self.holder = holder


class Disk(Protocol):
    """What the spool and the mailboxes need of a disk. `PosixDisk` is it; tests have others."""

    def create(self, path: str, mode: int = 0o600) -> int:
        """A new file, open for reading and writing; FileExistsError when the name is taken (also by a link)."""
        ...

    def open(self, path: str, *, write: bool = False) -> int:
        """An existing file; a symbolic link is refused (ELOOP)."""
        ...

    def close(self, file: int) -> None: ...

    def writev(self, file: int, buffers: Sequence[Buffer], offset: int) -> int:
        """Write all buffers one behind the other from `offset` on, finishing short writes; the octets written."""
        ...

    def append(self, path: str, octets: bytes) -> None:
        """Put them behind what an existing file holds, in one write, whoever else appends to it meanwhile."""
        ...

    def read_at(self, file: int, size: int, offset: int) -> bytes:
        """Up to `size` octets; fewer only at the end of the file."""
        ...

    def size(self, file: int) -> int: ...

    def truncate(self, file: int, size: int) -> None: ...

    def fdatasync(self, file: int) -> None: ...

    def fsync(self, file: int) -> None: ...

    def appender(self) -> Appender | None:
        """One of our own; None where there is none to be had, and for disks that are not the machine's."""
        ...

    def drop_cache(self, file: int) -> None:
        """Ask the kernel to forget clean pages, so that the next read comes from the device. Best effort."""
        ...

    def rename(self, old: str, new: str) -> None: ...

    def link(self, old: str, new: str) -> None:
        """A second name; FileExistsError when `new` is taken."""
        ...

    def unlink(self, path: str) -> None: ...

    def list(self, path: str) -> list[str]:
        """The names in a directory, sorted."""
        ...

    def make_directories(self, path: str, mode: int = 0o700) -> None:
        """The directory and those above it that are missing, each synced into the one above it."""
        ...

    def sync_directory(self, path: str) -> None: ...

    def grant(self, file: int, mode: int, uid: int = -1, gid: int = -1) -> None:
        """Set the mode of an open file or directory, whatever the umask, and its owner and group (-1: as they are)."""
        ...

    def lock(self, path: str, note: bytes = b"") -> int:
        """Lock the file for the life of the descriptor that is returned (the kernel lets go of it when the process
        dies), creating it if needed, and write our process id and `note` into it. Raises `Locked`."""
        ...

    def free_space(self, path: str) -> tuple[int, int]:
        """Octets and inodes that we may still use; NO_LIMIT inodes where the file system counts none."""
        ...

    def exists(self, path: str) -> bool:
        """Is there anything under that name? A dangling link counts."""
        ...

    def is_dir(self, path: str) -> bool: ...

    def file_system(self, path: str) -> str:
        """Its type as the kernel names it ("ext4", "tmpfs", "nfs4"), or "unknown"."""
        ...

    def mount_options(self, path: str) -> frozenset[str]:
        """Those of its file system, as the kernel names them ("rw", "relatime", "nobarrier")."""
        ...


class PosixDisk:
    """The machine's own. It holds nothing, so that one serves all threads."""

    def create(self, path: str, mode: int = 0o600) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _SAFE, mode)

    def open(self, path: str, *, write: bool = False) -> int:
        return os.open(path, (_WRITE if write else _READ) | _SAFE | _AT_ONCE)

    def close(self, file: int) -> None:
        os.close(file)

    def writev(self, file: int, buffers: Sequence[Buffer], offset: int) -> int:
        start = offset
        for first in range(0, len(buffers), IOV_MAX):
            group = buffers[first : first + IOV_MAX]
            wanted = sum(map(len, group))
            done = os.pwritev(file, group, offset)
            if done < wanted:
                self._finish(file, group, offset, done)
            offset += wanted
        return offset - start

    def _finish(self, file: int, group: Sequence[Buffer], offset: int, done: int) -> None:
        """The rest of a short write, in one piece: rare, so that a copy does not matter."""
        rest = memoryview(b"".join(group))[done:]
        offset += done
        while rest:
            done = os.pwrite(file, rest, offset)
            if done == 0:
                raise OSError(errno.EIO, "the disk took nothing of a write")
            offset += done
            rest = rest[done:]

    def append(self, path: str, octets: bytes) -> None:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | _SAFE | _AT_ONCE)
        try:
            if os.write(file, octets) < len(octets):
                raise OSError(errno.EIO, "a short write", path)
        finally:
            os.close(file)

    def read_at(self, file: int, size: int, offset: int) -> bytes:
        chunk = os.pread(file, size, offset)
        if not chunk or len(chunk) == size:
            return chunk
        chunks = [chunk]
        done = len(chunk)
        while done < size and (chunk := os.pread(file, size - done, offset + done)):
            chunks.append(chunk)
            done += len(chunk)
        return b"".join(chunks)

    def size(self, file: int) -> int:
        return os.fstat(file).st_size

    def truncate(self, file: int, size: int) -> None:
        os.ftruncate(file, size)

    def fdatasync(self, file: int) -> None:
        os.fdatasync(file)

    def fsync(self, file: int) -> None:
        os.fsync(file)

    def appender(self) -> Appender | None:
        if getattr(_appending, "VERSION", 0) != VERSION:  # there is none, or an old one
            return None
        with suppress(OSError):  # no thread or descriptor to spare
            return _appending.Appender()
        return None

    def drop_cache(self, file: int) -> None:
        with suppress(OSError):
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)

    def rename(self, old: str, new: str) -> None:
        os.rename(old, new)

    def link(self, old: str, new: str) -> None:
        os.link(old, new, follow_symlinks=False)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def list(self, path: str) -> list[str]:
        return sorted(os.listdir(path))

    def make_directories(self, path: str, mode: int = 0o700) -> None:
        missing: list[str] = []
        while not os.path.isdir(path):
            missing.append(path)
            path = os.path.dirname(path) or "."
        for name in reversed(missing):
            try:
                os.mkdir(name, mode)
            except FileExistsError:  # somebody else made it meanwhile; sync it all the same
                if not os.path.isdir(name):
                    raise
            self.sync_directory(os.path.dirname(name) or ".")

    def sync_directory(self, path: str) -> None:
        file = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(file)
        finally:
            os.close(file)

    def grant(self, file: int, mode: int, uid: int = -1, gid: int = -1) -> None:
        if (uid, gid) != (-1, -1):
            os.fchown(file, uid, gid)
        os.fchmod(file, mode)  # the second: a change of the owner takes bits away

    def lock(self, path: str, note: bytes = b"") -> int:
        file = os.open(path, os.O_RDWR | os.O_CREAT | _SAFE, 0o600)
        try:
            # flock belongs to the open file description: it neither outlives us nor is lost when another
            # descriptor of the same file is closed, as the record locks of POSIX are.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            text = b"pid %010d\n%b" % (os.getpid(), note)
            os.pwrite(file, text, 0)
            os.ftruncate(file, len(text))
        except BlockingIOError:
            holder = _holder(os.pread(file, 64, 0))
            os.close(file)
            raise Locked(path, holder) from None
        except OSError:
            os.close(file)
            raise
        return file

    def free_space(self, path: str) -> tuple[int, int]:
        facts = os.statvfs(path)
        return facts.f_bavail * facts.f_frsize, facts.f_favail if facts.f_files else NO_LIMIT

    def exists(self, path: str) -> bool:
        return os.path.lexists(path)

    def is_dir(self, path: str) -> bool:
        return os.path.isdir(path)

    def file_system(self, path: str) -> str:
        return self._mount(path)[0] or "unknown"

    def mount_options(self, path: str) -> frozenset[str]:
        _, *options = self._mount(path)
        return frozenset(",".join(options).split(",")) - {""}

    def _mount(self, path: str) -> tuple[str, str, str]:
        """Type, options of the mount, and those of the file system (proc(5), mountinfo). Of several mounts of one
        device, as in a container, the one that the path is in."""
        device = os.stat(path).st_dev
        number, real = f"{os.major(device)}:{os.minor(device)}", os.path.realpath(path)
        found: list[tuple[bool, int, tuple[str, str, str]]] = []
        with suppress(OSError), open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
            for line in mounts:
                fields, _, rest = line.partition(" - ")
                _, _, where, _, point, options, *_ = fields.split(" ")
                if where == number:
                    kind, _, own = rest.split()[:3]
                    is_above = f"{real}/".startswith(f"{point.rstrip('/')}/")
                    found.append((is_above, len(point), (kind, options, own)))
        return max(found, default=(False, 0, ("", "", "")))[2]


def _holder(text: bytes) -> int | None:
    word, _, rest = text.partition(b" ")
    digits = rest.split(b"\n", 1)[0]
    return int(digits) if word == b"pid" and digits.isdigit() else None
