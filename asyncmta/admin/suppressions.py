"""The paths of the suppression list: `/v1/suppressions`.

Promises: what was added or taken away counts when that is answered; a list of any length is shown a page at a time.
Never: what is done with mail.

docs/suppression.md.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Protocol

from aiohttp import web

from asyncmta.admin.declaring import USUAL_ROWS, Path
from asyncmta.admin.http import ApiError, answer, bounded_body, decode, parameters
from asyncmta.admin.shapes_life import Added
from asyncmta.suppression.entries import InvalidSuppression, Suppression, entry, key_of_text

SMALL_BODY = 16 << 20
MOST_ADDED = 100_000


class Suppresses(Protocol):
    """What is needed of the list of an `Mta`."""

    def entries(self) -> list[Suppression]: ...
    def get(self, key: str) -> Suppression | None: ...
    async def add(self, entries: Iterable[Suppression]) -> None: ...
    async def remove(self, keys: Iterable[str]) -> int: ...
    async def load(self) -> None: ...


class SuppressionPaths:
    """The paths over one list."""

    def __init__(self, listed: Suppresses) -> None:
        self._list = listed

    async def suppressions(self, request: web.Request, path: Path) -> web.Response:
        query = parameters(request, path)
        limit = query.get("limit", USUAL_ROWS)
        entries = self._list.entries()
        first = bisect_right(entries, query["cursor"], key=lambda each: each.address) if query.get("cursor") else 0
        page = entries[first : first + limit]
        following = page[-1].address if first + len(page) < len(entries) else None
        return answer({"suppressions": list(map(shown, page)), "next": following})

    async def suppressed(self, request: web.Request, path: Path) -> web.Response:
        parameters(request, path)
        return answer(shown(self._found(request)))

    async def suppress(self, request: web.Request, path: Path) -> web.Response:
        parameters(request, path)
        said = decode(await bounded_body(request, SMALL_BODY), Added)
        if not 1 <= len(said.addresses) <= MOST_ADDED:
            raise ApiError(400, "bad_selection", f"addresses has from 1 to {MOST_ADDED} of them")
        try:
            new = [entry(each, said.reason, said.added, said.expires or 0.0) for each in said.addresses]
            await self._list.add(new)
        except InvalidSuppression as error:
            raise ApiError(400, "invalid_suppression", str(error)) from None
        return answer({"count": len({each.address for each in new})}, 201)

    async def unsuppress(self, request: web.Request, path: Path) -> web.Response:
        parameters(request, path)
        try:
            return answer({"count": await self._list.remove([self._found(request).address])})
        except InvalidSuppression as error:  # of the file, which has to be mended first
            raise ApiError(409, "list_unreadable", str(error)) from None

    async def read_again(self, request: web.Request, path: Path) -> web.Response:
        """The file was changed by somebody else."""
        parameters(request, path)
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
