"""The results of several calls put together: each kind as a file of JSON in one folder, and the page made from them.

So the kinds can be run one after the other or beside each other, and the table is still one. A kind that ran at
another commit, on another machine or not at its whole length is marked as such.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass

from tests.crash.lab.hatchery import TOP
from tests.crash.lab.machine import commit, machine
from tests.crash.lab.oracle import Account
from tests.crash.lab.report import Row, table

PAGE = TOP / "docs" / "reliability.md"
BEGIN, END = "<!-- crash table: written by make crash -->", "<!-- end of the crash table -->"
SABOTAGE = "sabotage"


@dataclass
class Place:
    """Where and when a call ran."""

    date: str
    commit: str
    machine: str

    @classmethod
    def here(cls) -> Place:
        return cls(f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}", commit(), machine())


@dataclass
class Result:
    """One kind. `left_out`: why this machine could not do it, or a part of it."""

    kind: str
    seed: int
    scale: float
    place: Place
    rows: list[Row]
    left_out: list[str]

    @property
    def is_good(self) -> bool:
        """Sabotage is good where mail was lost."""
        if self.kind == SABOTAGE:
            return all(row.account.lost for row in self.rows)
        return all(row.is_clean for row in self.rows)

    def write(self, folder: pathlib.Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False)
        (folder / f"{self.kind}.json").write_text(text + "\n", encoding="utf-8")


def read(folder: pathlib.Path, kinds: Sequence[str]) -> list[Result]:
    """What was collected there, in the order of `kinds`."""
    return [_read(path) for kind in kinds if (path := folder / f"{kind}.json").exists()]


def _read(path: pathlib.Path) -> Result:
    facts = json.loads(path.read_text(encoding="utf-8"))
    rows = [Row(**{**row, "account": Account(**row["account"])}) for row in facts.pop("rows")]
    return Result(**{**facts, "place": Place(**facts["place"]), "rows": rows})


def page_part(results: Sequence[Result], kinds: Sequence[str]) -> str:
    """What stands between the marks: date, commit, machine; the table; what is to be said of its rows; the sabotage."""
    first = results[0].place
    facts = f"{first.date}, commit {first.commit}. {first.machine}. Seeds: "
    facts += ", ".join(f"{result.kind} {result.seed}" for result in results) + "."
    rows = [row for result in results if result.kind != SABOTAGE for row in result.rows]
    caught = [row for result in results if result.kind == SABOTAGE for row in result.rows]
    parts = [facts, table(rows)]
    notes = [f"- {row.kind}: {remark}." for row in rows for remark in row.notes()]
    for result in results:
        if result.scale != 1.0:
            notes.append(f"- {result.kind} ran at {result.scale:g} of its length.")
        if (result.place.commit, result.place.machine.partition(";")[0]) != (
            first.commit,
            first.machine.partition(";")[0],
        ):
            place = result.place
            notes.append(f"- {result.kind} ran on {place.date}, commit {place.commit}. {place.machine}.")
        notes += [f"- Left out: {reason}." for reason in result.left_out]
    absent = [kind for kind in kinds if kind not in {result.kind for result in results}]
    if absent:
        notes.append(f"- Not run: {', '.join(absent)}.")
    if notes:
        parts.append("\n".join(notes))
    if caught:
        parts += ["With a sync left out on purpose, each series stopped at its first lost letter:", table(caught)]
    return "\n\n".join(parts)


def write_page(results: Sequence[Result], kinds: Sequence[str], *, page: pathlib.Path = PAGE) -> None:
    """The tables between their marks in docs/reliability.md."""
    text = page.read_text(encoding="utf-8")
    before, found, rest = text.partition(BEGIN)
    _, found_end, after = rest.partition(END)
    if not found or not found_end:
        raise ValueError(f"{page} has lost its marks")
    page.write_text(f"{before}{BEGIN}\n\n{page_part(results, kinds)}\n\n{END}{after}", encoding="utf-8")
