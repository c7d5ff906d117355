"""The web pages of a served MTA in a real Chromium: the queue with 10,000 messages, by mouse, by keyboard alone,
without JavaScript, in light and dark; and nothing in its console.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from peerkit.browser import CONTRAST, TOKEN, Served
from peerkit.receiver import wait

from asyncmta import Mta, Settings

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(300)]

MESSAGES = 10_000
EVIL = (
    b"Subject: <script>document.title='owned'</script>\r\nX-Evil: \"><img src=x onerror=alert(1)>\x1b[2J\r\n\r\n.\r\n"
)


class Queued(Served):
    """An MTA with a queue."""

    def queue(self, *arguments):
        ended = self.mta.asyncmta("queue", "list", "--json", *arguments)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.decode()

    def inbox(self, local_part):
        folder = self.folder / "mail" / "local.test" / local_part / "new"
        return [path.read_bytes() for path in folder.iterdir()] if folder.exists() else []


async def fill(config, messages):
    """Messages of 100 senders to 50 domains; each fiftieth is held, and one is of a stranger."""
    async with Mta(Settings.load(str(config), environ={"ASYNCMTA_LOG__LEVEL": "error"})) as mta:
        for first in range(0, messages, 500):
            numbers = range(first, min(first + 500, messages))
            await asyncio.gather(*(mta.submit(*message(number)) for number in numbers))


def message(number):
    domain = "held.test" if number % 50 == 0 else f"d{number % 50}.away.test"
    content = EVIL if number == 7 else b"Subject: number %d\r\n\r\nHello.\r\n" % number
    return f"me{number % 100}@local.test", [f"you{number}@{domain}"], content


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    served = Queued(tmp_path_factory.mktemp("web"), ".away.test")
    with ThreadPoolExecutor(1) as pool:  # in this thread Playwright may have a loop already
        pool.submit(lambda: asyncio.run(fill(served.mta.config, MESSAGES))).result()
    with served.started():
        yield served


@pytest.fixture
def window(window):
    window.go("/queue")
    return window


def rows(page):
    return page.locator("tbody tr")


def first_id(page):
    return rows(page).first.locator("code").inner_text()


def count_of(page, state):
    text = page.locator("#counts li", has_text=state).inner_text()
    return int(re.search(r"[\d,]+", text)[0].replace(",", ""))


def test_a_queue_of_ten_thousand_by_mouse(window, served):
    """Searched; one is held, released, tried, and deleted with a bounce, which is in its sender's mailbox."""
    page = window.page
    assert MESSAGES - 10 < count_of(page, "all") <= MESSAGES  # other tests may have deleted one
    assert rows(page).count() == 50
    page.get_by_role("link", name="Older messages").click()
    assert "50 messages more" in page.locator("#found").inner_text()

    page.get_by_label("Domain").fill("d7.away.test")
    page.get_by_label("Sender").fill("me57@local.test")
    page.get_by_label("Sender").press("Enter")
    page.wait_for_url("**domain=d7.away.test**sender=me57**")
    assert "state=" not in page.url  # empty fields do not stand there
    assert page.evaluate("document.activeElement.id") == "sender"  # the focus stays where it was
    page.get_by_text("me57@local.test").first.wait_for()
    assert set(rows(page).locator("td:nth-of-type(6)").all_inner_texts()) == {"me57@local.test"}
    assert page.locator("#found").inner_text().startswith("50 messages")

    queue_id = first_id(page)
    held = count_of(page, "held")
    page.get_by_label(f"Select {queue_id}").check()
    page.get_by_role("button", name="Hold", exact=True).click()
    assert page.locator("#note").inner_text() == "1 message held."
    assert count_of(page, "held") == held + 1
    assert f'"queue_id":"{queue_id}"' in served.queue("--state", "held").replace(" ", "")

    page.get_by_role("link", name=queue_id).click()
    page.get_by_role("button", name="Release").click()
    assert page.locator("#note").inner_text() == "1 message released."
    page.get_by_role("button", name="Try now").click()
    assert page.locator("#note").inner_text() == "1 message to be tried now."
    assert wait(lambda: attempts(window) >= 1, 20)

    page.get_by_role("button", name="Delete…").click()
    assert page.locator("h1").inner_text() == "Delete: are you sure?"
    page.get_by_label("Tell the senders by a bounce").check()
    page.get_by_role("button", name="Delete", exact=True).click()
    assert page.locator("#note").inner_text() == "1 message deleted, and reported to their senders."
    assert wait(lambda: any(b"Status: 5" in each for each in served.inbox("me57")), 20)
    [bounce] = served.inbox("me57")
    assert b"From: Mail Delivery System" in bounce or b"MAILER-DAEMON" in bounce.upper()
    response = page.goto(f"{served.origin}/queue/{queue_id}")
    assert response.status == 404
    window.complaints[:] = [each for each in window.complaints if "404" not in each]


