"""Mail that users of this machine leave for an MTA, with the MTA and its journal whole: taken, once, whoever dies."""

from __future__ import annotations

import asyncio
import os

import pytest

from asyncmta import Mta, Settings
from asyncmta.cli.drop import leave
from asyncmta.inbound.drop_file import Directions, Dropped, write
from asyncmta.inbound.injection import Reports
from asyncmta.mta_drop import build_pickup

YOU = ("you@held.example",)
LETTER = write(Dropped(Directions("me@a.example", YOU, Reports("NEVER")), b"Bcc: x@y.example\nSubject: x\n\nhello\n"))


@pytest.fixture
def settings(tmp_path):
    route = [{"recipient": "held.example", "via": "hold"}]
    spool = {"hostname": "mx.a.example", "spool": str(tmp_path / "spool"), "queue": {"min_free_space": "0B"}}
    return Settings.from_dict(spool | {"route": route, "listener": [{"port": 0}], "log": {"level": "critical"}})


async def soon(holds):
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - files, which nobody tells of
            await asyncio.sleep(0.005)


class Running:
    """An MTA that takes what is left; a kill leaves the files as they are."""

    def __init__(self, settings):
        self.settings = settings
        self.drop = os.path.join(settings.spool, "drop")
        self.dropped = os.path.join(settings.spool, "dropped")

    async def __aenter__(self):
        self.mta = await Mta(self.settings).__aenter__()
        self.pickup = build_pickup(self.mta)
        await self.pickup.open()
        return self

    async def __aexit__(self, *_):
        await self.pickup.close()
        await self.mta.drain(0.0)

    def waiting(self):
        return [name for name in (*os.listdir(self.drop), *os.listdir(self.dropped)) if name not in ("wake", "bad")]


async def test_what_was_left_is_in_the_queue(settings):
    async with Running(settings) as running:
        leave(running.drop, LETTER)
        await soon(lambda: running.mta.queue() and not running.waiting())
        (row,) = running.mta.queue()
        assert (row.sender, [each.address for each in row.recipients]) == ("me@a.example", list(YOU))
        content = await running.mta.content(row.queue_id)
        octets = content if isinstance(content, bytes) else b"".join([chunk async for chunk in content])
        assert octets.startswith(f"Received: by mx.a.example (from userid {os.geteuid()}) id {row.queue_id}".encode())
        assert b"Bcc" not in octets


async def test_what_was_left_while_nobody_ran(settings):
    async with Running(settings) as running:
        pass
    for _ in range(5):
        leave(running.drop, LETTER)
    async with Running(settings) as running:
        await soon(lambda: len(running.mta.queue()) == 5 and not running.waiting())


async def test_one_that_was_durable_when_we_died_is_not_taken_again(settings):
    """Its file is there still, under its id."""
    async with Running(settings) as running:
        leave(running.drop, LETTER)
        await soon(lambda: running.mta.queue() and not running.waiting())
        (row,) = running.mta.queue()
    with open(os.path.join(running.dropped, row.queue_id), "wb") as file:
        file.write(LETTER)
    async with Running(settings) as running:
        await soon(lambda: not running.waiting())
        assert [each.queue_id for each in running.mta.queue()] == [row.queue_id]


async def test_one_that_was_not_is_taken_under_its_id(settings):
    async with Running(settings) as running:
        queue_id = await running.mta.submit("me@a.example", YOU, b"Subject: y\n\n")
        await running.mta.remove([queue_id])
    with open(os.path.join(running.dropped, queue_id), "wb") as file:
        file.write(LETTER)
    async with Running(settings) as running:
        await soon(lambda: running.mta.queue() and not running.waiting())
        assert [each.queue_id for each in running.mta.queue()] == [queue_id]


async def test_what_nobody_would_take_is_set_aside(settings):
    async with Running(settings) as running:
        leave(running.drop, write(Dropped(Directions(None, ("nonsense",)), b"")))
        leave(running.drop, write(Dropped(Directions(None, YOU), b"a\0b")))
        await soon(lambda: len(os.listdir(os.path.join(running.dropped, "bad"))) == 2 and not running.waiting())
        assert running.mta.queue() == []
