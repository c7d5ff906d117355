"""Who may see pages, which forms count, what every answer says to the browser, and errors as pages."""

from __future__ import annotations

import asyncio
import http.client
import re
from random import Random
from urllib.parse import quote, urlencode

import pytest

from asyncmta.admin.client import ControlClient, Refused
from asyncmta.web.headers import POLICY
from tests.unit.web.conftest import TOKEN

BEARER = f"Bearer {TOKEN}"
CSP = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
}


@pytest.fixture
def seed():
    number = Random().randrange(1 << 32)
    print(f"seed {number}")
    return number


# -- log-in ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/queue", "/queue?state=held", "/queue/0000000000000001", "/queue/no/such/path"])
async def test_a_stranger_is_asked_for_the_token_and_sees_nothing_else(stranger, path):
    answer = await stranger.get(path, follow=False)
    assert (answer.status, answer.body) == (303, b"")
    assert answer.headers["Location"].startswith("/login")
    page = await stranger.get(path)
    assert "<h1>Log in</h1>" in page.text
    assert "/queue" not in re.sub(r'name="to" value="[^"]*"', "", page.text)


async def test_the_token_is_asked_once_and_leads_back(stranger):
    page = await stranger.get("/queue?state=held")
    came = await stranger.post("/login", form={"csrf": page.csrf, "token": f" {TOKEN} ", "to": "/queue?state=held"})
    assert (came.status, came.path) == (200, "/queue?state=held")
    assert (await stranger.get("/login", follow=False)).headers["Location"] == "/"
    assert (await stranger.get("/queue", follow=False)).status == 200


async def test_the_cookie_is_not_the_token_and_no_script_can_read_it(stranger):
    page = await stranger.get("/login")
    answer = await stranger.post("/login", follow=False, form={"csrf": page.csrf, "token": TOKEN})
    [cookie] = answer.cookies
    port = stranger.origin.rpartition(":")[2]
    found = re.fullmatch(rf"asyncmta_{port}=([A-Za-z0-9_-]{{43}}); (.*)", cookie)
    assert set(found[2].split("; ")) == {"HttpOnly", "Path=/", "SameSite=Strict"}
    assert found[1] not in page.cookies[0]  # another than before the log-in


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", TOKEN[:-1]])
async def test_a_wrong_token_is_told_so(stranger, token):
    answer = await stranger.log_in(token)
    assert answer.status == 403
    assert "This is not the token." in answer.text
    assert (await stranger.get("/queue", follow=False)).status == 303


async def test_who_guesses_has_to_wait(stranger, clock):
    for _ in range(10):
        assert (await stranger.log_in("wrong")).status == 403
    answer = await stranger.log_in()
    assert (answer.status, answer.headers["Retry-After"]) == (429, "6")
    assert "Wait 6 seconds." in answer.text
    clock.advance(6.0)
    assert (await stranger.log_in()).status == 200


async def test_the_log_out_ends_it_also_for_whoever_has_the_cookie(browser):
    page = await browser.get("/queue")
    cookies = [(each.key, each.value) for each in browser.session.cookie_jar]
    answer = await browser.post("/logout", follow=False, form={"csrf": page.csrf})
    assert (answer.status, answer.headers["Location"]) == (303, "/login")
    assert "Max-Age=0" in answer.cookies[0]
    browser.session.cookie_jar.update_cookies(cookies)
    assert (await browser.get("/queue", follow=False)).status == 303


@pytest.mark.parametrize("seconds", [4 * 3600.0 + 1, 86_401.0])
async def test_a_session_ends_when_nobody_uses_it(browser, clock, seconds):
    clock.advance(seconds)
    assert (await browser.get("/queue", follow=False)).status == 303


async def test_a_session_ends_after_a_day_however_it_is_used(browser, clock):
    for _ in range(24):
        assert (await browser.get("/queue", follow=False)).status == 200
        clock.advance(3600.0)
    clock.advance(1.0)
    assert (await browser.get("/queue", follow=False)).status == 303


@pytest.mark.parametrize(
    "to", ["//evil.example/", "/\\evil.example", "https://evil.example/", "/\t/evil.example", "\\\\evil", "/ü", ""]
)
async def test_the_way_back_leads_nowhere_else(stranger, to):
    page = await stranger.get("/login")
    answer = await stranger.post("/login", follow=False, form={"csrf": page.csrf, "token": TOKEN, "to": to})
    assert answer.headers["Location"] == "/"


async def test_the_bearer_token_opens_pages_too_and_the_cookie_not_the_api(stranger):
    page = await stranger.get("/queue", follow=False, Authorization=BEARER)
    assert page.status == 200
    await stranger.log_in()
    assert (await stranger.get("/v1/queue")).status == 401
    assert (await stranger.get("/v1/queue", Authorization=BEARER)).status == 200


