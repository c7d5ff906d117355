"""The paths of the suppression list: `/v1/suppressions`.

Promises: what was added or taken away counts when that is answered; a list of any length is shown a page at a time.
Never: what is done with mail.

docs/suppression.md.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Protocol

import msgspec
from aiohttp import web

from asyncmta.admin.http import ApiError, answer, bounded_body, decode, parameters
from asyncmta.suppression.entries import InvalidSuppression, Suppression, entry, key_of_text

SMALL_BODY = 16 << 20
MOST_ROWS = 10_000
MOST_ADDED = 100_000


class Suppresses(Protocol):
    """What is needed of the list of an `Mta`."""

    def entries(self) -> list[Suppression]: ...
    def get(self, key: str) -> Suppression | None: ...
    async def add(self, entries: Iterable[Suppression]) -> None: ...
    async def remove(self, keys: Iterable[str]) -> int: ...
    async def load(self) -> None: ...


class Added(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be added. `expires` in Unix seconds; null or 0: never."""

    addresses: list[str]
    reason: str = ""
    added: float = 0.0
    expires: float | None = None


class SuppressionPaths:
    """The paths over one list."""

    def __init__(self, listed: Suppresses) -> None:
        self._list = listed

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/suppressions", self._show),
            web.post("/v1/suppressions", self._add),
            web.post("/v1/suppressions/reload", self._reload),
            web.get("/v1/suppressions/{address}", self._one),
            web.delete("/v1/suppressions/{address}", self._remove),
        ]

    async def _show(self, request: web.Request) -> web.Response:
        query = parameters(request, "limit", "cursor")
        limit = query.get("limit", "100")
        if not (limit.isascii() and limit.isdigit() and len(limit) < 10 and 1 <= int(limit) <= MOST_ROWS):
            raise ApiError(400, "bad_parameter", f"limit is a number from 1 to {MOST_ROWS}")
        entries = self._list.entries()
        first = bisect_right(entries, query["cursor"], key=lambda each: each.address) if query.get("cursor") else 0
        page = entries[first : first + int(limit)]
        following = page[-1].address if first + len(page) < len(entries) else None
        return answer({"suppressions": list(map(shown, page)), "next": following})

    async def _one(self, request: web.Request) -> web.Response:
        parameters(request)
        return answer(shown(self._found(request)))

    async def _add(self, request: web.Request) -> web.Response:
        parameters(request)
        said = decode(await bounded_body(request, SMALL_BODY), Added)
        if not 1 <= len(said.addresses) <= MOST_ADDED:
            raise ApiError(400, "bad_selection", f"addresses has from 1 to {MOST_ADDED} of them")
        try:
            new = [entry(each, said.reason, said.added, said.expires or 0.0) for each in said.addresses]
            await self._list.add(new)
        except InvalidSuppression as error:
            raise ApiError(400, "invalid_suppression", str(error)) from None
        return answer({"count": len({each.address for each in new})}, 201)

    async def _remove(self, request: web.Request) -> web.Response:
        parameters(request)
        try:
            return answer({"count": await self._list.remove([self._found(request).address])})
        except InvalidSuppression as error:  # of the file, which has to be mended first
            raise ApiError(409, "list_unreadable", str(error)) from None

    async def _reload(self, request: web.Request) -> web.Response:
        """The file was changed by somebody else."""
        parameters(request)
        await self._list.load()
        return answer({"count": len(self._list.entries())})

    def _found(self, request: web.Request) -> Suppression:
        try:
            found = self._list.get(key_of_text(request.match_info["address"]))
        except InvalidSuppression as error:
            raise ApiError(400, "invalid_suppression", str(error)) from None
        if found is None:
            raise ApiError(404, "not_found", "it is not on the list")
        return found


def shown(one: Suppression) -> dict[str, object]:
    """An entry with all its keys; null: it never ends."""
    return {
        "address": one.address,
        "reason": one.reason,
        "added": one.added,
        "expires": one.expires or None,
    }
