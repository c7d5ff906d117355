"""The queue handed to another relay: everything goes, as it is, and nothing bounces for it."""

from __future__ import annotations

import asyncio

import pytest

from asyncmta.handing_off import MOST_UNSURE
from asyncmta.inbound.injection import Reports
from asyncmta.operations import SubmitRefused
from asyncmta.scheduling import replanning
from asyncmta.testing.smtp_sink import SILENCE

LETTER = b"Subject: hello\r\n\r\nx\r\n"


def at(sink):
    return "{}:{}".format(*sink.address)


async def test_everything_goes_whenever_it_is_due_and_wherever_it_would(world):
    mta, busy, relay = await world.mta("a.example"), await world.sink("b.example"), await world.sink("relay.example")
    await mta.mta.pause("output")
    for recipient in ("alice@a.example", "bob@b.example", "carol@b.example"):
        await mta.mta.submit("x@a.example", [recipient], LETTER)
    busy.script("RCPT", "450 4.2.0 Later", times=2)
    await mta.mta.resume("output")
    await world.idle()
    assert mta.pending() == ["bob@b.example", "carol@b.example"]
    await mta.mta.hand_over(at(relay), "none")
    await world.idle()
    assert sorted(message.recipients[0] for message in relay.messages) == ["bob@b.example", "carol@b.example"]
    progress = mta.mta.handing_over()
    assert (progress.left, progress.taken) == (0, 2)
    assert busy.messages == []


async def test_mail_for_mailboxes_here_and_what_a_route_holds_goes_too(world):
    relay = await world.sink("relay.example")
    mta = await world.mta("a.example", route=[{"recipient": "*@held.example", "via": "hold"}])
    await mta.mta.pause("output")
    await mta.mta.submit("x@a.example", ["alice@a.example", "h@held.example"], LETTER)
    await mta.mta.hand_over(at(relay), "none")
    await world.idle()
    assert sorted(each for message in relay.messages for each in message.recipients) == [
        "alice@a.example",
        "h@held.example",
    ]
    assert mta.mailbox("alice") == []


async def test_envelopes_go_as_they_are(world):
    relay = await world.sink("relay.example")
    mta = await world.mta(
        "a.example", rewrite=[{"match": "@b.example", "to": "@c.example", "at": "exit", "address": "recipient"}]
    )
    await mta.mta.pause("output")
    await mta.mta.submit("x@a.example", ["bob@b.example"], LETTER, Reports("failure", "hdrs", "e-1"))
    await mta.mta.hand_over(at(relay), "none")
    await world.idle()
    (message,) = relay.messages
    assert message.recipients == ("bob@b.example",)
    assert any(each.upper().startswith("NOTIFY=FAILURE") for each in message.recipient_parameters[0])
    assert any(each.upper() == "RET=HDRS" for each in message.mail_parameters)


async def test_what_the_other_relay_refuses_stays_and_is_not_reported(world):
    mta, relay = await world.mta("a.example"), await world.sink("relay.example")
    sink = await world.sink("b.example")
    relay.script("RCPT", "550 5.7.1 Relaying denied", times=1)
    await mta.mta.pause("output")
    await mta.mta.submit("alice@a.example", ["bob@b.example"], LETTER)
    await mta.mta.hand_over(at(relay), "none")
    await world.idle()
    progress = mta.mta.handing_over()
    assert (progress.left, list(progress.reasons)) == (1, ["550 5.7.1 Relaying denied"])
    assert mta.mailbox("alice") == []
    await mta.mta.end_hand_over()
    await mta.mta.retry()
    await world.idle()
    assert len(sink.messages) == 1
    assert mta.mta.handing_over() is None


async def test_no_mail_is_taken_meanwhile(world):
    mta, relay = await world.mta("a.example"), await world.sink("relay.example")
    await mta.mta.hand_over(at(relay), "none")
    with pytest.raises(SubmitRefused):
        await mta.mta.submit("x@a.example", ["bob@b.example"], LETTER)
    assert await mta.send("x@a.example", ["bob@b.example"], LETTER) != []
    assert mta.mta.not_ready() == ["452 4.3.2 Paused by the postmaster; try again later"]
    assert mta.pending() == []


