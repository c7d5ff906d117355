"""What a server costs: CPU time and memory of a process and all its descendants, dead ones too.

A dead process's CPU time is in its parent's `cutime` once the parent has waited for it, and Postfix's master waits for
all its daemons; so the sum over the living is the sum over all. Needs /proc.
"""

from __future__ import annotations

import os
import threading
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


class Watch:
    """The cost between enter and leave: `cpu` seconds, and the highest memory seen every 0.2 s."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.cpu = 0.0
        self.resident = 0
        self.proportional = 0

    def __enter__(self) -> Watch:
        self._before = cpu(self._root)
        self._thread.start()
        return self

    def _sample(self) -> None:
        while True:
            resident, proportional = memory(self._root)
            self.resident = max(self.resident, resident)
            self.proportional = max(self.proportional, proportional)
            if self._done.wait(0.2):
                return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.cpu = cpu(self._root) - self._before
        self._done.set()
        self._thread.join()
