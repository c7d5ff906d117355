"""Debian's Chromium without a window, led by Playwright, everything that it complains of, and an MTA to look at.

A page is only right when the console stays empty: a script that a content-security-policy stops, a file that is not
there and an error of a script all stand in it.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from peerkit.programs import TOP, program
from peerkit.receiver import wait
from peerkit.serving import Serving, free_port

TOKEN = "a-token-for-tests"
SETTINGS = """
[local]
domains = ["local.test"]
mailboxes = "any"
maildir = "{folder}/mail/{{domain}}/{{local_part}}"
[[route]]
recipient = "*@held.test"
via = "hold"
[[route]]
recipient = "{away}"
via = "smarthost"
hosts = ["127.0.0.1:1"]
tls = "none"
[admin]
listen = "127.0.0.1:{port}"
token = "{token}"
"""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZE = {"width": 1200, "height": 800}
# Read before any test: tests/conftest.py takes nothing away that is not ASYNCMTA_, but a test changes folders.
PICTURES = pathlib.Path(os.environ["SCREENSHOTS"]).resolve() if os.environ.get("SCREENSHOTS") else None

# Every visible text with a contrast below WCAG AA. Colours are computed ones: rgb(...) or rgba(...).
CONTRAST = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${walker.currentNode.data.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return poor;
}"""

AXE = TOP / ".tools" / "axe-core-4.14.1" / "axe.min.js"
# Rules of WCAG 2.2 up to AA, and what is good practice.
RUN_AXE = """async () => {
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const found = await axe.run(document, { runOnly: tags });
  return found.violations.map((each) => `${each.id}: ${each.help}: ${each.nodes.map((node) => node.html).join(" ")}`);
}"""

# What a keyboard is on: its name for people, and whether one can see that it is there.
FOCUS = """() => {
  const at = document.activeElement, style = getComputedStyle(at);
  return {
    tag: at.tagName, name: at.getAttribute("name") ?? "", value: at.value ?? "",
    text: (at.getAttribute("aria-label") ?? at.textContent).trim(), href: at.getAttribute("href") ?? "",
    id: at.id, type: at.type ?? "",
    isVisible: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
  };
}"""


class Window:
    """One page of a browser, with what it complained of."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.complaints: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"error of a script: {error}"))
        page.on("requestfailed", lambda request: self._failed(request.url, request.failure))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text} ({message.location})")

    def _failed(self, url: str, failure: str | None) -> None:
        if failure != "net::ERR_ABORTED":  # the page was left, or a file was saved
            self.complaints.append(f"{url}: {failure}")

    def go(self, path: str) -> None:
        response = self.page.goto(self.origin + path)
        assert response is not None
        assert response.status < 500

    def log_in(self) -> None:
        self.go("/login")
        self.page.get_by_label("Admin token").fill(TOKEN)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url(lambda url: "/login" not in url)

    def tab_to(self, most: int = 400, **wanted: str) -> dict[str, Any]:
        """Press Tab until the focus is on what has all of these (`text`, `name`, `value`, ...)."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            focus: dict[str, Any] = self.page.evaluate(FOCUS)
            if all(focus[key] == value for key, value in wanted.items()):
                assert focus["isVisible"], f"the focus on {focus} cannot be seen"
                return focus
        raise AssertionError(f"no Tab leads to {wanted}")

    def barriers(self) -> list[str]:
        """What keeps people out of the page as it is now, as far as axe-core sees it."""
        if not AXE.exists():
            pytest.skip(f"{AXE} is not there: run make test-tools")
        self.page.evaluate(AXE.read_text())  # as the tools of a developer: the policy of the page holds for its own
        found: list[str] = self.page.evaluate(RUN_AXE)
        return found

    def picture(self, name: str, folder: pathlib.Path) -> pathlib.Path:
        """What is seen now; into docs/web where SCREENSHOTS says so."""
        path = (PICTURES or folder) / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path, animations="disabled", caret="hide")
        return path


class Chromium:
    """A browser that runs."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.windows: list[Window] = []

    def window(self, origin: str, **options: Any) -> Window:
        """A new window without cookies; `options` as Playwright's `new_context` has them."""
        context = self._browser.new_context(viewport=SIZE, **options)
        window = Window(context.new_page(), origin)
        self.windows.append(window)
        return window

    @property
    def complaints(self) -> list[str]:
        return [each for window in self.windows for each in window.complaints]


@contextmanager
def chromium() -> Iterator[Chromium]:
    """A browser with a profile of its own, which is gone afterwards."""
    path = program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        try:
            yield Chromium(browser)
        finally:
            browser.close()


class Served:
    """An MTA with web pages, and where they are. What is for `away` finds nobody who listens."""

    def __init__(self, folder: pathlib.Path, away: str) -> None:
        port = free_port()
        self.folder = folder
        self.origin = f"http://127.0.0.1:{port}"
        self.mta = Serving(folder, SETTINGS.format(folder=folder, port=port, token=TOKEN, away=away))

    @contextmanager
    def started(self) -> Iterator[None]:
        """It runs to the end of it, and its pages have not failed by then."""
        with self.mta.start():
            assert wait(lambda: b'"ready"' in self.mta.log.read_bytes(), 30)
            yield
            assert self.mta.process is not None
            assert self.mta.process.poll() is None
            assert b"admin_failed" not in self.mta.log.read_bytes()
