"""Five days of retries against a next hop that is busy, out of reach, gone, or silent; and then one report.

How long that really took is printed (pytest -s), and nothing is asserted about it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest

from asyncmta.testing.clock import EPOCH
from asyncmta.testing.smtp_sink import SILENCE
from tests.incidents.incidentkit import DAY, HOUR, failed_recipients

FOREVER = 10_000


@contextmanager
def measured(what: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    print(f"\nwhole retry schedule, {what}: {time.perf_counter() - began:.3f} s")


@pytest.fixture
async def mta(world):
    return await world.mta("a.example")


def times_of(mta, event):
    return [line["delay"] for line in mta.events(event)]


def assert_schedule(delays):
    """The pauses grow, by the jitter's measure, from minutes to hours; nothing is tried after the end."""
    pauses = [after - before for before, after in pairwise(delays)]
    assert pauses[0] < HOUR < pauses[-2] < 12 * HOUR
    assert all(after > before * 0.75 for before, after in pairwise(pauses[:-1]))
    assert 20 <= len(delays) <= 60
    assert delays[-1] < 5 * DAY


async def test_answers_4xx_for_five_days(world, mta):
    sink = await world.sink("b.example")
    sink.script("RCPT", "450 4.2.1 Mailbox busy, come back later", times=FOREVER)
    with measured("4xx always"):
        await mta.mta.submit("alice@a.example", ["bob@b.example"], b"Subject: hello\r\n\r\nx\r\n")
        await world.run()
    [report] = mta.mailbox("alice")
    assert failed_recipients(report) == ["bob@b.example"]
    assert b"Mailbox busy, come back later" in report  # why, and not only that
    assert b"Subject: hello" in report
    assert_schedule(times_of(mta, "deferred"))
    [expired] = mta.events("expired")
    assert expired["delay"] == pytest.approx(5 * DAY, abs=1)
    tries = sum(line.startswith("RCPT") for _, line in sink.commands)
    assert tries == len(mta.events("deferred")) + 1
    assert mta.mta.queue() == []
    assert world.clock.now() == pytest.approx(EPOCH + 5 * DAY, abs=60)
    assert not sink.violations


async def test_refuses_connections_for_five_days(world, mta):
    world.name("mx.b.example", world.address(), "b.example")  # where nobody listens
    with measured("connection refused always"):
        await mta.mta.submit("alice@a.example", ["bob@b.example"], b"Subject: hello\r\n\r\nx\r\n")
        await world.run()
    [report] = mta.mailbox("alice")
    assert failed_recipients(report) == ["bob@b.example"]
    assert b"Connection refused" in report
    assert_schedule(times_of(mta, "deferred"))
    [expired] = mta.events("expired")
    assert expired["delay"] == pytest.approx(5 * DAY, abs=1)
    assert mta.mta.queue() == []


async def test_hangs_up_at_once_for_five_days(world, mta):
    sink = await world.sink("b.example")
    sink.script("GREETING", "421 4.3.2 Not today", times=FOREVER)
    with measured("421 always"):
        await mta.mta.submit("alice@a.example", ["bob@b.example"], b"Subject: hello\r\n\r\nx\r\n")
        await world.run()
    [report] = mta.mailbox("alice")
    assert failed_recipients(report) == ["bob@b.example"]
    assert b"Not today" in report
    assert mta.mta.queue() == []


async def test_dns_fails_for_five_days(world, mta):
    world.resolver.set("b.example", "server failure")
    with measured("DNS failing always"):
        await mta.mta.submit("alice@a.example", ["bob@b.example"], b"Subject: hello\r\n\r\nx\r\n")
        await world.run()
    [report] = mta.mailbox("alice")
    assert failed_recipients(report) == ["bob@b.example"]
    assert b"server failure" in report
    assert_schedule(times_of(mta, "deferred"))


async def test_says_nothing_after_the_dot(world):
    """Ten minutes of patience, since the message may have been taken; then it is tried again, and so on."""
    mta = await world.mta("a.example", queue={"lifetime": "1h", "bounce_lifetime": "1h"})
    sink = await world.sink("b.example")
    sink.script("DOT", SILENCE, times=FOREVER)
    await mta.mta.submit("alice@a.example", ["bob@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    while not mta.mailbox("alice"):
        await world.advance(30)
        await world.clock.settle()
    assert failed_recipients(*mta.mailbox("alice")) == ["bob@b.example"]
    first, *_ = times_of(mta, "deferred")
    assert first == pytest.approx(600, abs=10)
    assert len(sink.messages) == 0


async def test_the_report_waits_no_longer_than_a_day(world, mta):
    """Nobody takes the message, and nobody takes the report: all of it is over after five days and one."""
    world.resolver.set("b.example", "server failure")
    world.resolver.set("c.example", "server failure")
    await mta.mta.submit("carol@c.example", ["bob@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.run()
    assert [line["discarded"] for line in mta.events("bounced")] == [False, True]
    assert [line["delay"] for line in mta.events("expired")] == pytest.approx([5 * DAY, 1 * DAY], abs=1)
    assert mta.mta.queue() == []


async def test_comes_back_on_the_third_day(world, mta):
    sink = await world.sink("b.example")
    sink.script("MAIL", "451 4.3.0 Later", times=FOREVER)
    await mta.mta.submit("alice@a.example", ["bob@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.run(limit=3 * DAY)
    sink._script.clear()
    await world.run()
    assert [message.recipients for message in sink.messages] == [("bob@b.example",)]
    assert mta.mailbox("alice") == []
    [delivered] = mta.events("delivered")
    assert 3 * DAY < delivered["delay"] < 4 * DAY
    assert not sink.violations
