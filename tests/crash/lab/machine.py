"""Where and what was measured: the commit, the machine, its file systems, and how long its disk takes for a sync."""

from __future__ import annotations

import os
import pathlib
import platform
import subprocess
import tempfile
import time

from tests.crash.lab.hatchery import TOP


def commit() -> str:
    """With `-dirty` when something that git knows of is not as committed."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def machine() -> str:
    folder = pathlib.Path(tempfile.gettempdir())
    return (
        f"{os.cpu_count()} cores ({processor()}), {memory()} GB, Linux {platform.release()}, "
        f"Python {platform.python_version()}; temporary files on {file_system(folder)}, append and fdatasync there "
        f"{sync_time(folder) * 1e6:.0f} µs (median of 200)"
    )


def processor() -> str:
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return platform.machine()


def memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)


def file_system(folder: pathlib.Path) -> str:
    """The type of the innermost mount that the folder is on."""
    found = ("", "unknown")
    for line in pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, path, kind, *_ = line.split()
        if pathlib.PurePath(folder.resolve()).is_relative_to(path) and len(path) >= len(found[0]):
            found = path, kind
    return found[1]


def sync_time(folder: pathlib.Path) -> float:
    """How long an append of 1 KiB and its fdatasync take."""
    file, path = tempfile.mkstemp(dir=folder)
    times = []
    try:
        for _ in range(200):
            began = time.perf_counter()
            os.write(file, bytes(1024))
            os.fdatasync(file)
            times.append(time.perf_counter() - began)
    finally:
        os.close(file)
        os.unlink(path)
    return sorted(times)[100]
