"""The facts of a log in an SQLite file: what is left of it when the log itself is gone.

Promises: a fact is in it once, whichever file it came from and however often it was read (its time and its key are its
place); a batch of facts and how far the file was read are one transaction, so that a kill neither loses nor doubles;
memory is bounded however many names there are; a file that it makes is for its owner only, as addresses are in it; a
file that is not its own is refused and left as it is. Never: what a line means, what is shown.

The only importer of sqlite3 in this room.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple

from asyncmta.stats.lines import Fact
from asyncmta.stats.reasons import Reason

APPLICATION = 0x61737473  # "asts"
VERSION = 1
REMEMBERED = 50_000  # numbers of names kept at hand
CACHE = 65_536  # KiB of pages
BUSY = 10.0  # seconds to wait for somebody else who writes

_SCHEMA = """
CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE reason (id INTEGER PRIMARY KEY, cause TEXT NOT NULL, status TEXT NOT NULL, class TEXT NOT NULL,
    text TEXT NOT NULL, UNIQUE (cause, status, class, text));
CREATE TABLE fact (at INTEGER NOT NULL, key INTEGER NOT NULL, kind INTEGER NOT NULL, name INTEGER NOT NULL,
    reason INTEGER, number INTEGER NOT NULL, recipients INTEGER NOT NULL, PRIMARY KEY (at, key)) WITHOUT ROWID;
CREATE TABLE source (device INTEGER NOT NULL, inode INTEGER NOT NULL, offset INTEGER NOT NULL, tail BLOB NOT NULL,
    PRIMARY KEY (device, inode)) WITHOUT ROWID;
"""


class DatabaseRefused(Exception):
    """This file cannot be used; the message says why."""


class Mark(Struct, frozen=True):
    """How far a file was read, and a digest of what stands before that."""

    device: int
    inode: int
    offset: int
    tail: bytes


class Database:
    """One file; "" is one that is on disk and nobody sees, and is gone at the end. For one thread."""

    def __init__(self, path: str = "") -> None:
        self._path = path
        self._words: dict[str, int] = {}
        self._reasons: dict[Reason, int] = {}
        try:
            if path:
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._db = sqlite3.connect(path, timeout=BUSY, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise DatabaseRefused(f"{path}: {getattr(error, 'strerror', None) or error}") from None
        try:
            self._prepare(path)
        except sqlite3.Error as error:
            self._db.close()
            raise DatabaseRefused(f"{path}: {error}") from None
        except DatabaseRefused:
            self._db.close()
            raise

    def _prepare(self, path: str) -> None:
        db = self._db
        (application,), (version,) = (
            db.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
        )
        if application == 0 and db.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,):
            db.executescript(
                f"PRAGMA page_size = 8192; BEGIN EXCLUSIVE; {_SCHEMA} PRAGMA application_id = {APPLICATION};"
                f"PRAGMA user_version = {VERSION}; COMMIT;"
            )
        elif application != APPLICATION:
            raise DatabaseRefused(f"{path}: not a database of asyncmta stats")
        elif version != VERSION:
            raise DatabaseRefused(f"{path}: of version {version}, and this program knows {VERSION}")
        # A file that nobody will see again needs no journal. Else what a crash takes is read again from the log.
        db.execute(f"PRAGMA journal_mode = {'WAL' if path else 'OFF'}")
        db.execute(f"PRAGMA synchronous = {'NORMAL' if path else 'OFF'}")
        db.execute(f"PRAGMA cache_size = -{CACHE}")
        db.execute("PRAGMA temp_store = FILE")

    def close(self) -> None:
        self._db.close()

    def add(self, facts: Iterable[Fact], mark: Mark | None = None) -> int:
        """Put these in, and remember how far their file was read; how many were new."""
        db = self._db
        try:
            db.execute("BEGIN IMMEDIATE")
            rows = [
                (
                    fact.at,
                    fact.key,
                    int(fact.kind),
                    self._word(fact.name),
                    self._reason(fact.reason),
                    fact.number,
                    fact.recipients,
                )
                for fact in facts
            ]
            before = db.total_changes
            db.executemany("INSERT OR IGNORE INTO fact VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            added = db.total_changes - before
            if mark is not None:
                db.execute("INSERT OR REPLACE INTO source VALUES (?, ?, ?, ?)", astuple(mark))
            db.execute("COMMIT")
        except BaseException as error:
            # What was numbered in here is taken back with the transaction.
            self._words.clear()
            self._reasons.clear()
            if db.in_transaction:
                db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise DatabaseRefused(f"{self._path or 'temporary database'}: {error}") from None
            raise
        return added

    def mark_of(self, device: int, inode: int) -> Mark | None:
        """How far this file was read, if it was."""
        found = self._db.execute("SELECT * FROM source WHERE device = ? AND inode = ?", (device, inode)).fetchone()
        return None if found is None else Mark(*found)

    def rows(self, query: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """For those who draw reports from it."""
        try:
            yield from self._db.execute(query, values)
        except sqlite3.Error as error:
            raise DatabaseRefused(f"{self._path or 'temporary database'}: {error}") from None

    def _word(self, text: str) -> int:
        known = self._words.get(text)
        if known is None:
            known = self._number("word", ("text",), (text,))
            if len(self._words) >= REMEMBERED:
                self._words.clear()
            self._words[text] = known
        return known

    def _reason(self, reason: Reason | None) -> int | None:
        if reason is None:
            return None
        known = self._reasons.get(reason)
        if known is None:
            values = (reason.cause, reason.status, reason.class_, reason.text)
            known = self._number("reason", ("cause", "status", "class", "text"), values)
            if len(self._reasons) >= REMEMBERED:
                self._reasons.clear()
            self._reasons[reason] = known
        return known

    def _number(self, table: str, columns: tuple[str, ...], values: tuple[str, ...]) -> int:
        wanted = " AND ".join(f"{column} = ?" for column in columns)
        # The names of tables and columns are ours; what comes from a log is bound.
        row = self._db.execute(f"SELECT id FROM {table} WHERE {wanted}", values).fetchone()  # noqa: S608
        if row is not None:
            return int(row[0])
        marks = ", ".join("?" * len(values))
        made = self._db.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", values)  # noqa: S608
        return int(made.lastrowid or 0)
