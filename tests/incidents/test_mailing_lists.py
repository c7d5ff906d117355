"""The life of a mailing list: people get on it and off it by their own word alone, write to it, and bounce."""

from __future__ import annotations

import re

import pytest_asyncio

from asyncmta.lists.bounce_counts import sums
from asyncmta.lists.bounce_file import BounceFile
from asyncmta.testing.smtp_sink import SinkSettings
from tests.incidents.incidentkit import failed_recipients

CONTENT = b"Subject: hello\r\nFrom: bob@b.example\r\n\r\nTo all of you.\r\n"


@pytest_asyncio.fixture
async def members(tmp_path):
    path = tmp_path / "dev.members"
    path.write_text("# the people of dev\nann@a.example\n")
    return path


async def list_house(world, members, **more):
    table = {"address": "dev@a.example", "members": str(members), "owner": "boss@a.example", **more}
    return await world.mta("a.example", list=[table])


def counted(house):
    return sums(BounceFile(disk=house.disk, directory="/spool/lists", name="dev@a.example").read())


def sender_of(letter):
    return re.search(rb"^Return-Path: <([^>]*)>", letter, re.MULTILINE)[1].decode()


async def answer(world, house, letter, to):
    """What a person's mail program does with a letter: an answer to whom it says it is from."""
    author = re.search(rb"^From: <([^>]+)>", letter, re.MULTILINE)[1].decode()
    content = b"Subject: Re: please\r\nFrom: " + to.encode() + b"\r\n\r\nYes.\r\n"
    await house.mta.submit(to, [author], content)
    await world.run()


async def test_from_the_first_letter_to_the_last(world, members):
    """Bob, at another server, subscribes, writes, moves away so that his mail bounces, and is taken off the list."""
    lists = await list_house(world, members, verp=True, headers=True, subscribe="confirm")
    other = await world.mta("b.example")

    await other.mta.submit("bob@b.example", ["dev-subscribe@a.example"], b"Subject: let me in\r\n\r\n")
    await world.run()
    [ask] = other.mailbox("bob")
    assert b"Please confirm: subscribe to dev@a.example" in ask
    assert sender_of(ask) == ""
    assert "bob" not in members.read_text()
    await answer(world, other, ask, "bob@b.example")
    assert members.read_text() == "# the people of dev\nann@a.example\nbob@b.example\n"
    assert len(other.mailbox("bob")) == 2  # and a welcome

    await world.advance(2)  # the members are looked at again
    await other.mta.submit("bob@b.example", ["dev@a.example"], CONTENT)
    await world.run()
    [to_ann] = lists.mailbox("ann")
    to_bob = other.mailbox("bob")[-1]
    for copy, mark in ((to_ann, "ann=a.example"), (to_bob, "bob=b.example")):
        assert sender_of(copy) == f"owner-dev+{mark}@a.example"
        assert copy.count(b"List-Id: <dev.a.example>") == 1
        assert b"List-Unsubscribe: <mailto:dev-unsubscribe@a.example>" in copy
        assert copy.endswith(b"To all of you.\n")

    other.tables["local"] = {"mailboxes": ["carol"]}
    await other.reopen()
    await lists.mta.submit("ann@a.example", ["dev@a.example"], CONTENT)
    await world.run()
    assert [(each.member, each.count) for each in counted(lists)] == [("bob@b.example", 1)]
    [report] = lists.mailbox("boss")
    assert failed_recipients(report) == ["bob@b.example"]
    assert "bob@b.example" in members.read_text()  # a number puts nobody off the list

    other.tables["local"] = {"mailboxes": "any"}
    await other.reopen()
    await other.mta.submit("bob@b.example", ["dev-unsubscribe@a.example"], b"Subject: x\r\n\r\n")
    await world.run()
    await answer(world, other, other.mailbox("bob")[-1], "bob@b.example")
    assert members.read_text() == "# the people of dev\nann@a.example\n"
    assert other.mta.queue() == lists.mta.queue() == []