def attempts(window):
    window.page.reload()
    return int(window.page.locator("dt:text-is('Attempts') + dd").inner_text())


def test_the_same_by_keyboard_alone(browser, served):
    """Tab, Enter, Space and letters; wherever the focus is, one can see it."""
    window = browser.window(served.origin)
    page = window.page
    window.go("/queue")
    assert page.evaluate("document.activeElement.id") == "token"
    page.keyboard.type(TOKEN)
    page.keyboard.press("Enter")
    page.wait_for_url("**/queue")

    window.tab_to(text="Skip to the content")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    window.tab_to(id="domain")
    page.keyboard.type("d8.away.test")
    window.tab_to(id="state")
    page.keyboard.type("def")
    window.tab_to(text="Search")
    page.keyboard.press("Enter")
    page.wait_for_url("**domain=d8.away.test**state=deferred**")
    page.get_by_text("@d8.away.test").first.wait_for()
    queue_id = first_id(page)

    window.tab_to(text=f"Select {queue_id}")
    page.keyboard.press("Space")
    for _ in range(3):  # back over the table and its head
        page.keyboard.press("Shift+Tab")
    while page.evaluate("document.activeElement.value") != "hold":
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.get_by_text("1 message held.").wait_for()

    window.go(f"/queue/{queue_id}")
    sender = page.locator("dt:text-is('Sender') + dd").inner_text().partition("@")[0]
    window.tab_to(text="Release")
    page.keyboard.press("Space")
    page.get_by_text("1 message released.").wait_for()
    window.tab_to(text="Try now")
    page.keyboard.press("Enter")
    page.get_by_text("1 message to be tried now.").wait_for()
    window.tab_to(text="Delete…")
    page.keyboard.press("Enter")
    page.get_by_text("are you sure?").wait_for()
    window.tab_to(name="bounce")
    page.keyboard.press("Space")
    window.tab_to(text="Delete")
    page.keyboard.press("Enter")
    page.get_by_text("1 message deleted, and reported to their senders.").wait_for()
    assert wait(lambda: bool(served.inbox(sender)), 20)

    window.tab_to(text="Log out")
    page.keyboard.press("Enter")
    page.wait_for_url("**/login")
    assert window.complaints == []
    page.context.close()


def test_without_javascript(browser, served):
    window = browser.window(served.origin, java_script_enabled=False)
    page = window.page
    window.log_in()
    window.go("/queue")
    page.get_by_label("Recipient").fill("you13@d13.away.test")
    page.get_by_role("button", name="Search").click()
    assert rows(page).count() == 1
    page.locator("tbody input[type=checkbox]").check()
    page.get_by_role("button", name="Hold", exact=True).click()
    assert page.locator("#note").inner_text() == "1 message held."
    page.get_by_label("with everything that matches").check()
    page.get_by_role("button", name="Release").click()
    page.get_by_role("button", name="Release", exact=True).click()
    assert page.locator("#note").inner_text() == "1 message released."
    page.get_by_role("button", name="Log out").click()
    assert "Log in" in page.locator("h1").inner_text()
    assert window.complaints == []
    page.context.close()


def test_all_of_a_page_are_ticked_at_once(window):
    page = window.page
    page.goto(window.origin + "/queue?domain=d9.away.test")
    page.locator("thead input[type=checkbox]").check()
    assert page.locator("tbody input:checked").count() == 50
    page.get_by_role("button", name="Hold", exact=True).click()
    assert page.locator("#note").inner_text() == "50 messages held."
    page.get_by_label("State", exact=True).select_option("held")  # a choice searches by itself
    page.wait_for_url("**state=held**")
    page.locator("#found", has_text="50 messages").wait_for()
    page.go_back()
    page.locator("#note", has_text="50 messages held.").wait_for()


def test_counts_refresh_themselves_while_somebody_looks(window, served):
    page = window.page
    page.clock.install()
    page.reload()
    before = count_of(page, "held")
    queue_id = page.locator("tbody tr", has_text="deferred").first.locator("code").inner_text()
    assert served.mta.asyncmta("queue", "hold", queue_id).returncode == 0
    page.evaluate("Object.defineProperty(document, 'hidden', { configurable: true, get: () => true })")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.fast_forward(11_000)
    assert page.evaluate("document.hidden")
    assert asked == []
    page.evaluate("delete document.hidden")
    page.clock.fast_forward(11_000)
    page.locator("#counts li", has_text=f"{before + 1} held").wait_for()
    assert served.mta.asyncmta("queue", "release", queue_id).returncode == 0


