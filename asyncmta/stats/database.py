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
from contextlib import contextmanager
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple

from asyncmta.stats.lines import Fact, digest
from asyncmta.stats.reasons import Reason

APPLICATION = 0x61737473  # "asts"
VERSION = 1
REMEMBERED = 50_000  # names of which is known that they are in
CACHE = 65_536  # KiB of pages
BUSY = 10.0  # seconds to wait for somebody else who writes

# The number of a name is a digest of it: nobody needs to look it up, and no second index is needed to find it.
_SCHEMA = (
    "CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL)",
    """CREATE TABLE reason (id INTEGER PRIMARY KEY, cause TEXT NOT NULL, status TEXT NOT NULL, class TEXT NOT NULL,
    text TEXT NOT NULL)""",
    """CREATE TABLE fact (at INTEGER NOT NULL, key INTEGER NOT NULL, kind INTEGER NOT NULL, name INTEGER NOT NULL,
    reason INTEGER, number INTEGER NOT NULL, recipients INTEGER NOT NULL, PRIMARY KEY (at, key)) WITHOUT ROWID""",
    """CREATE TABLE source (device INTEGER NOT NULL, inode INTEGER NOT NULL, offset INTEGER NOT NULL,
    tail BLOB NOT NULL, PRIMARY KEY (device, inode)) WITHOUT ROWID""",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)


class DatabaseRefused(Exception):
    """This file cannot be used; the message says why."""


class DatabaseBusy(DatabaseRefused):
    """Not now, and perhaps later: somebody else writes, or the disk is full."""


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
        self._new_words: dict[int, str] = {}
        self._new_reasons: dict[int, Reason] = {}
        try:
            if path:
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._db = sqlite3.connect(path, timeout=BUSY, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise DatabaseRefused(f"{path}: {getattr(error, 'strerror', None) or error}") from None
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._db.close()
            raise self._refused(error) from None
        except DatabaseRefused:
            self._db.close()
            raise

    def _prepare(self) -> None:
        db = self._db
        db.execute("PRAGMA page_size = 8192")
        # Looked at and made in one transaction: two who begin at once do not make it twice.
        db.execute("BEGIN IMMEDIATE")
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if application == 0 and db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            for statement in _SCHEMA:
                db.execute(statement)
        elif application != APPLICATION:
            raise DatabaseRefused(f"{self._path}: not a database of asyncmta stats")
        elif version != VERSION:
            raise DatabaseRefused(f"{self._path}: of version {version}, and this program knows {VERSION}")
        db.execute("COMMIT")
        # A file that nobody will see again needs no journal. Else what a crash takes is read again from the log.
        db.execute(f"PRAGMA journal_mode = {'WAL' if self._path else 'OFF'}")
        db.execute(f"PRAGMA synchronous = {'NORMAL' if self._path else 'OFF'}")
        db.execute(f"PRAGMA cache_size = -{CACHE}")
        db.execute("PRAGMA temp_store = FILE")

    def close(self) -> None:
        self._db.close()

    def _refused(self, error: sqlite3.Error) -> DatabaseRefused:
        kind = DatabaseBusy if isinstance(error, sqlite3.OperationalError) else DatabaseRefused
        return kind(f"{self._path or 'temporary database'}: {error}")

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
                    None if fact.reason is None else self._reason(fact.reason),
                    fact.number,
                    fact.recipients,
                )
                for fact in facts
            ]
            before = db.total_changes
            db.executemany("INSERT OR IGNORE INTO fact VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            added = db.total_changes - before
            self._add_names()
            if mark is not None:
                db.execute("INSERT OR REPLACE INTO source VALUES (?, ?, ?, ?)", astuple(mark))
            db.execute("COMMIT")
        except BaseException as error:
            self._take_back()
            if isinstance(error, sqlite3.Error):
                raise self._refused(error) from None
            raise
        return added

    def _add_names(self) -> None:
        """In the order of their numbers, so that neighbours are written together."""
        if self._new_words:
            self._db.executemany("INSERT OR IGNORE INTO word VALUES (?, ?)", sorted(self._new_words.items()))
            self._new_words = {}
        if self._new_reasons:
            found = sorted(self._new_reasons.items(), key=lambda item: item[0])
            self._db.executemany(
                "INSERT OR IGNORE INTO reason VALUES (?, ?, ?, ?, ?)", ((key, *astuple(each)) for key, each in found)
            )
            self._new_reasons = {}

    def _take_back(self) -> None:
        """Which names are in is not known any more."""
        for names in (self._words, self._reasons, self._new_words, self._new_reasons):
            names.clear()
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def mark_of(self, device: int, inode: int) -> Mark | None:
        """How far this file was read, if it was."""
        found = list(self.rows("SELECT * FROM source WHERE device = ? AND inode = ?", (device, inode)))
        return Mark(*found[0]) if found else None

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is asked in here sees one state, whoever writes meanwhile."""
        list(self.rows("BEGIN"))
        try:
            yield
        finally:
            if self._db.in_transaction:
                self._db.execute("COMMIT")

    def rows(self, query: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """For those who draw reports from it."""
        try:
            yield from self._db.execute(query, values)
        except sqlite3.Error as error:
            raise self._refused(error) from None

    def _word(self, text: str) -> int:
        number = self._words.get(text)
        if number is None:
            number = digest(text.encode())
            if len(self._words) >= REMEMBERED:
                self._words.clear()
            self._words[text] = number
            self._new_words[number] = text
        return number

    def _reason(self, reason: Reason) -> int:
        number = self._reasons.get(reason)
        if number is None:
            number = digest("\0".join(astuple(reason)).encode())
            if len(self._reasons) >= REMEMBERED:
                self._reasons.clear()
            self._reasons[reason] = number
            self._new_reasons[number] = reason
        return number
