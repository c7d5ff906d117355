"""What a kind of crash came to, as a row of the table, and the page that the table is written into."""

from __future__ import annotations

import datetime
import os
import pathlib
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.crash.lab.hatchery import TOP
from tests.crash.lab.oracle import Account

PAGE = TOP / "docs" / "reliability.md"
BEGIN, END = "<!-- crash table: written by make crash -->", "<!-- end of the crash table -->"


@dataclass
class Row:
    """One kind. `failures` say how to see each again."""

    kind: str
    runs: int = 0
    account: Account = field(default_factory=Account)
    why_duplicates: str = ""
    failures: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
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
        self.seconds = max(self.seconds, other.seconds)

    @property
    def is_clean(self) -> bool:
        return not self.failures and self.account.is_clean

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


def write_page(rows: Sequence[Row], caught: Sequence[Row], seed: int) -> None:
    """The tables between their marks in docs/reliability.md, with date, commit and machine."""
    page = PAGE.read_text(encoding="utf-8")
    before, found, rest = page.partition(BEGIN)
    _, found_end, after = rest.partition(END)
    if not found or not found_end:
        raise ValueError(f"{PAGE} has lost its marks")
    facts = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, commit {commit()}, seed {seed}. {machine()}"
    parts = ["", facts, table(rows)]
    if remarks := [f"- {row.kind}: {remark}" for row in rows for remark in row.remarks]:
        parts.append("\n".join(remarks))
    if caught:
        parts += ["With a sync left out on purpose, each series stopped at its first lost letter:", table(caught)]
    PAGE.write_text(before + BEGIN + "\n\n".join([*parts, ""]) + END + after, encoding="utf-8")


def commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=TOP, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def machine() -> str:
    return (
        f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}, "
        f"fdatasync {sync_time() * 1e6:.0f} µs (median of 200, {file_system()})."
    )


def sync_time(folder: pathlib.Path = TOP) -> float:
    """How long an append of 1 KiB and its fdatasync take."""
    path = folder / ".sync-time"
    times = []
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        for _ in range(200):
            os.write(file, bytes(1024))
            began = time.perf_counter()
            os.fdatasync(file)
            times.append(time.perf_counter() - began)
    finally:
        os.close(file)
        path.unlink()
    return sorted(times)[100]


def file_system() -> str:
    done = subprocess.run(["stat", "-f", "-c", "%T", str(TOP)], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def timed(make: Callable[[], Row]) -> Row:
    began = time.monotonic()
    row = make()
    row.seconds = time.monotonic() - began
    return row
