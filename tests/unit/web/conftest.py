"""A browser without a window before the pages of a real Mta."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import aiohttp
import pytest

from asyncmta import Mta, Settings
from asyncmta.admin.door import Door
from asyncmta.testing.clock import FakeClock
from asyncmta.web.pages import Pages

TOKEN = "a-tokén-of-tests"
DEAD = {"recipient": "*", "via": "smarthost", "hosts": ["127.0.0.1:1"], "tls": "none"}  # nobody listens there


class Answer:
    """What came: `status`, `headers`, `text`, and the path where it was in the end."""

    def __init__(self, response: aiohttp.ClientResponse, body: bytes) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = body
        self.path = response.url.raw_path_qs
        self.cookies = response.headers.getall("Set-Cookie", [])

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def csrf(self) -> str:
        found = re.search(r'name="csrf" (?:value|content)="([0-9a-f]{40})"', self.text)
        assert found is not None, self.text
        return found[1]

    @property
    def ids(self) -> list[str]:
        """The messages of the table."""
        return re.findall(r'type="checkbox" name="id" value="([0-9a-z]{16})"', self.text)

    @property
    def note(self) -> str:
        return re.search(r'<p id="note"[^>]*>(.*?)</p>', self.text, re.DOTALL)[1].strip()

    @property
    def tags(self) -> set[str]:
        """Names of all elements, and of all attributes."""
        found: set[str] = set()

        class Reader(HTMLParser):
            def handle_starttag(self, tag, attrs):
                found.update({tag, *(name for name, _ in attrs)})

        Reader().feed(self.text)
        return found


class Browser:
    """Keeps cookies; sends what a browser sends with a form."""

    def __init__(self, session: aiohttp.ClientSession, address: tuple[str, int]) -> None:
        self.session = session
        self.origin = f"http://{address[0]}:{address[1]}"

    async def get(self, path: str, follow: bool = True, **headers: str) -> Answer:
        async with self.session.get(self.origin + path, allow_redirects=follow, headers=named(headers)) as response:
            return Answer(response, await response.read())

    async def post(self, path: str, follow: bool = True, form=(), **headers: str) -> Answer:
        headers = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin"} | named(headers)
        async with self.session.post(
            self.origin + path, data=list(dict(form).items()) if isinstance(form, dict) else form,
            allow_redirects=follow, headers=headers,
        ) as response:  # fmt: skip
            return Answer(response, await response.read())

    async def log_in(self, token: str = TOKEN, to: str = "/") -> Answer:
        page = await self.get("/login")
        return await self.post("/login", form={"csrf": page.csrf, "token": token, "to": to})

    async def do(self, verb: str, *ids: str, **more: str) -> Answer:
        """What a button of the table does."""
        page = await self.get("/queue")
        fields = {"csrf": page.csrf, "verb": verb, "scope": "selected"} | more
        return await self.post("/queue", form=[*fields.items(), *(("id", each) for each in ids)])


def named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture
def routes():
    """Of the settings: what is for held.example is held, and the rest finds nobody."""
    return [{"recipient": "*@held.example", "via": "hold"}, DEAD]


@pytest.fixture
async def house(tmp_path, routes, monkeypatch):
    """A real Mta."""
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    monkeypatch.setenv("SSL_CERT_DIR", "/dev/null")
    settings = {
        "hostname": "mta.example",
        "spool": str(tmp_path / "spool"),
        "listener": [{"address": "127.0.0.1", "port": 0}],
        "route": routes,
    }
    async with Mta(Settings.from_dict(settings)) as mta:
        yield mta


@pytest.fixture
def errors():
    return []


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
async def door_of(house, tmp_path, errors, clock):
    """Opens doors with that token; the pages have a clock that stands still, as far as the wall clock goes from now."""
    doors = []

    async def door_of(token: str, mta=house, time=clock) -> Door:
        def on_error(where, error):
            errors.append((where, error))

        door = Door(
            mta,
            socket_path=str(tmp_path / f"control{len(doors)}.sock"),
            listen="127.0.0.1:0",
            token=token,
            message_size=1_000_000,
            on_error=on_error,
            pages=Pages(mta, hostname="mta.example", token=token, clock=time, on_error=on_error),
        )
        await door.open()
        doors.append(door)
        return door

    yield door_of
    for door in doors:
        await door.close()


@pytest.fixture
async def browser_of():
    sessions = []

    def browser_of(door: Door) -> Browser:
        session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        sessions.append(session)
        return Browser(session, door.address)

    yield browser_of
    for session in sessions:
        await session.close()


@pytest.fixture
async def stranger(door_of, browser_of):
    """A browser that has not logged in."""
    return browser_of(await door_of(TOKEN))


@pytest.fixture
async def browser(stranger):
    """One that has."""
    assert (await stranger.log_in()).status == 200
    return stranger


@pytest.fixture
async def local(door_of, browser_of):
    """One where no token is needed."""
    return browser_of(await door_of(""))
