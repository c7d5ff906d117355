"""The paths about the MTA itself: how it is, what is paused, the queue handed over to another relay, new settings.

Promises: what is said is in force when the answer comes; the answer is how it stands then. Never: decisions about mail.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec
from aiohttp import web

from asyncmta.admin.declaring import Path
from asyncmta.admin.http import HEADERS, ApiError, answer, bounded_body, decode, parameters
from asyncmta.admin.rows import age
from asyncmta.admin.shapes_life import HandOver, Pause, Resume

MOST = 4096
LONGEST = 366 * 86400.0  # seconds of a pause


class Steered(Protocol):
    """What these paths need of an `Mta`."""

    def alive(self) -> list[str]: ...
    def not_ready(self) -> list[str]: ...
    def warnings(self) -> list[str]: ...
    async def metrics(self, accept: str) -> tuple[bytes, str]: ...
    @property
    def paused(self) -> Any: ...
    async def pause(self, what: Any, name: str = "", seconds: float | None = None) -> Any: ...
    async def resume(self, what: Any, name: str = "") -> Any: ...
    async def hand_over(self, to: str, tls: str = "opportunistic") -> Any: ...
    def handing_over(self) -> Any: ...
    async def end_hand_over(self) -> Any: ...
    async def reload(self) -> Any: ...


class LifePaths:
    """The paths over one MTA."""

    def __init__(self, mta: Steered) -> None:
        self._mta = mta

    async def livez(self, _: web.Request, path: Path) -> web.Response:
        return _health(self._mta.alive(), self._mta.warnings())

    async def readyz(self, _: web.Request, path: Path) -> web.Response:
        return _health(self._mta.not_ready(), self._mta.warnings(), self._mta.paused.reasons())

    async def metrics(self, request: web.Request, path: Path) -> web.Response:
        page, content_type = await self._mta.metrics(request.headers.get("Accept", ""))
        return web.Response(body=page, headers=HEADERS | {"Content-Type": content_type})

    async def pauses(self, request: web.Request, path: Path) -> web.Response:
        parameters(request, path)
        return answer(shown(self._mta.paused))

    async def steer(self, request: web.Request, path: Path) -> web.Response:
        parameters(request, path)
        body = await bounded_body(request, MOST)
        try:
            if path.verb == "resume":
                asked = decode(body, Resume)
                return answer(shown(await self._mta.resume(asked.what, asked.name)))
            pause = decode(body, Pause)
            seconds = None if pause.for_ is None else age(pause.for_)
            if seconds is not None and not 0 < seconds <= LONGEST:
                raise ApiError(400, "bad_duration", "a pause is for a second at least, and for a year at most")
            return answer(shown(await self._mta.pause(pause.what, pause.name, seconds)))
        except ValueError as error:  # Unnamed; its home is above this floor
            raise ApiError(400, "bad_name", str(error)) from None

    async def drain(self, request: web.Request, path: Path) -> web.Response:
        parameters(request, path)
        asked = decode(await bounded_body(request, MOST), HandOver)
        if not is_host_and_port(asked.to):
            raise ApiError(400, "bad_host", 'to is "host:port"')
        return answer(msgspec.to_builtins(await self._mta.hand_over(asked.to, asked.tls)), 202)

    async def progress(self, request: web.Request, path: Path) -> web.Response:
        parameters(request, path)
        found = self._mta.handing_over()
        if found is None:
            raise ApiError(404, "not_draining", "the queue is not handed over to anybody")
        return answer(msgspec.to_builtins(found))

    async def end_drain(self, request: web.Request, path: Path) -> web.Response:
        parameters(request, path)
        return answer(shown(await self._mta.end_hand_over()))

    async def reload(self, request: web.Request, path: Path) -> web.Response:
        parameters(request, path)
        try:
            change = await self._mta.reload()
        except ValueError as error:  # InvalidConfig; its home is beside this floor
            faults = list(getattr(error, "faults", ())) or [str(error)]
            said = {"code": "invalid_config", "message": f"nothing is changed: {faults[0]}", "faults": faults}
            return answer({"error": said}, 400)
        return answer({"changed": change.changed, "needs_restart": change.needs_restart})


def shown(paused: Any) -> dict[str, Any]:
    """As JSON has it: sets in order, and the same in words."""
    fields = {name: getattr(paused, name) for name in ("input", "output", "handing_over")}
    names = {name: sorted(getattr(paused, name)) for name in ("sites", "domains")}
    ends = sorted(map(msgspec.to_builtins, paused.ends), key=lambda each: each["at"])
    return fields | names | {"ends": ends, "reasons": paused.reasons()}


def is_host_and_port(text: str) -> bool:
    """`relay.example:25`, `192.0.2.1:25`, `[2001:db8::1]:25`."""
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
        return False
    return host.isascii() and host.isprintable() and " " not in host and (":" not in host or host.startswith("["))


def _health(reasons: list[str], warnings: list[str], paused: list[str] | None = None) -> web.Response:
    more = ({"warnings": warnings} if warnings else {}) | ({} if paused is None else {"paused": paused})
    if reasons:
        error = {"code": "failing", "message": "; ".join(reasons)}
        return answer({"status": "failing", "reasons": reasons, "error": error} | more, 503)
    return answer({"status": "ok", "reasons": []} | more)
