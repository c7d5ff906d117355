"""A stop, a kill and a power cut in the middle of everything: what was in the queue is in the queue, as it was."""

from __future__ import annotations

import asyncio

import pytest

from tests.incidents.incidentkit import DAY, HOUR, MINUTE, failed_recipients

FOREVER = 10_000
END = ["a clean stop", "kill -9", "a power cut", "a power cut that leaves some of it"]


async def end(mta, how):
    match how:
        case "a clean stop":
            await mta.close()
        case "kill -9":
            await mta.kill()
        case "a power cut":
            await mta.cut_power()
        case _:
            await mta.cut_power(seed=7)


@pytest.mark.parametrize("how", END)
async def test_the_queue_is_identical(world, how):
    """Deferred, held by an operator, held by a route, partly delivered, never tried: with attempts, last replies, and
    the times of the next attempts."""
    mta = await world.mta("a.example", route=[{"recipient": "held.example", "via": "hold"}])
    sink = await world.sink("b.example")
    sink.script("RCPT", "450 4.2.1 Later", contains="bob", times=FOREVER)
    world.resolver.set("c.example", "server failure")
    submit = mta.mta.submit
    await submit("alice@a.example", ["bob@b.example", "taken@b.example"], b"Subject: partly\r\n\r\nx\r\n")
    held = await submit("alice@a.example", ["bob@b.example"], b"Subject: held\r\n\r\nx\r\n")
    await submit("alice@a.example", ["x@held.example", "bob@b.example"], b"Subject: by a route\r\n\r\nx\r\n")
    await submit("", ["x@c.example"], b"Subject: no DNS\r\n\r\nx\r\n")
    await world.run(limit=3 * HOUR)
    assert await mta.mta.hold([held]) == 1
    await world.idle()
    before = mta.mta.queue()
    assert len(before) == 4
    await end(mta, how)
    await world.advance(10)  # nothing is due within
    await mta.open()
    await world.idle()
    after = mta.mta.queue()
    assert mta.mta.recovery.messages == 4
    assert mta.mta.recovery.damaged == 0
    for old, new in zip(before, after, strict=True):
        for was, is_now in zip(old.recipients, new.recipients, strict=True):
            assert is_now.next_due == pytest.approx(was.next_due, abs=0.01)
            assert (is_now.address, is_now.state, is_now.last_reply) == (was.address, was.state, was.last_reply)
        assert (old.queue_id, old.state, old.attempts, old.accepted_at) == (
            new.queue_id,
            new.state,
            new.attempts,
            new.accepted_at,
        )
        assert await mta.mta.content(new.queue_id)


@pytest.mark.parametrize("how", END)
async def test_the_schedule_goes_on_where_it_stood(world, how):
    """A restart every twelve hours changes nothing: five days, one report."""
    mta = await world.mta("a.example")
    sink = await world.sink("b.example")
    sink.script("RCPT", "450 4.2.1 Later", times=FOREVER)
    await mta.mta.submit("alice@a.example", ["bob@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    for _ in range(10):
        await world.run(limit=DAY / 2)
        await end(mta, how)
        await world.advance(MINUTE)
        await mta.open()
    await world.run()
    assert [failed_recipients(report) for report in mta.mailbox("alice")] == [["bob@b.example"]]
    [expired] = mta.events("expired")
    assert expired["delay"] == pytest.approx(5 * DAY, abs=MINUTE + 31)
    assert len(mta.events("deferred")) == pytest.approx(33, abs=10)


@pytest.mark.parametrize("how", END)
async def test_what_is_under_way_is_tried_again(world, how):
    """The content has gone and no answer has come: what the next hop made of it is not known."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    dots = asyncio.Queue()
    sink.script("DOT", lambda _: dots.put_nowait(None) or b"", times=1)  # taken or not, it does not say
    queue_id = await mta.mta.submit("alice@a.example", ["bob@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    await dots.get()
    await end(mta, how)
    await mta.open()
    await world.run()
    [message] = sink.messages
    assert queue_id.encode() in message.content
    assert mta.mailbox("alice") == []
    assert mta.mta.queue() == []


@pytest.mark.parametrize("how", END[1:])
async def test_what_was_delivered_is_not_delivered_again(world, how):
    """Once `idle` has returned, all outcomes are durable."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    for number in range(20):
        await mta.mta.submit("alice@a.example", ["bob@b.example", "alice@a.example"], b"Subject: %d\r\n\r\n" % number)
    await world.idle()
    await end(mta, how)
    await mta.open()
    await world.run()
    assert len(sink.messages) == len(mta.mailbox("alice")) == 20


@pytest.mark.parametrize("how", END[1:])
async def test_a_report_is_neither_lost_nor_repeated(world, how):
    """Death at each of the moments around the report: the sender is told once in the end."""
    mta = await world.mta("a.example")
    for turns in range(0, 60, 4):
        await mta.mta.submit("alice@a.example", ["x@no-such-domain.example"], b"Subject: %d\r\n\r\nx\r\n" % turns)
        for _ in range(turns):
            await asyncio.sleep(0)
        await end(mta, how)
        await mta.open()
        await world.run()
    reports = mta.mailbox("alice")
    subjects = [next(line for line in report.splitlines() if line.startswith(b"Subject: ") and line[9:].isdigit())
                for report in reports]  # fmt: skip
    assert sorted(subjects) == sorted(b"Subject: %d" % turns for turns in range(0, 60, 4))
    assert mta.mta.queue() == []


async def test_a_stampede_is_spread(world):
    """A thousand messages that are overdue after a week's absence are not all tried in the same second."""
    mta = await world.mta("a.example", queue={"lifetime": "30d"})
    sink = await world.sink("b.example")
    sink.script("RCPT", "450 4.2.1 Later", times=1000)
    for _ in range(1000):
        await mta.mta.submit("alice@a.example", ["bob@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.idle()
    await mta.close()
    await world.advance(7 * DAY)
    await mta.open()
    await world.idle()
    assert 0 < len(sink.messages) < 100
    taken = []
    for _ in range(10):
        await world.advance(1)
        await world.idle()
        taken.append(len(sink.messages))
    assert taken[1] - taken[0] < 300
    assert taken[-1] == 1000


async def test_many_restarts_without_mail_leave_nothing_behind(world):
    mta = await world.mta("a.example")
    await mta.mta.submit("alice@a.example", ["alice@a.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.run()
    for _ in range(5):
        await mta.reopen()
    await mta.kill()
    await mta.open()
    files = [path for path in mta.disk.tree() if path.startswith("spool/")]
    assert len(files) < 20
    assert mta.mta.queue() == []
