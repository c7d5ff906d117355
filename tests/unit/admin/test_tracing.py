"""GET /v1/trace: lines as they come, and every way in which it ends."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest

from asyncmta.admin import tracing as paths
from asyncmta.admin.tracing import wanted_of
from asyncmta.tracing.events import TraceEvent
from asyncmta.tracing.looking import MOST
from asyncmta.tracing.wanted import Wanted, network

LINE = TraceEvent(1.5, "line", "220 hello", session="i1", direction="in", sent_by="us")


class Stream:
    """One request over TCP, read as it comes."""

    def __init__(self, door, target, method="GET"):
        self._door, self._head = (
            door,
            f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer s3cret\r\n",
        )

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection(*self._door.address)
        self.writer.write(f"{self._head}\r\n".encode())
        async with asyncio.timeout(20):
            self.head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        return self

    async def __aexit__(self, *_):
        self.writer.close()

    async def chunk(self):
        async with asyncio.timeout(20):
            size = int(await self.reader.readline(), 16)
            return (await self.reader.readexactly(size + 2))[:-2]

    async def event(self):
        return msgspec.json.decode(await self.chunk(), type=TraceEvent)


async def soon(holds):
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - it is the end of a connection, which has no event
            await asyncio.sleep(0.001)


async def test_lines_come_as_they_happen(door, fake):
    async with Stream(door, "/v1/trace?client=192.0.2.0/24&site=Example.NET&limit=2") as stream:
        assert stream.head.startswith("HTTP/1.1 200 ")
        assert "application/x-ndjson" in stream.head
        [looker] = fake.tracing._lookers
        assert looker.wanted == Wanted(client=network("192.0.2.0/24"), site="example.net")
        looker.put(LINE)
        assert await stream.event() == LINE
        looker.put(LINE)
        looker.put(LINE)
        first, end = (await stream.chunk()).splitlines()
        assert msgspec.json.decode(first, type=TraceEvent) == LINE
        assert json.loads(end)["line"] == "as many events as were asked for"
        assert await stream.chunk() == b""
    await soon(lambda: fake.tracing.lookers == 0)


async def test_the_time_is_over(door, fake):
    async with Stream(door, "/v1/trace?for=0s") as stream:
        assert (await stream.event()).line == "the time is over"
    assert fake.tracing.lookers == 0


async def test_the_mta_stops(door, fake):
    async with Stream(door, "/v1/trace") as stream:
        fake.tracing.close()
        assert (await stream.event()).line == "the MTA stops"


async def test_a_reader_that_goes_away_is_noticed_without_an_event(door, fake, monkeypatch):
    monkeypatch.setattr(paths, "BEAT", 0.01)
    async with Stream(door, "/v1/trace") as stream:
        assert await stream.chunk() == b"\n"
        assert fake.tracing.lookers == 1
    await soon(lambda: fake.tracing.lookers == 0)


async def test_a_reader_that_does_not_read_is_left_alone(door, fake, monkeypatch):
    monkeypatch.setattr(paths, "PATIENCE", 0.05)
    async with Stream(door, "/v1/trace"):
        [looker] = fake.tracing._lookers

        def is_left():
            looker.put(msgspec.structs.replace(LINE, line="x" * 100_000))
            return fake.tracing.lookers == 0

        await soon(is_left)


async def test_there_are_only_so_many(door, fake):
    lookers = [fake.tracing.look(Wanted()) for _ in range(MOST)]
    async with Stream(door, "/v1/trace") as stream:
        assert stream.head.startswith("HTTP/1.1 429 ")
    lookers[0].close()
    async with Stream(door, "/v1/trace?for=0s") as stream:
        assert stream.head.startswith("HTTP/1.1 200 ")


async def test_head_looks_at_nothing(door, fake):
    async with Stream(door, "/v1/trace", "HEAD") as stream:
        assert stream.head.startswith("HTTP/1.1 200 ")
    assert fake.tracing.lookers == 0


@pytest.mark.parametrize("query", ["client=nonsense", "for=soon", "limit=0", "content=yes", "nonsense=1", "site="])
async def test_a_filter_that_is_none(door, query):
    async with Stream(door, f"/v1/trace?{query}") as stream:
        assert stream.head.startswith("HTTP/1.1 400 ")


def test_the_name_of_a_site_that_is_no_domain():
    assert wanted_of({"site": "mx.example.net:25"}).site == "mx.example.net:25"
    assert wanted_of({"sender": "", "content": True}) == Wanted(sender="", content=True)
