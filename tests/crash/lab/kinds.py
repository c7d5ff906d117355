"""All kinds of crash at one scale: how long each is, and how it is shared among two processes."""

from __future__ import annotations

import json
import os
import pathlib
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

from tests.crash.lab import calls, damage, full, model, mounts, power, served, source, uml
from tests.crash.lab.bench import Bench
from tests.crash.lab.hatchery import TOP
from tests.crash.lab.oracle import Account
from tests.crash.lab.report import Row, timed
from tests.crash.lab.yard import Stake, in_processes

KINDS = ("kills", "fails", "damage", "model", "power", "uml", "served", "full", "others", "sabotage")
LONG = {"fails": 5000, "flips": 100_000, "blocks": 20_000, "cuts": 200, "uml": 100, "kills": 200, "cycles": 100}
SEEDS = 2
"""Of the modelled disk, for each call: so many times what chance lets survive, beside what must."""
WORKERS = 2


class Kinds:
    """Each method named in KINDS runs one; `left_out` says what this machine cannot do."""

    def __init__(self, scale: float, seed: int) -> None:
        self._scale = scale
        self._seed = seed
        self.left_out: list[str] = []

    def _count(self, name: str) -> int:
        return max(1, round(LONG[name] * self._scale))

    @property
    def _stride(self) -> int:
        return max(1, round(1 / self._scale))

    def _can(self, reason: str) -> bool:
        if reason:
            self.left_out.append(reason)
            print(f"LEFT OUT: {reason}", flush=True)
        return not reason

    def _trace(self) -> list[tuple[str, str]]:
        with Bench() as bench:
            traced = calls.trace(bench)
        print(f"the scripted run makes {calls.told(traced)}", flush=True)
        return traced

    def kills(self) -> list[Row]:
        traced = self._trace()
        row = joined(calls.kill_share, calls.kills(traced, stride=self._stride))
        row.remarks.append(f"the run makes {calls.told(traced)}")
        return [row]

    def fails(self) -> list[Row]:
        return [joined(calls.fail_share, calls.fails(self._trace(), runs=self._count("fails"), seed=self._seed))]

    def damage(self) -> list[Row]:
        work = partial(
            damage_share, flips=self._count("flips"), blocks=self._count("blocks"), stride=self._stride, seed=self._seed
        )
        began = time.monotonic()
        first, *others = in_processes(work, range(WORKERS), workers=WORKERS)
        for row, *more in zip(first, *others, strict=True):
            for each in more:
                row.join(each)
            row.seconds = time.monotonic() - began
        return list(first)

    def model(self) -> list[Row]:
        with Bench(shimmed=False) as bench:
            cuts = model.cuts(model.steps(bench), seeds=SEEDS)
        return [joined(model.share, random.Random(self._seed).sample(cuts, round(len(cuts) * min(1, self._scale))))]

    def power(self) -> list[Row]:
        kinds = [kind for kind in ("ext4", "xfs") if self._can(mounts.missing(kind))]
        return in_processes(partial(power_series, cuts=self._count("cuts"), seed=self._seed), kinds)

    def uml(self) -> list[Row]:
        if not self._can(uml.missing()):
            return []
        return in_processes(partial(uml_series, cuts=self._count("uml"), seed=self._seed), ["ext4", "xfs"])

    def served(self) -> list[Row]:
        if not self._can(source.missing()):
            return []
        stake = Stake()
        try:
            return [timed(lambda: served.row(stake.folder, kills=self._count("kills"), seed=self._seed))]
        finally:
            stake.pull()

    def full(self) -> list[Row]:
        if not self._can(full.missing()):
            return []
        return in_processes(partial(full_series, cycles=self._count("cycles")), list(full.GUARDS))

    def others(self) -> list[Row]:
        """The other crash tests in their long form, and what they say to the table (forms.tell)."""
        stake = Stake()
        try:
            return self._others(stake.folder / "report")
        finally:
            stake.pull()

    def _others(self, report: pathlib.Path) -> list[Row]:
        tests = sorted(str(path) for path in (TOP / "tests" / "crash").glob("test_[!l]*.py"))
        environment = os.environ | {"CRASH_LONG": "1", "CRASH_SEED": str(self._seed), "CRASH_REPORT": str(report)}
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--timeout", "7200", *tests]
        row = Row("tests of the spool by itself")
        began = time.monotonic()
        done = subprocess.run(command, cwd=TOP, env=environment, check=False, capture_output=True, text=True)
        row.seconds = time.monotonic() - began
        row.runs = sum(map(int, re.findall(r"(\d+) passed", done.stdout)))
        if done.returncode:
            row.failures.append(done.stdout[-3000:])
        return [row, *rows_of(report)]

    def sabotage(self) -> list[Row]:
        """What must be caught. These rows are lost letters by intention."""
        mounted = [(kind, omit) for kind in ("ext4", "xfs") for omit in ("directories", "data")]
        found = [
            timed(partial(power.caught, kind, omit, cuts=50, seed=self._seed))
            for kind, omit in mounted
            if self._can(mounts.missing(kind))
        ]
        return [*found, *(timed(partial(model.caught, omit)) for omit in ("directories", "data"))]


def joined(work: Callable[[list[calls.Blow]], Row] | Callable[[list[model.Cut]], Row], jobs: Sequence[object]) -> Row:
    began = time.monotonic()
    first, *rest = in_processes(work, jobs, workers=WORKERS)  # type: ignore[arg-type]
    for each in rest:
        first.join(each)
    first.seconds = time.monotonic() - began
    return first  # type: ignore[no-any-return]


def rows_of(report: pathlib.Path) -> list[Row]:
    rows = []
    for line in report.read_text(encoding="utf-8").splitlines() if report.exists() else []:
        facts = json.loads(line)
        account = Account(acknowledged=facts.get("acknowledged", 0), duplicates=facts.get("duplicates", 0))
        account.explained = account.duplicates
        account.lost = ["?"] * facts.get("lost", 0)
        account.altered = ["?"] * facts.get("altered", 0)
        rows.append(Row(facts["kind"], facts["runs"], account, facts.get("explanation", "")))
    return rows


def damage_share(shares: list[int], *, flips: int, blocks: int, stride: int, seed: int) -> list[Row]:
    return damage.rows(shares[0], WORKERS, flips=flips, blocks=blocks, stride=stride, seed=seed)


def power_series(kinds: list[str], *, cuts: int, seed: int) -> Row:
    return timed(lambda: power.row(kinds[0], cuts=cuts, seed=seed))


def uml_series(kinds: list[str], *, cuts: int, seed: int) -> Row:
    return timed(lambda: uml.row(kinds[0], cuts=cuts, seed=seed))


def full_series(guards: list[str], *, cycles: int) -> Row:
    return timed(lambda: full.row(guards[0], cycles=cycles))
