"""The paths of what an operator looks at for a while: rates, the log, the settings in force.

Promises: as those of `api`, of which this is a part. Never: what is shown; that is the `Mta`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from aiohttp import web

from asyncmta.admin.declaring import USUAL_ROWS, Path
from asyncmta.admin.http import ApiError, answer, bounded_body, decode, parameters, queue_id
from asyncmta.admin.view_shapes import MOST_STEPS, SiteNamed
from asyncmta.recent_log import Excerpt

SMALL_BODY = 16 << 10


class Watched(Protocol):
    """What these paths need of an `Mta`."""

    def observe(self, is_watched: bool) -> None:
        """Somebody can ask from now on, or nobody any more."""
        ...

    def rates(self, step: int, most: int) -> dict[str, Any]: ...
    def log(self, most: int, after: int, queue_id: str | None, event: str | None) -> Excerpt: ...
    def told_settings(self) -> dict[str, Any]: ...
    async def look_at_sites(self) -> Sequence[object]: ...
    async def retry_site(self, key: str) -> int | None: ...


class Views:
    """A part of `Api`, by the names of operations."""

    _mta: Watched

    async def rates(self, request: web.Request, path: Path) -> web.Response:
        query = parameters(request, path)
        return answer(self._mta.rates(query.get("step", 1), query.get("limit", MOST_STEPS)))

    async def log(self, request: web.Request, path: Path) -> web.Response:
        query = parameters(request, path)
        wanted = queue_id(query["queue_id"]) if "queue_id" in query else None
        found = self._mta.log(query.get("limit", USUAL_ROWS), query.get("after", 0), wanted, query.get("event"))
        lines = [{"number": number, "facts": facts} for number, facts in found.lines]
        return answer({"lines": lines, "last": found.last, "missed": found.missed})

    async def settings(self, request: web.Request, path: Path) -> web.Response:
        parameters(request, path)
        return answer(self._mta.told_settings())

    async def sites(self, request: web.Request, path: Path) -> web.Response:
        parameters(request, path)
        return answer({"sites": await self._mta.look_at_sites()})

    async def retry_site(self, request: web.Request, path: Path) -> web.Response:
        parameters(request, path)
        count = await self._mta.retry_site(decode(await bounded_body(request, SMALL_BODY), SiteNamed).key)
        if count is None:
            raise ApiError(404, "not_found", "no such site is known just now")
        return answer({"count": count})
