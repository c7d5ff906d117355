"""The queue commands of a running MTA."""

from __future__ import annotations

import json

import pytest

from asyncmta.cli import queue_table
from asyncmta.cli.words import duration, octets, printable

ONE, TWO, THREE = (f"{number:016d}" for number in (1, 2, 3))


async def chunks(*parts):
    for part in parts:
        yield part


def test_the_list_is_newest_first_one_line_each(run, mta):
    ended = run("queue", "list")
    assert ended.code == 0
    assert [line.split("\t")[0] for line in ended.out.splitlines()] == [THREE, TWO, ONE]
    assert "450 4.2.0 later" in ended.out


def test_the_list_as_json_with_a_limit_and_filters(run, mta):
    found = json.loads(run("queue", "list", "--json", "--limit", "2").out)
    assert [row["queue_id"] for row in found["messages"]] == [THREE, TWO]
    assert json.loads(run("queue", "list", "--json", "--domain", "other.example").out) == {"messages": []}
    assert json.loads(run("queue", "list", "--json", "--sender", "<>", "--state", "held").out) == {"messages": []}
    assert run("queue", "list", "--state", "asleep").code == 64
    assert run("queue", "list", "--domain", "-no-").code == 65


def test_all_filters_reach_the_list_and_the_changes(run, mta):
    """Three messages of 1970: any younger than that are none."""
    said = ["--recipient", "you@example.net", "--reply", "4.2.0", "--min-age", "1h", "--state", "deferred"]
    assert len(json.loads(run("queue", "list", "--json", *said).out)["messages"]) == 3
    assert json.loads(run("queue", "list", "--json", "--max-age", "5d").out) == {"messages": []}
    assert run("queue", "list", "--max-age", "soon").code == 64
    assert json.loads(run("queue", "hold", "--json", *said).out) == {"count": 3}
    assert mta.asked == [("hold", [ONE, TWO, THREE], None, None, False)]
    assert json.loads(run("queue", "hold", "--json", "--max-age", "5d").out) == {"count": 0}


def test_a_dry_run_says_for_how_many_it_would_be(run, mta):
    assert run("queue", "delete", "--all", "--dry-run").out == "3 messages, if it were done\n"
    assert run("queue", "delete", "--dry-run", ONE, "9" * 16).code == 65
    assert mta.asked == []


def test_more_than_a_page(run, mta):
    row = type(mta.rows[0])
    mta.rows = [row(f"{number:016d}") for number in range(10_500)]
    assert len(json.loads(run("queue", "list", "--json").out)["messages"]) == 10_500
    assert len(json.loads(run("queue", "list", "--json", "--limit", "10100").out)["messages"]) == 10_100


def test_one_message(run, mta):
    ended = run("queue", "show", TWO)
    assert TWO in ended.out
    assert "you@example.net: deferred" in ended.out
    assert json.loads(run("queue", "show", "--json", TWO).out)["queue_id"] == TWO
    assert run("queue", "show", "9" * 16).code == 65
    assert run("queue", "show", "nonsense").code == 65


def test_the_content_byte_for_byte(run, mta):
    mta.contents[ONE] = chunks(b"Subject: x\r\n", b"\r\n.\r\n")
    assert run("queue", "cat", ONE).out == "Subject: x\r\n\r\n.\r\n"


def test_stats(run, mta):
    ended = run("queue", "stats")
    assert ended.out.splitlines()[0].split("\t")[:3] == ["all", "", "3"]
    assert json.loads(run("queue", "stats", "--json").out)["states"]["deferred"]["messages"] == 3


@pytest.mark.parametrize(("verb", "asked"), [("retry", "retry"), ("hold", "hold"), ("release", "release")])
def test_changes_by_id_by_filter_and_all(run, mta, verb, asked):
    assert run("queue", verb, ONE, TWO).out == "2 messages\n"
    mta.rows[1].sender = "a@b"
    assert run("queue", verb, "--domain", "example.net", "--sender", "a@b").out == "1 messages\n"
    assert json.loads(run("queue", verb, "--all", "--json").out) == {"count": 3}
    assert mta.asked == [
        (asked, [ONE, TWO], None, None, False),
        (asked, [TWO], None, None, False),
        (asked, None if verb == "retry" else [ONE, TWO, THREE], None, None, False),
    ]


