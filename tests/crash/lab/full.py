"""Kind f: a spool of 32 MiB that clients fill, again and again, while it runs. J07, F10 and F11.

While it is full, every reply is 4yz; then the next hop takes mail again, what is queued goes out from the full disk,
and input returns by itself. Once with a minimum of free space that refuses in time, once without, so that writes fail.
"""

from __future__ import annotations

import pathlib
import time

from tests.crash.lab import oracle
from tests.crash.lab.bench import Bench
from tests.crash.lab.client import Crowd
from tests.crash.lab.hatchery import Child
from tests.crash.lab.mounts import tmpfs
from tests.crash.lab.oracle import Account, Arrived
from tests.crash.lab.report import Row

SIZE = 32 << 20
LETTER = 48_000
GUARDS = {"12MiB": "a minimum is kept free", "0B": "to the last octet"}


def addressed(number: int) -> tuple[str, ...]:
    return (f"remote-{number}@next.test",)


class Filling:
    """One server over one small disk, filled over and over."""

    def __init__(self, bench: Bench, disk: pathlib.Path, guard: str) -> None:
        self._bench, self._disk, self._guard = bench, disk, guard
        self._cycles = 0

    def spec(self) -> dict[str, object]:
        tables = {"queue": {"min_free_space": self._guard}}
        return {
            "root": str(self._disk),
            "mail": str(self._bench.folder / "mail"),
            "sink": self._bench.sink.port,
            "tables": tables,
            "spool_settings": {"min_free_inodes": 0, "segment_size": 4 << 20},
        }

    def cycle(self, child: Child, port: int) -> Account:
        self._cycles += 1
        sink = self._bench.sink
        sink.fresh()
        sink.closed = True
        crowd = Crowd(port, addressed, prefix=f"f{self._cycles}", size=lambda _: LETTER, sessions=4)
        crowd.start()
        faults = [] if self._until_refused(crowd) else ["never refused"]
        sink.closed = False
        child.tell("retry")
        taken = crowd.acknowledged
        if not crowd.wait(taken + 20, 30):
            faults.append(f"input did not return: {child.tell('refusal')}")
        crowd.stop()
        child.tell("retry")  # what came while it was full was deferred
        said = child.tell("idle", timeout=50.0)
        if said["late"] or said["failed"]:
            faults.append(f"after it was full: {said}")
        arrived = Arrived()
        arrived.note_sink(sink.taken)
        account = oracle.settle(crowd.sent, arrived, child.tell("queue")["rows"])
        refusals = [text for sent in crowd.sent for text in sent.refusals]
        faults += [f"refused with {text}" for text in refusals if not text.startswith("4")][:5]
        if not any(text.startswith("452 4.3.1") for text in refusals):
            faults.append(f"no 452 4.3.1 among {set(refusals)}")
        account.faults += faults
        return account

    def _until_refused(self, crowd: Crowd) -> bool:
        """Refused for a while, with nothing taken meanwhile."""
        end = time.monotonic() + 60
        quiet, seen = time.monotonic(), 0
        while time.monotonic() < end:
            if crowd.acknowledged != seen:
                quiet, seen = time.monotonic(), crowd.acknowledged
            elif time.monotonic() - quiet > 0.5 and any(sent.refusals for sent in crowd.sent[-20:]):
                return True
            time.sleep(0.02)
        return False


def row(guard: str, *, cycles: int, folder: pathlib.Path | None = None) -> Row:
    said = Row(f"disk filled, {GUARDS[guard]}")
    with Bench(folder, shimmed=False) as bench, tmpfs(bench.folder / "small", SIZE) as disk:
        filling = Filling(bench, disk.path, guard)
        with bench.hatchery.hatch(filling.spec()) as child:
            opened = child.tell("open")
            for number in range(cycles):
                said.add(filling.cycle(child, opened["port"]), f"cycle {number + 1}")
            bugs = child.tell("close")["bugs"]
            if bugs:
                said.failures.append(str(bugs[:3]))
            if child.tell("open").get("pending"):
                said.failures.append("there again after a restart")
            child.quit()
    return said
