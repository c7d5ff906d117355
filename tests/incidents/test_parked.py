"""Messages that wait are rows of numbers, read back when wanted: after a restart, by an operator, or damaged."""

from __future__ import annotations

import asyncio
import errno

import pytest

from asyncmta.mail.envelope import parse_queue_id
from asyncmta.spool.recall import Recaller, Unreadable
from tests.incidents.incidentkit import HOUR, MINUTE, failed_recipients

FOREVER = 10_000


@pytest.fixture
async def sink(world):
    sink = await world.sink("b.example")
    sink.script("RCPT", "450 4.2.1 Later", times=FOREVER)
    return sink


@pytest.fixture
async def mta(world, sink):
    return await world.mta("a.example")


async def parked(world, mta, *recipients):
    """A message that has been tried and waits, out of memory."""
    queue_id = await mta.mta.submit("alice@a.example", recipients or ["bob@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.idle()
    assert is_parked(mta, queue_id)
    return queue_id


def is_parked(mta, queue_id):
    store = mta.mta.rooms.store
    return store.entry(parse_queue_id(queue_id)) is None and store.parked(parse_queue_id(queue_id)) is not None


async def test_a_restart_reads_nothing_back_and_forgets_nothing(world, mta, sink, monkeypatch):
    several = await parked(world, mta, "bob@b.example", "carol@b.example")
    queue_ids = [await parked(world, mta) for _ in range(5)]
    due, rows = mta.mta.next_due(), mta.mta.queue()
    await mta.kill()
    await mta.open()
    await world.idle()
    assert all(is_parked(mta, each) for each in [several, *queue_ids])
    assert mta.mta.next_due() == pytest.approx(due, abs=1e-3)
    for before, after in zip(rows, mta.mta.queue(), strict=True):
        assert (after.queue_id, after.state, after.attempts) == (before.queue_id, "deferred", 1)
        assert after.recipients[0].last_reply == before.recipients[0].last_reply
        assert after.recipients[0].next_due == pytest.approx(before.recipients[0].next_due, abs=1e-3)
    sink._script.clear()
    await world.run(limit=HOUR)
    assert len(sink.messages) == 6
    assert mta.mta.queue() == []


async def test_what_was_never_tried_is_tried_at_once_after_a_restart(world, mta, sink):
    """The site was suspended when it came, so that nothing is recorded of it but that it came."""
    sink.script("GREETING", "421 4.3.2 Down for maintenance", times=1)
    queue_ids = [await parked(world, mta) for _ in range(3)]
    await mta.kill()
    sink._script.clear()
    await mta.open()
    await world.run(limit=MINUTE)
    assert len(sink.messages) == len(queue_ids) - 1, "the first met the refusal, which is recorded"


async def test_retry_now(world, mta, sink):
    first, second, third = [await parked(world, mta) for _ in range(3)]
    sink._script.clear()
    assert await mta.mta.retry([first]) == 1
    await world.idle()
    assert len(sink.messages) == 1
    assert is_parked(mta, second)
    assert await mta.mta.retry(domain="b.example") == 2
    await world.idle()
    assert len(sink.messages) == 3
    assert mta.mta.queue() == []
    assert mta.mta.message(third) is None


async def test_hold_and_release(world, mta, sink):
    held, other = await parked(world, mta), await parked(world, mta)
    assert await mta.mta.hold([held]) == 1
    sink._script.clear()
    await world.run(limit=6 * HOUR)
    assert [row.queue_id for row in mta.mta.queue()] == [held]
    await mta.kill()
    await mta.open()
    await world.run(limit=6 * HOUR)
    assert [row.state for row in mta.mta.queue()] == ["held"]
    assert await mta.mta.release([held]) == 1
    await world.idle()
    assert len(sink.messages) == 2
    assert mta.mta.message(other) is None


@pytest.mark.parametrize("bounce", [False, True])
async def test_remove(world, mta, sink, bounce):
    await parked(world, mta)
    assert await mta.mta.remove(sender="alice@a.example", bounce=bounce) == 1
    await world.idle()
    assert mta.mta.queue() == []
    assert [failed_recipients(each) for each in mta.mailbox("alice")] == ([["bob@b.example"]] if bounce else [])
    await mta.cut_power()
    await mta.open()
    await world.idle()
    assert mta.mta.queue() == []


async def test_a_message_that_cannot_be_read_back_is_listed_and_the_others_go_on(world, mta, sink):
    bad, good = await parked(world, mta), await parked(world, mta)
    damage(mta, bad)
    sink._script.clear()
    await world.run(limit=HOUR)
    assert len(sink.messages) == 1
    [row] = mta.mta.queue()
    assert (row.queue_id, row.state, row.reason) == (bad, "damaged", "its record in the journal is damaged")
    assert mta.mta.message(good) is None
    assert [each.queue_id async for each in mta.mta.newest()] == [bad]
    assert mta.events("spool_message_damaged")


async def test_a_damaged_message_among_those_that_are_listed(world, mta):
    bad, good = await parked(world, mta), await parked(world, mta)
    damage(mta, bad)
    shown = {row.queue_id: row.state async for row in mta.mta.newest()}
    assert shown == {good: "deferred"}, "it is found while the page is made"
    assert {row.queue_id: row.state async for row in mta.mta.newest()} == {good: "deferred", bad: "damaged"}
    assert await mta.mta.hold() == 1
    assert [row.queue_id async for row in mta.mta.newest(good)] == [bad]


def damage(mta, queue_id):
    """A few octets of the record with which it was accepted."""
    row = mta.mta.rooms.store.parked(parse_queue_id(queue_id))
    mta.disk._node(f"/spool/journal/{row.segment:010}.seg").write(b"\xff" * 8, row.offset + 48)


async def test_a_disk_that_does_not_read_for_a_moment_delays_and_sets_nothing_aside(world, mta, sink):
    await parked(world, mta)
    sink._script.clear()
    mta.disk.fail_at(1, errno.EIO, for_good=True, only=("read_at",))
    assert await mta.mta.retry() == 1
    await world.idle()
    assert sink.messages == []
    assert len(mta.events("recall_failed")) == 1
    assert list(mta.mta.rooms.store.damaged()) == []
    mta.disk.heal()
    await world.run(limit=2 * MINUTE)
    assert len(sink.messages) == 1


async def test_who_stops_waiting_for_an_order_leaves_nobody_in_limbo(world, mta, sink):
    """The order wants a parked message whole; whoever gave it goes away while it is being read back."""
    queue_id = await parked(world, mta)
    order = asyncio.create_task(mta.mta.hold([queue_id]))
    waiting = mta.mta.rooms.scheduler._waiting
    for _ in range(20):
        if not waiting._fetching:
            await asyncio.sleep(0)
    assert waiting._fetching
    order.cancel()
    await asyncio.gather(order, return_exceptions=True)
    await world.soon(lambda: not mta.mta.rooms.scheduler._held._commands)
    await world.soon(lambda: [row.state for row in mta.mta.queue()] == ["held"])
    assert await mta.mta.hold([queue_id]) == 0
    assert [row.state for row in mta.mta.queue()] == ["held"]
    sink._script.clear()
    assert await mta.mta.release([queue_id]) == 1
    await world.run(limit=HOUR)
    assert len(sink.messages) == 1


async def test_what_a_start_cannot_read_for_the_moment_is_tried_a_minute_later(world, mta, sink, monkeypatch):
    """Several recipients, so that the start has to look; and there are no descriptors left just then."""
    await parked(world, mta, "bob@b.example", "carol@b.example")
    sink._script.clear()
    await mta.kill()
    entry, failures = Recaller.entry, []

    def scarce(self, row):
        if not failures:
            failures.append(row.queue_id)
            raise Unreadable(row.queue_id, "cannot read the journal: Too many open files")
        return entry(self, row)

    monkeypatch.setattr(Recaller, "entry", scarce)
    await mta.open()
    await world.run(limit=HOUR)
    assert failures
    assert [message.recipients for message in sink.messages] == [("bob@b.example", "carol@b.example")]
    assert mta.mta.queue() == []
