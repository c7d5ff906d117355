"""The pages that are looked at for a while in a real Chromium: plots that move, sites, the log as it grows, settings;
by mouse, keyboard and without JavaScript, in light and dark; and nothing in its console.
"""

from __future__ import annotations

import json
import math
import smtplib
import time
import urllib.request

import pytest
from peerkit.browser import CONTRAST, PICTURES, TOKEN, Served
from peerkit.receiver import wait

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(300)]

EVIL = "<img src=x onerror=alert(1)>"


class Busy(Served):
    """An MTA, and mail for it."""

    def send(self, recipient, count=1):
        with smtplib.SMTP("127.0.0.1", self.mta.port, timeout=30) as client:
            for number in range(count):
                client.sendmail("me@local.test", [recipient], f"Subject: {number}\r\n\r\nHello.\r\n")

    def refuse(self, sender):
        """Something for the log that a stranger has chosen."""
        with smtplib.SMTP("127.0.0.1", self.mta.port, timeout=30) as client:
            client.ehlo(EVIL.replace(" ", "-"))
            client.docmd(f"MAIL FROM:<{sender}>")

    def ask(self, path):
        request = urllib.request.Request(self.origin + path, headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.load(response)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    served = Busy(tmp_path_factory.mktemp("views"), "*@away.test")
    with served.started():
        served.send("you@local.test", 200)
        served.send("you@held.test", 20)
        served.send("you@away.test", 5)
        served.refuse("no address")
        if PICTURES is not None:  # a picture of a house where something happens
            for at in range(60):
                served.send("you@local.test", 20 + int(15 * math.sin(at / 6)) + at % 7)
                served.send("you@away.test", at % 3)
                time.sleep(1)
        # So that the plots have something to show: steps go by with the clock.
        assert wait(lambda: len(served.ask("/v1/rates")["times"]) >= 4, 30)
        yield served


def test_plots_are_drawn_and_go_on_by_themselves(window, served):
    page = window.page
    page.locator("#plots.drawn canvas").nth(3).wait_for()
    assert page.locator("#plots canvas").count() == 4
    assert page.locator("#stale").is_hidden()
    before = served.ask("/v1/rates")["times"][-1]
    served.send("you@local.test", 50)
    # The legend of the last plot is of the page; the numbers in it come without a reload.
    page.evaluate("window.untouched = true")
    with page.expect_response("**/overview/rates.json**") as answered:
        pass
    assert answered.value.json()["times"][-1] >= before
    page.wait_for_function("document.querySelector('#steps tr:first-child td:nth-of-type(3)') !== null")
    with page.expect_response(lambda response: response.url.endswith("/?step=1")):
        pass
    assert page.evaluate("window.untouched") is True
    assert sum(served.ask("/v1/rates")["delivered"]) >= 250


def test_nothing_is_fetched_while_nobody_looks(browser, served):
    """The clock of the page is moved: half a minute that nobody has to wait for."""
    window = browser.window(served.origin)
    window.log_in()
    page = window.page
    page.clock.install()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    window.go("/")
    page.locator("#plots.drawn").wait_for()
    page.evaluate("Object.defineProperty(document, 'hidden', { get: () => window.away === true, configurable: true })")
    page.evaluate("window.away = true")
    asked.clear()
    page.clock.run_for(30_000)
    assert asked == []
    page.evaluate("window.away = false")
    with page.expect_response("**/overview/rates.json**"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert window.complaints == []
    page.context.close()


def test_another_range_and_an_answer_that_does_not_come(window):
    page = window.page
    page.get_by_role("link", name="1 hour").click()
    page.wait_for_url("**/?step=10")
    assert page.locator("a[aria-current=true]").inner_text() == "1 hour"
    page.route("**/overview/rates.json**", lambda route: route.fulfill(status=503, body="{}"))
    page.evaluate("look()")
    page.locator("#stale").wait_for(state="visible")
    page.unroute("**/overview/rates.json**")
    page.evaluate("look()")
    page.locator("#stale").wait_for(state="hidden")
    window.complaints[:] = [each for each in window.complaints if "503" not in each]


def test_a_site_by_keyboard_alone(window, served):
    """It is found, paused, resumed and tried now; wherever the focus is, one can see it."""
    page = window.page
    (site,) = served.ask("/v1/sites")["sites"]
    window.go("/sites")
    assert "suspended" in page.locator("tbody tr").inner_text()
    window.tab_to(id="name")
    page.keyboard.type("Away.test")
    window.tab_to(id="for")
    page.keyboard.type("2h")
    window.tab_to(text="Pause")
    page.keyboard.press("Enter")
    page.get_by_text("Domain Away.test is paused for 2h.").wait_for()
    assert served.ask("/v1/pauses")["domains"] == ["away.test"]
    window.tab_to(text="Resume domain away.test")
    page.keyboard.press("Space")
    page.get_by_text("Domain away.test goes on.").wait_for()
    assert served.ask("/v1/pauses")["domains"] == []

    window.go("/sites")
    window.tab_to(id="q")
    page.keyboard.type("127.0.0.1")
    page.keyboard.press("Enter")
    page.wait_for_url("**/sites?q=127.0.0.1")
    before = page.locator("tbody time").first.get_attribute("datetime") if page.locator("tbody time").count() else ""
    window.tab_to(text=f"Try now what waits for {site['key']}")
    page.keyboard.press("Enter")
    page.get_by_text("is tried now").wait_for()
    assert page.url.startswith(f"{served.origin}/sites?q=127.0.0.1")
    assert before is not None


def test_the_log_grows_while_it_is_followed(window, served):
    page = window.page
    window.go("/log")
    page.evaluate("window.untouched = true")
    assert page.locator("#news").get_attribute("aria-live") == "off"
    served.send("followed@held.test")
    row = page.locator("tbody tr", has_text="followed@held.test").first
    row.wait_for()
    assert page.evaluate("window.untouched") is True

    page.get_by_label("announce new lines").check()
    assert page.locator("#news").get_attribute("aria-live") == "polite"
    served.send("announced@held.test")
    page.locator("tbody tr", has_text="announced@held.test").first.wait_for()
    page.locator("#news", has_text="new lines").wait_for(state="attached")
    page.locator("tbody tr", has_text="announced@held.test").locator("a").first.click()
    assert page.locator("h1").inner_text().startswith("Message ")
    page.go_back()
    page.get_by_label("Event").fill("refused")
    page.get_by_role("button", name="Filter").click()
    assert set(page.locator("tbody th").all_inner_texts()) == {"refused"}
    assert page.locator("main img").count() == 0
    assert "onerror=alert(1)" in page.locator("tbody").inner_text()


def test_the_log_stands_still_where_it_is_not_followed(browser, served):
    """The clock of the page is moved: nobody waits."""
    window = browser.window(served.origin)
    window.log_in()
    page = window.page
    page.clock.install()
    window.go("/log")
    page.get_by_label("follow").uncheck()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(20_000)
    assert asked == []
    page.get_by_label("follow").check()
    with page.expect_request("**/log"):
        page.clock.run_for(3_000)
    assert window.complaints == []
    page.context.close()


def test_a_session_that_is_over_does_not_go_unnoticed(browser, served):
    window = browser.window(served.origin)
    window.log_in()
    page = window.page
    window.go("/log")
    page.context.clear_cookies()
    page.locator("#stale").wait_for(state="visible")
    window.complaints[:] = [each for each in window.complaints if "401" not in each]
    window.log_in()
    page.locator("#plots.drawn").wait_for()
    page.context.clear_cookies()
    page.evaluate("look()")
    page.wait_for_url("**/login**")
    window.complaints[:] = [each for each in window.complaints if "401" not in each]
    assert window.complaints == []
    page.context.close()


def test_settings_are_searched_as_one_types(window):
    page = window.page
    window.go("/settings")
    page.get_by_label("Key or value").press_sequentially("route.1.", delay=10)
    page.wait_for_url("**/settings?q=route.1.**")
    page.locator("#results", has=page.get_by_text("route.0.via", exact=True)).wait_for(state="detached")
    assert all("route.1." in each for each in page.locator("tbody th").all_inner_texts())
    page.get_by_label("From").select_option("file")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**source=file**")
    assert page.locator("tbody tr").count() == 4
    window.go("/settings?q=admin.token")
    assert "********" in page.locator("tbody").inner_text()
    assert TOKEN not in page.content()


def test_all_of_it_without_javascript(browser, served):
    window = browser.window(served.origin, java_script_enabled=False)
    page = window.page
    window.log_in()
    assert page.locator("#steps tr").count() >= 1
    assert page.locator("#plots").is_hidden()
    assert page.locator("#numbers table").is_visible()
    page.get_by_role("link", name="Sites").click()
    page.get_by_role("button", name="Pause input").click()
    assert page.locator("#note").inner_text() == "Input is paused."
    page.get_by_role("button", name="Resume input").click()
    assert page.locator("#note").inner_text() == "Input goes on."
    page.get_by_role("link", name="Log", exact=True).click()
    assert page.locator("#tail").is_hidden()
    page.get_by_label("Event").fill("ready")
    page.get_by_role("button", name="Filter").click()
    assert page.locator("tbody th").all_inner_texts() == ["ready"]
    page.get_by_role("link", name="Settings").click()
    page.get_by_label("Key or value").fill("queue.lifetime")
    page.get_by_role("button", name="Search").click()
    assert page.locator("tbody tr").count() == 1
    assert window.complaints == []
    page.context.close()


PAGES = {"overview": "/", "sites": "/sites", "log": "/log", "settings": "/settings?q=route"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screenshots_and_contrast(browser, served, tmp_path, scheme):
    window = browser.window(served.origin, color_scheme=scheme, reduced_motion="reduce")
    page = window.page
    window.log_in()
    for name, path in PAGES.items():
        window.go(path)
        page.wait_for_load_state("networkidle")
        if name == "overview":
            page.locator("#plots.drawn canvas").nth(3).wait_for()
        picture = window.picture(f"{name}-{scheme}", tmp_path)
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert page.evaluate(CONTRAST) == []
        assert window.barriers() == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")  # the table alone scrolls
    assert window.complaints == []
    page.context.close()
