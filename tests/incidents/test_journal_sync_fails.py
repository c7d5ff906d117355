"""The disk says that a sync has failed: nobody is told that anything was taken, from then on, until a restart."""

from __future__ import annotations

import asyncio
import errno

import pytest

from asyncmta.operations import SubmitRefused
from tests.incidents.incidentkit import queue_ids

SYNCS = ("fsync", "fdatasync")


async def at_the_dot(mta, number):
    """A client that has sent everything but the dot; the answer to that is in its hands."""
    client = await mta.greet()
    for line in ("MAIL FROM:<alice@a.example>", f"RCPT TO:<user{number}@a.example>", "DATA"):
        assert (await client.command(line)).code in (250, 354)
    await client.send(b"Subject: %d\r\n\r\nx\r\n" % number)
    return client


@pytest.mark.parametrize("left", ["as it is", "without what was not synced", "with some of it"])
async def test_nothing_is_acknowledged_that_is_not_there(world, left):
    mta = await world.mta("a.example")
    clients = [await at_the_dot(mta, number) for number in range(20)]
    good = await mta.mta.submit("alice@a.example", ["x@[192.0.2.1]", "alice@a.example"], b"Subject: ok\r\n\r\nx\r\n")
    await world.idle()
    mta.disk.fail_at(1, errno.EIO, only=SYNCS)  # and the next one would succeed: it must not be believed
    for client in clients:
        await client.send(b".\r\n")
    replies = [await client.reply() for client in clients]
    assert {(reply.code, str(reply.enhanced)) for reply in replies} == {(451, "4.3.0")}
    reason = await asyncio.wait_for(mta.mta.wait_failed(), 10)
    assert "sync" in reason
    assert mta.mta.alive() == [reason]
    assert reason in mta.mta.not_ready()
    assert mta.events("journal_failed")[0]["level"] == "critical"
    for client in clients:
        assert (await client.command("MAIL FROM:<alice@a.example>")).code == 451
    with pytest.raises(SubmitRefused) as refused:
        await mta.mta.submit("alice@a.example", ["alice@a.example"], b"Subject: later\r\n\r\nx\r\n")
    assert refused.value.reply.code == 451
    match left:
        case "as it is":
            await mta.close()
        case "without what was not synced":
            await mta.cut_power()
        case _:
            await mta.cut_power(seed=1)
    mta.disk.heal()
    await mta.open()
    await world.idle()
    assert good in [row.queue_id for row in mta.mta.queue()]
    delivered = [octets for number in range(20) for octets in mta.mailbox(f"user{number}")]
    # A message that nobody acknowledged may be there all the same (its clients send again), but never damaged.
    assert all(octets.endswith(b"\n\nx\n") for octets in delivered)
    assert len({queue_ids(octets)[0] for octets in delivered}) == len(delivered)
    assert mta.mta.recovery.damaged == 0
    assert await mta.send("alice@a.example", ["alice@a.example"], b"Subject: again\r\n\r\nx\r\n") == [
        250,
        250,
        354,
        250,
    ]


async def test_large_content_that_cannot_be_synced(world):
    """Its own file fails: that is the same disk."""
    mta = await world.mta("a.example")
    mta.disk.fail_at(1, errno.EIO, only=SYNCS)
    replies = await mta.send("alice@a.example", ["alice@a.example"], b"Subject: large\r\n\r\n" + b"x" * 70 * 10_000)
    assert replies == [250, 250, 354, 550]  # one line of 700,000 octets: refused before the disk is asked
    replies = await mta.send("alice@a.example", ["alice@a.example"], b"Subject: large\r\n\r\n" + b"y" * 70 + b"\r\n")
    assert replies == [250, 250, 354, 451]
    await asyncio.wait_for(mta.mta.wait_failed(), 10)
    await mta.close()
    mta.disk.heal()
    await mta.open()
    mta.disk.fail_at(1, errno.EIO, only=SYNCS)
    lines = (b"z" * 70 + b"\r\n") * 10_000
    replies = await mta.send("alice@a.example", ["alice@a.example"], b"Subject: large\r\n\r\n" + lines)
    assert replies == [250, 250, 354, 451]
    await asyncio.wait_for(mta.mta.wait_failed(), 10)
    assert mta.mta.queue() == []


async def test_outcomes_that_cannot_be_recorded_are_attempted_again(world):
    """The next hop has taken it, and the record of that is lost: a duplicate, never a loss."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("DOT", lambda _: mta.disk.fail_at(1, errno.EIO, only=SYNCS) or "250 2.0.0 Taken")
    await mta.mta.submit("alice@a.example", ["bob@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.soon(lambda: mta.events("delivered"))
    await world.advance(1)
    await asyncio.wait_for(mta.mta.wait_failed(), 10)
    await mta.cut_power()
    mta.disk.heal()
    await mta.open()
    await world.run()
    assert len(sink.messages) == 2
    assert sink.messages[0].content == sink.messages[1].content
    assert mta.mta.queue() == []
