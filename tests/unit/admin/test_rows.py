"""The JSON shape of the queue, its filters, pages and counts."""

from __future__ import annotations

import pytest

from asyncmta.admin.rows import Selection, page, show, stats


def test_the_keys_are_those_that_scripts_rely_on(rows):
    row, person = rows
    shown = show(row("0" * 16, recipients=(person("a@b.example", "held", "", "", None),), sender=""))
    assert shown == {
        "queue_id": "0" * 16,
        "state": "deferred",
        "sender": None,
        "size": 100,
        "accepted_at": 1000.0,
        "attempts": 1,
        "total": 1,
        "reason": None,
        "recipients": [
            {"address": "a@b.example", "state": "held", "next_hop": None, "last_reply": None, "next_due": None}
        ],
    }


@pytest.mark.parametrize(
    ("selection", "covered"),
    [
        (Selection(), True),
        (Selection(domain="example.net"), True),
        (Selection(domain="ample.net"), False),
        (Selection(sender="me@example.org"), True),
        (Selection(sender="<ME@example.org>"), True),
        (Selection(sender="@example.org"), False),
        (Selection(sender="<>"), False),
        (Selection(state="deferred"), True),
        (Selection(state="held"), False),
        (Selection(state="held", domain="example.net"), False),
        (Selection(address="ME@example.org"), True),
        (Selection(address="you@example.net"), True),
        (Selection(address="you@example.org"), False),
        (Selection(since=1000.0, until=1000.0, recipient="you@example.net", reply="4.2.0"), True),
        (Selection(since=1000.1), False),
        (Selection(until=999.9), False),
        (Selection(recipient="me@example.org"), False),
        (Selection(reply="4.2"), True),
        (Selection(reply="4.2.1"), False),
    ],
)
def test_a_selection_covers_what_passes_every_filter(rows, selection, covered):
    assert selection.covers(rows[0]("0" * 16)) is covered


def test_the_null_reverse_path_is_found_by_empty_text_and_by_brackets(rows):
    report = rows[0]("0" * 16, sender=None)
    assert Selection(sender="<>").covers(report)
    assert Selection(sender="").covers(report)
    assert not Selection(sender="me@example.org").covers(report)


def test_pages_are_newest_first_and_join_without_gap_though_mail_comes_and_goes(rows):
    row, _ = rows
    queue = [row(f"{number:016d}") for number in range(1, 8)]
    first, cursor = page(queue, Selection(), limit=3)
    assert [shown["queue_id"][-1] for shown in first] == ["7", "6", "5"]
    queue = [row(f"{9:016d}")] + [each for each in queue if each.queue_id != cursor]
    second, cursor = page(queue, Selection(), limit=3, cursor=cursor)
    assert [shown["queue_id"][-1] for shown in second] == ["4", "3", "2"]
    last, cursor = page(queue, Selection(), limit=3, cursor=cursor)
    assert [shown["queue_id"][-1] for shown in last] == ["1"]
    assert cursor is None


def test_stats_count_by_state_and_by_next_hop(rows):
    row, person = rows
    two = (person("a@x.example", next_hop="mx:x"), person("b@x.example", next_hop="mx:x"), person("c@y", next_hop=""))
    counted = stats([row("1" * 16, accepted_at=5.0, recipients=two), row("2" * 16, state="held", accepted_at=3.0)])
    assert counted == {
        "messages": 2,
        "recipients": 4,
        "size": 200,
        "oldest_accepted_at": 3.0,
        "states": {
            "deferred": {"messages": 1, "oldest_accepted_at": 5.0},
            "held": {"messages": 1, "oldest_accepted_at": 3.0},
        },
        "destinations": {
            "mx:example.net": {"messages": 1, "oldest_accepted_at": 3.0},
            "mx:x": {"messages": 1, "oldest_accepted_at": 5.0},
        },
    }


def test_stats_of_nothing():
    counted = stats([])
    assert counted["messages"] == 0
    assert counted["oldest_accepted_at"] is None


def test_a_domain_is_found_in_either_spelling(rows):
    row, person = rows
    for address in ("x@b\u00fccher.example", "x@xn--bcher-kva.example", "x@B\u00dcCHER.example"):
        assert Selection(domain="xn--bcher-kva.example").covers(row("0" * 16, recipients=(person(address),)))
