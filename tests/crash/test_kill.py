"""kill -9 at random moments of a process that owns a spool on the real disk: what it answered is there next time."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIVES = 8


class Book:
    def __init__(self) -> None:
        self.asked: dict[str, str] = {}
        self.answered: set[str] = set()
        self.delivering: set[str] = set()
        self.done: set[str] = set()
        self.had: dict[str, str] = {}

    def read(self, line: str) -> None:
        word, *fields = line.split()
        if word == "asked":
            assert fields[0] not in self.asked, "a queue id was given twice"
            self.asked[fields[0]] = fields[1]
        elif word == "have":
            self.had[fields[0]] = fields[1]
        else:
            {"answered": self.answered, "delivering": self.delivering, "done": self.done}[word].add(fields[0])


def one_life(spool: Path, seed: int, lines: int, book: Book) -> None:
    """Start the writer, let it say so many lines after it is ready, kill it; everything it said goes into the book."""
    book.had.clear()
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.writer", str(spool), str(seed)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    with writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if line == "ready\n":
                break
            book.read(line)
        else:
            pytest.fail("the writer did not start")
        check(book)
        said = list(islice(writer.stdout, lines))
        writer.send_signal(signal.SIGKILL)
        said += writer.stdout.readlines()
    for line in said:
        if line.endswith("\n"):
            book.read(line)


def check(book: Book) -> None:
    """What the writer has at its start, against what those before it had said."""
    assert book.answered - book.delivering - book.had.keys() == set(), "answered and gone"
    assert book.had.keys() <= book.asked.keys()
    assert not book.had.keys() & book.done, "delivered and back"
    assert {name: book.asked[name] for name in book.had} == book.had, "other octets"


@pytest.mark.slow
def test_what_was_answered_is_there_after_each_kill(tmp_path: Path) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance, book = random.Random(seed), Book()
    for life in range(LIVES):
        one_life(tmp_path / "spool", seed + life, chance.randrange(1, 1500), book)
    one_life(tmp_path / "spool", seed + LIVES, 0, book)
    assert len(book.answered) > 100
    assert book.done
