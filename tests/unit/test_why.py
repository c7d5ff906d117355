"""The story of a message in a running Mta: what has happened, what is next, and what decides."""

from __future__ import annotations

import asyncio

import pytest

from asyncmta.testing.smtp_sink import SILENCE
from tests.incidents.incidentkit import DAY, MINUTE

FOREVER = 10_000
CONTENT = b"Subject: hello\r\n\r\nx\r\n"


@pytest.fixture
async def sink(world):
    return await world.sink("b.example")


@pytest.fixture
async def house(world, sink):
    route = [{"recipient": "*@held.example", "via": "hold"}]
    return await world.mta("a.example", route=route, remote={"sessions_per_site": 1})


async def only(house, queue_id):
    """The story of a message with one recipient, and of that."""
    story = await house.mta.why(queue_id)
    (person,) = story.recipients
    return story, person


async def test_the_schedule_decides_and_the_last_reply_is_told(world, house, sink, queued):
    sink.script("RCPT", "450 4.2.1 Later", times=FOREVER)
    queue_id = await queued("bob@b.example")
    story, person = await only(house, queue_id)
    assert (person.decided_by, person.state, story.attempts) == ("schedule", "deferred", 1)
    assert (person.last.outcome, person.last.cause, person.last.at) == ("deferred", "refused", world.clock.now())
    assert "450 4.2.1 Later" in person.last.reply
    assert person.last.host == "mx.b.example"
    assert person.rule == "no route matches; b.example is not local"
    assert (person.next_due, story.ends_at) == (pytest.approx(house.mta.next_due()), story.accepted_at + 5 * DAY)


async def test_at_last_its_lifetime_decides(world, house, sink, queued):
    sink.script("RCPT", "450 4.2.1 Later", times=FOREVER)
    queue_id = await queued("bob@b.example")
    story, _ = await only(house, queue_id)
    seen = []

    def last_try():
        row = house.mta.message(queue_id)
        seen.append(row.recipients[0].next_due)
        return seen[-1] >= story.ends_at - 1

    await world.run(until=last_try)
    assert (await only(house, queue_id))[1].decided_by == "lifetime"


async def test_who_is_held_by_a_route_and_who_by_an_operator(world, house, sink, queued):
    sink.script("RCPT", "450 4.2.1 Later", times=FOREVER)
    by_route = await queued("you@held.example")
    _, person = await only(house, by_route)
    assert (person.decided_by, person.state, person.next_due) == ("route", "held", None)
    assert "*@held.example" in person.why
    by_operator = await queued("bob@b.example")
    await house.mta.hold([by_operator])
    story, person = await only(house, by_operator)
    assert (person.decided_by, story.state) == ("hold", "held")
    assert person.last.outcome == "deferred"  # what has happened before is told still


async def test_a_site_that_is_suspended_decides_for_all_that_goes_there(world, house, sink, queued):
    sink.script("GREETING", "421 4.3.2 Not now", times=FOREVER)
    await queued("first@b.example")
    second = await queued("second@b.example")
    _, person = await only(house, second)
    assert (person.decided_by, person.state) == ("suspended", "deferred")
    assert "421 4.3.2 Not now" in person.why
    (site,) = [each for each in house.mta.sites() if each.suspended_until is not None]
    assert person.next_due == pytest.approx(site.suspended_until, abs=1)
    sink._script.clear()
    await house.mta.retry()
    await world.run(until=lambda: len(sink.messages) == 2, limit=30 * MINUTE)
    assert await house.mta.why(second) is None


async def test_a_suspension_decides_also_when_the_way_to_the_site_is_forgotten(world, house, sink, queued):
    sink.script("GREETING", "421 4.3.2 Not now", times=FOREVER)
    await queued("first@b.example")
    second = await queued("second@b.example")
    house.mta.rooms.remote._known.clear()
    assert (await only(house, second))[1].decided_by == "suspended"


async def test_sessions_that_are_all_busy(world, house, sink):
    sink.script("MAIL", SILENCE, times=FOREVER)
    ids = [await house.mta.submit("alice@a.example", [f"r{number}@b.example"], CONTENT) for number in range(3)]

    async def decided():
        return [(await only(house, queue_id))[1].decided_by for queue_id in ids]

    await world.soon(lambda: [site.sessions for site in house.mta.sites()] == [1])
    assert await decided() == ["window"] * 3
    assert {row.state for row in house.mta.queue()} == {"active"}


async def test_some_are_done_and_some_are_not(world, house, sink, queued):
    sink.script("RCPT", "450 4.2.1 Later", contains="later", times=FOREVER)
    sink.script("RCPT", "550 5.1.1 Nobody", contains="nobody", times=FOREVER)
    recipients = ["good@b.example", "later@b.example", "nobody@b.example", "alice@a.example", "you@held.example"]
    queue_id = await queued(*recipients)
    story = await house.mta.why(queue_id)
    said = {person.address: (person.state, person.decided_by) for person in story.recipients}
    assert said == {
        "good@b.example": ("delivered", None),
        "later@b.example": ("deferred", "schedule"),
        "nobody@b.example": ("reported", None),
        "alice@a.example": ("delivered", None),
        "you@held.example": ("held", "route"),
    }


async def test_a_message_that_is_parked_has_the_same_story(world, house, sink, queued):
    sink.script("RCPT", "450 4.2.1 Later", times=FOREVER)
    queue_id = await queued("bob@b.example")
    before = await house.mta.why(queue_id)
    await world.advance(10)
    await house.reopen()
    await house.mta.rooms.scheduler.loaded()
    after = await house.mta.why(queue_id)
    assert after.recipients[0].last == before.recipients[0].last
    assert after.recipients[0].decided_by == "schedule"


async def test_of_a_message_that_is_damaged_its_reason(world, house):
    from asyncmta.scheduling.snapshot import QueueRow

    row = QueueRow("0" * 16, "damaged", None, 0, 0.0, 0, (), 0, "its checksum is wrong")
    house.mta.message = lambda _: row
    story = await house.mta.why("0" * 16)
    assert (story.state, story.reason, story.recipients) == ("damaged", "its checksum is wrong", [])
    assert story.ends_at is None


async def test_the_loop_goes_on_while_a_queue_that_is_all_at_hand_is_looked_through(world, house):
    """What is held is not parked, so that nothing of it is waited for."""
    for number in range(1_000):
        await house.mta.submit("alice@a.example", [f"r{number}@held.example"], CONTENT)
    turns = 0

    async def turn():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    turning = asyncio.create_task(turn())
    assert len([row async for row in house.mta.newest()]) == 1_000
    assert turns >= 5
    turns = 0
    assert await house.mta.hold(domain="held.example") == 1_000
    assert turns >= 2
    turning.cancel()


async def test_nothing_is_known_of_what_is_not_queued(house):
    assert await house.mta.why("0" * 16) is None
    with pytest.raises(ValueError, match="queue id"):
        await house.mta.why("nonsense")
