"""Ways of six exchangers, rates over pauses, and operators who know better: what the remote engine must not forget, and
what it must not hold against anybody for ever. Rows Q-34, Q-40, D-98.
"""

from __future__ import annotations

from tests.incidents.incidentkit import HOUR

CONTENT = b"Subject: to all\r\n\r\nx\r\n"


async def test_the_last_of_six_exchangers_is_the_only_one_with_an_address(world):
    """Five hosts whose names do not exist are no reason to bounce while nobody has looked at the sixth."""
    sink = await world.sink(host="mx6.example")
    records = [(10 * at, f"mx{at}.example") for at in range(1, 7)]
    world.resolver.set("far.example", {"MX": records})
    house = await world.mta("a.example")
    await house.mta.submit("alice@a.example", ["bob@far.example"], CONTENT)
    await world.run()
    assert house.mailbox("alice") == []
    assert len(sink.messages) == 1


async def test_a_rate_survives_the_pauses_between_messages(world):
    """Twenty an hour are twenty an hour, also when they come one by one with a minute between them."""
    sink = await world.sink("slow.example", host="mx.slow.example")
    await world.sink("other.example", host="mx.other.example")
    house = await world.mta("a.example", site=[{"hosts": ["mx.slow.example"], "limits": ["20/h"]}])
    for _ in range(60):
        await house.mta.submit("alice@a.example", ["bob@slow.example"], CONTENT)
        await house.mta.submit("alice@a.example", ["bob@other.example"], CONTENT)
        for _ in range(70):
            world.clock.advance(1.0)
            await world.clock.settle(5)
        await world.soon(lambda: True)
    hours = 70 * 60 / HOUR
    assert len(sink.messages) <= 20 * hours + 2


async def test_an_operator_who_wants_it_tried_now_gets_it_tried_now(world):
    """Also where domains that overlap have made a site of the host that they share, and that one is suspended."""
    shared = await world.sink(host="mx1.big.example")
    for at in (0, 2):
        dead = world.address()
        world.name(f"mx{at}.big.example", dead)
        world.resolver.set(f"d{at}.example", {"MX": [(10, f"mx{at}.big.example"), (10, "mx1.big.example")]})
    house = await world.mta("a.example")
    shared.script("GREETING", "421 4.3.2 Busy", times=1)
    await house.mta.submit("alice@a.example", ["u@d0.example", "u@d2.example"], CONTENT)
    await world.idle()
    assert len(house.pending()) == 2
    await house.mta.retry()
    await world.idle()
    assert house.pending() == []


async def test_a_suspension_is_over_when_an_operator_says_so_however_long_ago_the_last_attempt_was(world):
    sink = await world.sink("d.example")
    other = await world.sink("other.example")
    house = await world.mta("a.example")
    sink.script("GREETING", "421 4.3.2 Busy", times=3)
    await house.mta.submit("alice@a.example", ["u@d.example"], CONTENT)
    await world.run(until=lambda: len(sink.commands) or sink.sessions_seen == 3)
    await world.advance(70.0)
    await house.mta.submit("alice@a.example", ["u@other.example"], CONTENT)
    await world.idle()
    assert len(other.messages) == 1
    await house.mta.retry()
    await world.idle()
    assert house.pending() == []
