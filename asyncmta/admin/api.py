"""The HTTP interface over a running `Mta` (contract.md section 4): an aiohttp application, without its sockets.

Promises: every answer but the content of a message is JSON, every error `{"error": {"code", "message"}}`; bodies are
bounded; nothing changes by GET; a bug in here is a 500 with nothing of the inside in it, and the process goes on.
A 202 for a message is given only after it is durable. Never: decisions about mail; all of them are the `Mta`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from importlib.metadata import version
from typing import Any, Protocol

import msgspec
from aiohttp import web

from asyncmta.admin.contents import send
from asyncmta.admin.declaring import DROP_FILE, JSON, MESSAGE, USUAL_ROWS, USUAL_STORIES, Path
from asyncmta.admin.guard import Guard
from asyncmta.admin.http import (
    HEADERS,
    PATIENCE,
    ApiError,
    answer,
    bounded_body,
    decode,
    failure,
    parameters,
    queue_id,
)
from asyncmta.admin.life import LifePaths, Steered
from asyncmta.admin.openapi import document
from asyncmta.admin.paths import PATHS
from asyncmta.admin.rows import MessageView, Selection, Shown, Tally, behind, newest_page, show
from asyncmta.admin.selecting import Operating, carry_out, must_be_clear, selection
from asyncmta.admin.shapes import Bulk, Flush, NewMessage
from asyncmta.admin.suppressions import Suppresses, SuppressionPaths
from asyncmta.admin.tracing import Traced, TracePaths
from asyncmta.admin.views import Views, Watched
from asyncmta.inbound import drop_file
from asyncmta.inbound.injection import Reports
from asyncmta.mail.address import InvalidAddress, is_ip_address, parse_address
from asyncmta.mail.reply import Reply
from asyncmta.system.clock import SystemClock

SMALL_BODY = 1 << 20

Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]
OnError = Callable[[str, Exception], None]


class Pages(Protocol):
    """What people see at the same address; they answer for all of a path that is theirs, its refusals too."""

    def owns(self, path: str) -> bool: ...
    def routes(self) -> list[web.RouteDef]: ...
    async def answer(self, request: web.Request, handler: Serve, guard: Guard) -> web.StreamResponse: ...


class Operated(Operating, Steered, Traced, Watched, Protocol):
    """What the door needs of an `Mta`."""

    async def submit(
        self, reverse_path: str | None, recipients: list[str], content: bytes, reports: Reports, traceparent: str
    ) -> str: ...
    async def content(self, queue_id: str) -> AsyncIterator[bytes] | bytes: ...
    async def route(self, recipient: str, sender: str | None, client: str | None, login: str | None) -> object: ...
    async def why(self, queue_id: str) -> object | None: ...
    @property
    def suppressions(self) -> Suppresses: ...


class Api(Views):
    """What the paths do: the operations of `paths`, by name. `message_size` bounds the body of a message."""

    _mta: Operated

    def __init__(self, mta: Operated, *, message_size: int, on_error: OnError, patience: float = PATIENCE) -> None:
        self._mta = mta
        self._message_size = message_size
        self._on_error = on_error
        self._body = partial(bounded_body, patience=patience)

    def application(self, guard: Guard | None, pages: Pages | None = None) -> web.Application:
        """An application for one way in; `guard` None is for the control socket. `pages`: what people see there."""

        @web.middleware
        async def gate(request: web.Request, handler: Serve) -> web.StreamResponse:
            if pages is not None and guard is not None and pages.owns(request.path):
                return await pages.answer(request, handler, guard)
            refusal = guard.refusal(request.path, request.headers) if guard is not None else None
            if refusal is not None:
                return failure(refusal.status, refusal.code, refusal.message)
            return await self._guarded(request, handler)

        app = web.Application(middlewares=[gate], client_max_size=0)
        rooms = (self, LifePaths(self._mta), SuppressionPaths(self._mta.suppressions), TracePaths(self._mta))
        for path in PATHS:
            (operation,) = (getattr(room, path.operation) for room in rooms if hasattr(room, path.operation))
            serve = partial(operation, path=path)
            if path.method == "GET":
                app.router.add_get(path.path, serve)  # and HEAD, which some probes use
            else:
                app.router.add_route(path.method, path.path, serve)
        app.add_routes(pages.routes() if pages is not None else [])
        return app

    async def _guarded(self, request: web.Request, serve: Serve) -> web.StreamResponse:
        """The one place where a request's exceptions end."""
        try:
            return await serve(request)
        except ApiError as error:
            return failure(error.status, error.code, error.message)
        except web.HTTPException as error:
            reply = failure(error.status, error.reason.lower().replace(" ", "_"), error.reason)
            if "Allow" in error.headers:
                reply.headers["Allow"] = error.headers["Allow"]
            return reply
        except InvalidAddress as error:
            return failure(400, "invalid_address", str(error))
        except Exception as error:
            refusal = getattr(error, "reply", None)
            if isinstance(refusal, Reply):  # SubmitRefused; its home is above this floor
                return failure(503 if refusal.is_transient else 422, "refused", str(refusal))
            self._on_error(f"{request.method} {request.path}", error)
            return failure(500, "internal", "an error of the server; its log says more")

    # -- looking ----------------------------------------------------------------------------------------------------

    async def openapi(self, request: web.Request, path: Path) -> web.Response:
        parameters(request, path)
        return answer(document(version("asyncmta")))

    async def queue(self, request: web.Request, path: Path) -> web.Response:
        query = parameters(request, path)
        rows, following = await self._page(query, selection(query, SystemClock().now()), USUAL_ROWS)
        return answer({"messages": rows, "next": following})

    async def _page(self, query: Mapping[str, Any], wanted: Selection, usual: int) -> tuple[list[Shown], str | None]:
        try:
            before = queue_id(behind(query["cursor"])) if query.get("cursor") else None
        except ValueError as error:
            raise ApiError(400, "bad_parameter", f"cursor: {error}") from None
        return await newest_page(self._mta.newest(before), wanted, limit=query.get("limit", usual))

    async def stats(self, request: web.Request, path: Path) -> web.Response:
        parameters(request, path)
        tally = Tally()
        async for row in self._mta.newest():
            tally.add(row)
        return answer(tally.show() | {"paused": self._mta.paused.reasons()})

    async def show(self, request: web.Request, path: Path) -> web.Response:
        parameters(request, path)
        shown = show(self._row(request))
        if self._mta.paused.reasons() and not shown["reason"]:
            story: Any = await self._mta.why(shown["queue_id"])
            decided = () if story is None else story.recipients
            shown["reason"] = next((each.why for each in decided if each.decided_by == "pause"), None)
        return answer(shown)

    async def content(self, request: web.Request, path: Path) -> web.StreamResponse:
        """The octets as they will be sent. Damage found on the way ends the connection, never the body."""
        parameters(request, path)
        row = self._row(request)
        return await send(request, self._mta, row.queue_id, headers=HEADERS, kind=MESSAGE, on_error=self._on_error)

    async def history(self, request: web.Request, path: Path) -> web.Response:
        parameters(request, path)
        return answer(await self._story(request.match_info["id"]))

    async def why(self, request: web.Request, path: Path) -> web.Response:
        query = parameters(request, path)
        address = query.get("address")
        if ("id" in query) == (address is not None):
            raise ApiError(400, "bad_parameter", "say id or address: one of the two")
        if address is None:
            return answer({"messages": [await self._story(query["id"])], "next": None, "route": None})
        route = await self._mta.route(address, None, None, None)
        rows, following = await self._page(query, Selection(address=address), USUAL_STORIES)
        stories = []
        for row in rows:
            stories.append(await self._mta.why(row["queue_id"]))
            await asyncio.sleep(0)  # one may have to be read from the disk
        left = [story for story in stories if story is not None]  # the others have ended meanwhile
        return answer({"messages": left, "next": following, "route": msgspec.to_builtins(route)})

    async def _story(self, text: str) -> object:
        story = await self._mta.why(queue_id(text))
        if story is None:
            raise ApiError(404, "not_found", "no such message is queued (any more): the log says what became of it")
        return story

    async def route(self, request: web.Request, path: Path) -> web.Response:
        query = parameters(request, path)
        client, sender = query.get("client"), query.get("sender")
        if client is not None and not is_ip_address(client):
            raise ApiError(400, "bad_parameter", "client is an IP address")
        sender = sender if sender not in (None, "", "<>") else None
        report = await self._mta.route(query["recipient"], sender, client, query.get("login"))
        return answer(msgspec.to_builtins(report))

    # -- changing ---------------------------------------------------------------------------------------------------

    async def single(self, request: web.Request, path: Path) -> web.Response:
        parameters(request, path)
        return await self._carry_out(path.verb, Bulk(ids=[self._row(request).queue_id]))

    async def delete(self, request: web.Request, path: Path) -> web.Response:
        bounce = parameters(request, path).get("bounce", False)
        return await self._carry_out("delete", Bulk(ids=[self._row(request).queue_id], bounce=bounce))

    async def bulk(self, request: web.Request, path: Path) -> web.Response:
        parameters(request, path)
        bulk = decode(await self._body(request, SMALL_BODY), Bulk)
        must_be_clear(bulk)
        return await self._carry_out(path.verb, bulk)

    async def flush(self, request: web.Request, path: Path) -> web.Response:
        """Everything that waits is tried now, or what the filters name."""
        parameters(request, path)
        body = await self._body(request, SMALL_BODY)
        flush = decode(body, Flush) if body.strip() else Flush()
        return await self._carry_out("retry", msgspec.convert(msgspec.to_builtins(flush), Bulk))

    async def _carry_out(self, verb: str, bulk: Bulk) -> web.Response:
        return answer({"count": await carry_out(self._mta, verb, bulk, SystemClock().now())})

    async def submit(self, request: web.Request, path: Path) -> web.Response:
        kind = request.content_type
        if kind == JSON:
            parameters(request)
            # JSON spells one octet in up to six.
            message = decode(await self._body(request, 6 * self._message_size + SMALL_BODY), NewMessage)
            sender, recipients, content = message.from_, message.to, message.content.encode("utf-8", "replace")
            reports = Reports(message.notify, message.ret, message.envid, message.verp)
        elif kind == DROP_FILE:  # more recipients than a query has room for
            parameters(request)
            dropped = drop_file.read(await self._body(request, self._message_size + drop_file.ROOM))
            if isinstance(dropped, str):
                raise ApiError(400, "bad_message", dropped)
            directions, content = dropped.directions, dropped.content
            sender, recipients, reports = directions.sender, [*directions.recipients], directions.reports
        elif kind == MESSAGE:
            query = parameters(request, path)
            reports = Reports(query.get("notify"), query.get("ret"), query.get("envid"), query.get("verp") == "1")
            sender, recipients = query.get("from"), query.get("to", [])
            content = await self._body(request, self._message_size)
        else:
            raise ApiError(415, "unsupported_media_type", f"{MESSAGE} or {JSON}")
        if len(content) > self._message_size:
            raise ApiError(413, "too_large", f"a message has at most {self._message_size} octets")
        if not recipients:
            raise ApiError(400, "no_recipients", "a message needs a recipient")
        for recipient in recipients:
            parse_address(recipient, smtputf8=True)
        trace = request.headers.get("traceparent", "")
        return answer({"queue_id": await self._mta.submit(sender or None, recipients, content, reports, trace)}, 202)

    def _row(self, request: web.Request) -> MessageView:
        row = self._mta.message(queue_id(request.match_info["id"]))
        if row is None:
            raise ApiError(404, "not_found", "no such message is queued")
        return row
