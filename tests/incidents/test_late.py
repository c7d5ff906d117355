"""A destination that is dead for days: everybody is warned once, also whoever waits parked and is not tried himself."""

from __future__ import annotations

from tests.incidents.incidentkit import DAY, HOUR


async def test_all_who_wait_for_a_dead_host_are_warned_once(world):
    mta = await world.mta("a.example", queue={"delay_warning": "4h"})
    world.name("mx.dead.example", world.address(), "dead.example")
    for number in range(40):
        await mta.mta.submit("alice@a.example", [f"u{number}@dead.example"], b"Subject: hello\r\n\r\nx\r\n")
    began = world.clock.now()
    await world.run(limit=3 * HOUR)
    assert mta.mailbox("alice") == []
    await world.run(limit=began + 10 * HOUR - world.clock.now())
    warned = [line["queue_id"] for line in mta.events("delay_reported")]
    assert len(warned) == len(set(warned)) == 40
    await mta.reopen()
    await world.run(limit=DAY)
    assert len(mta.events("delay_reported")) == 40