async def test_nobody_subscribes_somebody_else(world, members):
    """Mallory asks in the victim's name: one letter goes to the victim, and what Mallory has is worth nothing."""
    lists = await list_house(world, members, subscribe="confirm")
    victim, mallory = await world.mta("v.example"), await world.mta("m.example")
    for _ in range(10):
        await mallory.mta.submit("victim@v.example", ["dev-subscribe@a.example"], b"Subject: x\r\n\r\n")
        await world.run()
    assert len(victim.mailbox("victim")) == 3
    await mallory.mta.submit("mallory@m.example", ["dev-subscribe@a.example"], b"Subject: x\r\n\r\n")
    await world.run()
    [own] = mallory.mailbox("mallory")
    await answer(world, mallory, own, "victim@v.example")
    await mallory.mta.submit("victim@v.example", ["dev-confirm+s12345aaaa@a.example"], b"Subject: x\r\n\r\n")
    await world.run()
    assert members.read_text() == "# the people of dev\nann@a.example\n"
    # A vacation of the victim answers nobody's letter for him.
    token = re.search(rb"From: <(dev-confirm[^>]+)>", victim.mailbox("victim")[0])[1].decode()
    await victim.mta.submit("victim@v.example", [token], b"Auto-Submitted: auto-replied\r\n\r\nI am away\r\n")
    await world.run()
    assert members.read_text() == "# the people of dev\nann@a.example\n"
    assert len(lists.events("list_ignored")) == 8


async def test_a_list_is_not_made_its_own_member(world, members):
    """A request in the list's own name: the letter would go to all members, and the answer of one make a circle."""
    lists = await list_house(world, members, subscribe="confirm")
    assert await lists.send("dev@a.example", ["dev-subscribe@a.example"], b"Subject: x\r\n\r\nx\r\n") == [
        250,
        250,
        354,
        250,
    ]
    await world.run()
    assert lists.mailbox("ann") == []
    assert members.read_text() == "# the people of dev\nann@a.example\n"
    assert lists.mta.queue() == []


async def test_an_alias_of_the_list_leads_no_letter_to_all(world, members, tmp_path):
    aliases = tmp_path / "aliases"
    aliases.write_text("everybody: dev\n")
    lists = await world.mta(
        "a.example",
        list=[{"address": "dev@a.example", "members": str(members), "subscribe": "confirm"}],
        local={"aliases": str(aliases)},
    )
    assert (await lists.send("everybody@a.example", ["dev-subscribe@a.example"], b"Subject: x\r\n\r\nx\r\n"))[-1] == 250
    await world.run()
    assert lists.mailbox("ann") == []


async def test_what_comes_back_is_refused(world, members):
    lists = await list_house(world, members, headers=True)
    b = await world.mta("b.example")
    members.write_text("ann@a.example\necho@b.example\n")
    await world.advance(2)
    await lists.mta.submit("ann@a.example", ["dev@a.example"], CONTENT)
    await world.run()
    [echo] = b.mailbox("echo")
    again = echo.replace(b"\n", b"\r\n").partition(b"Received:")[2]
    await b.mta.submit("echo@b.example", ["dev@a.example"], b"X-Was: Received:" + again)
    await world.run()
    assert len(lists.mailbox("ann")) == 1
    report = b.mailbox("echo")[-1]
    assert failed_recipients(report) == ["dev@a.example"]
    assert b"5.4.6" in report


async def test_addresses_around_a_closed_list_are_nobodys(world, members):
    lists = await list_house(world, members)
    lists.tables["local"] = {"mailboxes": ["ann", "boss"]}
    await lists.reopen()
    for name, code in (
        ("dev", 250),
        ("owner-dev", 250),
        ("owner-dev+x=y.example", 250),
        ("dev-subscribe", 550),
        ("dev-confirm+x", 550),
    ):
        client = await lists.greet()
        assert (await client.command("MAIL FROM:<x@b.example>")).code == 250
        assert (await client.command(f"RCPT TO:<{name}@a.example>")).code == code


async def test_one_letter_and_one_change_through_crashes(world, members):
    """The power goes after each step of a request and of its answer: one letter, or after a while one more."""
    lists = await list_house(world, members, subscribe="confirm")
    for round_ in range(6):
        who = f"p{round_}@b.example"
        sink = await world.sink(f"b{round_}.example", settings=SinkSettings())
        who = f"p{round_}@b{round_}.example"
        await lists.mta.submit(who, ["dev-subscribe@a.example"], b"Subject: x\r\n\r\n")
        for _ in range(round_ * 3):
            await world.clock.settle(1)
        await lists.cut_power(seed=round_)
        await lists.open()
        await world.run()
        letters = sink.messages
        assert len(letters) in {1, 2}  # the second, where the power went between his 250 and our record of it
        confirm = re.search(rb"From: <(dev-confirm[^>]+)>", letters[0].content)[1].decode()
        await lists.mta.submit(who, [confirm], b"Subject: x\r\n\r\n")
        for _ in range(round_ * 3):
            await world.clock.settle(1)
        await lists.cut_power(seed=round_)
        await lists.open()
        await world.run()
        assert members.read_text().count(who) == 1
        assert lists.mta.queue() == []