def test_what_takes_long_says_so(window):
    page = window.page
    window.go("/queue?domain=d10.away.test")
    page.locator("tbody input[type=checkbox]").first.check()
    page.route("**/queue", lambda route: route.fulfill(status=204))  # to a browser as if nothing had come yet
    page.get_by_role("button", name="Try now").click()
    page.locator("#note", has_text="Working…").wait_for()
    assert page.get_by_role("button", name="Try now").get_attribute("aria-busy") == "true"


@pytest.mark.parametrize("width", [320, 1920])
def test_pages_fit_into_narrow_and_wide_windows(window, width):
    """WCAG 1.4.10: nothing but a table scrolls sideways."""
    page = window.page
    page.set_viewport_size({"width": width, "height": 800})
    message = rows(page).first.get_by_role("link").get_attribute("href")
    for path in ("/queue", message, "/queue?state=nonsense", "/queue/nothing/there"):
        page.goto(window.origin + path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    window.complaints[:] = [each for each in window.complaints if "40" not in each]


def test_what_a_stranger_sent_stays_text(window):
    page = window.page
    page.goto(window.origin + "/queue?recipient=you7%40d7.away.test")
    rows(page).first.get_by_role("link").click()
    assert "<script>document.title='owned'</script>" in page.locator("main").inner_text()
    assert "\\x1b[2J" in page.locator("main").inner_text()
    assert page.title().startswith("Message ")
    assert page.locator("main script, main img").count() == 0


def test_the_content_is_saved_and_not_shown(window):
    page = window.page
    page.goto(window.origin + "/queue?recipient=you7%40d7.away.test")
    rows(page).first.get_by_role("link").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert re.fullmatch(r"[0-9a-z]{16}\.txt", download.value.suggested_filename)


def test_a_session_that_is_over_leads_to_the_log_in(window):
    """Also where a script of the page asks."""
    page = window.page
    page.context.clear_cookies()
    page.get_by_label("Domain").fill("d7.away.test")
    page.get_by_label("Domain").press("Enter")
    page.wait_for_url("**/login**")
    page.get_by_label("Admin token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/queue?domain=d7.away.test")
    window.complaints[:] = [each for each in window.complaints if "401" not in each]


def test_another_site_cannot_make_the_browser_do_something(window, served, tmp_path):
    """A page of another origin posts a form, with the cookies that the browser has."""
    page = window.page
    queue_id = first_id(page)
    evil = f'<form method="post" action="{served.origin}/queue"><input name="verb" value="delete">'
    evil += f'<input name="scope" value="selected"><input name="id" value="{queue_id}">'
    evil += '<input name="confirmed" value="yes"><button>win</button></form>'
    other = window.page.context.new_page()
    other.route("http://evil.test/**", lambda route: route.fulfill(content_type="text/html", body=evil))
    other.goto("http://evil.test/")
    with other.expect_navigation() as moved:
        other.get_by_role("button").click()
    assert moved.value.status == 403
    assert page.goto(f"{served.origin}/queue/{queue_id}").status == 200


PAGES = {"login": "/login", "queue": "/queue?domain=d7.away.test", "message": "message", "delete": "delete"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screenshots_and_contrast(browser, served, tmp_path, scheme):
    window = browser.window(served.origin, color_scheme=scheme, reduced_motion="reduce")
    page = window.page
    for name, path in PAGES.items():
        if name == "queue":
            window.log_in()
        if path == "message":
            rows(page).first.get_by_role("link").click()
        elif path == "delete":
            page.get_by_role("button", name="Delete…").click()
        else:
            window.go(path)
        page.wait_for_load_state("networkidle")
        picture = window.picture(f"{name}-{scheme}", tmp_path)
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert page.evaluate(CONTRAST) == []
        assert window.barriers() == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")  # the table alone scrolls
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 22, 29)"
        assert dark == (scheme == "dark")
    assert window.complaints == []
    page.context.close()


def test_curl_sees_the_headers_on_every_answer(served):
    for path in ("/", "/login", "/queue", "/static/style.css", "/queue/zzz"):
        said = subprocess.run(
            ["curl", "-sSi", "--max-time", "20", served.origin + path], capture_output=True, check=True, text=True
        ).stdout
        assert "Content-Security-Policy: default-src 'none'; script-src 'self'" in said
