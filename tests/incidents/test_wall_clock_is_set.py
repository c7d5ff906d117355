"""Somebody sets the wall clock, forward or back: mail is neither lost nor sent twice, neither stuck nor in a rush."""

from __future__ import annotations

import pytest

from tests.incidents.incidentkit import DAY, HOUR, MINUTE


@pytest.mark.parametrize("jump", [-30 * DAY, -HOUR, HOUR, 3 * DAY])
@pytest.mark.parametrize("restarts", [False, True])
async def test_it_is_tried_again_as_before(world, jump, restarts):
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("RCPT", "450 4.2.1 Later", times=2)
    await mta.mta.submit("alice@a.example", ["bob@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.idle()
    world.clock.jump(jump)
    if restarts:
        await mta.reopen()
    before = world.clock.monotonic()
    await world.run(limit=DAY)
    assert len(sink.messages) == 1
    assert world.clock.monotonic() - before < (HOUR if jump < 0 else 8 * HOUR)
    assert mta.mailbox("alice") == []
    assert mta.mta.queue() == []


async def test_forward_beyond_its_lifetime_it_has_one_more_try(world):
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("RCPT", "450 4.2.1 Later", times=1)
    await mta.mta.submit("alice@a.example", ["bob@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.idle()
    world.clock.jump(300 * DAY)
    await mta.reopen()
    await world.run()
    assert len(sink.messages) == 1
    assert mta.mailbox("alice") == []


async def test_sessions_do_not_notice(world):
    """Their deadlines are on the other scale."""
    mta = await world.mta("a.example")
    client = await mta.greet()
    for jump in (DAY, -2 * DAY):
        world.clock.jump(jump)
        await world.advance(MINUTE)
        assert (await client.command("NOOP")).code == 250
    replies = await client.send_message("", ["alice@a.example"], b"Subject: hello\r\n\r\nx\r\n")
    assert replies[-1].code == 250