async def test_without_a_token_there_is_no_log_in(local):
    page = await local.get("/")
    assert (page.status, page.path) == (200, "/")
    assert "Log out" not in page.text
    assert (await local.get("/login", follow=False)).headers["Location"] == "/"
    assert (await local.post("/login", follow=False, form={"csrf": page.csrf})).headers["Location"] == "/"


async def test_a_script_of_the_page_hears_that_the_session_is_over(stranger):
    assert (await stranger.get("/queue", follow=False, HX_Request="true")).status == 401
    page = await stranger.get("/login")
    assert (await stranger.post("/queue", follow=False, form={"csrf": page.csrf, "verb": "hold"})).status == 401


async def test_there_are_no_pages_on_the_control_socket(stranger, tmp_path):
    with pytest.raises(Refused) as refused:
        await asyncio.to_thread(ControlClient(str(tmp_path / "control0.sock"), timeout=10).get, "/queue")
    assert refused.value.status == 404


# -- forms ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def held(house):
    queue_id = await house.submit("me@example.org", ["you@example.net"], b"Subject: hi\r\n\r\n")
    await house.idle(timeout=10)
    assert await house.hold([queue_id]) == 1
    return queue_id


OTHERS = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", OTHERS)
async def test_a_form_of_another_site_does_nothing(house, held, browser, local, headers):
    for each in (browser, local):
        page = await each.get("/queue")
        form = {"csrf": page.csrf, "verb": "release", "scope": "selected", "id": held}
        answer = await each.post("/queue", follow=False, form=form, **headers)
        assert answer.status == 403
        assert house.message(held).state == "held"


@pytest.mark.parametrize("csrf", [None, "", "0" * 40, "é"])
async def test_a_form_without_its_mark_does_nothing(house, held, browser, csrf):
    form = {"verb": "release", "scope": "selected", "id": held} | ({"csrf": csrf} if csrf is not None else {})
    answer = await browser.post("/queue", follow=False, form=form)
    assert answer.status == 403
    assert "load it again" in answer.text
    assert house.message(held).state == "held"


async def test_the_mark_of_another_browser_does_not_count(house, held, door_of, browser_of):
    door = await door_of("")
    mine, theirs = browser_of(door), browser_of(door)
    mark = (await theirs.get("/queue")).csrf
    await mine.get("/queue")
    form = {"csrf": mark, "verb": "release", "scope": "selected", "id": held}
    assert (await mine.post("/queue", follow=False, form=form)).status == 403
    assert (await browser_of(door).post("/queue", follow=False, form=form)).status == 403  # and none at all
    assert house.message(held).state == "held"


async def test_the_mark_may_come_in_a_header(house, held, browser):
    page = await browser.get("/queue")
    form = {"verb": "release", "scope": "selected", "id": held}
    assert (await browser.post("/queue", follow=False, form=form, X_CSRF=page.csrf)).status == 303
    assert house.message(held).state != "held"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{}", "application/json", 415),
        (b"\xff=1", "application/x-www-form-urlencoded", 400),
        (b"a=1&" * 1001, "application/x-www-form-urlencoded", 400),
        (b"x" * (256 * 1024 + 1), "application/x-www-form-urlencoded", 413),
    ],
)
async def test_what_is_no_form(browser, body, kind, status):
    answer = await browser.post("/queue", follow=False, form=body, Content_Type=kind)
    assert (answer.status, answer.headers.get("Content-Type")) == (status, "text/html; charset=utf-8")


async def test_nothing_is_done_by_get(house, held, browser):
    for query in ("verb=release&scope=matching", f"verb=delete&scope=selected&id={held}&confirmed=yes"):
        await browser.get(f"/queue?{query}")
        await browser.get(f"/queue/{held}?{query}")
    assert (await browser.get("/logout")).status == 405
    assert house.message(held).state == "held"


async def test_a_note_is_shown_only_if_we_wrote_it(house, held, browser):
    answer = await browser.do("release", held)
    assert answer.note == "1 message released."
    forged = answer.path.replace("1+message", "9+messages")
    assert forged != answer.path
    assert (await browser.get(forged)).note == ""


# -- what every answer says -----------------------------------------------------------------------------------------

EVERY_KIND = ["/", "/login", "/queue", "/queue?state=x", "/queue/zzzz", "/queue/0000000000000001", "/queue/a/b/c"]
EVERY_KIND += ["/static/style.css", "/static/nothing.css", "/logout"]


@pytest.mark.parametrize("path", EVERY_KIND)
async def test_headers_that_browsers_heed(browser, path):
    for follow in (False, True):
        answer = await browser.get(path, follow=follow)
        assert set(answer.headers["Content-Security-Policy"].split("; ")) == CSP
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cache-Control"] == ("no-cache" if path.endswith("style.css") else "no-store")
        assert "Server" not in answer.headers


