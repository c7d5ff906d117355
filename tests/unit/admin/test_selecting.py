"""Filters: the same messages whether they are listed or operated on; cursors; how much one page looks at."""

from __future__ import annotations

import asyncio

import pytest

from asyncmta.admin.client import ControlClient, Refused
from asyncmta.admin.rows import Selection, age, behind, cursor_behind, newest_page

ONE, TWO, THREE, FOUR = (f"{number:016d}" for number in (1, 2, 3, 4))


@pytest.fixture
def client(door, tmp_path):
    return ControlClient(str(tmp_path / "control.sock"), timeout=10)


@pytest.fixture
def mixed(fake, rows):
    """Four messages that differ in all that can be asked for."""
    row, person = rows
    fake.rows = [
        row(FOUR, state="held", sender=None, accepted_at=4e9, recipients=(person("a@one.example", last_reply=None),)),
        row(THREE, recipients=(person("B@two.example", last_reply="452 4.2.2 Mailbox over quota"),)),
        row(TWO, recipients=(person("b@one.example", last_reply="451 4.2.22 later"), person("c@two.example"))),
        row(ONE, state="damaged", sender=None, accepted_at=0.0, recipients=(), reason="checksum"),
    ]
    return fake


FILTERED = [
    ({"domain": "one.example"}, [FOUR, TWO]),
    ({"recipient": "b@TWO.example"}, [THREE]),
    ({"state": "held"}, [FOUR]),
    ({"min_age": "1h"}, [THREE, TWO, ONE]),
    ({"max_age": "1h"}, [FOUR]),
    ({"reply": "4.2.2"}, [THREE]),
    ({"reply": "OVER quota"}, [THREE]),
    ({"reply": "checksum"}, [ONE]),
    ({"sender": "<>"}, [FOUR, ONE]),
    ({"sender": "me@example.org", "domain": "two.example", "reply": "4.2.22"}, [TWO]),
    ({"state": "active"}, []),
]


@pytest.mark.parametrize(("filters", "found"), FILTERED)
async def test_listed_by_a_filter(client, mixed, filters, found):
    said = await asyncio.to_thread(client.get, "/v1/queue", filters.items())
    assert [row["queue_id"] for row in said["messages"]] == found


@pytest.mark.parametrize("verb", ["retry", "hold", "release", "delete", "flush"])
@pytest.mark.parametrize(("filters", "found"), FILTERED)
async def test_done_by_the_same_filter_to_the_same_messages(client, mixed, verb, filters, found):
    said = await asyncio.to_thread(client.post, f"/v1/queue/{verb}", filters | {"dry_run": True})
    assert (said, mixed.asked) == ({"count": len(found)}, [])
    await asyncio.to_thread(client.post, f"/v1/queue/{verb}", filters)
    ((name, ids, *_),) = mixed.asked
    assert name == {"delete": "remove", "flush": "retry"}.get(verb, verb)
    if set(filters) - {"domain", "sender"}:
        assert ids == found[::-1]


async def test_a_dry_run_counts_what_is_there(client, mixed):
    for body, count in [({"all": True}, 4), ({"ids": [ONE, ONE, "9" * 16]}, 1)]:
        said = await asyncio.to_thread(client.post, "/v1/queue/delete", body | {"dry_run": True})
        assert said == {"count": count}
    assert await asyncio.to_thread(client.post, "/v1/queue/flush", {"dry_run": True}) == {"count": 4}
    assert mixed.asked == []


@pytest.mark.parametrize("body", [{"min_age": "soon"}, {"state": "asleep"}, {"max_age": 5}, {"reply": "x" * 1001}])
async def test_a_filter_of_the_wrong_kind_does_nothing(client, mixed, body):
    with pytest.raises(Refused) as caught:
        await asyncio.to_thread(client.post, "/v1/queue/delete", body)
    assert (caught.value.status, caught.value.code, mixed.asked) == (400, "bad_json", [])


@pytest.mark.parametrize("cursor", ["nonsense", ONE, "MQ", "é", "MTAwMDA", cursor_behind("u" * 16), "====", "A"])
async def test_a_cursor_that_is_none(client, cursor):
    with pytest.raises(Refused) as caught:
        await asyncio.to_thread(client.get, "/v1/queue", [("cursor", cursor)])
    assert caught.value.status == 400


def test_a_cursor_stands_for_an_id_and_does_not_show_it():
    assert behind(cursor_behind(ONE)) == ONE
    assert ONE not in cursor_behind(ONE)


async def test_many_are_done_in_parts_and_counted_together(client, mixed):
    ids = [f"{number:016d}" for number in range(2_500)]
    assert await asyncio.to_thread(client.post, "/v1/queue/hold", {"ids": [*ids, ids[0]]}) == {"count": 2_500}
    assert [len(asked[1]) for asked in mixed.asked] == [1000, 1000, 500]
    assert [each for asked in mixed.asked for each in asked[1]] == ids


async def test_one_bad_id_among_many_does_nothing(client, mixed):
    with pytest.raises(Refused):
        await asyncio.to_thread(client.post, "/v1/queue/hold", {"ids": [ONE] * 2_500 + ["nonsense"]})
    assert mixed.asked == []


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("20m", 1200), ("4h", 14400), ("5d", 432000), ("1w", 604800)]
)
def test_ages(text, seconds):
    assert age(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "5", "-1s", "1.5h", "1h30m", "٣s", "5d\n"])
def test_no_ages(text):
    with pytest.raises(ValueError, match="duration"):
        age(text)


async def test_a_page_looks_at_so_many_and_the_next_one_goes_on(rows):
    """A filter that finds little gives many short pages, and each says where to go on."""
    row, _ = rows
    queue = [row(f"{number:016d}", state="held" if number == 2 else "deferred") for number in range(9, 0, -1)]

    async def newest(before):
        for each in queue:
            if not before or each.queue_id < before:
                yield each

    found, pages, before = [], 0, ""
    while True:
        shown, following = await newest_page(newest(before), Selection(state="held"), limit=5, looks=4)
        found += [each["queue_id"] for each in shown]
        pages += 1
        if following is None:
            break
        before = behind(following)
    assert (found, pages) == ([f"{2:016d}"], 3)
