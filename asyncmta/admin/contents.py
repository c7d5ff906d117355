"""The content of a message as an answer: its octets as they will be sent, in pieces.

Promises: damage found on the way ends the connection, never the body as if it were whole. Never: what is in it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

from aiohttp import web

from asyncmta.admin.http import ApiError
from asyncmta.mail.envelope import ContentUnavailable


class Contents(Protocol):
    """What is needed of an `Mta`."""

    async def content(self, queue_id: str) -> AsyncIterator[bytes] | bytes: ...


async def send(
    request: web.Request,
    mta: Contents,
    queue_id: str,
    *,
    headers: Mapping[str, str],
    kind: str,
    on_error: Callable[[str, Exception], None],
) -> web.StreamResponse:
    """To be kept as a file. 410 where it cannot be had at all."""
    try:
        content = await mta.content(queue_id)
        first = b"" if isinstance(content, bytes) else await anext(content, b"")
    except ContentUnavailable as error:
        raise ApiError(410, "content_unavailable", str(error) or "the content cannot be read") from None
    name = f"{queue_id}.{'txt' if kind == 'text/plain' else 'eml'}"
    headers = {**headers, "Content-Disposition": f'attachment; filename="{name}"'}
    if isinstance(content, bytes):
        return web.Response(body=content, content_type=kind, headers=headers)
    response = web.StreamResponse(headers=headers)
    response.content_type = kind
    await response.prepare(request)
    if request.method == "HEAD":  # aiohttp would let it through, as the beginning of the next answer
        await content.aclose()  # type: ignore[attr-defined]  # it is a generator
        return response
    try:
        await response.write(first)
        async for chunk in content:
            await response.write(chunk)
    except ContentUnavailable as error:
        on_error(f"content of {queue_id}", error)
        response.force_close()
        if request.transport is not None:
            request.transport.abort()
        return response
    await response.write_eof()
    return response
