"""From runs to a table: medians over the repetitions, and the ratio within each repetition.

The machine's speed drifts, and both MTAs of one repetition met the same drift: so the ratio that counts is the median
of the repetitions' own ratios, and their range says how far to trust it.
"""

from __future__ import annotations

import json
import pathlib
from statistics import median
from typing import Any

BEGIN = "<!-- bench:begin -->"
END = "<!-- bench:end -->"
HEAD = (
    "| workload | MTA | messages/s | CPU s per 1,000 | peak RSS | peak PSS | messages/s against Postfix |",
    "|---|---|---:|---:|---:|---:|---:|",
)

Run = dict[str, Any]


def ratios(runs: list[Run], workload: str, mta: str, base: str) -> list[float]:
    """messages/s of `mta` over those of `base`, a number for each repetition that has both."""
    rates = {
        (run["mta"], run["repetition"]): run["rate"] for run in runs if run["workload"] == workload and "rate" in run
    }
    numbers = sorted({repetition for _, repetition in rates})
    return [
        rates[mta, number] / rates[base, number]
        for number in numbers
        if (mta, number) in rates and (base, number) in rates
    ]


def rows(runs: list[Run], base: str = "Postfix") -> list[str]:
    lines = list(HEAD)
    for workload, mta in dict.fromkeys((run["workload"], run["mta"]) for run in runs):
        mine = [run for run in runs if (run["workload"], run["mta"]) == (workload, mta)]
        good = [run for run in mine if "rate" in run]
        if not good:
            lines.append(f"| {workload} | {mta} | {mine[0]['note']} | | | | |")
            continue
        found = [] if mta == base else ratios(runs, workload, mta, base)
        ratio = f"{median(found):.1f} x ({min(found):.1f} to {max(found):.1f})" if found else ""
        lines.append(
            f"| {workload} | {mta} | {median(run['rate'] for run in good):,.0f}"
            f" | {median(run['cpu_per_1000'] for run in good):.3f}"
            f" | {median(run['rss'] for run in good) / 2**20:.0f} MiB"
            f" | {median(run['pss'] for run in good) / 2**20:.0f} MiB | {ratio} |"
        )
    return lines


def text(facts: dict[str, str], settings: str, runs: list[Run]) -> str:
    about = "; ".join(f"{key} {value}" for key, value in facts.items())
    return "\n".join([*rows(runs), "", settings, "", f"Machine: {about}."])


def write(readme: pathlib.Path, raw: pathlib.Path, table: str, everything: dict[str, Any]) -> None:
    """Put the table between its markers, and the figures behind it into `raw`."""
    raw.write_text(json.dumps(everything, indent=1) + "\n")
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")
