"""What the pages of rates, log and settings are made of."""

from __future__ import annotations

import pytest

from asyncmta.delivery.equipment import SiteView
from asyncmta.web.view_facts import (
    MOST_LINES,
    busy_first,
    log_rows,
    per_second,
    seconds,
    setting_rows,
    step_lines,
    step_of,
)


def columns(count, **given):
    found = {name: [0] * count for name in ("accepted", "refused", "delivered", "deferred", "failed", "queue")}
    found |= {name: [None] * count for name in ("p50", "p95", "p99", "sync", "lag")}
    found |= {"times": [1000.0 + at for at in range(count)], "seconds": [1.0] * count}
    return found | given


def test_a_line_for_each_step_the_newest_first():
    lines = step_lines(columns(3, accepted=[1, 2, 3], queue=[7, 8, 9], p50=[0.1, None, 0.3], seconds=[1.0, 1.0, 2.0]))
    assert [line.at for line in lines] == [1002.0, 1001.0, 1000.0]
    assert [line.sums["accepted"] for line in lines] == [1.5, 2.0, 1.0]
    assert [line.queue for line in lines] == [9, 8, 7]
    assert [line.worst["p50"] for line in lines] == [0.3, None, 0.1]


@pytest.mark.parametrize("count", [0, 1, MOST_LINES, MOST_LINES + 1, 600, 1440])
def test_however_many_steps_there_are_the_table_is_short_and_whole(count):
    lines = step_lines(columns(count, delivered=[2] * count, p99=list(range(count))))
    assert len(lines) <= MOST_LINES
    assert (len(lines) == 0) == (count == 0)
    assert all(line.sums["delivered"] == 2.0 for line in lines)
    if count:
        assert lines[0].worst["p99"] == count - 1
        assert lines[0].at == 1000.0 + count - 1


def test_steps_of_no_length_are_no_division():
    assert step_lines(columns(1, accepted=[4], seconds=[0.0]))[0].sums["accepted"] == 4.0


@pytest.mark.parametrize(("text", "step"), [("", 1), ("10", 10), ("60", 60), ("7", 1), ("x", 1)])
def test_a_range(text, step):
    assert step_of(text) == step


def test_a_line_of_the_log_has_all_of_its_facts():
    facts = {"ts": "2026-11-22T10:00:00.000Z", "level": "info", "event": "delivered", "queue_id": "0000000000000001"}
    facts |= {"dsn": "", "delay": 1.25, "discarded": True, "list": ["a", 1], "none": None, "reply": "250 <ok>"}
    (odd, row) = log_rows([(7, facts), (8, {})])
    assert (row.number, row.stamp, row.level, row.event) == (7, facts["ts"], "info", "delivered")
    assert row.facts == [
        ("queue_id", "0000000000000001", True),
        ("delay", "1.25", False),
        ("discarded", "true", False),
        ("list", '["a",1]', False),
        ("none", "null", False),
        ("reply", "250 <ok>", False),
    ]
    assert (odd.number, odd.stamp, odd.level, odd.event, odd.facts) == (8, "", "", "", [])


def setting(key, value, source="default", variable=None):
    return {"key": key, "value": value, "source": source, "variable": variable} | {
        "needs_restart": True,
        "waits_for_restart": False,
    }


def test_settings_are_found_by_key_and_value_and_source():
    told = {
        "settings": [
            setting("spool", "/var/Spool"),
            setting("queue.lifetime", "5d", "environment", "ASYNCMTA_QUEUE__LIFETIME"),
            setting("relay.networks", ["127.0.0.0/8"], "file"),
        ]
    }

    def found(text="", origin=""):
        return [row.key for row in setting_rows(told, text, origin)]

    assert found() == ["spool", "queue.lifetime", "relay.networks"]
    assert found("QUEUE") == ["queue.lifetime"]
    assert found("127.0") == ["relay.networks"]
    assert found("spool") == ["spool"]
    assert found("", "file") == ["relay.networks"]
    rows = setting_rows(told, "", "")
    assert [row.value for row in rows] == ['"/var/Spool"', '"5d"', '["127.0.0.0/8"]']
    assert [row.source for row in rows] == ["default", "ASYNCMTA_QUEUE__LIFETIME", "file"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0, "0 ms"), (0.00345, "3.45 ms"), (1.25, "1.25 s"), (90, "1.5 min"), (7200, "2 h")],
)
def test_times_in_words(value, text):
    assert seconds(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (0.05, "0.05"), (12.345, "12.3"), (1234.5, "1,234")])
def test_rates_in_words(value, text):
    assert per_second(value) == text


def view(key, waiting=0, sessions=0, until=None, destinations=()):
    return SiteView(f"mx:{key}", (key,), waiting, sessions, 0, 0, 5, until, "", 20, None, destinations)


def test_sites_where_something_is_wrong_come_first():
    sites = [view("a"), view("b", waiting=3), view("c", until=5.0), view("d", sessions=1, destinations=("mx:x.test",))]
    assert [each.hosts[0] for each in busy_first(sites, "", only_suspended=False)] == ["c", "b", "d", "a"]
    assert [each.hosts[0] for each in busy_first(sites, "", only_suspended=True)] == ["c"]
    assert [each.hosts[0] for each in busy_first(sites, "X.TEST", only_suspended=False)] == ["d"]