def test_no_script_and_no_style_may_stand_in_a_page():
    assert set(POLICY.split("; ")) == CSP


async def test_host_and_origin_are_looked_at_before_anything(local):
    def ask(host, origin=None):
        connection = http.client.HTTPConnection("127.0.0.1", int(local.origin.rpartition(":")[2]), timeout=10)
        connection.request("GET", "/queue", headers={"Host": host} | ({"Origin": origin} if origin else {}))
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        return response.status, body

    for host, origin in (("evil.example", None), ("localhost", "http://evil.example"), ("localhost", "null")):
        status, body = await asyncio.to_thread(ask, host, origin)
        assert status == 403
        assert "Queue" not in body
    assert (await asyncio.to_thread(ask, "localhost"))[0] == 200


async def test_static_files_may_be_kept_for_ever_and_are_asked_for_by_their_content(stranger):
    page = await stranger.get("/login")
    found = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
    assert len(found) == 4
    for path in found:
        answer = await stranger.get(path)
        assert answer.status == 200
        assert "immutable" in answer.headers["Cache-Control"]
        again = await stranger.get(path, If_None_Match=answer.headers["ETag"])
        assert (again.status, again.body) == (304, b"")
        assert "immutable" not in (await stranger.get(path.partition("?")[0])).headers["Cache-Control"]
    for path in ("/static/VENDORED.md", "/static/..%2fpages.py", "/static/%2e%2e/pages.py"):
        assert (await stranger.get(path)).status in (401, 404)


# -- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status"),
    [("/queue/a/b", 404), ("/logout", 405), ("/queue/zzzz", 400), ("/queue/0000000000000001", 404)],
)
async def test_errors_are_pages(browser, path, status):
    answer = await browser.get(path)
    assert answer.status == status
    assert f"<h1>Error {status}</h1>" in answer.text
    assert answer.headers.get("Allow") == ("POST" if status == 405 else None)


async def test_what_is_no_page_is_answered_as_ever(stranger):
    for path in ("/nowhere", "/v1/nothing", "/staticx", "/queues"):
        answer = await stranger.get(path, follow=False)
        assert answer.status == 401
        assert answer.headers["Content-Type"].startswith("application/json")


async def test_whatever_is_asked_there_is_no_error_of_the_server(browser, house, held, errors, seed):
    """Random pieces of what pages know, in queries and forms."""
    random = Random(seed)
    names = ["csrf", "verb", "scope", "id", "bounce", "confirmed", "from", "to", "token", "cursor", "note", "mark"]
    names += ["domain", "sender", "recipient", "state", "min_age", "max_age", "reply", "\x00", "\udcff", "é"]
    values = ["", held, "retry", "hold", "release", "selected", "matching", "yes", "message", "4h", "99999999999d"]
    values += ["<>", "a@b", "@", "a@[1.2.3.4]", "\x00", "%", "é.example", "xn--a", "." * 300, "MQ", "MQo", "-1", "held"]
    csrf = (await browser.get("/queue")).csrf
    for _ in range(150):
        fields = [(random.choice(names), random.choice(values)) for _ in range(random.randrange(5))]
        query = urlencode(fields, errors="surrogatepass")
        path = random.choice(["/queue", f"/queue/{quote(random.choice(values), safe='')}", "/login", "/logout", "/"])
        page = await browser.get(f"{path}?{query}", follow=False)
        assert page.status < 500, (path, fields, errors)
        body = urlencode([*fields, ("csrf", csrf)], errors="surrogatepass").encode()
        kind = "application/x-www-form-urlencoded"
        page = await browser.post("/queue", form=body, follow=False, Content_Type=kind)
        assert page.status < 500, (fields, errors)
    assert errors == []


async def test_a_bug_tells_nothing_of_the_inside(browser, house, errors, monkeypatch):
    def broken():
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr(house, "standing", broken)
    answer = await browser.get("/queue")
    assert answer.status == 500
    assert "secret" not in answer.text
    [(where, error)] = errors
    assert (where, str(error)) == ("GET /queue", "secret of the inside")


async def test_warnings_are_on_every_page_but_not_for_strangers(house, door_of, browser_of, monkeypatch):
    monkeypatch.setattr(house, "warnings", lambda: ["sandbox: <b>on"], raising=False)
    browser = browser_of(await door_of(TOKEN))
    assert "sandbox" not in (await browser.get("/login")).text
    for path in ("/queue", "/queue/zzzz"):
        await browser.log_in()
        assert "sandbox: &lt;b&gt;on" in (await browser.get(path)).text
