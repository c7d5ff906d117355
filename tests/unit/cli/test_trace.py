"""`asyncmta trace`: JSON lines off a terminal, lines for people on one, and its ends."""

from __future__ import annotations

import json

import pytest

from asyncmta.admin.client import ControlClient
from asyncmta.cli import trace
from asyncmta.cli.trace_lines import pieces
from asyncmta.tracing.events import TraceEvent
from asyncmta.tracing.looking import MOST
from asyncmta.tracing.wanted import Wanted, network

MAIL = TraceEvent(
    1.5, "line", "MAIL FROM:<a@example.org>", session="o2", direction="out", sent_by="us", queue_id="0000000000000001"
)


def text(event):
    return "".join(piece for piece, _ in pieces(event))[13:]  # behind the time of day, which is that of the place


def test_json_lines_off_a_terminal(run, mta):
    asked = []

    def look(wanted):
        looker = mta.tracing.look(wanted)
        asked.append(wanted)
        looker.put(MAIL)
        looker.put(MAIL)
        return looker

    mta.trace = look
    ended = run("trace", "--client", "192.0.2.7", "--listener", "relay", "--limit", "2", "--content")
    assert ended.code == 0
    first, second, end = map(json.loads, ended.out.splitlines())
    assert first == second
    assert (first["line"], first["queue_id"]) == (MAIL.line, MAIL.queue_id)
    assert end["kind"] == "end"
    assert asked == [Wanted(client=network("192.0.2.7"), listener="relay", content=True)]
    run("trace", "--sender", "", "--recipient", "b@example.org", "--site", "mx.example.net", "--for", "0s")
    assert asked[1:] == [Wanted(sender="", recipient="b@example.org", site="mx.example.net")]


def test_how_it_does_not_begin(run, mta):
    assert run("trace", "--client", "nonsense").code == 65
    assert run("trace", "--for", "soon").code == 65
    assert run("trace", "--limit", "0").code == 64
    lookers = [mta.tracing.look(Wanted()) for _ in range(MOST)]
    ended = run("trace")
    assert ended.code == 75
    assert "4 look on already" in ended.err
    assert len(lookers) == MOST


def test_not_running(run):
    assert run("trace").code == 69


@pytest.mark.parametrize("error", [KeyboardInterrupt])
def test_ctrl_c_is_a_good_end(run, mta, monkeypatch, error):
    def lines(*_):
        yield b"\n"
        raise error

    monkeypatch.setattr(ControlClient, "lines", lines)
    assert run("trace").code == 0


def test_lines_for_people(capsys):
    events = [
        {"time": 1.5, "kind": "connect", "line": "from 192.0.2.7:4000", "session": "i1", "direction": "in"},
        {"time": 1.5, "kind": "line", "line": "EHLO \u202e x\\x1b", "session": "i1", "sent_by": "peer"},
    ]
    trace._on_terminal(iter([b"\n", *(json.dumps(event).encode() + b"\n" for event in events)]))
    first, second = capsys.readouterr().out.splitlines()
    assert first[13:] == "i1     * connect: from 192.0.2.7:4000"
    assert first[8] == "."
    assert second[13:] == "i1     < EHLO ? x\\x1b"


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"time": 1.5, "kind": "end", "line": "the time is over"}, "-      * end: the time is over"),
        ({"time": 1.5, "kind": "dropped", "line": "7 events"}, "-      * dropped: 7 events"),
        (
            {"time": 1.5, "kind": "content", "line": "4th: x", "sent_by": "us", "session": "o1"},
            "o1     > 4th: x",
        ),
        ({"time": 1.5, "kind": "line", "line": "550 no", "sent_by": "us", "session": "i1"}, "i1     > 550 no"),
        (
            {"time": 1.5, "kind": "line", "line": "MAIL FROM:<>", "sent_by": "us", "session": "o1", "queue_id": "x"},
            "o1     > MAIL FROM:<>  [x]",
        ),
        (
            {"time": 1.5, "kind": "line", "line": "250 ok", "sent_by": "peer", "session": "o1", "queue_id": "x"},
            "o1     < 250 ok",
        ),
    ],
)
def test_pieces(event, said):
    assert text(event) == said


def test_refusals_are_red():
    event = {"time": 1.5, "kind": "line", "line": "550 no", "sent_by": "peer", "session": "o1", "direction": "out"}
    assert ("550 no", "red") in pieces(event)
    assert ("550 no", "green") not in pieces(event)
