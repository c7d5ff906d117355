"""Nobody is told of a bounce that bounces: the null reverse-path is never answered, whatever goes wrong."""

from __future__ import annotations

import pytest

from tests.incidents.incidentkit import DAY


@pytest.mark.parametrize("answer", ["550 5.1.1 No such user", "450 4.2.1 Later"])
async def test_it_never_bounces(world, answer):
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("RCPT", answer, times=10_000)
    replies = await mta.send("", ["bob@b.example"], b"Subject: a report\r\n\r\nx\r\n")
    assert replies[-1] == 250
    await world.run()
    [bounced] = mta.events("bounced")
    assert bounced["discarded"]
    assert mta.mta.queue() == []
    assert not any(path.startswith("mail/") for path in mta.disk.tree())
    assert world.clock.now() < 1_750_000_000 + 1.1 * DAY  # not five days: nobody waits for it
    assert not sink.messages


async def test_it_is_delivered_like_any_other(world):
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    await mta.send("", ["bob@b.example", "alice@a.example"], b"Subject: a report\r\n\r\nx\r\n")
    await world.run()
    assert [message.reverse_path for message in sink.messages] == [""]
    assert mta.mailbox("alice")[0].startswith(b"Return-Path: <>\n")


async def test_a_report_to_a_sender_that_is_gone_is_discarded(world):
    """The sender's domain does not exist, or exists and takes no mail, or has nobody of that name."""
    mta, sink = await world.mta("a.example", local={"mailboxes": ["alice"]}), await world.sink("b.example")
    sink.script("RCPT", "550 5.1.1 No such user", times=10_000)
    world.resolver.set("null.example", {"MX": [(0, "")]})
    senders = ["x@no-such-domain.example", "x@null.example", "x@b.example", "x@a.example"]
    for sender in senders:
        await mta.send(sender, ["bob@b.example"], b"Subject: hello\r\n\r\nx\r\n")
        await world.run()
    bounced = mta.events("bounced")
    assert [line["reverse_path"] for line in bounced if not line["discarded"]] == senders
    assert sum(line["discarded"] for line in bounced) == len(senders)
    assert mta.mta.queue() == []
    assert not any(path.startswith("mail/") for path in mta.disk.tree())


async def test_an_operator_who_bounces_it_tells_nobody(world):
    mta = await world.mta("a.example", route=[{"recipient": "b.example", "via": "hold"}])
    await mta.send("", ["bob@b.example"], b"Subject: a report\r\n\r\nx\r\n")
    await world.idle()
    assert await mta.mta.remove(bounce=True) == 1
    await world.idle()
    assert [line["discarded"] for line in mta.events("bounced")] == [True]
    assert mta.mta.queue() == []
