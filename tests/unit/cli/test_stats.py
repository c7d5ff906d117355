"""`asyncmta stats` as a user has it."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from asyncmta.cli.stats_when import NoTime, moment

sys.path.insert(0, str(Path(__file__).parents[1] / "stats"))

from logmaker import write

PAGE = Path(__file__).parents[3] / "docs" / "stats.md"


def log_of(*lines: dict[str, object]) -> bytes:
    return b"".join(json.dumps({"level": "info", **line}).encode() + b"\n" for line in lines)


def delivered(ts: str, **more: object) -> dict[str, object]:
    return {
        "ts": ts,
        "event": "delivered",
        "recipient": "bob@example.net",
        "reply": "250 ok",
        "enhanced": "",
        "delay": 2.0,
        **more,
    }


FIRST, SECOND = delivered("2026-11-21T10:00:00Z"), delivered("2026-11-21T12:30:00Z", delay=4.0)


def test_a_file_as_text(run, tmp_path):
    (tmp_path / "log").write_bytes(log_of(FIRST, SECOND) + b"broken\n")
    ended = run("stats", "log")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0] == "read 3 lines: 2 counted, 0 known already, 0 of other events, 1 broken"
    assert lines[1] == "from 2026-11-21T10:00:00.000Z to 2026-11-21T12:30:00.000Z"
    assert "2           3.000s  2.000s  4.000s  4.000s  4.000s" in lines
    assert any(re.fullmatch(r"example\.net +2 +0 +0 +0 +3\.000s +4\.000s", line) for line in lines)
    assert "failures by reason" not in lines


def test_standard_input_also_compressed_as_json(run):
    text = log_of(FIRST, SECOND)
    for stdin in (text, gzip.compress(text)):
        ended = run("stats", "-", "--json", stdin=stdin)
        assert ended.code == 0
        found = json.loads(ended.out)
        assert found["read"]["counted"] == found["totals"]["delivered"]["lines"] == 2
        assert found["delay"] == {"deliveries": 2, "mean": 3.0, "p50": 2.0, "p90": 4.0, "p99": 4.0, "max": 4.0}
        assert [hour["hour"] for hour in found["hours"]] == ["2026-11-21T10Z", "2026-11-21T12Z"]
        assert found["window"] == {"since": None, "until": None}


def test_since_is_within_and_until_is_not(run, tmp_path):
    (tmp_path / "log").write_bytes(log_of(FIRST, SECOND))
    for options, count in (
        (["--since", "2026-11-21T12:30"], 1),
        (["--until", "2026-11-21T12:30:00Z"], 1),
        (["--until", "2026-11-21T12:30:00-01:00"], 2),
        (["--since", "2026-11-21", "--until", "2026-11-22"], 2),
        (["--since", "2026-11-22"], 0),
        (["--until", "1970-01-02"], 0),
    ):
        found = json.loads(run("stats", "log", "--json", *options).out)
        assert found["totals"]["delivered"]["lines"] == count
        assert found["first"] is None or count
    assert run("stats", "log", "--since", "2026-11-22").out.splitlines()[1] == "nothing is counted"


def test_a_database_is_kept_and_reported_without_a_log(run, tmp_path):
    (tmp_path / "log").write_bytes(log_of(FIRST))
    assert run("stats", "log", "--database", "kept").code == 0
    (tmp_path / "log").unlink()
    assert run("stats", "-", "--database", "kept", stdin=log_of(FIRST, SECOND)).out.startswith(
        "read 2 lines: 1 counted, 1 known already"
    )
    ended = run("stats", "--database", "kept", "--json")
    assert json.loads(ended.out)["totals"]["delivered"]["lines"] == 2
    assert run("stats", "--database", "kept").out.startswith("from 2026-11-21T10:00:00.000Z")


def test_ends(run, tmp_path):
    (tmp_path / "log").write_bytes(log_of(FIRST))
    (tmp_path / "text").write_text("precious\n" * 100)
    (tmp_path / "cut.gz").write_bytes(gzip.compress(log_of(FIRST))[:-4])
    for arguments, code, said in (
        (["stats"], 64, "name a log FILE"),
        (["stats", "log", "--since", "soon"], 64, "'soon' is no time"),
        (["stats", "log", "--top", "0"], 64, "--top"),
        (["stats", "log", "none"], 66, "none: No such file"),
        (["stats", "log", "--database", "text"], 65, "text: file is not a database"),
        (["stats", "log", "--database", "no/where"], 65, "no/where: No such file"),
        (["stats", "cut.gz"], 65, "cut.gz: "),
    ):
        ended = run(*arguments)
        assert (ended.code, said in ended.err) == (code, True), ended
    assert (tmp_path / "text").read_text() == "precious\n" * 100
    assert "1 counted" in run("stats", "cut.gz", "log").out


def test_a_log_that_is_not_json_is_told_so(run):
    ended = run("stats", "-", stdin=b"2026-11-21T10:00:00Z [info] delivered recipient=a@example.net\n")
    assert ended.code == 0
    assert 'is log.format "json"?' in ended.err
    assert run("stats", "-", stdin=log_of(FIRST)).err == ""
    assert run("stats", "-", stdin=b"").err == ""


def test_times_at_the_ends_of_the_calendar(run):
    far = json.loads(
        run("stats", "-", "--json", "--since", "999999999w", "--until", "9999-12-31", stdin=log_of(FIRST)).out
    )
    assert far["totals"]["delivered"]["lines"] == 1
    assert far["window"]["since"] == "1970-01-01T00:00:00.000Z"


def test_a_database_that_somebody_else_writes_is_75(run, tmp_path, monkeypatch):
    monkeypatch.setattr("asyncmta.stats.database.BUSY", 0.01)
    assert run("stats", "--database", "kept").code == 0
    other = sqlite3.connect(tmp_path / "kept", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ended = run("stats", "-", "--database", "kept", stdin=log_of(FIRST))
    assert (ended.code, "locked" in ended.err) == (75, True)
    other.close()


def test_nothing_in_a_log_reaches_the_terminal(run):
    evil = "\x1b[2J\u202e\r\n"
    lines = log_of(
        delivered("2026-11-21T10:00:00Z", recipient=f"a@{evil}"),
        {"ts": "2026-11-21T10:00:01Z", "event": "accepted", "reverse_path": evil, "recipients": 1, "size": 1},
        delivered("2026-11-21T10:00:02Z", event="failed", cause=evil, reply=f"550 {evil}no"),
        {
            "ts": "2026-11-21T10:00:03Z",
            "event": "refused",
            "client": evil,
            "stage": evil,
            "reply": evil,
            "enhanced": evil,
        },
    )
    ended = run("stats", "-", stdin=lines)
    assert ended.code == 0
    assert "4 counted" in ended.out
    assert all(line.isprintable() for line in ended.out.split("\n"))


def test_a_terminal_gets_tables_and_a_progress_bar(tmp_path):
    (tmp_path / "mta.log").write_bytes(log_of(FIRST, SECOND))
    shown = on_a_terminal(tmp_path, "stats", "mta.log")
    assert "━" in shown
    assert "302" in shown  # octets of it
    assert "\x1b[1mdomain" in shown
    assert re.search(r"example\.net +2 +0 +0 +0 +3\.000s", shown)


def on_a_terminal(folder: Path, *arguments: str) -> str:
    """What a process of its own shows on one of 120 columns."""
    mine, its = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LANG": "C.UTF-8"}
    environment.pop("NO_COLOR", None)
    child = subprocess.Popen(
        [sys.executable, "-m", "asyncmta", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=its,
        stderr=its,
    )
    os.close(its)
    shown = b""
    with contextlib.suppress(OSError):  # EIO: nobody has the other side any more
        while octets := os.read(mine, 65536):
            shown += octets
    os.close(mine)
    assert child.wait(30) == 0, shown
    return shown.decode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 999_910_000),
        ("2m", 999_880_000),
        ("1h", 996_400_000),
        ("1d", 913_600_000),
        ("1w", 395_200_000),
        ("1970-01-01", 0),
        ("999999999w", 0),
        ("0001-01-01T00:00+23:59", 0),
        ("9999-12-31T23:59:59-23:59", 253_402_300_799_999),
        ("1970-01-01T01:00", 3_600_000),
        ("1970-01-01T01:00:00.250+01:00", 250),
    ],
)
def test_a_moment(text, expected):
    assert moment(text, 1_000_000.0) == expected


@pytest.mark.parametrize("text", ["", "soon", "24", "-1h", "1.5h", "2026-13-01", "24h\n"])
def test_no_moment(text):
    with pytest.raises(NoTime, match="allowed"):
        moment(text, 0.0)


def test_the_page_shows_what_the_command_says(run, tmp_path):
    """docs/stats.md holds the whole of an example: its log is that of logmaker, 2000 deliveries, seed 1."""
    stream = io.BytesIO()
    write(stream, 2000, seed=1)
    (tmp_path / "mta.log").write_bytes(stream.getvalue())
    shown = re.findall(r"^\$ asyncmta (.*)\n((?:(?!^\$|^```).*\n)*)", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(shown) >= 4
    for arguments, expected in shown:
        ended = run(*arguments.split())
        assert ended.code == 0, ended
        assert ended.out == expected
