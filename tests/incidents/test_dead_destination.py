"""A destination that is dead, and has thousands of messages: nobody else waits for it. Rows P-60, D-62, Q-16."""

from __future__ import annotations

import asyncio

import pytest

from asyncmta.testing.smtp_sink import SILENCE
from tests.incidents.incidentkit import MINUTE

MANY = 2_000


async def fill(mta, count, domain="dead.example"):
    """This many messages to one domain."""
    jobs = [
        mta.mta.submit("", [f"x{number}@{domain}"], b"Subject: to the dead\r\n\r\nx\r\n") for number in range(count)
    ]
    await asyncio.gather(*jobs)


@pytest.mark.parametrize("death", ["silent", "refuses connections", "no DNS"])
async def test_it_does_not_delay_another(world, death):
    mta = await world.mta("a.example")
    alive, dead = await world.sink("b.example"), await world.sink("dead.example")
    match death:
        case "silent":
            dead.script("GREETING", SILENCE, times=10_000)
        case "refuses connections":
            await dead.stop()
        case _:
            world.resolver.set("dead.example", "server failure")
    await fill(mta, MANY)
    before = world.clock.now()
    await mta.mta.submit("", ["bob@b.example", "alice@a.example"], b"Subject: to the living\r\n\r\nx\r\n")
    await alive.wait_for(1)
    await world.soon(lambda: mta.mailbox("alice"))
    assert world.clock.now() == before
    assert len(mta.mta.queue()) >= MANY
    await world.advance(5 * MINUTE)
    await mta.mta.submit("", ["bob@b.example"], b"Subject: and later\r\n\r\nx\r\n")
    await alive.wait_for(2)
    assert dead.sessions_seen <= 20 * 6


async def test_one_session_finds_out_that_it_is_alive_again(world):
    """Hundreds of messages come due at a site that is still dead: they are postponed; it is dialled now and then."""
    many = 500
    mta = await world.mta("a.example")
    dead = await world.sink("dead.example")
    dead.script("GREETING", "421 4.3.2 Not now", times=30)
    await fill(mta, many)
    await world.run(until=lambda: len(dead.messages) == many)
    assert len(dead.messages) == many
    assert len({recipient for message in dead.messages for recipient in message.recipients}) == many
    assert mta.mta.queue() == []
    deferred = mta.events("deferred")
    assert len(deferred) < 3 * many


async def test_a_long_list_lets_a_single_message_pass(world):
    """A share of the room is all that one destination gets, be it of one message or of many."""
    mta = await world.mta("a.example", remote={"sessions_per_site": 1, "recipients_per_transaction": 5})
    slow, other = await world.sink("slow.example"), await world.sink("b.example")
    slow.script("RCPT", lambda _: SILENCE if slow.messages else None, times=100_000)
    members = [f"r{number}@slow.example" for number in range(1000)]
    await mta.mta.submit("", members, b"Subject: to all\r\n\r\nx\r\n")
    await slow.wait_for(1)
    await mta.mta.submit("", ["bob@b.example"], b"Subject: single\r\n\r\nx\r\n")
    await other.wait_for(1)
    assert len(slow.messages) == 1
