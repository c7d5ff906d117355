"""Searches, lines and words of the pages of the queue."""

from __future__ import annotations

import pytest

from asyncmta.admin.shapes import Bulk, Filters
from asyncmta.web.queue_facts import MOST_IDS, BadSearch, Line, asked, done, fields, line, search

ID = "0000000000000001"


def test_a_search_has_the_fields_that_say_something():
    found = search({"domain": " example.net ", "sender": "<>", "state": "", "cursor": "x"}, also=("cursor",))
    assert found == Filters(domain="example.net", sender="<>")
    assert fields(found) == {"domain": "example.net", "sender": "<>"}
    assert fields(search({})) == {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sate": "held"}, "'sate'"),
        ({"state": "asleep"}, "held, deferred, ready, active, damaged"),
        ({"min_age": "4 hours"}, "'4 hours'"),
        ({"max_age": "h"}, "write"),
        ({"max_age": "12345678901s"}, "write"),
        ({"domain": "example.net", "reply": "x" * 1001, "state": "held", "min_age": "4h"}, "too long"),
    ],
)
def test_a_search_that_is_not_understood_says_so(given, said):
    with pytest.raises(BadSearch, match=said):
        search(given)


def test_what_is_asked_for_the_ticked_ones():
    found = asked({"verb": ["hold"], "scope": ["selected"], "id": [ID, "x"], "bounce": ["yes"], "domain": ["a.test"]})
    assert found.bulk == Bulk(ids=[ID, "x"])
    assert not found.needs_confirming
    found = asked({"verb": ["delete"], "scope": ["selected"], "id": [ID], "bounce": ["yes"]})
    assert found.bulk == Bulk(ids=[ID], bounce=True)
    assert found.needs_confirming


def test_what_is_asked_for_all_that_is_found():
    found = asked({"verb": ["retry"], "scope": ["matching"], "id": [ID], "state": ["held"], "domain": [""]})
    assert found.bulk == Bulk(state="held")
    assert found.needs_confirming
    assert asked({"verb": ["retry"], "scope": ["matching"]}).bulk == Bulk(all=True)


@pytest.mark.parametrize(
    "form",
    [
        {"scope": ["matching"]},
        {"verb": ["burn"], "scope": ["matching"]},
        {"verb": ["hold"]},
        {"verb": ["hold"], "scope": ["everything"]},
        {"verb": ["hold"], "scope": ["selected"], "domain": ["a.test"]},
        {"verb": ["hold"], "scope": ["selected"], "id": [ID] * (MOST_IDS + 1)},
        {"verb": ["hold"], "scope": ["matching"], "state": ["asleep"]},
    ],
)
def test_what_is_not_clear_is_refused(form):
    with pytest.raises(BadSearch):
        asked(form)


def shown(**more):
    row = {
        "queue_id": ID,
        "state": "deferred",
        "sender": None,
        "size": 5,
        "accepted_at": 7.0,
        "attempts": 2,
        "total": 3,
        "reason": None,
        "recipients": [],
    }
    return row | more


def person(address, hop=None, said=None, due=None):
    return {"address": address, "state": "deferred", "next_hop": hop, "last_reply": said, "next_due": due}


def test_a_message_as_a_line():
    people = [person("a@x"), person("b@x", "mx:x", "451 no", 9.0), person("c@y", "mx:y", "452 no", 8.0)]
    assert line(shown(recipients=people)) == Line(
        queue_id=ID,
        state="deferred",
        accepted_at=7.0,
        attempts=2,
        size=5,
        sender="<>",
        recipient="a@x",
        more=2,
        next_hop="mx:x +1",
        due=8.0,
        said="451 no",
    )


def test_a_message_of_which_little_is_known():
    found = line(shown(sender="me@x", reason="it is torn"))
    assert (found.sender, found.recipient, found.more, found.next_hop) == ("me@x", "", 0, "")
    assert (found.due, found.said) == (None, "it is torn")
    assert line(shown(recipients=[person("a@x", "mx:x")])).next_hop == "mx:x"
    assert line(shown()).said == ""


def test_what_was_done_in_words():
    assert done("hold", 1, bounce=False) == "1 message held."
    assert done("retry", 1234, bounce=False) == "1,234 messages to be tried now."
    assert done("delete", 2, bounce=True) == "2 messages deleted, and reported to their senders."
    assert "Nothing" in done("release", 0, bounce=False)