async def test_what_an_operator_holds_stays(world):
    mta, relay = await world.mta("a.example"), await world.sink("relay.example")
    await mta.mta.pause("output")
    queue_id = await mta.mta.submit("x@a.example", ["bob@b.example"], LETTER)
    await mta.mta.hold([queue_id])
    progress = await mta.mta.hand_over(at(relay), "none")
    await world.idle()
    assert (progress.left, progress.held) == (1, 1)
    assert relay.messages == []


async def test_another_relay_a_moment_later(world):
    """The way to the first one is forgotten, although it was used just now."""
    mta, one, two = await world.mta("a.example"), await world.sink("one.example"), await world.sink("two.example")
    one.script("RCPT", "450 4.2.0 Later", times=10)
    await mta.mta.pause("output")
    await mta.mta.submit("x@a.example", ["bob@b.example"], LETTER)
    await mta.mta.hand_over(at(one), "none")
    await world.idle()
    await mta.mta.hand_over(at(two), "none")
    await world.idle()
    assert (len(one.messages), len(two.messages)) == (0, 1)


async def test_more_than_may_be_unsure_at_once(world):
    """A queue goes over in parts, each recorded; a kill at any moment doubles no more than one part."""
    mta, relay = await world.mta("a.example"), await world.sink("relay.example")
    await mta.mta.pause("output")
    for _ in range(12 * MOST_UNSURE):
        await mta.mta.submit("x@a.example", ["bob@b.example"], LETTER)
    await mta.mta.hand_over(at(relay), "none")
    await world.soon(lambda: len(relay.messages) > MOST_UNSURE)
    await mta.kill()
    taken = len(relay.messages)
    assert taken < 12 * MOST_UNSURE
    await mta.open()
    await mta.mta.hand_over(at(relay), "none")
    await world.idle()
    assert mta.pending() == []
    assert 0 <= len(relay.messages) - 12 * MOST_UNSURE <= MOST_UNSURE


async def test_a_stop_in_the_middle_doubles_nothing(world):
    mta, relay = await world.mta("a.example"), await world.sink("relay.example")
    await mta.mta.pause("output")
    for _ in range(12 * MOST_UNSURE):
        await mta.mta.submit("x@a.example", ["bob@b.example"], LETTER)
    await mta.mta.hand_over(at(relay), "none")
    await world.soon(lambda: len(relay.messages) > MOST_UNSURE)
    await mta.close()
    assert len(relay.messages) < 12 * MOST_UNSURE
    await mta.open()
    await mta.mta.hand_over(at(relay), "none")
    await world.idle()
    assert len(relay.messages) == 12 * MOST_UNSURE


async def test_what_has_not_set_out_goes_by_the_routes_when_it_ends(world):
    mta, relay, sink = await world.mta("a.example"), await world.sink("relay.example"), await world.sink("b.example")
    relay.script("DOT", SILENCE, times=100)
    await mta.mta.pause("output")
    for _ in range(2 * MOST_UNSURE):
        await mta.mta.submit("x@a.example", ["bob@b.example"], LETTER)
    await mta.mta.hand_over(at(relay), "none")
    await world.soon(lambda: any(line.startswith(("DATA", "BDAT")) for _, line in relay.commands))
    await mta.mta.end_hand_over()
    await world.soon(lambda: len(sink.messages) >= MOST_UNSURE)
    assert relay.messages == []


async def test_one_that_is_asked_for_while_another_ends_goes_on(world, monkeypatch):
    monkeypatch.setattr(replanning, "TURN", 1)  # as with thousands of messages: it takes turns
    mta, relay, sink = await world.mta("a.example"), await world.sink("relay.example"), await world.sink("b.example")
    await mta.mta.pause("output")
    await mta.mta.hand_over(at(relay), "none")
    await mta.mta.pause("output")
    await mta.mta.resume("input")
    await mta.mta.submit("x@a.example", ["bob@b.example"], LETTER)
    begin, end = mta.mta.hand_over, mta.mta.end_hand_over
    found = await asyncio.gather(end(), begin(at(relay), "none"), end(), end(), begin(at(relay), "none"))
    assert [each.to for each in (found[1], found[4])] == [at(relay)] * 2
    await world.idle()
    assert (len(relay.messages), sink.messages, mta.mta.handing_over().left) == (1, [], 0)
    await mta.mta.end_hand_over()
    assert mta.mta.handing_over() is None
