"""The HTTP interface over a running `Mta` (contract.md section 4): an aiohttp application, without its sockets.

Promises: every answer but the content of a message is JSON, every error `{"error": {"code", "message"}}`; bodies are
bounded; nothing changes by GET; a bug in here is a 500 with nothing of the inside in it, and the process goes on.
A 202 for a message is given only after it is durable. Never: decisions about mail; all of them are the `Mta`'s.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

import msgspec
from aiohttp import web

from asyncmta.admin.client import DROP_FILE
from asyncmta.admin.guard import Guard
from asyncmta.admin.http import HEADERS, ApiError, answer, bounded_body, decode, failure, parameters, queue_id
from asyncmta.admin.life import Steered, life_routes
from asyncmta.admin.rows import STATES, MessageView, Selection, Tally, newest_page, show
from asyncmta.inbound import drop_file
from asyncmta.inbound.injection import AS_USUAL, Reports
from asyncmta.mail.address import InvalidAddress, domain_key, is_ip_address, parse_address
from asyncmta.mail.envelope import ContentUnavailable
from asyncmta.mail.reply import Reply

SMALL_BODY = 1 << 20
MOST_ROWS = 10_000
USUAL_ROWS = 100

Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]
OnError = Callable[[str, Exception], None]


class Operated(Steered, Protocol):
    """What the door needs of an `Mta`."""

    async def submit(
        self, reverse_path: str | None, recipients: list[str], content: bytes, reports: Reports = AS_USUAL
    ) -> str: ...
    def newest(self, before: str | None = None) -> AsyncIterator[MessageView]: ...
    def message(self, queue_id: str) -> MessageView | None: ...
    async def content(self, queue_id: str) -> AsyncIterator[bytes] | bytes: ...
    async def retry(self, ids: list[str] | None, domain: str | None = None, sender: str | None = None) -> int: ...
    async def hold(self, ids: list[str] | None, domain: str | None = None, sender: str | None = None) -> int: ...
    async def release(self, ids: list[str] | None, domain: str | None = None, sender: str | None = None) -> int: ...
    async def remove(
        self, ids: list[str] | None, domain: str | None = None, sender: str | None = None, *, bounce: bool = False
    ) -> int: ...
    async def route(self, recipient: str, sender: str | None, client: str | None, login: str | None) -> object: ...
    def not_ready(self) -> list[str]: ...
    def alive(self) -> list[str]: ...


class Bulk(msgspec.Struct, forbid_unknown_fields=True):
    """Which messages an operation is for: the named ones, or those that pass the filters, or all."""

    ids: list[str] | None = None
    domain: str | None = None
    sender: str | None = None
    all: bool = False
    bounce: bool = False


class NewMessage(msgspec.Struct, forbid_unknown_fields=True):
    """A message as JSON. `from` null or "" is the null reverse-path."""

    to: list[str]
    content: str
    notify: str | None = None
    ret: str | None = None
    envid: str | None = None
    verp: bool = False
    from_: str | None = msgspec.field(default=None, name="from")


class Api:
    """The paths. `message_size` bounds the body of a message."""

    def __init__(self, mta: Operated, *, message_size: int, on_error: OnError) -> None:
        self._mta = mta
        self._message_size = message_size
        self._on_error = on_error

    def application(self, guard: Guard | None) -> web.Application:
        """An application for one way in; `guard` None is for the control socket."""

        @web.middleware
        async def gate(request: web.Request, handler: Serve) -> web.StreamResponse:
            refusal = guard.refusal(request.path, request.headers) if guard is not None else None
            if refusal is not None:
                return failure(refusal.status, refusal.code, refusal.message)
            return await self._guarded(request, handler)

        app = web.Application(middlewares=[gate], client_max_size=0)
        app.add_routes(
            [
                web.get("/livez", self._livez),
                web.get("/readyz", self._readyz),
                web.get("/v1/queue", self._list),
                web.get("/v1/queue/stats", self._stats),
                web.get("/v1/queue/{id}", self._show),
                web.get("/v1/queue/{id}/content", self._content),
                web.delete("/v1/queue/{id}", self._delete),
                web.post("/v1/queue/flush", self._flush),
                web.post("/v1/queue/{verb:retry|hold|release|delete}", self._bulk),
                web.post("/v1/queue/{id}/{verb:retry|hold|release}", self._single),
                web.post("/v1/messages", self._submit),
                web.get("/v1/route", self._route),
            ]
        )
        app.add_routes(life_routes(self._mta))
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

    # -- health -----------------------------------------------------------------------------------------------------

    async def _livez(self, _: web.Request) -> web.Response:
        return _health(self._mta.alive())

    async def _readyz(self, _: web.Request) -> web.Response:
        return _health(self._mta.not_ready(), self._mta.paused.reasons())

    # -- looking ----------------------------------------------------------------------------------------------------

    async def _list(self, request: web.Request) -> web.Response:
        query = parameters(request, "domain", "sender", "state", "limit", "cursor")
        state = query.get("state")
        if state is not None and state not in STATES:
            raise ApiError(400, "bad_parameter", f"state is one of {', '.join(STATES)}")
        limit = query.get("limit", str(USUAL_ROWS))
        if not (limit.isascii() and limit.isdigit() and len(limit) < 10 and 1 <= int(limit) <= MOST_ROWS):
            raise ApiError(400, "bad_parameter", f"limit is a number from 1 to {MOST_ROWS}")
        cursor = query.get("cursor")
        domain = query.get("domain")
        selection = Selection(domain_key(domain) if domain is not None else None, query.get("sender"), state)
        newest = self._mta.newest(queue_id(cursor) if cursor else None)
        rows, following = await newest_page(newest, selection, limit=int(limit))
        return answer({"messages": rows, "next": following})

    async def _stats(self, request: web.Request) -> web.Response:
        parameters(request)
        tally = Tally()
        async for row in self._mta.newest():
            tally.add(row)
        return answer(tally.show() | {"paused": self._mta.paused.reasons()})

    async def _show(self, request: web.Request) -> web.Response:
        parameters(request)
        return answer(show(self._row(request)))

    async def _content(self, request: web.Request) -> web.StreamResponse:
        """The octets as they will be sent. Damage found on the way ends the connection, never the body."""
        parameters(request)
        row = self._row(request)
        try:
            content = await self._mta.content(row.queue_id)
            first = b"" if isinstance(content, bytes) else await anext(content, b"")
        except ContentUnavailable as error:
            raise ApiError(410, "content_unavailable", str(error) or "the content cannot be read") from None
        headers = HEADERS | {"Content-Disposition": f'attachment; filename="{row.queue_id}.eml"'}
        if isinstance(content, bytes):
            return web.Response(body=content, content_type="message/rfc822", headers=headers)
        response = web.StreamResponse(headers=headers)
        response.content_type = "message/rfc822"
        await response.prepare(request)
        try:
            await response.write(first)
            async for chunk in content:
                await response.write(chunk)
        except ContentUnavailable as error:
            self._on_error(f"content of {row.queue_id}", error)
            response.force_close()
            if request.transport is not None:
                request.transport.abort()
            return response
        await response.write_eof()
        return response

    async def _route(self, request: web.Request) -> web.Response:
        query = parameters(request, "recipient", "sender", "client", "login")
        if not query.get("recipient"):
            raise ApiError(400, "bad_parameter", "recipient is needed")
        client, sender = query.get("client"), query.get("sender")
        if client is not None and not is_ip_address(client):
            raise ApiError(400, "bad_parameter", "client is an IP address")
        sender = sender if sender not in (None, "", "<>") else None
        report = await self._mta.route(query["recipient"], sender, client, query.get("login"))
        return answer(msgspec.to_builtins(report))

    # -- changing ---------------------------------------------------------------------------------------------------

    async def _single(self, request: web.Request) -> web.Response:
        parameters(request)
        row = self._row(request)
        count = await self._carry_out(request.match_info["verb"], Bulk(ids=[row.queue_id]))
        return answer({"count": count})

    async def _delete(self, request: web.Request) -> web.Response:
        bounce = parameters(request, "bounce").get("bounce", "false")
        if bounce not in ("true", "false"):
            raise ApiError(400, "bad_parameter", "bounce is true or false")
        row = self._row(request)
        return answer({"count": await self._carry_out("delete", Bulk(ids=[row.queue_id], bounce=bounce == "true"))})

    async def _bulk(self, request: web.Request) -> web.Response:
        parameters(request)
        bulk = decode(await bounded_body(request, SMALL_BODY), Bulk)
        named = [bulk.ids is not None, bulk.domain is not None or bulk.sender is not None, bulk.all]
        if sum(named) != 1:
            raise ApiError(400, "bad_selection", "say ids, or domain and sender, or all: one of the three")
        return answer({"count": await self._carry_out(request.match_info["verb"], bulk)})

    async def _flush(self, request: web.Request) -> web.Response:
        """Everything that waits is tried now, or what the filters name."""
        parameters(request)
        body = await bounded_body(request, SMALL_BODY)
        bulk = decode(body, Bulk) if body.strip() else Bulk()
        return answer({"count": await self._carry_out("retry", bulk)})

    async def _carry_out(self, verb: str, bulk: Bulk) -> int:
        ids = [queue_id(text) for text in bulk.ids] if bulk.ids is not None else None
        if verb == "delete":
            return await self._mta.remove(ids, domain=bulk.domain, sender=bulk.sender, bounce=bulk.bounce)
        operations = {"retry": self._mta.retry, "hold": self._mta.hold, "release": self._mta.release}
        return await operations[verb](ids, domain=bulk.domain, sender=bulk.sender)

    async def _submit(self, request: web.Request) -> web.Response:
        kind = request.content_type
        if kind == "application/json":
            parameters(request)
            # JSON spells one octet in up to six.
            message = decode(await bounded_body(request, 6 * self._message_size + SMALL_BODY), NewMessage)
            sender, recipients, content = message.from_, message.to, message.content.encode("utf-8", "replace")
            reports = Reports(message.notify, message.ret, message.envid, message.verp)
        elif kind == DROP_FILE:  # more recipients than a query has room for
            parameters(request)
            dropped = drop_file.read(await bounded_body(request, self._message_size + drop_file.ROOM))
            if isinstance(dropped, str):
                raise ApiError(400, "bad_message", dropped)
            directions, content = dropped.directions, dropped.content
            sender, recipients, reports = directions.sender, list(directions.recipients), directions.reports
        elif kind == "message/rfc822":
            query = parameters(request, "from", "to", "notify", "ret", "envid", "verp", repeated=("to",))
            reports = Reports(query.get("notify"), query.get("ret"), query.get("envid"), query.get("verp") == "1")
            sender, recipients = query.get("from"), request.query.getall("to", [])
            content = await bounded_body(request, self._message_size)
        else:
            raise ApiError(415, "unsupported_media_type", "message/rfc822 or application/json")
        if len(content) > self._message_size:
            raise ApiError(413, "too_large", f"a message has at most {self._message_size} octets")
        if not recipients:
            raise ApiError(400, "no_recipients", "a message needs a recipient")
        for recipient in recipients:
            parse_address(recipient, smtputf8=True)
        return answer({"queue_id": await self._mta.submit(sender or None, recipients, content, reports)}, 202)

    def _row(self, request: web.Request) -> MessageView:
        row = self._mta.message(queue_id(request.match_info["id"]))
        if row is None:
            raise ApiError(404, "not_found", "no such message is queued")
        return row


def _health(reasons: list[str], paused: list[str] | None = None) -> web.Response:
    more = {} if paused is None else {"paused": paused}
    if reasons:
        error = {"code": "failing", "message": "; ".join(reasons)}
        return answer({"status": "failing", "reasons": reasons, "error": error} | more, 503)
    return answer({"status": "ok", "reasons": []} | more)
