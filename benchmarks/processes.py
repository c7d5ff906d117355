"""What a server costs: CPU time and memory of a process and all its descendants, dead ones too.

A dead process's CPU time is in its parent's `cutime` once the parent has waited for it, and Postfix's master waits for
all its daemons; so the sum over the living is the sum over all. Needs /proc.
"""

from __future__ import annotations

import os
import threading
import time
from types import TracebackType

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def _stat(pid: str) -> list[str] | None:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except (OSError, IndexError):
        return None


def tree(root: int) -> dict[int, list[str]]:
    """Pid and stat fields (from the state on) of the root and its descendants."""
    stats = {int(pid): fields for pid in os.listdir("/proc") if pid.isdigit() and (fields := _stat(pid))}
    children: dict[int, list[int]] = {}
    for pid, fields in stats.items():
        children.setdefault(int(fields[1]), []).append(pid)
    found: dict[int, list[str]] = {}
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        if pid in stats:
            found[pid] = stats[pid]
            waiting += children.get(pid, [])
    return found


def children(pid: int) -> list[int]:
    """Of this process, at the moment."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def cpu(root: int) -> float:
    """Seconds, user and system, of the whole tree so far."""
    return sum(sum(map(int, fields[11:15])) for fields in tree(root).values()) / TICK


def memory(root: int) -> tuple[int, int]:
    """Octets: resident, summed over the processes; and proportional, where shared pages count once."""
    resident = proportional = 0
    for pid, fields in tree(root).items():
        resident += int(fields[21]) * PAGE
        try:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                proportional += sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
        except OSError:
            continue
    return resident, proportional


def busy() -> float:
    """Seconds that all CPUs of the machine have worked so far, for whomever."""
    with open("/proc/stat") as file:
        user, nice, system = map(int, file.readline().split()[1:4])
    return (user + nice + system) / TICK


class Watch:
    """The cost between enter and leave: `cpu` seconds, the highest memory seen every 0.2 s, and `foreign`, the share of
    the machine's CPUs (0 to 1) that went to what is no descendant of ours: the kernel's threads, and other people."""

    def __init__(self, root: int) -> None:
        self._root = root
        self.foreign = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.cpu = 0.0
        self.resident = 0
        self.proportional = 0

    def __enter__(self) -> Watch:
        self._thread.start()
        self._before = (cpu(self._root), busy() - cpu(os.getpid()), time.monotonic())
        return self

    def _sample(self) -> None:
        while True:
            resident, proportional = memory(self._root)
            self.resident = max(self.resident, resident)
            self.proportional = max(self.proportional, proportional)
            if self._done.wait(0.2):
                return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        cost, others, begin = self._before
        self.cpu = cpu(self._root) - cost
        room = (time.monotonic() - begin) * (os.cpu_count() or 1)
        self.foreign = max(0.0, busy() - cpu(os.getpid()) - others) / room
        self._done.set()
        self._thread.join()
