"""Kind f: a spool of 32 MiB that smtp-source fills, again and again, while the server runs. J07, F10 and F11.

While it is full, every refusal is 4yz; then the next hop takes mail again, what is queued goes out from the full disk,
and input returns by itself. Once with a minimum of free space that refuses in time, once without, so that writes fail.
One server and one spool live through all rounds, and are never emptied by anybody else.
"""

from __future__ import annotations

import pathlib
import time

from tests.crash.lab import mounts, oracle, source
from tests.crash.lab.bench import Bench
from tests.crash.lab.hatchery import Child
from tests.crash.lab.mounts import tmpfs
from tests.crash.lab.oracle import Account, Arrived
from tests.crash.lab.report import Row
from tests.crash.lab.source import Source
from tests.crash.lab.wire import Wire

SIZE = 32 << 20
LETTER = 48_000
GUARDS = {"12MiB": "a minimum is kept free", "0B": "to the last octet"}
QUIET = 0.4
"""Seconds in which nothing is taken and something refused: then it is full."""
BACK = 20
"""So many letters are taken after space has come back, before a round ends."""


def missing() -> str:
    return source.missing() or mounts.missing("tmpfs")


class Filling:
    """One server over one small disk, filled over and over."""

    def __init__(self, bench: Bench, disk: pathlib.Path, guard: str) -> None:
        self._bench, self._disk, self._guard = bench, disk, guard
        self._cycles = 0
        self.refused = 0

    def spec(self) -> dict[str, object]:
        tables = {"queue": {"min_free_space": self._guard}}
        return {
            "root": str(self._disk),
            "mail": str(self._bench.folder / "mail"),
            "sink": self._bench.sink.port,
            "tables": tables,
            "spool_settings": {"min_free_inodes": 0, "segment_size": 4 << 20},
        }

    def cycle(self, child: Child, wire: Wire) -> Account:
        self._cycles += 1
        sink = self._bench.sink
        sink.fresh()
        wire.fresh()
        sink.closed = True
        faults = []
        with Source(wire, [("remote@next.test", LETTER)], sessions=4, prefix=f"f{self._cycles}") as filler:
            if not self._until_refused(wire):
                faults.append("never refused")
            full = wire.acknowledged
            sink.closed = False
            child.tell("retry")
            if not filler.wait(full + BACK):
                faults.append(f"input did not return: {child.tell('refusal')}")
        child.tell("retry")  # what came while it was full was deferred
        said = child.tell("idle", timeout=50.0)
        if said["late"] or said["failed"]:
            faults.append(f"after it was full: {said}")
        if not wire.is_idle():
            faults.append("a reply is owed")
        arrived = Arrived(wire.digests)
        arrived.note_sink(sink.taken)
        account = oracle.settle(wire.sent, arrived, child.tell("queue")["rows"])
        if account.left:
            faults.append(f"{account.left} left in the queue")
        refusals = [text for sent in wire.sent for text in sent.refusals] + wire.greetings
        self.refused += len(refusals)
        faults += [f"refused with {text}" for text in refusals if not text.startswith("4")][:5]
        if not any(text.startswith("452 4.3.1") for text in refusals):
            faults.append(f"no 452 4.3.1 among {set(refusals)}")
        account.faults += faults
        return account

    def _until_refused(self, wire: Wire) -> bool:
        """Refused for a while, with nothing taken meanwhile."""
        end = time.monotonic() + 60
        quiet, seen, refused = time.monotonic(), 0, 0
        while time.monotonic() < end:
            if wire.acknowledged != seen:
                quiet, seen, refused = time.monotonic(), wire.acknowledged, wire.refused
            elif time.monotonic() - quiet > QUIET and wire.refused > refused:
                return True
            time.sleep(0.01)
        return False


def row(guard: str, *, cycles: int) -> Row:
    said = Row(f"tmpfs of 32 MiB filled by smtp-source, {GUARDS[guard]}")
    with Bench(shimmed=False) as bench, tmpfs(bench.folder / "small", SIZE) as disk:
        filling = Filling(bench, disk.path, guard)
        with bench.hatchery.hatch(filling.spec()) as child:
            wire = Wire(child.tell("open")["port"])
            for number in range(cycles):
                said.add(filling.cycle(child, wire), f"cycle {number + 1}")
            wire.stop()
            bugs = child.tell("close")["bugs"]
            if bugs:
                said.failures.append(str(bugs[:3]))
            if child.tell("open").get("pending"):
                said.failures.append("there again after a restart")
            child.quit()
    said.counts["refusals, whose replies were all looked at"] = filling.refused
    return said
