"""Power cuts of a disk that is modelled: at every call of the scripted run, with nothing surviving that was not synced,
and with what chance lets survive, sector by sector and name by name.

Harder than any real file system, which often keeps a name that nobody synced: so it is this kind that catches a journal
without its directory sync. asyncmta.testing.disk is the model; bar 3 and J04 of the reliability study.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.crash.lab.bench import Bench
from tests.crash.lab.calls import WHY
from tests.crash.lab.oracle import Account
from tests.crash.lab.report import Row
from tests.crash.lab.script import Script


@dataclass(frozen=True)
class Cut:
    step: int
    seed: int | None


def steps(bench: Bench, *, omit: str = "") -> int:
    """How many calls the run makes."""
    script = Script(bench.root(), bench.sink, model=True)
    with bench.hatchery.hatch(bench.spec(script.root, model=True, omit=omit)) as child:
        script.play(child)
        return int(child.tell("steps")["steps"])


def cuts(count: int, *, seeds: int, runs: int | None = None, seed: int = 0) -> list[Cut]:
    """At each step: strictly, and with so many seeds; or so many of them as chance has it."""
    found = [Cut(step, chance) for step in range(1, count + 6) for chance in (None, *range(1, seeds + 1))]
    if runs is not None:
        found = random.Random(seed).sample(found, min(runs, len(found)))
    return found


def cut_once(bench: Bench, cut: Cut, *, omit: str = "") -> Account:
    script = Script(bench.root(), bench.sink, model=True)
    with bench.hatchery.hatch(bench.spec(script.root, model=True, omit=omit)) as child:
        child.tell("cut_at", step=cut.step)
        script.play(child)
        child.tell("crash", seed=cut.seed)
        return script.judge(child)


def row(bench: Bench, todo: Sequence[Cut], *, omit: str = "") -> Row:
    said = Row("power cut at every call, disk modelled", why_duplicates=WHY)
    for cut in todo:
        said.add(cut_once(bench, cut, omit=omit), f"cut {cut.step} {cut.seed}")
    return said


def share(todo: list[Cut]) -> Row:
    """For a process of its own."""
    with Bench(shimmed=False) as bench:
        return row(bench, todo)


def caught(omit: str) -> Row:
    """With a sync left out, until a letter is lost."""
    said = Row(f"modelled disk, {omit} not synced")
    with Bench(shimmed=False) as bench:
        count = steps(bench, omit=omit)
        for step in range(count // 2, count, 7):
            account = cut_once(bench, Cut(step, None), omit=omit)
            said.add(account, f"cut {step} None")
            if account.lost:
                break
    return said
