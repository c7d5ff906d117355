"""Work on many messages as a person sees it on a terminal: bars, counts, and a queue that can be looked at without its
MTA."""

from __future__ import annotations

import json
import re

import pytest
from peerkit.programs import smtp_source
from peerkit.terminal import Terminal

pytestmark = pytest.mark.peers

MANY = 2_000


@pytest.fixture
def many(serving):
    """An MTA that holds some thousand messages."""
    mta = serving('[[route]]\nrecipient = "*"\nvia = "hold"\n').start().await_control()
    smtp_source(mta.port, MANY, "-t", "r@held.test")
    return mta


def on_terminal(mta, *arguments):
    """Exit code, the last screen, and everything that was drawn."""
    with Terminal(mta.command(*arguments), env={}, columns=80, lines=24) as terminal:
        code = terminal.wait(60)
        return code, terminal.screen.strip(), terminal.raw.decode()


def test_bars_on_a_terminal_and_counts_everywhere(many):
    code, screen, drawn = on_terminal(many, "queue", "hold", "--domain", "held.test")
    assert (code, screen) == (0, f"{MANY} messages")
    assert re.search(rf"hold .*m{MANY}/{MANY}\x1b", drawn)
    ended = many.asyncmta("queue", "release", "--all", "--json")
    assert (json.loads(ended.stdout), ended.stderr) == ({"count": MANY}, b"")
    code, screen, drawn = on_terminal(many, "journal", "verify")
    assert code == 0
    assert f"{MANY} messages: ok" in screen
    assert "reading" in drawn
    assert many.asyncmta("journal", "dump").stderr == b""
    code, screen, _ = on_terminal(many, "queue", "delete", "--all", "--yes")
    assert (code, screen) == (0, f"{MANY} messages")
    assert json.loads(many.asyncmta("queue", "stats", "--json").stdout)["messages"] == 0


def test_a_stopped_queue_is_looked_at_and_not_changed(many):
    row = many.asyncmta("queue", "list", "--limit", "1").stdout.decode().split("\t")
    assert many.stop() == 0
    code, screen, _ = on_terminal(many, "queue", "list", "--limit", "2")
    assert code == 0
    assert screen.startswith("not running: this is what its spool says\nid ")
    assert row[0] in screen
    again = many.asyncmta("queue", "list", "--limit", "1")
    assert (again.stdout.decode().split("\t")[0], again.stderr) == (row[0], b"")
    assert many.asyncmta("queue", "show", row[0]).returncode == 0
    assert many.asyncmta("queue", "cat", row[0]).stdout.startswith(b"Received:")
    assert json.loads(many.asyncmta("queue", "stats", "--json").stdout)["messages"] == MANY
    for command in (["retry", row[0]], ["hold", "--all"], ["release", row[0]], ["delete", row[0]]):
        assert many.asyncmta("queue", *command).returncode == 69
    assert many.asyncmta("queue", "show", "0" * 16).returncode == 65


def test_lists_are_tables_on_a_terminal_and_lines_elsewhere(serving, tmp_path):
    (tmp_path / "users").touch(0o600)
    (tmp_path / "spool").mkdir()
    mta = serving("[auth]\nusers = 'users'\n")
    reason = "asked on the telephone on Monday, and once more on Tuesday"
    someone = "someone.with.a.long.name@example.org"
    assert mta.asyncmta("suppress", "add", someone, "--reason", reason, "--expires", "30d").returncode == 0
    code, screen, _ = on_terminal(mta, "suppress", "list")
    assert code == 0
    heads, row = screen.splitlines()
    assert heads.split() == ["address", "reason", "until"]
    assert re.fullmatch(rf"{someone}  asked on the .*…  in (30d|29d23h)", row)
    line = mta.asyncmta("suppress", "list").stdout.decode()
    assert line.startswith(f"{someone}  {reason}  until ")
    added = mta.asyncmta("user", "add", "alice@example.org", "--senders", "*@example.org", "--generate")
    assert added.returncode == 0, added.stderr
    code, screen, _ = on_terminal(mta, "user", "list")
    assert [line.split() for line in screen.splitlines()] == [
        ["login", "secrets", "sends", "from"],
        ["alice@example.org", "argon2", "*@example.org"],
    ]
