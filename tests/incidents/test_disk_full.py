"""No room on the disk: new mail waits with its sender, what is queued goes out, and then there is room again."""

from __future__ import annotations

import asyncio

import pytest

from asyncmta.operations import SubmitRefused
from asyncmta.system.disk import NO_LIMIT

PLENTY = 1 << 40
LITTLE = 100 << 20  # below queue.min_free_space


async def until_answered(world, client, code):
    """MAIL until it is answered so: free space is measured now and then."""
    for _ in range(50):
        reply = await client.command("MAIL FROM:<x@y.example>")
        await client.command("RSET")
        if reply.code == code:
            return reply
        await world.advance(1)
        await asyncio.sleep(0.001)  # for the thread that measures
    raise AssertionError(f"still {reply}")


@pytest.mark.parametrize("free", [(LITTLE, NO_LIMIT), (0, NO_LIMIT), (PLENTY, 10)], ids=["low", "none", "inodes"])
async def test_refused_at_mail_and_deliveries_go_on(world, free):
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("RCPT", "450 4.2.1 Later", times=3)
    for number in range(3):
        await mta.mta.submit("alice@a.example", ["bob@b.example"], b"Subject: %d\r\n\r\nx\r\n" % number)
    await world.idle()
    client = await mta.greet()
    mta.disk.free = free
    reply = await until_answered(world, client, 452)
    assert str(reply) == "452 4.3.1 Not enough storage; try again later"
    assert mta.mta.not_ready() == [str(reply)]
    assert mta.mta.alive() == []
    with pytest.raises(SubmitRefused) as refused:
        await mta.mta.submit("alice@a.example", ["bob@b.example"], b"Subject: no\r\n\r\nx\r\n")
    assert refused.value.reply == reply
    due = max(recipient.next_due for row in mta.mta.queue() for recipient in row.recipients)
    await world.advance(due - world.clock.now() + 1)
    await sink.wait_for(3)
    mta.disk.free = (PLENTY, NO_LIMIT)
    client = await mta.greet()
    await until_answered(world, client, 250)
    replies = await client.send_message("x@y.example", ["alice@a.example"], b"Subject: room again\r\n\r\nx\r\n")
    assert [reply.code for reply in replies] == [250, 250, 354, 250]
    await world.run()
    assert len(mta.mailbox("alice")) == 1
    assert mta.mta.queue() == []


async def test_declared_size_that_does_not_fit(world):
    mta = await world.mta("a.example")
    client = await mta.greet()
    mta.disk.free = (201 << 20, NO_LIMIT)
    await world.advance(2)
    assert (await client.command("MAIL FROM:<x@y.example> SIZE=1000")).code == 250
    await client.command("RSET")
    await asyncio.sleep(0.01)
    reply = await client.command("MAIL FROM:<x@y.example> SIZE=5000000")
    assert (reply.code, str(reply.enhanced)) == (452, "4.3.1")


async def test_full_in_the_middle_of_a_write(world):
    """The measure said that there was room, and there is none: nothing of the message counts, and the queue stands."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("RCPT", "450 4.2.1 Later", times=1)
    await mta.mta.submit("alice@a.example", ["bob@b.example"], b"Subject: first\r\n\r\nx\r\n")
    await world.idle()
    mta.disk.free = (0, NO_LIMIT)
    replies = await mta.send("alice@a.example", ["alice@a.example"], b"Subject: second\r\n\r\nx\r\n")
    assert replies == [250, 250, 354, 452]
    assert mta.mta.alive() == []
    assert mta.pending() == ["bob@b.example"]
    mta.disk.free = (PLENTY, NO_LIMIT)
    await until_answered(world, await mta.greet(), 250)
    replies = await mta.send("alice@a.example", ["alice@a.example"], b"Subject: third\r\n\r\nx\r\n")
    assert replies == [250, 250, 354, 250]
    await world.run()
    [octets] = mta.mailbox("alice")
    assert b"Subject: third" in octets
    assert len(sink.messages) == 1
    await mta.cut_power()
    await mta.open()
    assert mta.mta.queue() == []
    assert mta.mta.recovery.damaged == 0


async def test_full_in_the_middle_of_large_content(world):
    mta = await world.mta("a.example")
    mta.disk.free = (0, NO_LIMIT)
    content = b"Subject: large\r\n\r\n" + (b"z" * 70 + b"\r\n") * 10_000
    assert await mta.send("alice@a.example", ["alice@a.example"], content) == [250, 250, 354, 452]
    assert mta.mta.alive() == []
    assert mta.mta.queue() == []
    await world.soon(lambda: not [path for path in mta.disk.tree() if path.startswith("spool/content/")])


async def test_a_mailbox_without_room_waits(world):
    """Local delivery finds no room: deferred, never failed, and the content is not lost. The spool is on another disk
    as it were: what it writes are octets, while the mailbox is out of inodes."""
    mta = await world.mta("a.example", queue={"min_free_space": "0MiB"})
    await mta.mta.submit("bob@a.example", ["alice@a.example"], b"Subject: makes the mailbox\r\n\r\nx\r\n")
    await world.idle()
    mta.disk.free = (PLENTY, 0)
    replies = await mta.send("bob@a.example", ["alice@a.example"], b"Subject: second\r\n\r\nx\r\n")
    assert replies == [250, 250, 354, 250]
    await world.idle()
    [row] = mta.mta.queue()
    assert row.recipients[0].last_reply.startswith("452 4.3.1")
    mta.disk.free = (PLENTY, NO_LIMIT)
    await world.run()
    assert [b"Subject: second" in octets for octets in mta.mailbox("alice")] == [False, True]
    assert mta.mailbox("bob") == []
