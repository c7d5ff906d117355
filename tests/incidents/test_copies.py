"""Copies of what passes ([[bcc]]), and mailboxes without room, in a whole MTA."""

from __future__ import annotations

import pytest

from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Envelope, Recipient
from tests.incidents.incidentkit import DAY, HOUR

BCC = [{"to": "copies@b.example", "recipient": "a.example"}, {"to": "copies@b.example", "sender": "alice@a.example"}]


@pytest.mark.parametrize("lines", [1, 200_000])
async def test_who_is_copied_is_in_no_header(world, lines):
    mta, sink = await world.mta("a.example", bcc=BCC), await world.sink("b.example")
    await mta.send("s@c.example", ["bob@a.example"], b"Subject: x\r\n\r\n" + b"line\r\n" * lines)
    await world.run()
    [copy] = sink.messages
    assert list(copy.recipients) == ["copies@b.example"]
    assert b"copies@" not in copy.content
    [delivered] = mta.mailbox("bob")
    assert b"copies@" not in delivered


async def test_what_we_hand_in_is_copied_too(world):
    mta, sink = await world.mta("a.example", bcc=BCC), await world.sink("b.example")
    envelope = Envelope(parse_address("alice@a.example"), (Recipient(parse_address("x@b.example")),))
    await mta.mta.rooms.intake.submit(envelope, b"Subject: x\n\nx\n")
    await world.run()
    assert sorted(one for message in sink.messages for one in message.recipients) == ["copies@b.example", "x@b.example"]


async def test_nobody_hears_of_a_copy_that_fails(world):
    mta, sink = await world.mta("a.example", bcc=BCC), await world.sink("b.example")
    sink.script("RCPT", "550 5.1.1 No such user", times=10_000)
    await mta.send("s@a.example", ["bob@a.example"], b"Subject: x\r\n\r\nx\r\n")
    await world.run()
    assert len(mta.mailbox("bob")) == 1
    assert mta.mta.queue() == []
    assert not any("/s/" in path for path in mta.disk.tree())


async def test_a_circle_over_the_one_who_gets_copies_ends(world):
    """What comes back from there bears their mark."""
    mta, sink = await world.mta("a.example", bcc=BCC), await world.sink("b.example")
    await mta.send("s@c.example", ["bob@a.example"], b"Delivered-To: copies@b.example\r\nSubject: x\r\n\r\nx\r\n")
    await world.run()
    assert sink.messages == []
    assert len(mta.mailbox("bob")) == 1


async def test_what_a_rule_discards_is_not_copied(world):
    rules = [{"recipient": "bob@a.example", "action": "discard"}]
    mta, sink = await world.mta("a.example", bcc=BCC, rule=rules), await world.sink("b.example")
    await mta.send("s@c.example", ["bob@a.example"], b"Subject: x\r\n\r\nx\r\n")
    await world.run()
    assert sink.messages == []
    assert mta.mailbox("bob") == []


async def test_a_full_mailbox_waits_before_it_bounces(world):
    """452 and not 550: room in time is a delivery; none within the lifetime is a report."""
    mta = await world.mta("a.example", maildir={"quota_messages": 1}, queue={"lifetime": "1d", "delay_warning": "0s"})
    envelope = Envelope(parse_address("alice@a.example"), (Recipient(parse_address("bob@a.example")),))
    for _ in range(2):
        await mta.mta.rooms.intake.submit(envelope, b"Subject: x\n\nx\n")
        await world.idle()
    assert len(mta.mailbox("bob")) == 1
    assert [line["reply"][:9] for line in mta.events("deferred")] == ["452 4.2.2"]
    [name] = [path for path in mta.disk.tree() if "/bob/new/" in path]
    mta.disk.unlink(name)
    await world.advance(HOUR)
    await world.run()
    assert len(mta.mailbox("bob")) == 1
    assert mta.events("bounced") == []
    await mta.mta.rooms.intake.submit(envelope, b"Subject: x\n\nx\n")
    await world.advance(2 * DAY)
    await world.run()
    assert len(mta.mailbox("bob")) == 1
    assert len(mta.events("bounced")) == 1


async def test_whom_it_was_for_before_the_alias(world, tmp_path):
    (tmp_path / "aliases").write_text("sales: bob, carol+lists\n")
    local = {"aliases": str(tmp_path / "aliases"), "delimiters": "+"}
    mta = await world.mta("a.example", local=local, maildir={"subfolders": "create"})
    await mta.send("s@c.example", ["sales@a.example"], b"Subject: x\r\n\r\nx\r\n")
    await world.run()
    front = b"Return-Path: <s@c.example>\nX-Original-To: sales@a.example\nDelivered-To: "
    [bob] = mta.mailbox("bob")
    assert bob.startswith(front + b"bob@a.example\nReceived: ")
    [path] = [path for path in mta.disk.tree() if "/new/" in path and "/carol/" in path]
    assert "/carol/.lists/new/" in path
    assert mta.disk.get(path).startswith(front + b"carol+lists@a.example\nReceived: ")
