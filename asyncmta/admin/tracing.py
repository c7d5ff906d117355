"""Looking on over HTTP: events as JSON lines, for as long as somebody reads them.

Promises: who does not read is left alone after a while, and has cost no session anything; an empty line now and then
shows both sides that the other is there. Never: what is shown; that is in the room `tracing`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from aiohttp import web

from asyncmta.admin.declaring import Path
from asyncmta.admin.http import HEADERS, ApiError, parameters
from asyncmta.admin.paths_trace import NDJSON
from asyncmta.admin.rows import age
from asyncmta.mail.address import InvalidAddress, domain_key
from asyncmta.system.clock import SystemClock
from asyncmta.tracing.events import TraceEvent
from asyncmta.tracing.looking import Looker, TooMany
from asyncmta.tracing.wanted import Wanted, network

BEAT = 10.0  # seconds of silence
PATIENCE = 60.0  # seconds for a reader to take what has come
FOREVER = 10 * 366 * 86400.0


class Traced(Protocol):
    """What this path needs of an `Mta`."""

    def trace(self, wanted: Wanted) -> Looker: ...


class TracePaths:
    """The path over one MTA."""

    def __init__(self, mta: Traced) -> None:
        self._mta = mta

    async def trace(self, request: web.Request, path: Path) -> web.StreamResponse:
        query = parameters(request, path)
        wanted = wanted_of(query)
        seconds = age(query["for"]) if "for" in query else FOREVER
        response = web.StreamResponse(headers=HEADERS | {"Content-Type": NDJSON})
        if request.method == "HEAD":
            await response.prepare(request)
            return response
        try:
            looker = self._mta.trace(wanted)
        except TooMany as error:
            raise ApiError(429, "too_many_traces", str(error)) from None
        try:
            await response.prepare(request)
            await _pass_on(looker, response, query.get("limit"), min(seconds, FOREVER))
            await response.write_eof()
        except (OSError, TimeoutError):  # the reader is gone, or as good as gone
            response.force_close()
            if request.transport is not None:
                request.transport.abort()
        finally:
            looker.close()
        return response


async def _pass_on(looker: Looker, response: web.StreamResponse, limit: int | None, seconds: float) -> None:
    """Until nobody reads, or the time is over, or so many were told."""
    clock = SystemClock()
    end, left = clock.monotonic() + seconds, limit
    why = ""
    while not why:
        rest = end - clock.monotonic()
        events = await looker.take(max(0.0, min(BEAT, rest)))
        if left is not None:
            events = events[:left]
            left -= len(events)
        if left == 0:
            why = "as many events as were asked for"
        elif rest <= 0:
            why = "the time is over"
        elif looker.is_closed:
            why = "the MTA stops"
        if why:
            events.append(TraceEvent(clock.now(), "end", why, count=looker.dropped))
        lines = b"".join(msgspec.json.encode(event) + b"\n" for event in events)
        async with asyncio.timeout(PATIENCE):
            await response.write(lines or b"\n")


def wanted_of(query: Mapping[str, Any]) -> Wanted:
    """The filters of a query."""
    client, site = query.get("client"), query.get("site")
    try:
        wanted_client = network(client) if client is not None else None
    except ValueError:
        raise ApiError(400, "bad_parameter", "client is an IP address or a network") from None
    return Wanted(
        client=wanted_client,
        listener=query.get("listener"),
        site=_site(site) if site is not None else None,
        sender=query.get("sender"),
        recipient=query.get("recipient"),
        content=query.get("content", False),
    )


def _site(text: str) -> str:
    """A domain in its one spelling; anything else as it is."""
    try:
        return domain_key(text)
    except InvalidAddress:
        return text
