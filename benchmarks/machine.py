"""The machine a measurement runs on: its facts, its speed at the moment, its disk, and one run at a time.

A virtual machine can be half as fast a minute later. So each timed part begins with a fixed piece of work (`calm`),
which is written down beside the result, and waits a little where that work took far longer than the best seen.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pathlib
import platform
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator

LOCK = os.environ.get("BENCH_LOCK") or os.path.join(tempfile.gettempdir(), "bench.lock")
SLOW = 1.4  # so many times the best probe is no good moment
ROUND = bytes(1 << 20)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One timed run on this machine at a time, whoever starts it. SIGTERM is an end like any other, in which servers
    that were started are stopped."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _end)
    with open(LOCK, "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _end(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


def probe() -> float:
    """Milliseconds for a fixed piece of work on all CPUs at once."""

    def work() -> None:
        digest = hashlib.sha256()
        for _ in range(12):
            digest.update(ROUND)

    threads = [threading.Thread(target=work) for _ in range(os.cpu_count() or 1)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (time.monotonic() - begin) * 1000


class Calm:
    """Remembers the best probe, and waits for a moment that is not far from it: so many probes long at most."""

    def __init__(self, most: int = 5) -> None:
        self._most = most
        self._best = min(probe() for _ in range(3))

    def wait(self) -> float:
        for left in reversed(range(self._most)):
            found = probe()
            self._best = min(self._best, found)
            if found <= self._best * SLOW or left == 0:
                break
            time.sleep(0.7)
        return round(found, 1)


def sync_latency(directory: pathlib.Path, times: int = 300) -> tuple[float, float]:
    """Milliseconds of one fdatasync after 4 KiB were appended: median and 99th percentile."""
    path = directory / "sync-probe"
    took = []
    with open(path, "wb", buffering=0) as file:
        for _ in range(times):
            file.write(ROUND[:4096])
            begin = time.monotonic()
            os.fdatasync(file.fileno())
            took.append((time.monotonic() - begin) * 1000)
    path.unlink()
    took.sort()
    return round(took[times // 2], 3), round(took[times * 99 // 100], 3)


def _first(path: str, key: str) -> str:
    with contextlib.suppress(OSError), open(path) as file:
        for line in file:
            if line.startswith(key):
                return line.split(":", 1)[1].strip()
    return "?"


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def facts(spools: pathlib.Path) -> dict[str, str]:
    """What a reader needs to know to compare."""
    here = pathlib.Path(__file__).parent
    commit = _said("git", "-C", str(here), "rev-parse", "--short", "HEAD") or "none"
    if _said("git", "-C", str(here), "status", "--porcelain"):
        commit += " with changes"
    median, worst = sync_latency(spools)
    memory = int(_first("/proc/meminfo", "MemTotal").split()[0]) / 2**20
    return {
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit,
        "cpu": f"{os.cpu_count()} x {_first('/proc/cpuinfo', 'model name')}",
        "memory": f"{memory:.1f} GiB",
        "kernel": platform.release(),
        "file system": _said("findmnt", "-no", "FSTYPE", "-T", str(spools)) or "?",
        "fdatasync of 4 KiB": f"{median} ms, 99th percentile {worst} ms",
        "Python": platform.python_version(),
    }
