"""The long form: `make crash`, or `python -m tests.crash.lab [KIND ...] [--scale 0.1] [--seed N] [--write]`.

Prints one table and the seed; with --write the table goes into docs/reliability.md. `again` repeats one run by the
name that a failure gives it: `python -m tests.crash.lab again fail 101 ENOSPC once`. Exits with 1 when a promise is
broken.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial

from tests.crash.lab import calls, full, model, mounts, power, served, uml
from tests.crash.lab.bench import Bench, in_processes
from tests.crash.lab.hatchery import TOP
from tests.crash.lab.oracle import Account
from tests.crash.lab.report import Row, machine, table, timed, write_page

LONG = {"fails": 5000, "cuts": 200, "uml": 100, "kills": 200, "cycles": 100, "seeds": 2}


class Run:
    """All kinds at one scale."""

    def __init__(self, scale: float, seed: int) -> None:
        self._scale = scale
        self._seed = seed

    def _count(self, name: str) -> int:
        return max(1, round(LONG[name] * self._scale))

    def _trace(self) -> list[tuple[str, str]]:
        with Bench() as bench:
            return calls.trace(bench)

    def kills(self) -> list[Row]:
        traced = self._trace()
        return [self._joined(calls.kill_share, calls.kills(traced, stride=max(1, round(1 / self._scale))))]

    def fails(self) -> list[Row]:
        return [self._joined(calls.fail_share, calls.fails(self._trace(), runs=self._count("fails"), seed=self._seed))]

    def model(self) -> list[Row]:
        with Bench(shimmed=False) as bench:
            steps = model.steps(bench)
        cuts = model.cuts(steps, seeds=LONG["seeds"])
        return [
            self._joined(model.share, random.Random(self._seed).sample(cuts, round(len(cuts) * min(1, self._scale))))
        ]

    def power(self) -> list[Row]:
        kinds = [kind for kind in ("ext4", "xfs") if self._can(mounts.missing(kind))]
        work = partial(power_series, cuts=self._count("cuts"), seed=self._seed)
        return in_processes(work, kinds) if len(kinds) == 2 else [work([kind]) for kind in kinds]

    def uml(self) -> list[Row]:
        if not self._can(uml.missing()):
            return []
        return in_processes(partial(uml_series, cuts=self._count("uml"), seed=self._seed), ["ext4", "xfs"])

    def served(self) -> list[Row]:
        with tempfile.TemporaryDirectory(prefix="asyncmta-lab-") as folder:
            return [timed(lambda: served.row(pathlib.Path(folder), kills=self._count("kills"), seed=self._seed))]

    def full(self) -> list[Row]:
        if not self._can(mounts.missing("tmpfs")):
            return []
        return in_processes(partial(full_series, cycles=self._count("cycles")), list(full.GUARDS))

    def others(self) -> list[Row]:
        """The other crash tests in their long form, and what they say to the table (forms.tell)."""
        with tempfile.TemporaryDirectory(prefix="asyncmta-lab-") as folder:
            report = pathlib.Path(folder) / "report"
            tests = sorted(str(path) for path in (TOP / "tests" / "crash").glob("test_[!l]*.py"))
            environment = os.environ | {"CRASH_LONG": "1", "CRASH_SEED": str(self._seed), "CRASH_REPORT": str(report)}
            command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--timeout", "7200", *tests]
            row = Row("tests of the spool's own room")
            began = time.monotonic()
            done = subprocess.run(command, cwd=TOP, env=environment, check=False, capture_output=True, text=True)
            row.seconds = time.monotonic() - began
            row.runs = sum(map(int, re.findall(r"(\d+) passed", done.stdout)))
            if done.returncode:
                row.failures.append(done.stdout[-3000:])
            return [row, *rows_of(report)]

    def sabotage(self) -> list[Row]:
        """What must be caught. These rows are lost letters by intention."""
        rows = []
        for kind in ("ext4", "xfs"):
            for omit in ("directories", "data"):
                if self._can(mounts.missing(kind)):
                    row = power.caught(kind, omit, cuts=50, seed=self._seed)
                    row.kind = f"{kind}, {omit} not synced"
                    rows.append(row)
        for omit in ("directories", "data"):
            row = Row(f"modelled disk, {omit} not synced")
            with Bench(shimmed=False) as bench:
                steps = model.steps(bench, omit=omit)
                for step in range(steps // 2, steps, 7):
                    account = model.cut_once(bench, model.Cut(step, None), omit=omit)
                    row.add(account, f"cut {step} None")
                    if account.lost:
                        break
            rows.append(row)
        return rows

    def _joined(self, work: Callable[[list[object]], Row], jobs: list[object]) -> Row:
        began = time.monotonic()
        first, *rest = in_processes(work, jobs)
        for each in rest:
            first.join(each)
        first.seconds = time.monotonic() - began
        return first

    def _can(self, reason: str) -> bool:
        if reason:
            print(f"LEFT OUT: {reason}", flush=True)
        return not reason


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


def power_series(kinds: list[str], *, cuts: int, seed: int) -> Row:
    return timed(lambda: power.row(kinds[0], cuts=cuts, seed=seed))


def uml_series(kinds: list[str], *, cuts: int, seed: int) -> Row:
    return timed(lambda: uml.row(kinds[0], cuts=cuts, seed=seed))


def full_series(guards: list[str], *, cycles: int) -> Row:
    return timed(lambda: full.row(guards[0], cycles=cycles))


def again(name: str, seed: int) -> int:
    """One run by its name, with the log of its children."""
    word, *rest = name.split()
    with Bench() as bench:
        if word == "cut":
            step, chance = int(rest[0]), None if rest[1] == "None" else int(rest[1])
            account = model.cut_once(bench, model.Cut(step, chance))
        else:
            traced = calls.trace(bench)
            blows = [*calls.kills(traced), *calls.fails(traced, runs=None, seed=seed)]
            account, played = calls.strike_once(bench, next(blow for blow in blows if blow.name == name))
            print(bench.hatchery.block.struck, played.ended)
        print(bench.hatchery.tail())
        print(account)
        return int(not account.is_clean)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.lab")
    parser.add_argument("kinds", nargs="*")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--write", action="store_true")
    said = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # unmount what is mounted
    if said.kinds[:1] == ["again"]:
        return again(" ".join(said.kinds[1:]), said.seed)
    run = Run(said.scale, said.seed)
    print(f"seed {said.seed}, {machine()}", flush=True)
    rows: list[Row] = []
    for kind in said.kinds or ("kills", "fails", "model", "power", "uml", "served", "full", "others"):
        for row in getattr(run, kind)():
            rows.append(row)
            print(" | ".join(row.cells()), flush=True)
            print("\n".join(row.failures[:20]), end="\n" if row.failures else "", flush=True)
    caught = run.sabotage() if not said.kinds else []
    print(f"\n{table(rows)}\n")
    if caught:
        print(f"What must be caught, and was where letters are lost:\n\n{table(caught)}\n")
    if said.write:
        write_page(rows, caught, said.seed)
    return int(not all(row.is_clean for row in rows) or not all(row.account.lost for row in caught))


if __name__ == "__main__":
    sys.exit(main())
