"""Changes to many messages: some hundred at a time, in order, with a count whatever ends them."""

from __future__ import annotations

import json

import pytest

from asyncmta.admin.client import NotRunning, Refused
from asyncmta.cli import bulk

MANY = [f"{number:016d}" for number in range(5_200)]


@pytest.fixture
def many(mta):
    row = type(mta.rows[0])
    mta.rows = [row(queue_id) for queue_id in MANY]
    return mta


def test_some_hundred_at_a_time_the_oldest_first(run, many):
    assert json.loads(run("queue", "hold", "--all", "--json").out) == {"count": 5_200}
    assert [len(ids) for _, ids, *_ in many.asked] == [500] * 10 + [200]
    assert [each for _, ids, *_ in many.asked for each in ids] == MANY


def test_named_ones_are_checked_before_anything_is_done(run, many):
    ended = run("queue", "delete", *MANY[:600], "nonsense")
    assert ended.code == 65
    assert many.asked == []
    assert run("queue", "delete", *MANY[:600], *MANY[:10]).out == "600 messages\n"
    assert [len(ids) for _, ids, *_ in many.asked] == [500, 100]


class Client:
    """Answers as far as it is told, and then raises."""

    def __init__(self, chunks, error, rows=1_200):
        self.chunks, self.error, self.rows = chunks, error, rows

    def get(self, path, query):
        return {"messages": [{"queue_id": queue_id} for queue_id in MANY[: self.rows]], "next": None}

    def post(self, path, value):
        if self.chunks == 0:
            raise self.error
        self.chunks -= 1
        return {"count": len(value["ids"])}


@pytest.mark.parametrize(
    ("chunks", "error", "code", "text"),
    [
        (1, KeyboardInterrupt(), 130, "500 of 1200 messages were done, and up to 500 may be that were just asked for"),
        (0, KeyboardInterrupt(), 130, "0 of 1200 messages were done, and up to 500"),
        (2, NotRunning("gone"), 69, "1000 of 1200 messages were done, and up to 200"),
        (2, Refused(503, "x", "the disk"), 75, "the disk\n1000 of 1200"),
    ],
)
def test_how_far_it_came_is_said_whatever_ends_it(chunks, error, code, text):
    with pytest.raises(bulk.Stop) as ended:
        bulk.carry_out(Client(chunks, error), "hold", {"all": True}, {})
    assert ended.value.code == code
    assert text in ended.value.message


def test_before_the_first_it_is_the_end_of_any_command():
    with pytest.raises(NotRunning):
        bulk.carry_out(Client(0, NotRunning("gone")), "hold", {"all": True}, {})


def test_an_interrupted_look_has_done_nothing():
    client = Client(0, None)
    client.get = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(bulk.Stop, match="nothing was done"):
        bulk.carry_out(client, "hold", {"domain": "x"}, {})


def test_nothing_to_do_is_no_request():
    assert bulk.carry_out(Client(0, AssertionError(), rows=0), "release", {"state": "held"}, {}) == 0
