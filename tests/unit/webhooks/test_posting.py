"""One POST over real sockets."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

from asyncmta.webhooks.posting import Posting

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HEADERS = {"content-type": "application/json", "webhook-id": "msg_1"}


@pytest.fixture
async def posting() -> AsyncIterator[Posting]:
    posting = Posting()
    yield posting
    await posting.close()


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[str]]]:
    servers: list[TestServer] = []

    async def start(handler: Handler, context: ssl.SSLContext | None = None) -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        server = TestServer(app)
        await server.start_server(ssl=context)
        servers.append(server)
        return str(server.make_url("/hook"))

    yield start
    for server in servers:
        await server.close()


async def test_what_is_sent_and_that_the_connection_is_kept(posting, serve) -> None:
    seen = []

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        peer = request.transport.get_extra_info("peername")
        seen.append((request.method, request.headers["webhook-id"], await request.read(), peer))
        response = web.Response(status=204)
        response.set_cookie("a", "b")
        assert "Cookie" not in request.headers
        return response

    url = await serve(handler)
    assert await posting.post(url, HEADERS, b"[1]") == ""
    assert await posting.post(url, HEADERS, b"[2]") == ""
    assert [row[:3] for row in seen] == [("POST", "msg_1", b"[1]"), ("POST", "msg_1", b"[2]")]
    assert seen[0][3] == seen[1][3]


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 410, 429, 500, 503])
async def test_whatever_is_not_2xx_is_not_taken_and_nobody_is_sent_elsewhere(posting, serve, status) -> None:
    asked = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"}, text="x" * 200_000)

    assert await posting.post(await serve(handler), HEADERS, b"[]") == f"the answer is {status}"
    assert asked == ["/hook"]


async def test_nobody_is_there_or_hangs_up(posting, serve, unused_tcp_port) -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    assert await posting.post(f"http://127.0.0.1:{unused_tcp_port}/", HEADERS, b"[]")
    assert await posting.post(await serve(handler), HEADERS, b"[]")


async def test_a_certificate_of_a_stranger_is_refused(posting, serve) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    async def handler(_: web.Request) -> web.Response:
        return web.Response()

    url = await serve(handler, context)
    assert url.startswith("https://")
    assert "ertificate" in await posting.post(url, HEADERS, b"[]")


async def test_closed_twice() -> None:
    posting = Posting()
    await posting.close()
    await posting.close()
    assert posting._session is None
