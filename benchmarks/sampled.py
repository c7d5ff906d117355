"""`asyncmta` with a sampler inside: where the loop's thread spends its CPU time, function by function.

    sampled.py REPORT serve -c config.toml

A timer of the kernel on the CPU time of this one thread sends a signal each millisecond of it, or each tick of the
kernel, which may be 4 ms; the handler looks which
function runs and which of ours called it, and counts. So sleep is not seen, waiting for the interpreter's lock is not
seen, and what a library or the kernel does for a function of ours counts for that function. SIGUSR2 begins, and again
SIGUSR2 ends and writes REPORT as JSON: `counts` by "file:function", CPU seconds of each thread, and how long the loop's
thread waited for a CPU.
"""

from __future__ import annotations

import ctypes
import json
import os
import pathlib
import signal
import sys
import threading
import time
from collections import Counter
from types import FrameType

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

EVERY = 0.001  # seconds of CPU time
THREAD_CPU, TO_THREAD = 3, 4  # CLOCK_THREAD_CPUTIME_ID, SIGEV_THREAD_ID
OURS = f"{os.sep}asyncmta{os.sep}"
LOOP = "loop"


class Event(ctypes.Structure):
    """struct sigevent."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("thread", ctypes.c_int),
        ("padding", ctypes.c_char * 48),
    )


class Spec(ctypes.Structure):
    """struct itimerspec."""

    _fields_ = tuple((name, ctypes.c_long) for name in ("every_s", "every_ns", "first_s", "first_ns"))


def timer() -> tuple[ctypes.CDLL, ctypes.c_void_p]:
    """For this thread, not yet set."""
    library, made = ctypes.CDLL(None, use_errno=True), ctypes.c_void_p()
    event = Event(None, signal.SIGPROF, TO_THREAD, threading.get_native_id(), b"")
    if library.timer_create(THREAD_CPU, ctypes.byref(event), ctypes.byref(made)):
        raise OSError(ctypes.get_errno(), "timer_create")
    return library, made


def place(frame: FrameType | None) -> str:
    """Which function of ours this is in, and which of ours calls that; or the loop itself. One that has just been
    entered from the loop stands for what the loop and the kernel did before: signals are only seen by Python."""
    if frame is not None and frame.f_lineno == frame.f_code.co_firstlineno and not is_ours(frame.f_back):
        return LOOP
    names = []
    while frame is not None and len(names) < 4:
        if is_ours(frame):
            names.append(f"{frame.f_code.co_filename.rpartition(OURS)[2]}:{frame.f_code.co_name}")
        frame = frame.f_back
    names = [name for name in names if not name.startswith(("cli/", "__main__"))]
    return " < ".join(names) or LOOP


def is_ours(frame: FrameType | None) -> bool:
    return (
        frame is not None and OURS in frame.f_code.co_filename and f"{OURS}cli{os.sep}" not in frame.f_code.co_filename
    )


def threads() -> dict[str, list[float]]:
    """Name -> CPU seconds in user mode and in the kernel, and seconds of waiting for a CPU."""
    tick, found = os.sysconf("SC_CLK_TCK"), {}
    for task in os.listdir("/proc/self/task"):
        folder = f"/proc/self/task/{task}"
        with open(f"{folder}/stat") as stat, open(f"{folder}/schedstat") as schedule:
            name, _, rest = stat.read().partition("(")[2].rpartition(")")
            fields, waited = rest.split(), int(schedule.read().split()[1])
        by_number = {each.native_id: each.name for each in threading.enumerate()}
        key = by_number.get(int(task), name)
        had = found.setdefault(key, [0.0, 0.0, 0.0])
        found[key] = [had[0] + int(fields[11]) / tick, had[1] + int(fields[12]) / tick, had[2] + waited / 1e9]
    return found


class Sampler:
    def __init__(self, report: str) -> None:
        self._report = report
        self._counts: Counter[str] = Counter()
        self._library, self._timer = timer()
        self._begun: tuple[float, dict[str, list[float]]] | None = None
        signal.signal(signal.SIGPROF, self._sample)
        signal.siginterrupt(signal.SIGPROF, False)
        signal.signal(signal.SIGUSR2, self._toggle)

    def _sample(self, number: int, frame: FrameType | None) -> None:
        self._counts[place(frame)] += 1

    def _set(self, every: float) -> None:
        nanoseconds = int(every * 1e9)
        spec = Spec(0, nanoseconds, 0, nanoseconds)
        self._library.timer_settime(self._timer, 0, ctypes.byref(spec), None)

    def _toggle(self, number: int, frame: FrameType | None) -> None:
        if self._begun is None:
            self._begun = time.monotonic(), threads()
            self._set(EVERY)
            return
        self._set(0)
        began, before = self._begun
        now = {
            name: [after - had for after, had in zip(values, before.get(name, [0.0] * 3), strict=True)]
            for name, values in threads().items()
        }
        found = {"seconds": time.monotonic() - began, "counts": self._counts, "threads": now}
        new = pathlib.Path(f"{self._report}.new")
        new.write_text(json.dumps(found))
        new.rename(self._report)


def main() -> None:
    report, *sys.argv[1:] = sys.argv[1:]
    # Kept alive by the handlers.
    Sampler(report)
    from asyncmta.cli.main import main as asyncmta  # noqa: PLC0415 - the sampler is there first

    asyncmta()


if __name__ == "__main__":
    main()
