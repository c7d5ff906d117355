"""The last lines of the log: those that were written, masked as they were, the newest of them, and no more."""

from __future__ import annotations

import io
import json

from asyncmta.counted_log import CountedLog
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import QueueId, format_queue_id
from asyncmta.mail.outcome import Delivered, Place
from asyncmta.mail.reply import reply
from asyncmta.recent_log import RecentLines
from asyncmta.testing.clock import FakeClock


def log_with(**settings):
    stream = io.BytesIO()
    log = CountedLog(clock=FakeClock(), stream=stream, format="json", **settings)
    log.keep_lines()
    return log, stream


def facts(excerpt):
    return [facts for _, facts in excerpt.lines]


def test_what_was_written_is_what_is_shown():
    log, stream = log_with()
    log.note("info", "ready", listening=["127.0.0.1:25"])
    log.note("warning", "odd", text="a\nb")
    log.close()
    assert facts(log.recent.excerpt(most=10)) == [json.loads(line) for line in stream.getvalue().splitlines()]


def test_nothing_is_kept_below_the_level_or_before_anybody_could_ask():
    stream = io.BytesIO()
    log = CountedLog(clock=FakeClock(), stream=stream, format="json", level="warning")
    log.note("warning", "early")
    log.flush()
    assert log.recent is None
    log.keep_lines()
    log.keep_lines()  # the second time changes nothing
    log.note("info", "quiet")
    log.note("warning", "loud")
    log.close()
    assert [each["event"] for each in facts(log.recent.excerpt(most=10))] == ["loud"]
    assert stream.getvalue().count(b"\n") == 2


def test_addresses_are_masked_as_in_the_log():
    log, _ = log_with(addresses="hash")
    outcome = Delivered(reply(250, "2.0.0", "ok"), Place("mx.test", "192.0.2.1", ""))
    log.delivered(queue_id=QueueId(7), recipient=parse_address("alice@example.org"), outcome=outcome, delay=1.0)
    log.close()
    (line,) = facts(log.recent.excerpt(most=10))
    assert line["queue_id"] == format_queue_id(QueueId(7))
    assert line["recipient"].endswith("@example.org")
    assert "alice" not in json.dumps(line)


def lines(count, most=5):
    recent = RecentLines(most)
    keep = recent.keeping(lambda facts: b"")
    for number in range(1, count + 1):
        keep({"event": "even" if number % 2 == 0 else "odd", "queue_id": f"id{number % 3}"})
    return recent


def numbers(excerpt):
    return [number for number, _ in excerpt.lines]


def test_a_ring_forgets_the_oldest_and_says_so():
    found = lines(12).excerpt(most=100, after=3)
    assert numbers(found) == [8, 9, 10, 11, 12]
    assert (found.last, found.missed) == (12, 4)
    assert lines(12).excerpt(most=100, after=9) == type(found)(found.lines[2:], 12, 0)
    assert numbers(lines(12).excerpt(most=2)) == [11, 12]
    assert lines(12).excerpt(most=2).missed == 0


def test_lines_that_come_in_batches_are_numbered_without_a_gap():
    recent = RecentLines(3)
    for batch in ([], [b'{"event":"a"}\n', b'{"event":"b"}\n'], [b'{"event":"c"}\n'], [], [b'{"event":"d"}\n'] * 2):
        recent.keep(batch)
    found = recent.excerpt(most=10, after=1)
    assert numbers(found) == [3, 4, 5]
    assert (found.last, found.missed) == (5, 1)


def test_a_number_from_before_a_restart_is_none():
    assert numbers(lines(3).excerpt(most=10, after=400)) == [1, 2, 3]
    empty = lines(0).excerpt(most=10, after=400)
    assert (list(empty.lines), empty.last, empty.missed) == ([], 0, 0)


def test_filters_are_of_facts():
    assert numbers(lines(12).excerpt(most=10, event="even")) == [8, 10, 12]
    assert numbers(lines(12).excerpt(most=10, event="even", queue_id="id0")) == [12]
    assert numbers(lines(12).excerpt(most=10, event=None, queue_id="id1")) == [10]


def test_console_lines_are_kept_too():
    stream = io.BytesIO()
    log = CountedLog(clock=FakeClock(), stream=stream, format="console")
    log.keep_lines()
    log.note("info", "ready", admin="127.0.0.1:8025")
    log.close()
    assert facts(log.recent.excerpt(most=1))[0]["admin"] == "127.0.0.1:8025"
    assert b"ready" in stream.getvalue()
