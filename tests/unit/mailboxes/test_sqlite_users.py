"""A database of users on a real disk: who is in it, and everything that keeps it from being asked."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from pathlib import Path

import pytest

from asyncmta.mail.address import parse_address
from asyncmta.mailboxes.sqlite_users import TIMEOUT, SqliteUsers
from asyncmta.testing.clock import FakeClock

BY_ADDRESS = "SELECT 1 FROM users WHERE address = :address"
BY_NAME = "SELECT address FROM users WHERE address = :local_part || '@' || :domain"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "us?ers#.db"
    with contextlib.closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE users (address TEXT PRIMARY KEY)")
        made.executemany("INSERT INTO users VALUES (?)", [("alice@here.example",), ("o'brien x@here.example",)])
        made.commit()
    return path


class Asked:
    def __init__(self, path: Path, query: str = BY_ADDRESS) -> None:
        self.clock = FakeClock()
        self.faults: list[tuple[str, ...]] = []
        self.users = SqliteUsers(
            path=str(path), query=query, clock=self.clock, on_faults=lambda path, faults: self.faults.append(faults)
        )

    async def has(self, text: str) -> bool | None:
        return await self.users.has(parse_address(text, smtputf8=True))


@pytest.mark.parametrize("query", [BY_ADDRESS, BY_NAME])
async def test_who_is_in_it(path: Path, query: str) -> None:
    asked = Asked(path, query)
    assert await asked.has("Alice@HERE.example") is True
    assert await asked.has('"o\'brien x"@here.example') is True
    assert await asked.has("bob@here.example") is False
    assert await asked.has("\"x' OR '1'='1\"@here.example") is False
    assert await asked.has('"a/b"@here.example') is False
    assert asked.faults == []


async def test_one_that_is_put_in_its_place_is_seen(path: Path, tmp_path: Path) -> None:
    asked = Asked(path)
    assert await asked.has("bob@here.example") is False
    with contextlib.closing(sqlite3.connect(tmp_path / "new.db")) as made:
        made.execute("CREATE TABLE users (address TEXT)")
        made.execute("INSERT INTO users VALUES ('bob@here.example')")
        made.commit()
    os.replace(tmp_path / "new.db", path)
    assert await asked.has("bob@here.example") is True


async def test_what_cannot_be_asked_is_never_a_no_and_said_once(path: Path, tmp_path: Path) -> None:
    asked = Asked(path)
    aside = path.rename(tmp_path / "aside.db")
    assert await asked.has("alice@here.example") is None
    assert await asked.has("alice@here.example") is None
    assert len(asked.faults) == 1
    assert "No such file" in asked.faults[0][0]
    assert not path.exists()  # nobody made one
    path.write_bytes(b"not a database, and long enough to be taken for one" * 40)
    assert await asked.has("alice@here.example") is None
    path.unlink()
    os.mkfifo(path)
    assert await asked.has("alice@here.example") is None
    path.unlink()
    aside.rename(path)
    assert await asked.has("alice@here.example") is True
    assert asked.faults[1:] == [("file is not a database",), ("not a file",), ()]


async def test_a_query_that_is_none(path: Path) -> None:
    asked = Asked(path, "SELECT 1 FROM nobody WHERE a = :address")
    assert await asked.has("alice@here.example") is None
    assert asked.faults == [("no such table: nobody",)]


async def test_nothing_is_written(path: Path) -> None:
    asked = Asked(path, "INSERT INTO users VALUES (:address) RETURNING 1")
    assert await asked.has("bob@here.example") is None
    assert "readonly" in asked.faults[0][0]


async def test_one_that_does_not_come_to_an_end(path: Path) -> None:
    endless = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i = :address || 'x'"
    )
    asked = Asked(path, endless)
    answer = asyncio.ensure_future(asked.has("alice@here.example"))
    await asyncio.sleep(0)  # it has begun
    asked.clock.advance(TIMEOUT)
    assert await answer is None
    assert asked.faults == [(f"no answer within {TIMEOUT:g} s",)]
    await asyncio.to_thread(asked.users._threads.shutdown)  # it comes back: the question was broken off
