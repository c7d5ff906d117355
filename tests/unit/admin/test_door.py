"""Slow and many clients over TCP."""

from __future__ import annotations

import asyncio
import gzip
import socket

import pytest

from asyncmta.admin import door as doors
from asyncmta.admin.door import Door

HEAD = b"POST /v1/queue/hold HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
async def hasty(fake, tmp_path):
    door = Door(
        fake,
        socket_path=str(tmp_path / "control.sock"),
        listen="127.0.0.1:0",
        token="",
        message_size=10_000,
        on_error=lambda *_: None,
        patience=0.05,
    )
    await door.open()
    yield door
    await door.close()


async def all_of(reader):
    """Until the other side closes, well or not."""
    try:
        async with asyncio.timeout(20):
            return await reader.read()
    except ConnectionError:
        return b""


@pytest.mark.parametrize("said", [b"", b"GET /li", HEAD])
async def test_who_does_not_come_to_the_end_of_a_head_is_hung_up_on(hasty, said):
    reader, writer = await asyncio.open_connection(*hasty.address)
    writer.write(said)
    assert await all_of(reader) == b""
    writer.close()


@pytest.mark.parametrize("length", [b"Content-Length: 100\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"])
async def test_a_body_that_does_not_come_is_408(hasty, fake, length):
    reader, writer = await asyncio.open_connection(*hasty.address)
    writer.write(HEAD + b"Connection: close\r\n" + length)
    async with asyncio.timeout(20):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    writer.close()
    assert fake.asked == []


async def test_no_more_connections_than_there_may_be(door, monkeypatch):
    monkeypatch.setattr(doors, "MOST_CONNECTIONS", 2)
    opened = [await asyncio.open_connection(*door.address) for _ in range(2)]
    for reader, writer in opened:
        writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    reader, writer = await asyncio.open_connection(*door.address)
    assert await all_of(reader) == b""
    for _, each in [*opened, (reader, writer)]:
        each.close()


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"zstd", b"x"])
async def test_nothing_that_is_packed_is_unpacked(hasty, fake, coding):
    """Of six hundred thousand octets of gzip, the loop was busy for seconds, whoever had sent them."""
    reader, writer = await asyncio.open_connection(*hasty.address)
    body = gzip.compress(b'{"all": true}')
    writer.write(HEAD + b"Connection: close\r\nContent-Encoding: " + coding)
    writer.write(b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    async with asyncio.timeout(20):
        assert (await reader.readline()).startswith(b"HTTP/1.1 415 ")
    writer.close()
    assert fake.asked == []


async def test_who_does_not_read_is_hung_up_on_by_the_kernel(hasty):
    """A test of minutes showed that it does; 256 of them, and nobody else came in."""
    (server,) = [
        site._server
        for runner in hasty._runners
        for site in runner.sites
        if site._server.sockets[0].family == socket.AF_INET
    ]
    (listening,) = server.sockets
    assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