def test_delete_of_everything_asks_for_yes(run, mta):
    assert run("queue", "delete", "--all").code == 64
    assert mta.asked == []
    assert run("queue", "delete", "--all", "--yes").code == 0
    assert run("queue", "delete", ONE, "--bounce").code == 0
    assert mta.asked == [("remove", [ONE, TWO, THREE], None, None, False), ("remove", [ONE], None, None, True)]


@pytest.mark.parametrize("arguments", [[], [ONE, "--all"], ["--domain", "x", "--all"], [ONE, "--sender", "a@b"]])
def test_a_change_must_say_for_what(run, mta, arguments):
    assert run("queue", "hold", *arguments).code == 64
    assert mta.asked == []


@pytest.mark.parametrize("command", [["list"], ["stats"], ["show", ONE], ["hold", "--all"]])
def test_a_socket_that_is_not_ours_is_told_as_that(run, mta, monkeypatch, command):
    """And the spool is not read instead, which would show another moment, or nothing."""

    def refuse(path, timeout):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("asyncmta.admin.control_socket.connect", refuse)
    ended = run("queue", *command)
    assert ended.code == 77
    assert "Permission denied; ask as the user that the MTA runs as" in ended.err


def test_what_was_not_there_is_told(run, mta):
    mta._carry_out = lambda *_: 1
    ended = run("queue", "retry", ONE, TWO)
    assert (ended.code, ended.out) == (65, "1 messages\n")


def test_nothing_a_peer_said_moves_the_cursor(run, mta, rows_with_escapes):
    for command in (["queue", "list"], ["queue", "show", ONE], ["queue", "stats"]):
        assert "\x1b" not in run(*command).out


@pytest.fixture
def rows_with_escapes(mta):
    row, person = type(mta.rows[0]), type(mta.rows[0].recipients[0])
    evil = person("a\x1b[2J@x", "deferred", "mx:\x1b]0;x\x07", "450 \x1b[31m[red]\u202e\n")
    mta.rows = [row(ONE, recipients=(evil,))]


def test_the_table_of_a_terminal(capsys):
    queue_table.show(("id", "state"), [["[bold]x[/bold]", "a\x1b[31m"]], terminal=True)
    out = capsys.readouterr().out
    assert "[bold]x[/bold]" in out
    assert "a?[31m" in out


def test_one_message_as_cells():
    row = {
        "queue_id": ONE,
        "state": "ready",
        "sender": None,
        "size": 2048,
        "accepted_at": 100.0,
        "attempts": 0,
        "reason": None,
        "recipients": [
            {"address": "a@x", "state": "ready", "next_hop": "mx:x", "last_reply": None, "next_due": 400.0},
            {"address": "b@y", "state": "ready", "next_hop": "mx:y", "last_reply": None, "next_due": 300.0},
        ],
    }
    assert queue_table.cells(row, 200.0) == [
        ONE, "ready", "1m40s", "0", "2.0K", "<>", "a@x +1", "mx:x +1", "in 1m40s", "-",
    ]  # fmt: skip
    assert queue_table.cells(row | {"recipients": []}, 200.0)[6:] == ["-", "-", "-", "-"]
    assert any(line.endswith(", now") for line in queue_table.details(row, 999.0))
    late = row | {"reason": "to be released at noon"}
    assert queue_table.cells(late, 200.0)[-1] == "to be released at noon"
    assert "reason      to be released at noon" in queue_table.details(late, 999.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0s"), (0, "0s"), (59.9, "59s"), (60, "1m"), (3661, "1h1m"), (3601, "1h"), (356_400, "4d3h")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_sizes_and_text():
    assert [octets(size) for size in (812, 4096, 25 << 20, 3 << 40)] == ["812", "4.0K", "25.0M", "3072.0G"]
    assert printable("a\x1bb\u2028ä") == "a?b?ä"
