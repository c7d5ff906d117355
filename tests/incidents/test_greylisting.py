"""A next hop that turns away whoever comes for the first time, and takes it from whoever comes again in due time."""

from __future__ import annotations

from tests.incidents.incidentkit import MINUTE


async def greylisting(world, wait):
    """Each pair of sender and recipient is taken once it has been known for `wait` seconds."""
    sink = await world.sink("b.example")
    first_seen = {}

    def answer(line):
        since = first_seen.setdefault(line.lower(), world.clock.now())
        return None if world.clock.now() - since >= wait else "450 4.2.0 Greylisted, see you in a while"

    sink.script("RCPT", answer, times=10_000)
    return sink


async def test_it_is_tried_again_and_taken(world):
    mta, sink = await world.mta("a.example"), await greylisting(world, 5 * MINUTE)
    await mta.mta.submit("alice@a.example", ["bob@b.example", "carol@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.run()
    [message] = sink.messages  # both together, again
    assert message.recipients == ("bob@b.example", "carol@b.example")
    assert {line["recipient"] for line in mta.events("delivered")} == {"bob@b.example", "carol@b.example"}
    assert all(5 * MINUTE <= line["delay"] < 30 * MINUTE for line in mta.events("delivered"))
    assert mta.mailbox("alice") == []
    assert not sink.violations


async def test_others_of_the_message_do_not_wait(world):
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("RCPT", "450 4.2.0 Greylisted", contains="carol", times=1)
    await mta.mta.submit("alice@a.example", ["bob@b.example", "carol@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.idle()
    assert [message.recipients for message in sink.messages] == [("bob@b.example",)]
    [row] = mta.mta.queue()
    assert [recipient.address for recipient in row.recipients] == ["carol@b.example"]
    assert row.recipients[0].last_reply == "450 4.2.0 Greylisted"
    assert (row.state, row.attempts, row.total) == ("deferred", 1, 2)
    await world.run()
    assert [message.recipients for message in sink.messages] == [("bob@b.example",), ("carol@b.example",)]
