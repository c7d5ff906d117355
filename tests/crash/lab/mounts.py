"""File systems of our own: images in loop mounts whose power can be cut, and a small tmpfs. Root only.

Everything that is mounted is unmounted when its `with` block is left, and the loop device goes with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import time
from types import TracebackType

SHUTDOWN = 0x8004587D
"""_IOR('X', 125, __u32): XFS_IOC_GOINGDOWN, which ext4 has too; what `xfs_io -x -c shutdown` calls."""
WITHOUT_LOG_FLUSH = 2
MEMORY = pathlib.Path("/dev/shm")
SIZES = {"ext4": 96 << 20, "xfs": 320 << 20}


def missing(kind: str) -> str:
    """Why this machine cannot do it; empty: it can."""
    if os.geteuid() != 0:
        return "power cuts need root, to mount images"
    if kind != "tmpfs" and not pathlib.Path("/dev/loop-control").exists():
        return "power cuts need loop devices, and there is no /dev/loop-control"
    if kind != "tmpfs" and not shutil.which(f"mkfs.{kind}"):
        return f"mkfs.{kind} is not installed: run make test-tools"
    if kind not in pathlib.Path("/proc/filesystems").read_text(encoding="utf-8").split():
        return f"this kernel has no {kind}"
    return ""


class Mount:
    """A mounted file system; `path` is where."""

    def __init__(self, folder: pathlib.Path, kind: str, options: str, source: str) -> None:
        self.path = folder
        self._command = ["mount", "-t", kind, "-o", options, source, str(folder)]
        folder.mkdir(parents=True)
        self._is_mounted = False
        self.mount()

    def mount(self) -> None:
        run(*self._command)
        self._is_mounted = True

    def unmount(self) -> None:
        """Wait for those that were killed to let go of it; at last take it from them."""
        if not self._is_mounted:
            return
        for _ in range(100):
            if subprocess.run(["umount", str(self.path)], capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.05)
        else:
            run("umount", "-l", str(self.path))
        self._is_mounted = False

    def __enter__(self) -> Mount:
        return self

    def __exit__(self, *_: object) -> None:
        self.unmount()


class Image(Mount):
    """A fresh file system in a file, whose power can be cut."""

    def __init__(self, folder: pathlib.Path, kind: str) -> None:
        image = folder.with_suffix(f".{kind}")
        image.parent.mkdir(parents=True, exist_ok=True)
        with open(image, "wb") as file:
            file.truncate(SIZES[kind])
        run(f"mkfs.{kind}", "-q", str(image))
        super().__init__(folder, kind, "loop", str(image))

    def cut_power(self) -> None:
        """From now on everything is EIO, and what was not written out is gone, the file system's own log as well."""
        file = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(file, SHUTDOWN, struct.pack("I", WITHOUT_LOG_FLUSH))
        finally:
            os.close(file)

    def power_on(self) -> None:
        """Mount it again; the file system recovers by its log. Nobody may have a file open there any more."""
        self.unmount()
        self.mount()

    def sync(self) -> None:
        run("sync", "-f", str(self.path))


def in_memory(folder: pathlib.Path, size: int = 1 << 30) -> Mount:
    """An ext4 for what does not need the disk itself to be there: as quick however busy that is. Its image has no name
    any more, so that nothing but the mount has to be cleared away. Power cannot be cut."""
    number, image = tempfile.mkstemp(dir=MEMORY)
    os.close(number)
    try:
        os.truncate(image, size)
        run("mkfs.ext4", "-q", "-E", "lazy_itable_init=1,lazy_journal_init=1", image)
        return Mount(folder, "ext4", "loop,discard", image)
    finally:
        os.unlink(image)


class Images:
    """Two of a kind: one for the spool, one for mailboxes. On one, the sync of the journal would save what a mailbox
    has not synced."""

    def __init__(self, folder: pathlib.Path, kind: str) -> None:
        self._stack = contextlib.ExitStack()
        with self._stack:
            self.spool = self._stack.enter_context(Image(folder / "spool", kind))
            self.mail = self._stack.enter_context(Image(folder / "mail", kind))
            self._stack = self._stack.pop_all()

    def cut_power(self) -> None:
        self.spool.cut_power()
        self.mail.cut_power()

    def power_on(self) -> None:
        self.mail.power_on()
        self.spool.power_on()

    def sync(self) -> None:
        self.mail.sync()
        self.spool.sync()

    def __enter__(self) -> Images:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def tmpfs(folder: pathlib.Path, size: int) -> Mount:
    return Mount(folder, "tmpfs", f"size={size}", "tmpfs")


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
