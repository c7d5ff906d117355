"""HTTP in the small: answers, errors, and strict reading of parameters and bodies.

Promises: every answer says that it is no page and not to be kept; an unknown, doubled or ill-typed parameter is
refused; no body is read further than its bound, nor waited for longer than it is worth. Never: what a path means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from asyncmta.admin.declaring import Parameter, Path
from asyncmta.mail.envelope import format_queue_id, parse_queue_id

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
PATIENCE = 30.0  # seconds for the first octets of a body
SLOWEST = 10_000  # octets a second that what follows has to come with

T = TypeVar("T")


class ApiError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def answer(value: object, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json", headers=HEADERS
    )


def failure(status: int, code: str, message: str) -> web.Response:
    return answer({"error": {"code": code, "message": message}}, status)


def queue_id(text: str) -> str:
    """The id in its one spelling; 400 for what is none."""
    try:
        return format_queue_id(parse_queue_id(text))
    except ValueError as error:
        raise ApiError(400, "bad_queue_id", str(error)) from None


def parameters(request: web.Request, *allowed: Path | str) -> Mapping[str, Any]:
    """The query as it is declared, with only the keys that are known, each once, of the types that they have: a
    misspelt filter must not widen an operation. Of those that may be repeated, the list. `allowed`: a path with its
    declared query, or names of texts; with nothing, no key is."""
    known: dict[str, Parameter] = {}
    for each in allowed:
        known |= {each: Parameter(each, "")} if isinstance(each, str) else {one.name: one for one in each.query}
    seen: dict[str, Any] = {}
    for key in request.query:
        if key not in known:
            raise ApiError(400, "bad_parameter", f"unknown parameter; known here: {', '.join(known) or 'none'}")
        values = request.query.getall(key)
        if known[key].repeated:
            seen[key] = values
        elif len(values) > 1:
            raise ApiError(400, "bad_parameter", f"{key} is given twice")
        else:
            seen[key] = _typed(known[key], values[0])
    for name, parameter in known.items():
        if parameter.required and not seen.get(name):
            raise ApiError(400, "bad_parameter", f"{name} is needed")
    return seen


def _typed(parameter: Parameter, value: str) -> Any:
    if parameter.kind is bool:
        if value not in ("true", "false"):
            raise ApiError(400, "bad_parameter", f"{parameter.name} is true or false")
        return value == "true"
    try:
        return msgspec.convert(value, parameter.kind, strict=False)
    except msgspec.ValidationError as error:
        raise ApiError(400, "bad_parameter", f"{parameter.name}: {error}. {parameter.about}") from None


async def bounded_body(request: web.Request, limit: int, *, patience: float = PATIENCE) -> bytes:
    """The whole body; 413 as soon as it is known to be longer than `limit`, 408 when it comes too slowly, 415 when it
    is packed: the door unpacks nothing, since a little that is sent would be a lot to unpack."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise ApiError(415, "unsupported_media_type", "a body without Content-Encoding is needed")
    if request.content_length is not None and request.content_length > limit:
        raise ApiError(413, "too_large", f"the body has at most {limit} octets")
    body = bytearray()
    try:
        async with asyncio.timeout(patience) as deadline:
            end = deadline.when()
            assert end is not None
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > limit:
                    raise ApiError(413, "too_large", f"the body has at most {limit} octets")
                deadline.reschedule(end + len(body) / SLOWEST)
    except TimeoutError:
        raise ApiError(408, "too_slow", "the body did not come in time") from None
    return bytes(body)


def decode(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, "bad_json", str(error)) from None
