"""The page of one message: its envelope, what became of each recipient, what decides now, and its header section.

Promises: reads no more of the content than its header section takes; the content is handed out as a file and never as
a page. Never: a change; the forms there go to the page of the queue.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Protocol

from aiohttp import web

from asyncmta.admin.contents import Contents, send
from asyncmta.admin.http import ApiError, queue_id
from asyncmta.admin.rows import MessageView
from asyncmta.admin.shapes import Story
from asyncmta.mail.envelope import ContentUnavailable
from asyncmta.web.headers import PAGE
from asyncmta.web.message_facts import MOST_OCTETS, Heading, heading
from asyncmta.web.queue_facts import VERBS
from asyncmta.web.visit import Page, Visit

GONE = "No such message is in the queue (any more). The log says what became of it."

OnError = Callable[[str, Exception], None]


class Told(Contents, Protocol):
    """What these pages need of an `Mta`."""

    def message(self, queue_id: str) -> MessageView | None: ...
    async def why(self, queue_id: str) -> Any: ...


def message_pages(mta: Told, on_error: OnError) -> list[Page]:
    pages = _Pages(mta, on_error)
    return [Page("/queue/{id}", pages.show), Page("/queue/{id}/content", pages.content)]


class _Pages:
    def __init__(self, mta: Told, on_error: OnError) -> None:
        self._mta = mta
        self._on_error = on_error

    async def show(self, visit: Visit) -> web.Response:
        row = self._row(visit)
        story: Story | None = await self._mta.why(row.queue_id)
        if story is None:
            raise ApiError(404, "not_found", GONE)
        parts, fault = await self._heading(row.queue_id)
        return visit.page(
            "message.html",
            title=f"Message {row.queue_id}",
            story=story,
            total=row.total,
            heading=parts,
            fault=fault,
            verbs={verb: word for verb, word in VERBS.items() if _makes_sense(verb, row.state)},
        )

    async def content(self, visit: Visit) -> web.StreamResponse:
        """To be kept and looked at with something else."""
        row = self._row(visit)
        return await send(
            visit.request, self._mta, row.queue_id, headers=PAGE, kind="text/plain", on_error=self._on_error
        )

    def _row(self, visit: Visit) -> MessageView:
        row = self._mta.message(queue_id(visit.request.match_info["id"]))
        if row is None:
            raise ApiError(404, "not_found", GONE)
        return row

    async def _heading(self, wanted: str) -> tuple[Heading | None, str]:
        """The header section, or why there is none to show."""
        try:
            content = await self._mta.content(wanted)
            return heading(content if isinstance(content, bytes) else await _beginning(content)), ""
        except ContentUnavailable as error:
            return None, str(error) or "the content cannot be read"


def _makes_sense(verb: str, state: str) -> bool:
    return {"hold": state != "held", "release": state == "held"}.get(verb, True) and (
        state != "damaged" or verb == "delete"
    )


async def _beginning(chunks: AsyncIterator[bytes]) -> bytes:
    """As much as the header section takes."""
    found = bytearray()
    async with aclosing(chunks):  # type: ignore[type-var]  # it is a generator
        async for chunk in chunks:
            found += chunk
            if len(found) > MOST_OCTETS or b"\r\n\r\n" in found:
                break
    return bytes(found)
