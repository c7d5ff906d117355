"""The file in which facts are kept: whose it is, what it refuses, and that names cost no memory."""

from __future__ import annotations

import sqlite3
import stat

import pytest

from asyncmta.stats import database as module
from asyncmta.stats.database import Database, DatabaseBusy, DatabaseRefused
from asyncmta.stats.lines import Fact, Kind
from asyncmta.stats.reasons import reason_of
from asyncmta.stats.report import Window, draw


def fact(number: int, **more: object) -> Fact:
    facts = {
        "at": number,
        "key": number,
        "kind": Kind.DELIVERED,
        "name": f"d{number}.example",
        "reason": None,
        "number": number,
        "recipients": 1,
    }
    return Fact(**facts | more)


def test_it_is_for_its_owner_and_keeps_what_it_was_told(tmp_path):
    path = tmp_path / "stats.sqlite"
    first = Database(str(path))
    assert first.add([fact(1), fact(2)]) == 2
    first.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = Database(str(path))
    assert again.add([fact(2), fact(3)]) == 1
    assert draw(again, Window(), 10).totals["delivered"].lines == 3
    again.close()
    assert [each.name for each in tmp_path.iterdir()] == ["stats.sqlite"]


def test_what_is_not_its_own_is_refused_and_left_alone(tmp_path):
    text, foreign, later = tmp_path / "text", tmp_path / "foreign", tmp_path / "later"
    text.write_text("precious\n" * 1000)
    with sqlite3.connect(foreign) as db:
        db.execute("CREATE TABLE precious (x)")
    db.close()
    Database(str(later)).close()
    with sqlite3.connect(later) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    for path, reason in ((text, "not a database"), (foreign, "not a database of asyncmta"), (later, "of version 99")):
        before = path.read_bytes()
        with pytest.raises(DatabaseRefused, match=reason):
            Database(str(path))
        assert path.read_bytes() == before
    for path in (tmp_path, tmp_path / "none" / "stats"):
        with pytest.raises(DatabaseRefused):
            Database(str(path))


def test_somebody_else_who_writes_is_an_end_and_no_crash(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BUSY", 0.01)
    path = str(tmp_path / "stats.sqlite")
    mine, other = Database(path), sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusy, match="locked"):
        mine.add([fact(1)])
    other.execute("ROLLBACK")
    other.close()
    assert mine.add([fact(1)]) == 1
    mine.close()


def test_what_goes_wrong_in_a_batch_takes_the_batch_back(tmp_path):
    database = Database(str(tmp_path / "stats.sqlite"))

    def spoiled():
        yield fact(1, reason=reason_of("refused", "", "550 no"))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.add(spoiled())
    # The name was taken back with the rest, and is not thought to be in.
    assert database.add([fact(2, name="d7.example"), fact(3, name="d1.example")]) == 2
    assert [each.domain for each in draw(database, Window(), 10).domains] == ["d1.example", "d7.example"]
    database.close()


def test_many_names_are_on_disk_and_not_in_memory(monkeypatch):
    monkeypatch.setattr(module, "REMEMBERED", 100)
    database = Database()
    facts = [fact(number, name=f"d{number % 1000}.example") for number in range(3000)]
    facts += [
        fact(5000 + number, kind=Kind.FAILED, reason=reason_of(f"c{'x' * (number % 300)}", "", "550 no"))
        for number in range(600)
    ]
    assert database.add(facts) == 3600
    assert len(database._words) <= 100
    assert len(database._reasons) <= 100
    assert {each.delivered for each in draw(database, Window(), 1000).domains} == {3}
    assert {each.times for each in draw(database, Window(), 1000).failures} == {2}
    database.close()
