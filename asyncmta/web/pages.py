"""All pages of one door: their paths, who may see them, and what becomes of a request that goes wrong.

Promises: nothing but the log-in, and what it loads, is shown to a browser that has not shown the token; nothing changes
by GET; a POST counts only when it comes from a form of ours in this browser; an error is a page with its status, and a
bug one with nothing of the inside in it. Never: what a page shows; that is in the files beside this one.

To add a page: a function that returns `Page`s, and its name in `_all_pages`. docs/web.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol
from urllib.parse import parse_qsl

from aiohttp import web
from msgspec.structs import replace

from asyncmta.admin.guard import Guard
from asyncmta.admin.http import ApiError, bounded_body
from asyncmta.mail.address import InvalidAddress
from asyncmta.system.clock import Clock
from asyncmta.web.assets import Assets
from asyncmta.web.login_page import Login, login_pages
from asyncmta.web.message_page import Told, message_pages
from asyncmta.web.queue_page import Queued, queue_pages
from asyncmta.web.rendering import Templates
from asyncmta.web.sessions import COOKIE, Sessions, fresh
from asyncmta.web.view_pages import Watched, overview_pages, view_pages
from asyncmta.web.visit import Browser, Form, Frame, Link, Page, Serve, Visit

MOST_OCTETS, MOST_FIELDS = 256 * 1024, 1_000
FORM = "application/x-www-form-urlencoded"
VISIT = web.RequestKey("visit", Visit)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
OnError = Callable[[str, Exception], None]


class Browsed(Queued, Told, Watched, Protocol):
    """What the pages need of an `Mta`."""

    def warnings(self) -> list[str]: ...


class Pages:
    """What a door shows to people. `token` "" means that there is no log-in, which is for loopback only."""

    def __init__(self, mta: Browsed, *, hostname: str, token: str, clock: Clock, on_error: OnError) -> None:
        self._clock = clock
        self._on_error = on_error
        self._needs_token = bool(token)
        self._sessions = Sessions()
        self._assets = Assets()
        self._pages = [*_all_pages(mta, on_error), *login_pages(Login(token, self._sessions, clock))]
        self._owned = {_first(page.path) for page in self._pages} | {"static"}
        self._open = {page.path for page in self._pages if page.is_open}
        self._frame = Frame(
            templates=Templates(self._assets),
            sessions=self._sessions,
            links=tuple(Link(page.path, page.text) for page in self._pages if page.text),
            hostname=hostname,
            warnings=mta.warnings,
        )

    def owns(self, path: str) -> bool:
        """Is an answer to this path a page?"""
        return _first(path) in self._owned

    def routes(self) -> list[web.RouteDef]:
        routes = [web.get("/static/{name}", self._asset)]
        for page in self._pages:
            add = web.get if page.method == "GET" else web.post
            routes.append(add(page.path, partial(_serve, page.serve)))
        return routes

    async def answer(self, request: web.Request, handler: Handler, guard: Guard) -> web.StreamResponse:
        """All of a request, the guard's part too; the one place where its exceptions end."""
        browser = self._browser(request, guard)
        visit = self._visit(request, browser, {})
        try:
            refusal = guard.stranger(request.headers)
            if refusal is not None:
                outside = self._visit(request, replace(browser, is_in=False), {})
                return outside.error(refusal.status, refusal.message)
            if not browser.is_in and request.path not in self._open and not request.path.startswith("/static/"):
                return _to_login(visit)
            if request.method == "POST":
                visit = self._visit(request, browser, await self._form(request, browser))
            request[VISIT] = visit
            return await handler(request)
        except ApiError as error:
            return visit.error(error.status, error.message)
        except InvalidAddress as error:
            return visit.error(400, str(error))
        except web.HTTPException as error:
            reply = visit.error(error.status, error.reason)
            if "Allow" in error.headers:
                reply.headers["Allow"] = error.headers["Allow"]
            return reply
        except Exception as error:
            self._on_error(f"{request.method} {request.path}", error)
            return visit.error(500, "an error of the server; its log says more")

    def _browser(self, request: web.Request, guard: Guard) -> Browser:
        # A browser sends the cookies of a host to all of its ports: two MTAs on one host must not take away each
        # other's.
        port = request.host.rpartition(":")[2]
        name = f"asyncmta_{port}" if port.isascii() and port.isdigit() else "asyncmta"
        cookie = request.cookies.get(name, "")
        is_new = COOKIE.fullmatch(cookie) is None
        knows = not is_new and self._sessions.knows(cookie, self._clock.monotonic())
        return Browser(
            cookie=fresh() if is_new else cookie,
            cookie_name=name,
            is_new=is_new,
            is_in=not self._needs_token or knows or guard.is_bearer(request.headers),
            needs_token=self._needs_token,
        )

    def _visit(self, request: web.Request, browser: Browser, form: Form) -> Visit:
        return Visit(request, browser=browser, frame=self._frame, now=self._clock.now(), form=form)

    async def _form(self, request: web.Request, browser: Browser) -> Form:
        """What was posted, if one of our pages in this browser has made it."""
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise ApiError(403, "bad_origin", "forms from other sites' pages are not taken")
        if request.content_type != FORM:
            raise ApiError(415, "unsupported_media_type", "a form of this page is needed")
        body = await bounded_body(request, MOST_OCTETS)
        try:
            fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
        except ValueError:
            raise ApiError(400, "bad_form", "this is no form of this page") from None
        form: dict[str, list[str]] = {}
        for name, value in fields:
            form.setdefault(name, []).append(value)
        given = form.get("csrf", [request.headers.get("X-CSRF", "")])[-1]
        if browser.is_new or not self._sessions.is_mark(given, browser.cookie):
            raise ApiError(403, "bad_form", "this form is too old, or not of this page: go back, load it again, retry")
        return form

    async def _asset(self, request: web.Request) -> web.Response:
        return self._assets.answer(request, request.match_info["name"])


def _all_pages(mta: Browsed, on_error: OnError) -> list[Page]:
    """In the order of the navigation."""
    return [*overview_pages(mta), *queue_pages(mta), *message_pages(mta, on_error), *view_pages(mta)]


async def _serve(serve: Serve, request: web.Request) -> web.StreamResponse:
    return await serve(request[VISIT])


def _first(path: str) -> str:
    """The first piece of a path; "" of `/`."""
    return path.split("/")[1] if path.startswith("/") else path


def _to_login(visit: Visit) -> web.Response:
    """A person is asked for the token and comes back; a form, or a script of the page, hears that it is needed."""
    request = visit.request
    if request.method not in ("GET", "HEAD") or "HX-Request" in request.headers:
        return visit.error(401, "you are not logged in, or no longer: load the page again")
    return visit.go("/login", {"to": request.path_qs} if request.path != "/" else None)
