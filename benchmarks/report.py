"""From runs to a table, ratios first: medians over the repetitions, and the ratio within each repetition.

The machine's speed drifts, and all MTAs of one repetition met the same drift: so the ratio that counts is the median
of the repetitions' own ratios, and their range says how far to trust it.
"""

from __future__ import annotations

import json
import pathlib
from statistics import median
from typing import Any

OURS = "asyncmta"
HEAD = (
    "| workload | MTA | asyncmta is faster | and takes less CPU | messages/s | CPU s per 1,000 | RSS | PSS |",
    "|---|---|---:|---:|---:|---:|---:|---:|",
)
CONN = {"kept": "kept connections", "one": "a connection each"}

Run = dict[str, Any]


def ratios(runs: list[Run], key: str, over: str, under: str) -> list[float]:
    """`key` of the MTA `over` divided by that of `under`, a number for each repetition that has both."""
    values = {(run["mta"], run["repetition"]): run[key] for run in runs if key in run}
    numbers = sorted({repetition for _, repetition in values})
    return [
        values[over, number] / values[under, number]
        for number in numbers
        if (over, number) in values and values.get((under, number))
    ]


def ratio(found: list[float]) -> str:
    return f"{median(found):.1f} x ({min(found):.1f} to {max(found):.1f})" if found else ""


def rows(runs: list[Run]) -> list[str]:
    lines = list(HEAD)
    for workload, conn in dict.fromkeys((run["workload"], run["conn"]) for run in runs):
        cell = [run for run in runs if (run["workload"], run["conn"]) == (workload, conn)]
        for mta in dict.fromkeys(run["mta"] for run in cell):
            mine = [run for run in cell if run["mta"] == mta]
            good = [run for run in mine if "rate" in run]
            name = mta if mine[0]["syncs"] else f"{mta} ¹"
            if not good:
                lines.append(f"| {workload}, {CONN[conn]} | {name} | {mine[0]['note']} | | | | | |")
                continue
            faster = ratio([] if mta == OURS else ratios(cell, "rate", OURS, mta))
            cheaper = ratio([] if mta == OURS else ratios(cell, "cpu_per_1000", mta, OURS))
            lines.append(
                f"| {workload}, {CONN[conn]} | {name} | {faster} | {cheaper}"
                f" | {median(run['rate'] for run in good):,.0f}"
                f" | {median(run['cpu_per_1000'] for run in good):.3f}"
                f" | {median(run['rss'] for run in good) / 2**20:.0f} MiB"
                f" | {median(run['pss'] for run in good) / 2**20:.0f} MiB |"
            )
    return lines


def text(facts: dict[str, str], settings: str, runs: list[Run]) -> str:
    return "\n".join([*rows(runs), "", settings, "", machine(facts)])


def machine(facts: dict[str, str]) -> str:
    return f"Machine: {'; '.join(f'{key} {value}' for key, value in facts.items())}."


def between(page: pathlib.Path, name: str, text: str) -> None:
    """Put it between the marks of this name."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    assert found, f"{page} has no place for {name}"
    _, found, after = rest.partition(end)
    assert found, f"{page}: {name} has no end"
    page.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", encoding="utf-8")


def keep(page: pathlib.Path, name: str, everything: dict[str, Any]) -> None:
    """The figures as JSON, in `results` beside the page of the benchmarks."""
    folder = page.parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(everything, indent=1) + "\n")


def write(page: pathlib.Path, name: str, everything: dict[str, Any]) -> None:
    """The table between its marks, and the figures behind it."""
    keep(page, name, everything)
    between(page, name, text(everything["facts"], everything["settings"], everything["runs"]))
