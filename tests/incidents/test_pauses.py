"""What an operator pauses is kept back, and goes on when it is resumed or its time is over; `why` names it."""

from __future__ import annotations

import pytest

from asyncmta.operations import SubmitRefused
from tests.incidents.incidentkit import HOUR

LETTER = b"Subject: hello\r\n\r\nx\r\n"


@pytest.fixture
async def sink(world):
    return await world.sink("b.example")


@pytest.fixture
async def mta(world, sink):
    return await world.mta("a.example", route=[{"recipient": "*@held.example", "via": "hold"}])


async def decided(mta, queue_id):
    (person,) = (await mta.mta.why(queue_id)).recipients
    return person.decided_by, person.why, person.rule


@pytest.mark.parametrize("what", ["domain", "site"])
async def test_a_pause_for_an_hour(world, mta, sink, what):
    await mta.mta.pause(what, "b.example", HOUR)
    queue_id = await mta.mta.submit("", ["bob@b.example"], LETTER)
    await world.advance(HOUR - 1)
    await world.idle()
    assert (sink.messages, [row.state for row in mta.mta.queue()]) == ([], ["held"])
    by, why, rule = await decided(mta, queue_id)
    assert (by, "b.example is paused until" in why, "b.example is paused until" in rule) == ("pause", True, True)
    await world.advance(2)
    await world.soon(lambda: len(sink.messages) == 1)
    assert mta.mta.paused.reasons() == []


async def test_input_and_output_for_an_hour(world, mta, sink):
    await mta.mta.pause("output", "", HOUR)
    queue_id = await mta.mta.submit("", ["bob@b.example"], LETTER)
    await mta.mta.pause("input", "", 2 * HOUR)
    with pytest.raises(SubmitRefused):
        await mta.mta.submit("", ["bob@b.example"], LETTER)
    assert (await decided(mta, queue_id))[:2] == (
        "pause",
        f"{mta.mta.paused.of_output()}: `asyncmta resume`",
    )
    await world.advance(HOUR + 1)
    await world.soon(lambda: len(sink.messages) == 1)
    assert mta.mta.not_ready() != []
    await world.advance(HOUR)
    await world.soon(lambda: not mta.mta.paused.input)
    assert mta.mta.not_ready() == []
    await mta.mta.submit("", ["bob@b.example"], LETTER)
    await world.idle()
    assert len(sink.messages) == 2


async def test_what_was_said_last_counts(world, mta):
    """Longer, for ever, or resumed and paused anew: an end from before ends nothing."""
    await mta.mta.pause("input", "", HOUR)
    await mta.mta.pause("input", "", 3 * HOUR)
    await mta.mta.pause("output", "", HOUR)
    await mta.mta.pause("output")
    await mta.mta.pause("domain", "c.example", HOUR)
    await mta.mta.resume("domain", "c.example")
    await mta.mta.pause("domain", "c.example")
    await world.advance(2 * HOUR)
    await world.clock.settle()
    paused = mta.mta.paused
    assert (paused.input, paused.output, paused.domains) == (True, True, {"c.example"})
    await world.advance(2 * HOUR)
    await world.soon(lambda: not mta.mta.paused.input)
    paused = mta.mta.paused
    assert (paused.input, paused.output, paused.domains) == (False, True, {"c.example"})


async def test_an_end_of_a_pause_does_not_open_the_door_during_a_hand_over(world, mta, sink):
    await mta.mta.pause("input", "", HOUR)
    await mta.mta.hand_over("{}:{}".format(*sink.address), "none")
    await world.advance(2 * HOUR)
    await world.clock.settle()
    assert mta.mta.paused.input


async def test_a_route_that_holds_is_named_before_a_pause_of_output(world, mta):
    await mta.mta.pause("output")
    queue_id = await mta.mta.submit("", ["h@held.example"], LETTER)
    assert (await decided(mta, queue_id))[0] == "route"


async def test_a_hold_of_the_message_is_named_before_a_pause(world, mta):
    await mta.mta.pause("domain", "b.example")
    queue_id = await mta.mta.submit("", ["bob@b.example"], LETTER)
    await mta.mta.hold([queue_id])
    assert (await decided(mta, queue_id))[0] == "hold"


async def test_a_hand_over_is_named_as_the_rule(world, mta, sink):
    relay = await world.sink("relay.example")
    relay.script("RCPT", "450 4.2.0 Later", times=10)
    queue_id = await mta.mta.submit("", ["h@held.example"], LETTER)
    to = "{}:{}".format(*relay.address)
    await mta.mta.hand_over(to, "none")
    await world.idle()
    by, _, rule = await decided(mta, queue_id)
    assert (by, rule) == ("schedule", f"the queue is handed over to {to}")


async def test_an_mta_that_stops_waits_for_no_pause(world, mta):
    await mta.mta.pause("output", "", HOUR)
    before = world.clock.monotonic()
    await mta.close()
    assert world.clock.monotonic() - before < HOUR
    await mta.open()
    assert mta.mta.paused.reasons() == []  # a restart begins with nothing paused


async def test_the_numbers_tell_of_pauses(world, mta):
    await mta.mta.pause("domain", "b.example")
    await mta.mta.pause("output")
    page, _ = await mta.mta.metrics()
    lines = page.decode().splitlines()
    assert [line for line in lines if line.startswith("asyncmta_paused{")] == [
        'asyncmta_paused{what="input"} 0.0',
        'asyncmta_paused{what="output"} 1.0',
        'asyncmta_paused{what="site"} 0.0',
        'asyncmta_paused{what="domain"} 1.0',
        'asyncmta_paused{what="handed_over"} 0.0',
    ]
