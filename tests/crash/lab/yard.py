"""The ground of the laboratory: folders for what it leaves lying about, and the end of all that, however a run ends.

A folder belongs to the process that locked the file in it. Who comes next clears away, mounts first, what nobody holds
any more: so a run that was killed leaves nothing behind for longer than until the next one. `Yard` holds a whole run
of several processes: whatever it started is ended, and whatever was mounted below it is unmounted, when it is left.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import multiprocessing
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any, TypeVar

Job = TypeVar("Job")

PREFIX = "asyncmta-lab-"
LOCK = "held"
SET_CHILD_SUBREAPER, SET_PDEATHSIG = 36, 1


class Stake:
    """A folder of our own below the temporary directory, until `pull`."""

    def __init__(self) -> None:
        sweep()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX))
        young = self.folder / "young"
        self._lock = os.open(young, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        young.rename(self.folder / LOCK)  # only now may anybody ask whether we live

    def pull(self) -> None:
        clear(self.folder)
        os.close(self._lock)


def sweep() -> None:
    """Clear away the folders that nobody holds. One without a lock is not ours to judge."""
    for folder in pathlib.Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                clear(folder)
            finally:
                os.close(lock)


def clear(folder: pathlib.Path) -> None:
    """Unmount what is mounted there, the innermost first, and remove it."""
    for path in reversed(mounted_below(folder)):
        if subprocess.run(["umount", path], capture_output=True, check=False).returncode:
            subprocess.run(["umount", "-l", path], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)


def mounted_below(folder: pathlib.Path) -> list[str]:
    lines = pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return [path for line in lines if (path := line.split()[1]).startswith(f"{folder}/")]


class Yard:
    """One run of the laboratory from the command line, with all its processes."""

    def __enter__(self) -> pathlib.Path:
        self._stake = Stake()
        ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1)  # whose parent dies becomes ours
        os.environ["TMPDIR"] = str(self._stake.folder)
        tempfile.tempdir = None
        return self._stake.folder

    def __exit__(self, *_: object) -> None:
        for _ in range(50):
            ours = descendants(os.getpid())
            if not ours:
                break
            for pid in ours:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, 0)[0]:
                    pass
        del os.environ["TMPDIR"]
        tempfile.tempdir = None
        self._stake.pull()


def descendants(of: int) -> list[int]:
    """Those that it started, and those that they started."""
    children: dict[int, list[int]] = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((entry / "stat").read_text(encoding="latin-1").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [of]
    while todo:
        todo += (mine := children.get(todo.pop(), []))
        found += mine
    return found


def dying_with_us(command: Sequence[str]) -> list[str]:
    """The same command, which is killed when the thread that starts it ends."""
    guard = shutil.which("setpriv")
    return [guard, "--pdeathsig", "KILL", *command] if guard else [*command]


def in_processes(work: Callable[[list[Job]], Any], jobs: Sequence[Job], *, workers: int = 2) -> list[Any]:
    """`work(share)` in as many processes, each with a bench of its own making; what they returned. When this is left in
    another way, they are told to end, and clean up."""
    shares = [share for at in range(workers) if (share := list(jobs[at::workers]))]
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("fork"), initializer=_begin)
    try:
        return list(pool.map(partial(_work, work), shares))
    except BaseException:
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _work(work: Callable[[list[Job]], Any], share: list[Job]) -> Any:
    before = os.getppid()
    try:
        done = work(share)
    except SystemExit:  # we were told to end, and all is cleaned up; the pool would wait for more work
        os._exit(1)
    if os.getppid() != before:  # the word was lost where Python drops exceptions, in a destructor or a callback
        os._exit(1)
    return done


def _begin() -> None:
    ctypes.CDLL(None).prctl(SET_PDEATHSIG, signal.SIGTERM)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(1))
