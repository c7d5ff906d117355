"""What an operator says about the queue happens: hold, release, retry, remove; and it outlasts a restart."""

from __future__ import annotations

import asyncio

import pytest

from asyncmta.testing.smtp_sink import SILENCE
from tests.incidents.incidentkit import HOUR, failed_recipients

FOREVER = 10_000


@pytest.fixture
async def sink(world):
    sink = await world.sink("b.example")
    sink.script("RCPT", "450 4.2.1 Later", contains="later", times=FOREVER)
    return sink


@pytest.fixture
async def mta(world, sink):
    return await world.mta("a.example")


async def queued(world, mta, *recipients, sender="alice@a.example"):
    queue_id = await mta.mta.submit(sender, recipients or ["later@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.idle()
    return queue_id


def states(mta):
    return {row.queue_id: row.state for row in mta.mta.queue()}


async def test_hold_and_release(world, mta, sink):
    held, other = await queued(world, mta), await queued(world, mta)
    assert await mta.mta.hold([held]) == 1
    assert await mta.mta.hold([held]) == 0  # it is held already
    assert states(mta) == {held: "held", other: "deferred"}
    sink._script.clear()
    await world.run(limit=6 * HOUR)
    assert len(sink.messages) == 1
    await mta.cut_power()
    await mta.open()
    await world.run(limit=6 * HOUR)
    assert states(mta) == {held: "held"}
    assert await mta.mta.release([held]) == 1
    await world.idle()  # at once
    assert len(sink.messages) == 2
    assert mta.mta.queue() == []


async def test_held_beyond_its_lifetime(world, mta):
    """A message that is held does not expire; when it is let go after all, it has one more try."""
    held = await queued(world, mta)
    await mta.mta.hold([held])
    await world.advance(30 * 24 * HOUR)
    await world.idle()
    assert states(mta) == {held: "held"}
    await mta.mta.release([held])
    await world.idle()
    assert len(mta.mailbox("alice")) == 1
    assert mta.mta.queue() == []


async def test_hold_while_it_is_being_tried(world, mta, sink):
    """The attempt ends first, and then it is held; or delivered."""
    sink.script("DOT", SILENCE, times=1)
    trying = await mta.mta.submit("alice@a.example", ["bob@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.soon(lambda: any(line.startswith(("DATA", "BDAT")) for _, line in sink.commands))
    assert await mta.mta.hold([trying]) == 1
    await world.advance(601)
    await world.idle()
    await world.run()
    assert states(mta) == {trying: "held"}
    assert sink.messages == []
    await mta.mta.release()
    await world.idle()
    assert len(sink.messages) == 1
    assert mta.mta.queue() == []


async def test_retry_means_now(world, mta, sink):
    first, second = await queued(world, mta), await queued(world, mta)
    sink._script.clear()
    assert await mta.mta.retry([first]) == 1
    await world.idle()
    assert states(mta) == {second: "deferred"}
    assert await mta.mta.retry() == 1
    await world.idle()
    assert len(sink.messages) == 2


async def test_retry_lifts_the_suspension_of_a_site(world):
    """The other side is back, its operator says so, and ours says `queue retry`: nothing waits for the quarter of an
    hour that we would have left it alone."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("GREETING", "421 4.3.2 Down for maintenance", times=5)
    queue_ids = [await queued(world, mta, "bob@b.example") for _ in range(3)]
    [site] = mta.mta._remote.sites()
    assert site.suspended_until > world.clock.now()
    sink._script.clear()
    assert await mta.mta.retry(queue_ids) == 3
    await world.idle()
    assert len(sink.messages) == 3
    assert mta.mta.queue() == []


async def test_retry_by_domain_and_sender(world, mta, sink):
    other = await world.sink("c.example")
    other.script("RCPT", "450 4.2.1 Later", times=2)
    await queued(world, mta)
    await queued(world, mta, "x@c.example")
    await queued(world, mta, "x@c.example", sender="bob@a.example")
    assert await mta.mta.retry(domain="C.example", sender="BOB@a.example") == 1
    await world.idle()
    assert [message.reverse_path for message in other.messages] == ["bob@a.example"]
    assert await mta.mta.retry(domain="nowhere.example") == 0
    assert await mta.mta.retry(sender="") == 0


@pytest.mark.parametrize("bounce", [False, True])
async def test_remove(world, mta, sink, bounce):
    gone, stays = await queued(world, mta, "later@b.example", "bob@b.example"), await queued(world, mta)
    assert await mta.mta.remove([gone], bounce=bounce) == 1
    assert set(states(mta)) - {stays} == set() if not bounce else True
    await world.idle()
    assert states(mta) == {stays: "deferred"}
    reports = [failed_recipients(report) for report in mta.mailbox("alice")]
    assert reports == ([["later@b.example"]] if bounce else [])  # bob has it
    await mta.cut_power()
    await mta.open()
    await world.idle()
    assert states(mta) == {stays: "deferred"}
    assert await mta.mta.remove([gone]) == 0
    assert mta.mta.message(gone) is None


async def test_remove_while_it_is_being_tried(world, mta, sink):
    """The attempt ends first; what it delivered is delivered."""
    sink.script("DOT", SILENCE, times=1)
    trying = await mta.mta.submit("alice@a.example", ["bob@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.soon(lambda: any(line.startswith(("DATA", "BDAT")) for _, line in sink.commands))
    removal = asyncio.ensure_future(mta.mta.remove([trying], bounce=True))
    await world.clock.settle()
    assert not removal.done()
    await world.advance(601)
    assert await removal == 1
    await world.idle()
    assert states(mta) == {}
    assert [failed_recipients(report) for report in mta.mailbox("alice")] == [["bob@b.example"]]


async def test_remove_what_is_held(world, mta):
    held = await queued(world, mta)
    await mta.mta.hold([held])
    assert await mta.mta.remove() == 1
    assert states(mta) == {}
    await world.run()
    assert mta.mailbox("alice") == []


async def test_ids_that_are_none(world, mta):
    with pytest.raises(ValueError, match="queue id"):
        await mta.mta.retry(["no id"])
    unknown = "zzzzz00020000009"
    assert await mta.mta.retry([unknown]) == await mta.mta.hold([unknown]) == await mta.mta.remove([unknown]) == 0


async def test_all_of_a_long_queue(world, mta, sink):
    """More than one commit's worth."""
    submits = [mta.mta.submit("", ["later@b.example"], b"Subject: hello\r\n\r\nx\r\n") for _ in range(1200)]
    await asyncio.gather(*submits)
    await world.idle()
    assert await mta.mta.hold() == 1200
    assert set(states(mta).values()) == {"held"}
    await mta.kill()
    await mta.open()
    assert await mta.mta.remove(domain="b.example") == 1200
    assert mta.mta.queue() == []
