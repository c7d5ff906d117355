"""What the smaller benchmarks print and keep: one table with the ratios first, the machine, and the figures as JSON."""

from __future__ import annotations

import argparse
import json
import pathlib
from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks import machine, peers, report, tools

PAGE = tools.TOP / "benchmarks" / "README.md"

Run = dict[str, Any]


def parser(doc: str | None, runs: int = 3) -> argparse.ArgumentParser:
    """The options that all of them have."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--mta", action="append", choices=list(peers.KINDS), help="which; all that are there")
    made.add_argument("--runs", type=int, default=runs, help=f"repetitions ({runs})")
    made.add_argument("--spools", type=pathlib.Path, default=tools.TOP / "var" / "bench", help="on a real disk")
    made.add_argument("--dry", action="store_true", help="print only; leave README.md and results/ alone")
    made.add_argument("--json", action="store_true", help="print the results as JSON, too")
    made.add_argument("--smoke", action="store_true", help="small, into a folder of its own; nothing is written")
    return made


class Column:
    """`key` of a run, as text; with `ratio`, how many times that of asyncmta a peer's is, in columns of their own."""

    def __init__(self, key: str, title: str, form: str = "{:,.0f}", ratio: str = "") -> None:
        self.key, self.title, self.form, self.ratio = key, title, form, ratio

    def text(self, runs: Sequence[Run]) -> str:
        values = [run[self.key] for run in runs if run.get(self.key) is not None]
        return self.form.format(median(values)) if values else ""


def rows(runs: list[Run], columns: Sequence[Column]) -> list[str]:
    """One line for each MTA; the ratios stand before all."""
    compared = [column for column in columns if column.ratio]
    titles = ["MTA", *(column.ratio for column in compared), *(column.title for column in columns)]
    lines = [f"| {' | '.join(titles)} |", f"|---|{'---:|' * (len(titles) - 1)}"]
    for mta in dict.fromkeys(run["mta"] for run in runs):
        mine = [run for run in runs if run["mta"] == mta]
        good = [run for run in mine if "note" not in run]
        name = mta if mine[0]["syncs"] else f"{mta} ¹"
        if not good:
            lines.append(f"| {name} | {mine[0]['note']} |{' |' * (len(titles) - 2)}")
            continue
        both = [run for run in runs if "note" not in run]
        found = [
            "" if mta == report.OURS else report.ratio(report.ratios(both, column.key, mta, report.OURS))
            for column in compared
        ]
        lines.append(f"| {' | '.join([name, *found, *(column.text(good) for column in columns)])} |")
    return lines


def show(
    name: str, asked: argparse.Namespace, runs: list[Run], lines: list[str], settings: str, page: pathlib.Path = PAGE
) -> None:
    """Print it, and keep it where it is asked for."""
    facts = machine.facts(asked.spools)
    text = "\n".join([*lines, "", settings, "", report.machine(facts)])
    everything = {"facts": facts, "settings": settings, "runs": runs}
    print(f"\n{text}")
    if asked.json:
        print(json.dumps(everything))
    if not asked.dry and not asked.smoke:
        report.keep(PAGE, name, everything)
        report.between(page, name, text)
