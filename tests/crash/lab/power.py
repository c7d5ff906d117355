"""Kind c: power cuts of real file systems under load, of the spool and of Maildirs. Bar 1 of the reliability study.

The spool lives through all cuts of a series; its letters are new ones for each. Half of the mail goes to a next hop,
half into Maildirs, one letter in twenty is large, one in twelve is kept deferred and carried by compaction, for which
time passes faster than it does. The clients write down each 250. The server is stopped (SIGSTOP) just
before the cut and killed after it, for without power nobody hears what a file system says while it goes down.
"""

from __future__ import annotations

import pathlib
import random
import shutil
import time

from tests.crash.lab import oracle
from tests.crash.lab.bench import Bench
from tests.crash.lab.client import Crowd
from tests.crash.lab.hatchery import Child
from tests.crash.lab.mounts import Images
from tests.crash.lab.oracle import Account, Arrived
from tests.crash.lab.report import Row
from tests.crash.lab.script import LARGE

WHY = "at the next hop when the power went, and not yet recorded"
SEGMENT = 256 << 10
LONGEST = 0.8
QUIET = 0.3
"""So many of the cuts come when all is done: under load the next sync of anything saves what nobody has synced."""
CARRIED = "messages had been carried by compaction before a cut"


def addressed(number: int) -> tuple[str, ...]:
    if number % 12 == 5:
        return (f"keep-{number}@next.test",)
    return (f"remote-{number}@next.test",) if number % 2 else (f"u{number % 14}@local.test",)


def sized(number: int) -> int:
    return LARGE if number % 20 == 7 else 1500


class Series:
    """Cuts of one kind of file system, one after the other."""

    def __init__(self, bench: Bench, images: Images, kind: str, *, seed: int, omit: str = "") -> None:
        self._bench, self._images, self._omit = bench, images, omit
        self._chance = random.Random(f"{kind} {seed}")
        self._cuts = 0
        self.row = Row(f"power cut, {kind}", why_duplicates=WHY)

    def cut(self) -> Account:
        """One: load, cut, mount, start, compare."""
        self._cuts += 1
        self._bench.sink.fresh()
        here = self._images.mail if self._cuts % 2 or self._omit else self._images.spool
        mail = here.path / f"mail-{self._cuts}"
        spec = {
            "root": str(self._images.spool.path),
            "spool": str(self._images.spool.path / "spool"),
            "mail": str(mail),
            "sink": self._bench.sink.port,
            "omit": self._omit,
            "spool_settings": {"segment_size": SEGMENT, "min_free_inodes": 0},
            "tables": {"queue": {"min_free_space": "4MiB"}},
        }
        moment, is_quiet = self._chance.uniform(0.0, LONGEST), self._chance.random() < QUIET
        with self._bench.hatchery.hatch(spec) as child:
            opened = child.tell("open")
            if "refused" in opened:
                return self._settle(Account(faults=[f"start refused: {opened['refused']}"]), moment, mail)
            crowd = Crowd(opened["port"], addressed, prefix=f"c{self._cuts}", size=sized, sessions=10)
            child.tell("hurry", every=0.03)
            crowd.start()
            crowd.wait(1)
            time.sleep(moment)
            if is_quiet:
                crowd.stop()
                child.tell("idle", timeout=10.0)
            self._carried(child.tell("carried")["carried"])
            child.freeze()
            self._images.cut_power()
            child.kill()
            crowd.stop()
        self._images.power_on()
        with self._bench.hatchery.hatch(spec) as child:
            account = self._compare(child, crowd, mail)
            child.quit()
        return self._settle(account, moment, mail)

    def _carried(self, count: int) -> None:
        self.row.counts[CARRIED] = self.row.counts.get(CARRIED, 0) + count

    def _settle(self, account: Account, moment: float, mail: pathlib.Path) -> Account:
        self.row.add(account, f"cut {self._cuts}, {moment * 1000:.0f} ms after the first 250")
        shutil.rmtree(mail, ignore_errors=True)
        self._images.sync()
        return account

    def _compare(self, child: Child, crowd: Crowd, mail: pathlib.Path) -> Account:
        opened = child.tell("open")
        if "refused" in opened:
            return Account(faults=[f"start refused: {opened['refused']}"])
        pending = set(opened["pending"])
        may_repeat = [
            (oracle.identity_of(taken.content), recipient)
            for taken in self._bench.sink.taken
            for recipient in taken.recipients
            if recipient in pending
        ]
        self._bench.sink.opened = True
        child.tell("retry")
        said = child.tell("idle", timeout=50.0)
        arrived = Arrived()
        arrived.note_sink(self._bench.sink.taken)
        arrived.note_mailboxes(oracle.mailboxes(mail))
        account = oracle.settle(crowd.sent, arrived, child.tell("queue")["rows"], may_repeat=may_repeat)
        if opened["damaged"]:
            account.faults.append(f"{opened['damaged']} places damaged")
        if said["late"] or said["failed"]:
            account.faults.append(f"after the restart: {said}")
        account.faults += [
            f"{sent.identity} was refused with {text}"
            for sent in crowd.sent
            for text in sent.refusals
            if not text.startswith("4")
        ]
        return account


def row(kind: str, *, cuts: int, seed: int) -> Row:
    """So many cuts of this kind of file system."""
    with Bench(shimmed=False) as bench, Images(bench.folder / kind, kind) as images:
        series = Series(bench, images, kind, seed=seed)
        for _ in range(cuts):
            series.cut()
        return series.row


def caught(kind: str, omit: str, *, cuts: int, seed: int) -> Row:
    """The same with a sync left out, until a letter is lost."""
    with Bench(shimmed=False) as bench, Images(bench.folder / kind, kind) as images:
        series = Series(bench, images, kind, seed=seed, omit=omit)
        for _ in range(cuts):
            if series.cut().lost:
                break
        series.row.kind = f"{kind}, {omit} not synced"
        return series.row
