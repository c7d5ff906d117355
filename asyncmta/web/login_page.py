"""The log-in and the log-out: the admin token is asked for once, and a cookie stands for it from then on.

Promises: compared in constant time; who guesses has to wait longer and longer; the way back is a path of ours. Never:
the token in a cookie, in an address or in a page.
"""

from __future__ import annotations

import math

from aiohttp import web
from msgspec import Struct

from asyncmta.admin.guard import Guard
from asyncmta.system.clock import Clock
from asyncmta.web.attempts import Attempts
from asyncmta.web.sessions import Sessions
from asyncmta.web.visit import Page, Visit


class Login(Struct, frozen=True, eq=False):
    """What it is decided by."""

    token: str
    sessions: Sessions
    clock: Clock


def login_pages(login: Login) -> list[Page]:
    pages = _Pages(login)
    return [
        Page("/login", pages.ask, is_open=True),
        Page("/login", pages.take, method="POST", is_open=True),
        Page("/logout", pages.end, method="POST"),
    ]


class _Pages:
    def __init__(self, login: Login) -> None:
        self._login = login
        self._guard = Guard(token=login.token, host="")
        self._attempts = Attempts()

    async def ask(self, visit: Visit) -> web.Response:
        to = way_back(visit.query.get("to", ""))
        return visit.go(to) if visit.browser.is_in else _form(visit, to)

    async def take(self, visit: Visit) -> web.Response:
        to, now = way_back(visit.said("to")), self._login.clock.monotonic()
        if not self._login.token:
            return visit.go(to)
        client = visit.request.remote or ""
        if wait := self._attempts.wait(client, now):
            response = _form(visit, to, status=429, fault=f"Too many attempts. Wait {math.ceil(wait)} seconds.")
            response.headers["Retry-After"] = str(math.ceil(wait))
            return response
        if not self._guard.is_token(visit.said("token")):
            return _form(visit, to, status=403, fault="This is not the token.")
        self._attempts.forgive(client)
        response = visit.go(to)
        visit.hand_out(response, self._login.sessions.begin(now))  # another than before: nobody can have set it
        return response

    async def end(self, visit: Visit) -> web.Response:
        self._login.sessions.end(visit.browser.cookie)
        response = visit.go("/login")
        visit.take_back(response)
        return response


def _form(visit: Visit, to: str, *, status: int = 200, fault: str = "") -> web.Response:
    return visit.page("login.html", title="Log in", status=status, to=to, fault=fault)


def way_back(to: str) -> str:
    """A path here; `/` for anything that a browser could read as another host."""
    is_path = to.startswith("/") and not to.startswith(("//", "/\\")) and to.isascii() and to.isprintable()
    return to if is_path and "\\" not in to else "/"
