"""A whole Mta, with a real clock, disk and network: from a message handed in to a program that is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from asyncmta import Mta
from asyncmta.webhooks.signing import headers

SECRET = "whispered by nobody"


class Program:
    def __init__(self) -> None:
        self.url = ""
        self.told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        wanted = headers(body, SECRET.encode(), float(request.headers["webhook-timestamp"]))
        assert {name: request.headers[name] for name in wanted} == wanted
        for event in json.loads(body):
            self.told.put_nowait(event)
        return web.Response(status=202)


@pytest.fixture
async def program() -> AsyncIterator[Program]:
    program = Program()
    app = web.Application()
    app.router.add_post("/events", program.take)
    server = TestServer(app)
    await server.start_server()
    program.url = str(server.make_url("/events"))
    yield program
    await server.close()


@pytest.fixture
def mta_settings(mta_settings: dict[str, Any], program: Program) -> dict[str, Any]:
    webhook = {"url": program.url, "secret": SECRET, "events": ["accepted", "delivered"]}
    return mta_settings | {"webhook": [webhook], "log": {"level": "error"}}


async def test_a_program_is_told(mta: Mta, program: Program) -> None:
    queue_id = await mta.submit("me@example.org", ["you@example.net"], b"Subject: hi\r\n\r\nhi\r\n")
    async with asyncio.timeout(20):
        events = [await program.told.get(), await program.told.get()]
    assert [(event["event"], event["queue_id"]) for event in events] == [
        ("accepted", queue_id),
        ("delivered", queue_id),
    ]
