"""Users who want lists of another server: asked for and confirmed by us, one copy in, each reader his own."""

from __future__ import annotations

import asyncio
import re

import pytest
import pytest_asyncio

from tests.incidents.incidentkit import REAL_SECONDS

CONTENT = b"Subject: hello\r\nFrom: ann@l.example\r\n\r\nTo all of you.\r\n"
MINUTE = 61


@pytest_asyncio.fixture
async def host(world, tmp_path):
    """The remote list, one of our own kind."""
    members = tmp_path / "dev.members"
    members.write_text("ann@l.example\n")
    table = {"address": "dev@l.example", "members": str(members), "subscribe": "confirm", "headers": True}
    host = await world.mta("l.example", list=[table])
    host.members = members
    return host


@pytest_asyncio.fixture
async def home(world, tmp_path, host):
    """Whose users write their wishes into files."""
    wishes = tmp_path / "wishes"
    wishes.mkdir()
    for user in ("bob", "eve"):
        (wishes / user).mkdir()
    home = await world.mta("a.example", subscriptions={"requests": f"{wishes}/{{local_part}}/lists"})
    home.wishes = wishes
    return home


async def minutes(world, count=1):
    for _ in range(count):
        await world.advance(MINUTE)
        await world.clock.settle(20)
        await world.soon(lambda: True)
        await world.idle()


async def until_members(world, host, count):
    for _ in range(60):
        await minutes(world)
        await world.run(limit=1)
        if len(host.members.read_text().split()) == count:
            return
    raise AssertionError(host.members.read_text())


async def until_asked(world, home):
    """A look at the files is under way in a thread while minutes pass, and the next is a minute after its end."""
    async with asyncio.timeout(REAL_SECONDS):
        while not home.events("subscription_asked"):
            await minutes(world)


async def test_from_the_wish_to_the_last_letter(world, host, home):
    (home.wishes / "bob" / "lists").write_text("dev@l.example\n")
    await until_members(world, host, 2)
    own = host.members.read_text().split()[1]
    assert re.fullmatch(r"sub-[a-z2-7]{12}@a\.example", own)
    (home.wishes / "eve" / "lists").write_text("DEV@l.example # too\n")
    await minutes(world, 2)
    await host.mta.submit("ann@l.example", ["dev@l.example"], CONTENT)
    await world.run()
    for user in ("bob", "eve"):
        letters = [letter for letter in home.mailbox(user) if b"To all of you." in letter]
        assert len(letters) == 1
        assert letters[0].startswith(b"Return-Path: <postmaster@mx.a.example>\n")
    assert len([line for line in home.events("accepted") if line.get("recipient") == own]) >= 1
    assert len(host.members.read_text().split()) == 2  # one copy comes for both

    (home.wishes / "bob" / "lists").unlink()
    await minutes(world, 2)
    assert len(host.members.read_text().split()) == 2
    (home.wishes / "eve" / "lists").write_text("")
    await until_members(world, host, 1)
    assert home.mta.queue() == host.mta.queue() == []


async def test_a_stranger_does_not_reach_the_readers(world, host, home):
    (home.wishes / "bob" / "lists").write_text("dev@l.example\n")
    await until_members(world, host, 2)
    own = host.members.read_text().split()[1]
    stranger = await world.mta("s.example")
    await stranger.mta.submit("spam@s.example", [own], b"Subject: buy\r\n\r\n")
    await stranger.mta.submit("spam@s.example", ["sub-aaaaaaaaaaaa@a.example"], b"Subject: buy\r\n\r\n")
    await world.run()
    assert not [letter for letter in home.mailbox("bob") if b"buy" in letter]
    # He has us asked to leave; we did not want that, and answer nothing.
    before = host.members.read_text()
    await stranger.mta.submit(own, ["dev-unsubscribe@l.example"], b"Subject: x\r\n\r\n")
    await world.run()
    assert host.members.read_text() == before


@pytest.mark.parametrize("life", range(3))
async def test_it_is_remembered(world, host, home, life):
    (home.wishes / "bob" / "lists").write_text("dev@l.example\n")
    await minutes(world)
    if life < 2:  # a crash before the question is on its way has it asked again after two days; a stop does not
        await until_asked(world, home)
    if life == 0:
        await home.cut_power(seed=3)
    elif life == 1:
        await home.kill()
    else:
        await home.close()
    await home.open()
    await until_members(world, host, 2)
    await home.kill()
    await home.open()
    await minutes(world)
    await host.mta.submit("ann@l.example", ["dev@l.example"], CONTENT)
    await world.run()
    assert len([letter for letter in home.mailbox("bob") if b"To all of you." in letter]) == 1
    assert len(host.members.read_text().split()) == 2


async def test_what_is_kept_cannot_be_read(world, host, home):
    """Then mail of lists waits, and nobody is taken off anything, until somebody has looked after it."""
    (home.wishes / "bob" / "lists").write_text("dev@l.example\n")
    await until_members(world, host, 2)
    whole = dict(home.disk.tree())["spool/lists/subscriptions"]
    await home.close()
    replace(home.disk, b"{" + whole)
    await home.open()
    (home.wishes / "bob" / "lists").write_text("")
    await host.mta.submit("ann@l.example", ["dev@l.example"], CONTENT)
    await world.advance(MINUTE)
    await world.soon(home.mta.queue)
    await world.idle()
    assert len(home.mta.queue()) == 1
    assert home.events("subscriptions_failed")
    assert len(host.members.read_text().split()) == 2
    replace(home.disk, whole)
    (home.wishes / "bob" / "lists").write_text("dev@l.example\n")
    await minutes(world)
    await world.run()
    assert len([letter for letter in home.mailbox("bob") if b"To all of you." in letter]) == 1


def replace(disk, octets):
    disk.unlink("/spool/lists/subscriptions")
    file = disk.create("/spool/lists/subscriptions")
    disk.writev(file, (octets,), 0)
    disk.close(file)
