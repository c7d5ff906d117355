"""The refresh flow over HTTP: what is asked, and what comes back."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from asyncmta.credentials import Grant
from asyncmta.delivery.logging_in import NoToken
from asyncmta.delivery.token_answers import NewToken
from asyncmta.delivery.token_endpoint import ask_endpoint

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[Grant]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    servers: list[TestServer] = []

    async def start(handler: Handler) -> Grant:
        app = web.Application()
        app.router.add_route("*", "/token", handler)
        server = TestServer(app)
        await server.start_server()
        servers.append(server)
        return Grant(url=str(server.make_url("/token")), client_id="we", client_secret="hush", refresh_token="r1")

    yield start
    for server in servers:
        await server.close()


async def test_what_is_asked_and_answered(serve: Serve) -> None:
    asked: list[dict[str, str]] = []

    async def handler(request: web.Request) -> web.Response:
        assert request.method == "POST"
        asked.append({key: str(value) for key, value in (await request.post()).items()})
        return web.json_response({"access_token": "t1", "token_type": "Bearer", "expires_in": 60})

    grant = await serve(handler)
    assert await ask_endpoint(grant) == NewToken("t1", 60.0)
    (form,) = asked
    assert form == {
        "grant_type": "refresh_token",
        "refresh_token": "r1",
        "client_id": "we",
        "client_secret": "hush",
    }


async def test_a_refusal(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"error": "invalid_grant", "error_description": "not hush"}, status=400)

    grant = await serve(handler)
    with pytest.raises(NoToken, match="the answer is 400: invalid_grant not") as caught:
        await ask_endpoint(grant)
    assert "hush" not in str(caught.value)


async def test_secrets_do_not_follow_a_redirect(serve: Serve) -> None:
    seen: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.json_response({"access_token": "t1"})

    other = await serve(elsewhere)

    async def handler(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(other.url)

    grant = await serve(handler)
    with pytest.raises(NoToken, match="the answer is 307"):
        await ask_endpoint(grant)
    assert seen == []


async def test_an_answer_without_end(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b" " * 65536)
        return response

    grant = await serve(handler)
    with pytest.raises(NoToken, match="longer than 65536"):
        await ask_endpoint(grant)


async def test_nobody_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        grant = Grant(url=f"http://127.0.0.1:{unused.getsockname()[1]}/token", client_id="c", refresh_token="r1")
        with pytest.raises(NoToken, match="Cannot connect"):
            await ask_endpoint(grant)
