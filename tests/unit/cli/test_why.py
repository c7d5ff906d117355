"""`asyncmta why` on a running MTA: JSON off a terminal, and the words of a table."""

from __future__ import annotations

import json

from asyncmta.cli import why

ONE, TWO, THREE = (f"{number:016d}" for number in (1, 2, 3))


def test_json_by_id_and_by_address(run, mta):
    found = json.loads(run("why", TWO).out)
    assert [story["queue_id"] for story in found["messages"]] == [TWO]
    found = json.loads(run("why", "you@example.net", "--limit", "2").out)
    assert [story["queue_id"] for story in found["messages"]] == [THREE, TWO]
    assert found["next"]
    assert found["route"]["destination"] == "mx:example.net"


def test_more_than_a_page(run, mta):
    row = type(mta.rows[0])
    mta.rows = [row(f"{number:016d}") for number in range(250)]
    found = json.loads(run("why", "you@example.net", "--limit", "1000").out)
    assert (len(found["messages"]), found["next"]) == (250, None)


def test_what_is_not_there(run, mta):
    assert run("why", "9" * 16).code == 65
    assert run("why", "nonsense").code == 65
    assert json.loads(run("why", "nobody@example.net").out)["messages"] == []


def test_not_running(run):
    ended = run("why", ONE)
    assert ended.code == 69
    assert "not running" in ended.err


def test_the_words_for_a_terminal(run, mta):
    found = json.loads(run("why", ONE).out)
    (story,) = found["messages"]
    said = "\n".join(why.heading(story, 4601.0))
    assert f"{ONE}  deferred  from me@example.org" in said
    assert "accepted 1h ago, from 192.0.2.7 as carol; 1 attempts" in said
    assert "its sender was told that it is late" in said
    assert "a reason" in said
    cells = dict(zip(why.COLUMNS, why.cells(story["recipients"][0], 1500.0), strict=True))
    assert cells["decided by"] == "schedule"
    assert cells["next"] == "in 8m20s"
    assert cells["last reply"] == "450 4.2.0 later (mx.example.net)"


def test_the_words_where_little_is_known(run, mta):
    bare = dict.fromkeys(["client", "login", "ends_at", "reason"]) | {"sender": None, "sender_was_warned": False}
    story = {"queue_id": ONE, "state": "damaged", "size": 0, "accepted_at": 0.0, "attempts": 0} | bare
    assert why.heading(story, 10.0) == [f"{ONE}  damaged  from <>, 0", "accepted 10s ago; 0 attempts"]
    person = dict.fromkeys(["next_due", "last", "decided_by", "why", "next_hop"])
    assert why.cells(person | {"address": "a@b", "state": "delivered"}, 0.0) == ["a@b", "delivered", *["-"] * 5]
    nothing, more = why.epilogue("x@y", {"messages": [], "next": "more", "route": None})
    assert nothing == "nothing is queued from or for x@y: the log says what became of what was"
    assert more == "there are more: see --limit"
    route = json.loads(run("why", "you@example.net").out)
    assert why.epilogue("you@example.net", route) == [
        "a new message to you@example.net:",
        "  no route matches",
        "  exchanger: mx.example.net",
    ]
