"""`asyncmta suppress`, whether or not anything runs."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def listed(config):
    return config.parent / "spool" / "suppressions.jsonl"


def addresses(run):
    return [each["address"] for each in json.loads(run("suppress", "list", "--json").out)]


def test_added_listed_and_removed(run, listed):
    assert run("suppress", "list").out == ""
    assert run("suppress", "add", "Bob@a.example", "@b.example", "--reason", "asked", "--expires", "30d").code == 0
    assert addresses(run) == ["@b.example", "bob@a.example"]
    shown = run("suppress", "list").out
    assert shown.startswith("@b.example  asked  until ")
    assert run("suppress", "remove", "BOB@a.example").code == 0
    assert addresses(run) == ["@b.example"]
    assert run("suppress", "remove", "bob@a.example").code == 65


def test_imported_and_exported(run, listed, tmp_path):
    text = tmp_path / "theirs.csv"
    text.write_text("a@x.example\nb@x.example,complained\n")
    assert run("suppress", "import", str(text), "--reason", "old list").out == "2 added\n"
    exported = run("suppress", "export").out
    assert [json.loads(line)["reason"] for line in exported.splitlines()] == ["old list", "complained"]
    listed.unlink()
    assert run("suppress", "import", stdin=exported.encode()).out == "2 added\n"
    assert run("suppress", "export").out == exported


def test_what_is_wrong(run, listed, tmp_path):
    assert run("suppress", "add", "nobody").code == 65
    assert run("suppress", "add", "a@b.example", "--expires", "soon").code == 64
    assert run("suppress", "import", str(tmp_path / "gone")).code == 66
    assert run("suppress", "import", stdin=b"a@b.example\nnobody\x1b\n").err.startswith("line 2: ")
    listed.write_text("half\n")
    ended = run("suppress", "add", "a@b.example")
    assert (ended.code, ended.err) == (65, "line 1 of the list cannot be read; mend it first\n")
    assert "cannot be read: 1" in run("suppress", "list").err
    listed.unlink()
    listed.mkdir()
    assert run("suppress", "list").code == 66
    assert run("suppress", "add", "a@b.example").code == 73


def test_one_that_runs_is_told(run, listed, mta):
    assert run("suppress", "add", "a@b.example").code == 0
    assert mta.listed.loads == 1
