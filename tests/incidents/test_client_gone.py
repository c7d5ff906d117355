"""The client goes away: before the dot there is nothing, behind it the message is ours, whoever still listens."""

from __future__ import annotations

import pytest

CONTENT = b"Subject: hello\r\n\r\nHow are you?\r\n"


async def at_data(mta):
    client = await mta.greet()
    for line in ("MAIL FROM:<bob@b.example>", "RCPT TO:<alice@a.example>", "DATA"):
        assert (await client.command(line)).code in (250, 354)
    return client


async def leave(client, how):
    if how == "reset":
        client.abort()
    elif how == "half-closed":
        await client.send_eof()
    else:
        await client.close()


def sessions(mta):
    """How many the listener still has."""
    return sum(len(listener.sessions.live) for listener in mta.mta._listeners)


@pytest.mark.parametrize("how", ["closed", "reset", "half-closed"])
async def test_before_the_dot(world, how):
    mta = await world.mta("a.example")
    client = await at_data(mta)
    await client.send(CONTENT + b".\r")
    await leave(client, how)
    await world.soon(lambda: sessions(mta) == 0)
    await world.run()
    assert mta.mailbox("alice") == []
    assert mta.mta.queue() == []
    assert mta.events("accepted") == []


@pytest.mark.parametrize("how", ["closed", "half-closed"])
async def test_after_the_dot(world, how):
    mta = await world.mta("a.example")
    client = await at_data(mta)
    await client.send(CONTENT + b".\r\n")
    await leave(client, how)
    await world.soon(lambda: mta.mailbox("alice"))
    await world.soon(lambda: sessions(mta) == 0)
    await world.run()
    assert len(mta.mailbox("alice")) == 1
    if how == "half-closed":
        assert (await client.reply()).code == 250  # it may still wait for the answer
        assert await client.read_reply() == b""


@pytest.mark.parametrize("moment", range(0, 12, 2))
async def test_reset_around_the_dot(world, moment):
    """At each turn of the loop behind the dot: it is there once and whole, or it is not there."""
    mta = await world.mta("a.example")
    client = await at_data(mta)
    await client.send(CONTENT + b".\r\n")
    await world.clock.settle(moment)
    client.abort()
    await world.soon(lambda: sessions(mta) == 0)
    await world.run()
    accepted = mta.events("accepted")
    assert len(accepted) <= 1
    assert [octets[-14:] for octets in mta.mailbox("alice")] == [b"\nHow are you?\n"] * len(accepted)


async def test_in_the_middle_of_large_content(world):
    """Its file goes with it."""
    mta = await world.mta("a.example")
    client = await at_data(mta)
    line = b"x" * 70 + b"\r\n"
    await client.send(line * 20_000)
    await world.soon(lambda: [path for path in mta.disk.tree() if path.startswith("spool/content/")])
    client.abort()
    await world.soon(lambda: not [path for path in mta.disk.tree() if path.startswith("spool/content/")])
    await world.soon(lambda: sessions(mta) == 0)
    assert mta.mta.queue() == []


async def test_after_the_dot_of_large_content(world):
    mta = await world.mta("a.example")
    client = await at_data(mta)
    line = b"x" * 70 + b"\r\n"
    await client.send(line * 20_000 + b".\r\n")
    await client.close()
    await world.soon(lambda: mta.mailbox("alice"))
    assert mta.mailbox("alice")[0].endswith(b"\n" + (b"x" * 70 + b"\n") * 20_000)


async def test_while_a_mailbox_is_looked_up(world):
    mta = await world.mta("a.example", local={"mailboxes": "existing"})
    client = await mta.greet()
    await client.send(b"MAIL FROM:<bob@b.example>\r\nRCPT TO:<alice@a.example>\r\nDATA\r\n")
    client.abort()
    await world.soon(lambda: sessions(mta) == 0)
    assert await mta.send("bob@b.example", ["nobody@a.example"], CONTENT) == [250, 550]


async def test_a_client_that_falls_silent(world):
    mta = await world.mta("a.example")
    client = await at_data(mta)
    await client.send(CONTENT)
    await world.advance(301)
    reply = await client.reply()
    assert (reply.code, str(reply.enhanced)) == (421, "4.4.2")
    assert await client.read_reply() == b""
    assert mta.mta.queue() == []
