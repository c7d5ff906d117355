"""A site that an operator wants tried now: what waits for it is, and nothing else."""

from __future__ import annotations

import pytest

FOREVER = 10_000


@pytest.fixture
async def sinks(world):
    return [await world.sink(name) for name in ("b.example", "c.example")]


@pytest.fixture
async def house(world, sinks):
    return await world.mta("a.example", remote={"sessions_per_site": 1})


def key_of(house, host):
    return next(site.key for site in house.mta.sites() if host in site.hosts)


async def test_what_was_tried_there_is_tried_again_and_nothing_else(world, house, sinks, queued):
    for sink in sinks:
        sink.script("RCPT", "450 4.2.1 Later", times=FOREVER)
    await queued("bob@b.example")
    await queued("carol@c.example")
    house.mta.rooms.remote._known.clear()  # as after half a minute
    for sink in sinks:
        sink._script.clear()
    assert await house.mta.retry_site(key_of(house, "mx.b.example")) == 1
    await world.soon(lambda: sinks[0].messages)
    await world.idle()
    assert (len(sinks[0].messages), len(sinks[1].messages)) == (1, 0)


async def test_also_what_was_never_tried_since_the_site_is_suspended(world, house, sinks, queued):
    sinks[0].script("GREETING", "421 4.3.2 Not now", times=FOREVER)
    await queued("first@b.example")
    second = await queued("second@b.example")
    assert (await house.mta.why(second)).recipients[0].decided_by == "suspended"
    house.mta.rooms.remote._known.clear()
    sinks[0]._script.clear()
    key = key_of(house, "mx.b.example")
    assert await house.mta.retry_site(key) == 2
    await world.soon(lambda: len(sinks[0].messages) == 2)
    assert all(site.suspended_until is None for site in house.mta.sites() if site.key == key)


async def test_what_leads_there_just_now(world, house, sinks, queued):
    sinks[0].script("RCPT", "450 4.2.1 Later")
    await queued("bob@b.example")
    (site,) = [each for each in house.mta.sites() if "mx.b.example" in each.hosts]
    assert site.destinations == ("mx:b.example",)
    assert site.limit == 1


async def test_a_site_that_nobody_knows(house):
    assert await house.mta.retry_site("mx:nowhere.example") is None
