"""One request of a browser, as pages see it: what was asked, who asks, and the answers there are.

Promises: every page has the headers of `headers.PAGE`; where a browser is sent next is a path of ours; a note that is
shown after that was written by us. Never: the session table; `pages` has looked already.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from msgspec import Struct

from asyncmta.web.headers import PAGE
from asyncmta.web.rendering import Templates
from asyncmta.web.sessions import Sessions

Form = Mapping[str, Sequence[str]]


class Link(Struct, frozen=True):
    """An entry of the navigation."""

    path: str
    text: str


class Browser(Struct, frozen=True):
    """Who asks. `is_new`: the cookie has to be set; `needs_token`: there is a log-in at all."""

    cookie: str
    cookie_name: str
    is_new: bool
    is_in: bool
    needs_token: bool


class Frame(Struct, frozen=True, eq=False):
    """What is around every page."""

    templates: Templates
    sessions: Sessions
    links: tuple[Link, ...]
    hostname: str
    warnings: Callable[[], list[str]]


class Visit:
    """`form` is what was posted, already known to be of one of our pages; `now` is Unix time."""

    def __init__(self, request: web.Request, *, browser: Browser, frame: Frame, now: float, form: Form) -> None:
        self.request = request
        self.browser = browser
        self.form = form
        self.now = now
        self._frame = frame

    @property
    def query(self) -> Mapping[str, str]:
        """The query without what is empty: a form sends all of its fields. Of doubled ones the last."""
        return {key: value.strip() for key, value in self.request.query.items() if value.strip()}

    def said(self, name: str) -> str:
        """A field of the form; "" where it was not sent."""
        return self.form.get(name, ("",))[-1]

    def page(self, template: str, *, title: str, status: int = 200, **facts: Any) -> web.Response:
        """A page, its template given `facts` and what `base.html` needs."""
        browser, frame = self.browser, self._frame
        given: dict[str, Any] = {
            "title": title,
            "now": self.now,
            "path": self.request.path,
            "csrf": frame.sessions.mark(browser.cookie),
            "links": frame.links,
            "hostname": frame.hostname,
            "warnings": frame.warnings() if browser.is_in else [],
            "is_in": browser.is_in,
            "can_log_out": browser.is_in and browser.needs_token,
            "note": self._note(),
        }
        text = frame.templates.render(template, given | facts)
        response = web.Response(text=text, status=status, content_type="text/html", headers=PAGE)
        if browser.is_new:
            self.hand_out(response, browser.cookie)
        return response

    def error(self, status: int, text: str) -> web.Response:
        """A page that says what is wrong, and to people what to do."""
        return self.page("error.html", title=f"Error {status}", status=status, text=text)

    def go(self, path: str, query: Mapping[str, str] | None = None, *, note: str = "") -> web.Response:
        """On to another page by GET, which shows `note` once."""
        given = dict(query or {})
        if note:
            given |= {"note": note, "mark": self._frame.sessions.mark(self.browser.cookie, note)}
        target = f"{path}?{urlencode(given)}" if given else path
        return web.Response(status=303, headers=PAGE | {"Location": target})

    def hand_out(self, response: web.Response, cookie: str) -> None:
        response.set_cookie(
            self.browser.cookie_name, cookie, httponly=True, samesite="Strict", secure=self.request.secure, path="/"
        )

    def take_back(self, response: web.Response) -> None:
        response.del_cookie(self.browser.cookie_name, path="/", httponly=True, samesite="Strict")

    def _note(self) -> str:
        note, mark = self.request.query.get("note", ""), self.request.query.get("mark", "")
        return note if note and self._frame.sessions.is_mark(mark, self.browser.cookie, note) else ""


Serve = Callable[[Visit], Awaitable[web.StreamResponse]]


class Page(Struct, frozen=True, eq=False):
    """One page: where it is, and what makes it. `text`: its name in the navigation, where it stands there; `is_open`:
    it needs no log-in."""

    path: str
    serve: Serve
    text: str = ""
    method: str = "GET"
    is_open: bool = False
