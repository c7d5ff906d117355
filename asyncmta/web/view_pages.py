"""The pages that are looked at for a while: overview with plots, sites, the end of the log, the settings.

Promises: nothing that `/v1/rates`, `/v1/sites`, `/v1/log` and `/v1/settings` do not have; without JavaScript there are
tables instead of plots; nothing changes by GET. Never: how anything is measured, or done; that is the `Mta`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec
from aiohttp import web

from asyncmta.admin.http import ApiError, queue_id
from asyncmta.admin.rows import age
from asyncmta.admin.view_shapes import MOST_STEPS
from asyncmta.recent_log import Excerpt
from asyncmta.web import view_facts as facts
from asyncmta.web.headers import PAGE
from asyncmta.web.visit import Page, Visit

MOST_SITES = 200
MOST_LINES = 200
LONGEST = 1000  # characters of a name or a search
SOURCES = ("default", "file", "environment", "program")
EVENTS = ("accepted", "refused", "attempt", "delivered", "deferred", "failed", "expired", "bounced", "retired")


class Watched(Protocol):
    """What these pages need of an `Mta`."""

    def rates(self, step: int, most: int) -> dict[str, Any]: ...
    async def look_at_sites(self) -> Sequence[Any]: ...
    def log(self, most: int, after: int, queue_id: str | None, event: str | None) -> Excerpt: ...
    def told_settings(self) -> dict[str, Any]: ...
    async def retry_site(self, key: str) -> int | None: ...
    @property
    def paused(self) -> Any: ...
    async def pause(self, what: Any, name: str = "", seconds: float | None = None) -> Any: ...
    async def resume(self, what: Any, name: str = "") -> Any: ...


def overview_pages(mta: Watched) -> list[Page]:
    pages = _Pages(mta)
    return [Page("/", pages.overview, "Overview"), Page("/overview/rates.json", pages.rates)]


def view_pages(mta: Watched) -> list[Page]:
    pages = _Pages(mta)
    return [
        Page("/sites", pages.sites, "Sites"),
        Page("/sites", pages.act, method="POST"),
        Page("/log", pages.log, "Log"),
        Page("/settings", pages.settings, "Settings"),
    ]


class _Pages:
    def __init__(self, mta: Watched) -> None:
        self._mta = mta

    # -- overview ----------------------------------------------------------------------------------------------------

    async def overview(self, visit: Visit) -> web.Response:
        step = facts.step_of(visit.query.get("step", ""))
        rates = self._mta.rates(step, MOST_STEPS)
        return visit.page(
            "overview.html",
            title="Overview",
            step=step,
            ranges=facts.RANGES,
            standing=rates["now"],
            lines=facts.step_lines(rates),
            paused=self._mta.paused.reasons(),
            seconds=facts.seconds,
            per_second=facts.per_second,
        )

    async def rates(self, visit: Visit) -> web.Response:
        """For the plots: the same as `/v1/rates`, which wants a token."""
        rates = self._mta.rates(facts.step_of(visit.query.get("step", "")), MOST_STEPS)
        return web.Response(body=msgspec.json.encode(rates), content_type="application/json", headers=PAGE)

    # -- sites -------------------------------------------------------------------------------------------------------

    async def sites(self, visit: Visit) -> web.Response:
        text, only = visit.query.get("q", "")[:LONGEST], visit.query.get("only", "") == "suspended"
        known = await self._mta.look_at_sites()
        found = facts.busy_first(known, text, only_suspended=only)
        paused = self._mta.paused
        return visit.page(
            "sites.html",
            title="Sites",
            text=text,
            only=only,
            sites=found[:MOST_SITES],
            matching=len(found),
            known=len(known),
            paused=paused,
            pauses=_pauses(paused),
        )

    async def act(self, visit: Visit) -> web.Response:
        verb, what, name = visit.said("verb"), visit.said("what"), visit.said("name").strip()[:LONGEST]
        length = visit.said("for").strip()
        back = {key: visit.said(key)[:LONGEST] for key in ("q", "only") if visit.said(key)}
        return visit.go("/sites", back, note=await self._done(verb, what, name, length))

    async def _done(self, verb: str, what: str, name: str, length: str) -> str:
        """What was done, in words."""
        if verb == "retry":
            count = await self._mta.retry_site(name)
            if count is None:
                return "No such site is known any more, so nothing was done."
            return f"{name} is tried now: {count:,} {'message' if count == 1 else 'messages'} waited for it."
        if verb not in ("pause", "resume") or what not in ("input", "output", "site", "domain"):
            return "Nothing is known that is to be done."
        if what in ("site", "domain") and not name:
            return f"Say which {what}."
        which = f"{what} {name}".strip()
        try:
            if verb == "resume":
                await self._mta.resume(what, name)
                return f"{which[0].upper()}{which[1:]} goes on."
            await self._mta.pause(what, name, age(length) if length else None)
        except ValueError as error:  # no duration; or Unnamed, whose home is above this floor
            return f"Nothing was paused: {error}."
        return f"{which[0].upper()}{which[1:]} is paused{f' for {length}' if length else ''}."

    # -- log ---------------------------------------------------------------------------------------------------------

    async def log(self, visit: Visit) -> web.Response:
        query, fault = visit.query, ""
        event, text = query.get("event", "")[:LONGEST], query.get("queue_id", "")
        wanted = None
        try:
            wanted = queue_id(text) if text else None
        except ApiError as error:
            fault = f"Message: {error.message}"
        found = self._mta.log(MOST_LINES, 0, wanted, event or None) if not fault else Excerpt([], 0, 0)
        return visit.page(
            "log.html",
            title="Log",
            status=400 if fault else 200,
            fault=fault,
            event=event,
            queue_id=text,
            searched=_given(event=event, queue_id=text),
            events=EVENTS,
            rows=facts.log_rows(found.lines),
            last=found.last,
        )

    # -- settings ----------------------------------------------------------------------------------------------------

    async def settings(self, visit: Visit) -> web.Response:
        text, origin = visit.query.get("q", "")[:LONGEST], visit.query.get("source", "")
        told = self._mta.told_settings()
        origin = origin if origin in SOURCES else ""
        rows = facts.setting_rows(told, text, origin)
        return visit.page(
            "settings.html",
            title="Settings",
            text=text,
            origin=origin,
            origins=SOURCES,
            file=told["file"],
            rows=rows,
            total=len(told["settings"]),
            waiting=[each["key"] for each in told["settings"] if each["waits_for_restart"]],
        )


def _pauses(paused: Any) -> list[tuple[str, str, float | None]]:
    """What, its name, and until when."""
    ends = {(each.what, each.name): each.at for each in paused.ends}
    names = [("site", name) for name in sorted(paused.sites)] + [("domain", name) for name in sorted(paused.domains)]
    return [(what, name, ends.get((what, name))) for what, name in names]


def _given(**values: str) -> Mapping[str, str]:
    return {key: value for key, value in values.items() if value}
