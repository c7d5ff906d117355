"""A next hop that could not be reached is back: whoever found that out goes with the others, not hours after them."""

from __future__ import annotations

import pytest

from tests.incidents.incidentkit import HOUR, MINUTE

ALWAYS = 10_000


async def submit(mta, *recipients):
    return await mta.mta.submit("", recipients, b"Subject: hello\r\n\r\nx\r\n")


async def tried_for(world, mta, domain, hours):
    """A message to this domain in each hour, so that several of them have found out that it is dead."""
    for _ in range(hours):
        await submit(mta, f"bob@{domain}")
        await world.run(limit=HOUR)


def waiting(mta):
    return [row.recipients[0].next_due for row in mta.mta.queue()]


async def test_all_go_as_soon_as_it_takes_one(world):
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    await sink.stop()
    await tried_for(world, mta, "b.example", 15)
    assert max(waiting(mta)) > world.clock.now() + HOUR, "left alone, some of them would wait"
    await sink.start()
    await world.run(until=lambda: sink.messages)
    before = world.clock.now()
    await world.run(limit=5 * MINUTE)
    assert mta.mta.queue() == []
    assert len(sink.messages) == 15
    assert len({message.content for message in sink.messages}) == 15, "each once"
    assert world.clock.now() - before < MINUTE


async def test_also_those_that_a_start_finds(world):
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    await sink.stop()
    await submit(mta, "bob@b.example")
    await submit(mta, "bob@b.example", "carol@b.example")
    await world.idle()
    await mta.kill()
    await sink.start()
    await mta.open()
    await submit(mta, "dave@b.example")
    await world.run(limit=MINUTE)
    assert mta.mta.queue() == []
    assert len(sink.messages) == 3


async def test_also_those_of_another_domain_that_shares_the_host(world):
    mta, sink = await world.mta("a.example"), await world.sink("b.example", "c.example")
    await sink.stop()
    await submit(mta, "bob@b.example")
    await world.idle()
    (due,) = waiting(mta)
    await sink.start()
    await world.advance(2 * MINUTE)
    await submit(mta, "carol@c.example")
    await world.run(limit=MINUTE)
    assert world.clock.now() < due
    assert mta.mta.queue() == []
    assert len(sink.messages) == 2


async def test_who_was_refused_himself_waits_as_long_as_ever(world):
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("RCPT", lambda line: "450 4.2.1 Later" if b"bob" in line.encode() else None, times=ALWAYS)
    await submit(mta, "bob@b.example")
    await world.idle()
    before = waiting(mta)
    await submit(mta, "carol@b.example")
    await world.run(limit=MINUTE)
    assert len(sink.messages) == 1
    assert waiting(mta) == before


async def test_only_the_recipients_that_go_there(world):
    """A message to two domains of which one is dead and the other one says "later"."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    other = await world.sink("c.example")
    other.script("RCPT", "450 4.2.1 Later", times=ALWAYS)
    await sink.stop()
    await submit(mta, "bob@b.example", "carol@c.example")
    await world.idle()
    await sink.start()
    await world.advance(2 * MINUTE)
    await submit(mta, "dave@b.example")
    await world.run(limit=MINUTE)
    assert len(sink.messages) == 2
    asked = [event for event in mta.events("deferred") if event["recipient"] == "carol@c.example"]
    assert len(asked) == 1


async def test_no_faster_than_the_site_takes_them(world):
    """Sessions are counted by the site's window, which one success after the other opens."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    await sink.stop()
    await tried_for(world, mta, "b.example", 12)
    seen = sink.sessions_seen
    await sink.start()
    await world.run(until=lambda: len(sink.messages) == 12, limit=HOUR)
    assert mta.mta.queue() == []
    assert sink.sessions_seen - seen <= 3


async def test_who_was_told_to_come_later_waits_although_the_second_exchanger_is_dead(world):
    """421 sends him on to that one; what he was told counts all the same."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    world.resolver.set("dead.b.example", {"A": [world.address()]})
    world.resolver.set("b.example", {"MX": [(10, "mx.b.example"), (20, "dead.b.example")]})
    sink.script("MAIL", lambda line: "421 4.7.0 Not from you" if b"early" in line.encode() else None, times=ALWAYS)
    await mta.mta.submit("early@a.example", ["bob@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.idle()
    (due,) = waiting(mta)
    (line,) = mta.events("deferred")
    assert line["reply"].startswith("421 4.7.0 Not from you")
    for _ in range(3):
        await world.advance((due - world.clock.now()) / 4)
        await submit(mta, "carol@b.example")
        await world.idle()
    assert len(sink.messages) == 3
    assert waiting(mta) == [pytest.approx(due, abs=0.001)]  # wall clock and back
