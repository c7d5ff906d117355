"""What a kind of crash came to, as a row of a table, and the table."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.crash.lab.oracle import Account


@dataclass
class Row:
    """One kind. `failures` say how to see each again."""

    kind: str
    runs: int = 0
    account: Account = field(default_factory=Account)
    why_duplicates: str = ""
    failures: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)  # "of what": how many, summed up over processes
    seconds: float = 0.0

    def add(self, account: Account, how: str) -> None:
        """One run more; `how` says how to repeat it."""
        self.runs += 1
        self.account.add(account)
        if not account.is_clean:
            self.failures.append(f"{how}: {account}")

    def join(self, other: Row) -> None:
        self.runs += other.runs
        self.account.add(other.account)
        self.failures += other.failures
        self.remarks += [each for each in other.remarks if each not in self.remarks]
        for what, count in other.counts.items():
            self.counts[what] = self.counts.get(what, 0) + count
        self.seconds = max(self.seconds, other.seconds)

    @property
    def is_clean(self) -> bool:
        return not self.failures and self.account.is_clean

    def notes(self) -> list[str]:
        """What is to be said below the table."""
        return [*self.remarks, *(f"{count:,} {what}" for what, count in self.counts.items())]

    def cells(self) -> list[str]:
        account = self.account
        unexplained = account.duplicates - account.explained
        return [
            self.kind,
            f"{self.runs:,}",
            f"{account.acknowledged:,}",
            f"{len(account.lost):,}",
            f"{len(account.altered):,}",
            f"{account.duplicates:,}",
            f"{unexplained:,} unexplained" if unexplained else self.why_duplicates if account.duplicates else "none",
            f"{self.seconds:,.0f} s",
        ]


HEAD = ["kind", "runs", "acknowledged", "lost", "altered", "duplicates", "explanation", "time"]


def table(rows: Sequence[Row]) -> str:
    """In Markdown, and readable as it is."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(HEAD))]
    text = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    text.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(text)


def timed(make: Callable[[], Row]) -> Row:
    began = time.monotonic()
    row = make()
    row.seconds = time.monotonic() - began
    return row
