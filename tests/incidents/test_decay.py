"""Bits of the journal flip under a running MTA: the scrub finds it before the message is sent.

reliability.md O1, J18.
"""

from __future__ import annotations

from tests.incidents.incidentkit import HOUR, MINUTE

CONTENT = b"Subject: %d\r\n\r\n" + b"x" * 500 + b"\r\n"


async def waiting(world, count=3):
    """An MTA with messages that wait, in a segment that is sealed."""
    world.resolver.set("b.example", "server failure")
    mta = await world.mta("a.example")
    ids = [await mta.mta.submit("alice@a.example", ["bob@b.example"], CONTENT % number) for number in range(count)]
    await world.idle()
    await mta.reopen()
    await world.idle()
    return mta, ids


def decay(mta, number):
    for path, octets in mta.disk.tree().items():
        if "/journal/" in path and (at := octets.find(CONTENT % number)) >= 0:
            mta.disk.put(path, octets[: at + 100] + b"?" + octets[at + 101 :])


async def scrubbed(world, mta):
    await world.until(lambda: mta.mta.rooms.store.facts().scrub_rounds, limit=HOUR)


async def test_what_decayed_is_shown_as_damaged_and_never_sent(world):
    mta, ids = await waiting(world)
    decay(mta, 1)
    await scrubbed(world, mta)
    assert {row.queue_id: row.state for row in mta.mta.queue()} == {
        ids[0]: "deferred",
        ids[1]: "damaged",
        ids[2]: "deferred",
    }
    assert mta.mta.message(ids[1]).reason == "the content has decayed on the disk"
    assert [line["queue_id"] for line in mta.events("spool_scrub_found")] == [ids[1]]
    sink = await world.sink("b.example")
    before = len(mta.events("deferred"))
    await mta.mta.retry()
    await world.run()
    assert len(sink.messages) == 2
    assert all(b"?" not in message.content for message in sink.messages)
    assert [row.queue_id for row in mta.mta.queue()] == [ids[1]]
    assert ids[1] not in {line["queue_id"] for line in mta.events("deferred")[before:]}
    assert mta.mta.rooms.scheduler.is_idle


async def test_an_operator_s_commands_about_it_change_nothing(world):
    mta, ids = await waiting(world)
    await mta.mta.hold([ids[1]])
    await mta.mta.rooms.store.flush()
    decay(mta, 1)
    await scrubbed(world, mta)
    assert mta.mta.message(ids[1]).state == "damaged"
    await mta.mta.remove([ids[1]], bounce=True)
    await mta.mta.hold([ids[1]])
    await mta.mta.release([ids[1]])
    await world.advance(MINUTE)
    assert mta.mta.message(ids[1]).state == "damaged"
    assert len(mta.mta.queue()) == 3
    assert mta.mailbox("alice") == []
    assert not mta.events("internal_error")


async def test_nothing_is_found_where_nothing_decayed(world):
    mta, ids = await waiting(world)
    await scrubbed(world, mta)
    assert mta.events("spool_scrub_found") == []
    assert [row.state for row in mta.mta.queue()] == ["deferred"] * len(ids)
