"""Mail between two of us by QMTP."""

from __future__ import annotations

import asyncio

import pytest

from asyncmta.mail.netstring import netstring
from tests.incidents.incidentkit import failed_recipients

CONTENT = b"Subject: hello\r\n\r\n.x\r\n..\r\n\xc3\xbc\r\n"


@pytest.fixture
async def taker(world):
    address = world.address()
    house = await world.mta(
        "b.example",
        listener=[{"address": address, "port": world.port, "role": "qmtp"}],
        local={"domains": ["b.example"], "mailboxes": ["bob@b.example", "carol@b.example"]},
        limits={"message_size": "2MiB"},
    )
    house.at = address
    return house


def by_qmtp(taker, world):
    return {"route": [{"recipient": "b.example", "via": "qmtp", "hosts": [f"{taker.at}:{world.port}"]}]}


async def test_each_recipient_has_a_result(world, taker):
    mta = await world.mta("a.example", **by_qmtp(taker, world))
    await mta.send("alice@a.example", ["bob@b.example", "nobody@b.example", "carol@b.example"], CONTENT)
    await world.idle()
    [copy] = taker.mailbox("bob")
    assert copy.endswith(CONTENT.replace(b"\r\n", b"\n"))
    assert b"by mx.b.example with QMTP id " in copy
    assert len(taker.mailbox("carol")) == 1
    [report] = mta.mailbox("alice")
    assert failed_recipients(report) == ["nobody@b.example"]
    assert b"5.1.1" in report
    assert mta.mta.queue() == taker.mta.queue() == []


@pytest.mark.parametrize("size", [300_000, 1_500_000])
async def test_large_content(world, taker, size):
    mta = await world.mta("a.example", **by_qmtp(taker, world))
    content = b"Subject: big\r\n\r\n" + (b".." + b"x" * 76 + b"\r\n") * (size // 80)
    await mta.mta.submit("alice@a.example", ["bob@b.example"], content)
    await world.idle()
    [copy] = taker.mailbox("bob")
    assert copy.endswith(content.replace(b"\r\n", b"\n"))


async def test_content_that_is_too_large_or_odd_is_refused(world, taker):
    mta = await world.mta("a.example", **by_qmtp(taker, world))
    await mta.mta.submit("alice@a.example", ["bob@b.example"], b"Subject: x\r\n\r\n" + (b"x" * 68 + b"\r\n") * 40_000)
    await world.idle()
    [report] = mta.mailbox("alice")
    assert b"Status: 5.3.4" in report
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(taker.at, world.port)
        to = netstring(netstring(b"bob@b.example"))
        writer.write(
            netstring(b"\rbare\nline\r\n") + netstring(b"") + to + netstring(b"\nSubject: y\n\nok\n") + b"0:," + to
        )
        writer.write_eof()
        answers = await reader.read()
        writer.close()
    assert answers.startswith(netstring(b"DOnly CR LF ends a line; a bare CR or LF is refused (#5.6.11)"))
    assert answers.count(b"K") == 1
    await world.idle()
    assert [b"Subject: y" in copy for copy in taker.mailbox("bob")] == [True]


async def test_a_stranger_is_not_let_in(world):
    address = world.address()
    await world.mta(
        "b.example",
        listener=[{"address": address, "port": world.port, "role": "qmtp"}],
        relay={"networks": ["192.0.2.0/24"]},
    )
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(address, world.port)
        try:
            assert await reader.read() == b""
        except ConnectionError:
            writer.transport.abort()
        writer.close()


async def test_a_client_that_stops_in_the_middle_is_left(world, taker):
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(taker.at, world.port)
        writer.write(b"1000:\rSubject")
        await world.soon(lambda: taker.mta._listeners[0].sessions.live)
        for _ in range(10):
            await world.advance(60)
        assert await reader.read() == b""
        writer.close()
    assert taker.mta._listeners[0].sessions.live == set()


async def test_a_stop_is_a_courtesy(world, taker):
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(taker.at, world.port)
        to = netstring(netstring(b"bob@b.example"))
        writer.write(netstring(b"\nSubject: y\n\nok\n") + b"0:," + to)
        assert (await reader.readuntil(b",")).count(b"K") == 1
        await taker.close()
        assert await reader.read() == b""
        writer.close()
