"""When a `FakeDisk` fails: which of its calls raises what, once or for good, and when the power goes.

Promises: every call that would be a system call is a step; steps are counted from 1 and noted with their paths, so
that a test can first run to the end, and then strike at each of them in turn. Never: what an error does to the data.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection

from msgspec import Struct

KEPT_CALLS = 10_000


class PowerCut(Exception):
    """What every call raises once the power is gone. Not an OSError: nobody may take it for an error of the disk."""


class _Fault(Struct):
    left: int
    error: int
    for_good: bool
    only: frozenset[str]


class Faults:
    """The faults that are to come, and the calls that were made: operation and path, the last 10,000 of them."""

    def __init__(self) -> None:
        self.steps = 0
        self.calls: deque[tuple[str, str]] = deque(maxlen=KEPT_CALLS)
        self.is_cut = False
        self._cut_step: int | None = None
        self._pending: list[_Fault] = []

    def fail_at(self, step: int, error: int, *, for_good: bool, only: Collection[str]) -> None:
        self._pending.append(_Fault(step, error, for_good, frozenset(only)))

    def cut_at(self, step: int) -> None:
        self._cut_step = self.steps + step

    def heal(self) -> None:
        """Forget all faults, and the cut that was planned."""
        self._pending.clear()
        self._cut_step = None

    def strike(self, operation: str, path: str) -> None:
        """A call begins: count it, and raise what is due."""
        if self.is_cut:
            raise PowerCut
        self.steps += 1
        self.calls.append((operation, path))
        if self.steps == self._cut_step:
            self.is_cut = True
            raise PowerCut
        for fault in tuple(self._pending):
            if fault.only and operation not in fault.only:
                continue
            fault.left -= 1
            if fault.left > 0:
                continue
            if not fault.for_good:
                self._pending.remove(fault)
            raise OSError(fault.error, os.strerror(fault.error), path)
