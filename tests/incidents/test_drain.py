"""A stop in full work: those between transactions hear 421, those within finish, and nothing that was taken is lost."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import pytest

from asyncmta.operations import NotRunning, SubmitRefused
from asyncmta.testing.smtp_sink import SILENCE

SHUTTING_DOWN = (421, "4.3.2")
LARGE = b"Subject: hello\r\n\r\n" + b"x\r\n" * 20_000  # too much to go out with MAIL in one write


def brief(reply):
    return reply.code, str(reply.enhanced)


async def until_it_stops(world, mta, grace=30.0):
    """Begin the stop and let it go as far as it goes by itself."""
    stop = asyncio.ensure_future(mta.mta.drain(grace))
    mta.is_open = False
    await world.clock.settle()
    return stop


async def end(world, stop):
    await world.clock.run_until(stop.done)
    await stop


async def test_sessions_between_transactions_hear_421(world):
    mta = await world.mta("a.example")
    clients = [await mta.greet() for _ in range(3)]
    await clients[1].send_message("x@y.example", ["alice@a.example"], b"Subject: hello\r\n\r\nx\r\n")
    stop = await until_it_stops(world, mta)
    for client in clients:
        assert brief(await client.reply()) == SHUTTING_DOWN
        assert await client.read_reply() == b""
    await end(world, stop)
    with pytest.raises(ConnectionRefusedError):
        await mta.client().connect()


async def test_an_open_transaction_comes_to_its_end(world):
    mta = await world.mta("a.example")
    client = await mta.greet()
    for line in ("MAIL FROM:<x@y.example>", "RCPT TO:<alice@a.example>", "DATA"):
        await client.command(line)
    stop = await until_it_stops(world, mta)
    assert not stop.done()
    await client.send(b"Subject: hello\r\n\r\nx\r\n.\r\n")
    assert (await client.reply()).code == 250
    assert brief(await client.reply()) == SHUTTING_DOWN
    await end(world, stop)
    await mta.open()
    await world.idle()
    assert len(mta.mailbox("alice")) == 1


async def test_a_transaction_that_takes_too_long_is_cut_off(world):
    mta = await world.mta("a.example")
    client = await mta.greet()
    for line in ("MAIL FROM:<x@y.example>", "RCPT TO:<alice@a.example>", "DATA"):
        await client.command(line)
    await client.send(b"Subject: hello\r\n\r\nx\r\n")
    before = world.clock.monotonic()
    await mta.close(grace=30.0)
    assert 30 <= world.clock.monotonic() - before < 40
    assert brief(await client.reply()) == SHUTTING_DOWN
    assert await client.read_reply() == b""
    await mta.open()
    assert mta.mta.queue() == []
    assert mta.mailbox("alice") == []


async def test_attempts_in_hand_get_their_time(world):
    """The next hop answers while we wait: that is recorded, and nothing new is begun."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    answered = []
    sink.script("DOT", lambda _: b"", times=1)  # an answer that is still to come
    await mta.mta.submit("", ["bob@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.soon(lambda: any(line.startswith(("DATA", "BDAT")) for _, line in sink.commands))
    await world.clock.settle()
    stop = await until_it_stops(world, mta)
    assert not stop.done()
    for session in tuple(sink._open):
        session.say("250 2.0.0 Taken")
        answered.append(session)
    await end(world, stop)
    assert len(answered) == 1
    assert len(mta.events("delivered")) == 1
    await mta.open()
    assert mta.mta.queue() == []


async def test_attempts_without_an_answer_are_cut_off(world):
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("DOT", SILENCE, times=1)
    queue_id = await mta.mta.submit("", ["bob@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.soon(lambda: any(line.startswith(("DATA", "BDAT")) for _, line in sink.commands))
    await mta.close(grace=30.0)
    await mta.open()
    assert [row.queue_id for row in mta.mta.queue()] == [queue_id]
    await world.run()
    assert len(sink.messages) == 1


async def test_a_stop_in_the_middle_of_a_burst_loses_nothing(world):
    """Clients that send all the time: what they heard 250 for is there after the restart, once."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    taken = []

    async def client(number):
        try:
            async with mta.client() as client:
                await client.hello()
                for count in range(100):
                    subject = b"Subject: %d-%d" % (number, count)
                    replies = await client.send_message("x@y.example", ["bob@b.example"], subject + b"\r\n\r\nx\r\n")
                    if replies[-1].code != 250:
                        assert brief(replies[-1]) == SHUTTING_DOWN
                        return
                    taken.append(subject)
        except ConnectionError:
            return

    clients = [asyncio.ensure_future(client(number)) for number in range(10)]
    await world.soon(lambda: len(taken) > 30)
    await mta.close(grace=30.0)
    await asyncio.gather(*clients)
    assert len(taken) < 1000
    await mta.open()
    await world.run()
    got = [line for message in sink.messages for line in message.content.splitlines() if line.startswith(b"Subject")]
    assert sorted(got) == sorted(taken)


async def test_twice_and_without_grace(world):
    mta = await world.mta("a.example")
    await mta.mta.submit("", ["alice@a.example"], b"Subject: hello\r\n\r\nx\r\n")
    await mta.mta.drain(0.0)
    await mta.mta.drain(0.0)
    assert mta.mta.not_ready() == ["draining"]
    mta.is_open = False
    await mta.open()
    await world.run()
    assert len(mta.mailbox("alice")) == 1


@pytest.mark.parametrize("turns", range(6))
async def test_a_client_that_comes_at_that_moment(world, turns):
    """Accepted by the system, or by the loop, when the stop begins: it is not left with a server that has gone."""
    mta = await world.mta("a.example")
    loop = asyncio.get_running_loop()
    with socket.create_connection((mta.address, world.port)) as client:
        client.setblocking(False)
        for _ in range(turns):
            await asyncio.sleep(0)
        await mta.close(grace=0.0)
        async with asyncio.timeout(5):
            with suppress(ConnectionResetError):
                while await loop.sock_recv(client, 1000):
                    pass
    assert sum(len(listener.sessions.live) for listener in mta.mta._listeners) == 0


@pytest.mark.parametrize("turns", range(0, 40, 2))
async def test_a_large_message_from_the_api_at_that_moment(world, turns):
    """It is taken, or refused in the words of the API; and it is there exactly if it was taken."""
    mta = await world.mta("a.example", route=[{"recipient": "*@a.example", "via": "hold"}])
    content = b"Subject: large\r\n\r\n" + (b"x" * 70 + b"\r\n") * 5_000
    submit = asyncio.ensure_future(mta.mta.submit("", ["alice@a.example"], content))
    for _ in range(turns):
        await asyncio.sleep(0)
    await mta.close(grace=0.0)
    try:
        taken = [await asyncio.wait_for(submit, 2)]
    except (SubmitRefused, NotRunning):
        taken = []
    await mta.open()
    assert [row.queue_id for row in mta.mta.queue()] == taken


async def test_attempts_that_hang_before_the_content_are_let_go_early(world):
    """Who has not even answered MAIL has nothing of ours: a stop does not wait for him as it does for an answer to
    content; the message is tried again after the next start."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("MAIL", SILENCE, times=1)
    queue_id = await mta.mta.submit("", ["bob@b.example"], LARGE)
    await world.soon(lambda: any(line.startswith("MAIL") for _, line in sink.commands))
    before = world.clock.monotonic()
    await mta.close(grace=30.0)
    assert world.clock.monotonic() - before < 10
    await mta.open()
    assert [row.queue_id for row in mta.mta.queue()] == [queue_id]
    await world.run()
    assert len(sink.messages) == 1


async def test_a_host_that_hangs_in_its_greeting_is_let_go_early(world):
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("GREETING", SILENCE, times=1)
    queue_id = await mta.mta.submit("", ["bob@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.clock.settle()
    before = world.clock.monotonic()
    await mta.close(grace=30.0)
    assert world.clock.monotonic() - before < 10
    await mta.open()
    assert [row.queue_id for row in mta.mta.queue()] == [queue_id]


async def test_sessions_and_attempts_have_one_deadline(world):
    """A client that dawdles in its content uses up the time of a next hop that does not answer."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("DOT", SILENCE, times=1)
    client = await mta.greet()
    for line in ("MAIL FROM:<x@y.example>", "RCPT TO:<alice@a.example>", "DATA"):
        await client.command(line)
    await mta.mta.submit("", ["bob@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.soon(lambda: any(line.startswith(("DATA", "BDAT")) for _, line in sink.commands))
    before = world.clock.monotonic()
    await mta.close(grace=30.0)
    assert 30 <= world.clock.monotonic() - before < 40
