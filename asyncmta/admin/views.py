"""The paths of what an operator looks at for a while: rates, the log, the settings in force.

Promises: as those of `api`, of which this is a part. Never: what is shown; that is the `Mta`'s.
"""

from __future__ import annotations

from typing import Any, Protocol

from aiohttp import web

from asyncmta.admin.http import answer, parameters
from asyncmta.admin.paths import Path
from asyncmta.admin.view_shapes import MOST_STEPS


class Watched(Protocol):
    """What these paths need of an `Mta`."""

    def observe(self, is_watched: bool) -> None:
        """Somebody can ask from now on, or nobody any more."""
        ...

    def rates(self, step: int, most: int) -> dict[str, Any]: ...


class Views:
    """A part of `Api`, by the names of operations."""

    _mta: Watched

    async def rates(self, request: web.Request, path: Path) -> web.Response:
        query = parameters(request, path)
        return answer(self._mta.rates(query.get("step", 1), query.get("limit", MOST_STEPS)))
