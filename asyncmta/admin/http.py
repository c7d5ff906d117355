"""HTTP in the small: answers, errors, and strict reading of parameters and bodies.

Promises: every answer says that it is no page and not to be kept; an unknown or doubled parameter is refused; no body
is read further than its bound. Never: paths, and what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from aiohttp import web

from asyncmta.mail.envelope import format_queue_id, parse_queue_id

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}

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


def parameters(request: web.Request, *allowed: str, repeated: tuple[str, ...] = ()) -> Mapping[str, str]:
    """The query, with only the keys that are known, each once: a misspelt filter must not widen an operation."""
    seen: dict[str, str] = {}
    for key, value in request.query.items():
        if key not in allowed:
            raise ApiError(400, "bad_parameter", f"unknown parameter; known here: {', '.join(allowed) or 'none'}")
        if key in seen and key not in repeated:
            raise ApiError(400, "bad_parameter", f"{key} is given twice")
        seen[key] = value
    return seen


async def bounded_body(request: web.Request, limit: int) -> bytes:
    """The whole body; 413 as soon as it is known to be longer than `limit`."""
    if request.content_length is not None and request.content_length > limit:
        raise ApiError(413, "too_large", f"the body has at most {limit} octets")
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise ApiError(413, "too_large", f"the body has at most {limit} octets")
    return bytes(body)


def decode(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, "bad_json", str(error)) from None
