"""The paths about the MTA itself: what is paused, the queue handed over to another relay, and new settings.

Promises: what is said is in force when the answer comes; the answer is how it stands then. Never: decisions about mail.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

import msgspec
from aiohttp import web

from asyncmta.admin.http import ApiError, answer, bounded_body, decode, parameters

MOST = 4096


class Steered(Protocol):
    """What these paths need of an `Mta`."""

    @property
    def paused(self) -> Any: ...
    async def pause(self, what: Any, name: str = "") -> Any: ...
    async def resume(self, what: Any, name: str = "") -> Any: ...
    async def hand_over(self, to: str, tls: str = "opportunistic") -> Any: ...
    def handing_over(self) -> Any: ...
    async def end_hand_over(self) -> Any: ...
    async def reload(self) -> Any: ...


class Pause(msgspec.Struct, forbid_unknown_fields=True):
    """What to pause or resume. `name`: of a site or domain."""

    what: Literal["input", "output", "site", "domain"]
    name: str = ""


class HandOver(msgspec.Struct, forbid_unknown_fields=True):
    """To whom the queue goes: "host:port"."""

    to: str
    tls: Literal["none", "opportunistic", "require", "verify"] = "opportunistic"


def life_routes(mta: Steered) -> list[web.RouteDef]:
    """Routes for an application."""
    paths = _Paths(mta)
    return [
        web.get("/v1/pauses", paths.pauses),
        web.post("/v1/{verb:pause|resume}", paths.steer),
        web.get("/v1/drain", paths.progress),
        web.post("/v1/drain", paths.drain),
        web.delete("/v1/drain", paths.end),
        web.post("/v1/reload", paths.reload),
    ]


class _Paths:
    def __init__(self, mta: Steered) -> None:
        self._mta = mta

    async def pauses(self, request: web.Request) -> web.Response:
        parameters(request)
        return answer(shown(self._mta.paused))

    async def steer(self, request: web.Request) -> web.Response:
        parameters(request)
        asked = decode(await bounded_body(request, MOST), Pause)
        steer = self._mta.pause if request.match_info["verb"] == "pause" else self._mta.resume
        try:
            return answer(shown(await steer(asked.what, asked.name)))
        except ValueError as error:  # Unnamed; its home is above this floor
            raise ApiError(400, "bad_name", str(error)) from None

    async def drain(self, request: web.Request) -> web.Response:
        parameters(request)
        asked = decode(await bounded_body(request, MOST), HandOver)
        if not is_host_and_port(asked.to):
            raise ApiError(400, "bad_host", 'to is "host:port"')
        return answer(msgspec.to_builtins(await self._mta.hand_over(asked.to, asked.tls)), 202)

    async def progress(self, request: web.Request) -> web.Response:
        parameters(request)
        found = self._mta.handing_over()
        if found is None:
            raise ApiError(404, "not_draining", "the queue is not handed over to anybody")
        return answer(msgspec.to_builtins(found))

    async def end(self, request: web.Request) -> web.Response:
        parameters(request)
        return answer(shown(await self._mta.end_hand_over()))

    async def reload(self, request: web.Request) -> web.Response:
        parameters(request)
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
    return fields | names | {"reasons": paused.reasons()}


def is_host_and_port(text: str) -> bool:
    """`relay.example:25`, `192.0.2.1:25`, `[2001:db8::1]:25`."""
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
        return False
    return host.isascii() and host.isprintable() and " " not in host and (":" not in host or host.startswith("["))
