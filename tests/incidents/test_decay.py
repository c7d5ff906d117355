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


async def scrubbed(world, mta, *, finds=True):
    """A round has ended that found what is to be found: a message that is just being tried is left for the next."""
    rounds = mta.mta.rooms.store.facts
    await world.until(lambda: rounds().scrub_rounds and (mta.events("spool_scrub_found") or not finds), limit=72 * HOUR)


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
    sink, before = await world.sink("b.example"), len(mta.log.getvalue())
    await mta.mta.retry()
    await world.run()
    assert len(sink.messages) == 2
    assert all(b"?" not in message.content for message in sink.messages)
    assert [row.queue_id for row in mta.mta.queue()] == [ids[1]]
    assert ids[1].encode() not in mta.log.getvalue()[before:]
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


async def test_what_decays_where_the_scrub_does_not_look_is_not_sent_and_is_reported_at_its_end(world):
    """In the segment that is written to, delivery finds it: the message is deferred, and expires like any other."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("RCPT", "451 4.3.0 Later")
    await mta.mta.submit("alice@a.example", ["bob@b.example"], CONTENT % 1)
    await world.idle()
    [node] = [node for node, _, path in mta.disk._open.values() if path.endswith(".seg")]  # the tail stays open
    at = node.seen.index(CONTENT % 1) + 100
    node.seen[at] ^= 1
    await world.run()
    assert sink.messages == []
    [report] = mta.mailbox("alice")
    assert b"bob@b.example" in report
    assert mta.mta.queue() == []
    assert not sink.violations


async def test_nothing_is_found_where_nothing_decayed(world):
    mta, ids = await waiting(world)
    await scrubbed(world, mta, finds=False)
    assert mta.events("spool_scrub_found") == []
    assert [row.state for row in mta.mta.queue()] == ["deferred"] * len(ids)
