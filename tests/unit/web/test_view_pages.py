"""The pages of rates, sites, log and settings: what they show of a real Mta, and what their buttons do."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from asyncmta.delivery.equipment import SiteView

CONTENT = b"Subject: hello\r\n\r\nx\r\n"
HOSTILE = "421 4.3.2 <script>alert(1)</script>\x1b[2J\u202e\"'&"
PAGES = ["/", "/?step=10", "/sites", "/log", "/settings", "/sites?q=x&only=suspended", "/settings?q=x&source=file"]


async def said_by(house, recipient="you@held.example"):
    queue_id = await house.submit("me@example.org", [recipient], CONTENT)
    await house.idle(timeout=10)
    await asyncio.to_thread(house.maillog.flush)
    return queue_id


async def posted(browser, **fields):
    page = await browser.get("/sites")
    return await browser.post("/sites", form={"csrf": page.csrf} | fields)


@pytest.mark.parametrize("path", PAGES)
async def test_there_is_a_page_and_it_is_in_the_navigation(browser, path, errors):
    page = await browser.get(path)
    assert page.status == 200
    assert page.text.count('aria-current="page"') == 1
    assert errors == []


@pytest.mark.parametrize("path", [*PAGES, "/overview/rates.json"])
async def test_a_stranger_sees_none_of_it(stranger, path):
    assert (await stranger.get(path, follow=False)).status == 303


# -- overview ----------------------------------------------------------------------------------------------------------


async def test_the_overview_counts_and_its_plots_have_the_same_numbers(house, browser):
    await said_by(house)
    house._take_sample()
    page = await browser.get("/")
    assert re.search(r"<b>1</b>\s*<span class=\"state held\">", page.text)
    data = await browser.get("/overview/rates.json?step=1")
    assert data.headers["Content-Type"].startswith("application/json")
    assert data.headers["Cache-Control"] == "no-store"
    assert sum(json.loads(data.body)["accepted"]) == 1
    assert "Nothing has been measured" not in page.text


async def test_before_the_first_step_there_is_a_word_for_it(browser):
    assert "the first step is over in 60 seconds" in (await browser.get("/?step=60")).text


async def test_what_is_paused_stands_on_the_overview(house, browser):
    await house.pause("output")
    assert "output is paused" in (await browser.get("/")).text


# -- sites -------------------------------------------------------------------------------------------------------------


async def test_a_site_with_its_window_and_why_it_is_suspended(house, browser):
    await said_by(house, "you@away.example")  # where nobody listens
    (site,) = house.sites()
    assert site.suspended_until is not None
    page = await browser.get("/sites")
    assert f"<bdi>{site.key}</bdi>" in page.text
    assert 'class="state damaged">suspended' in page.text
    assert f"window {site.window}, limit {site.limit}" in page.text
    assert site.last_failure[:30] in page.text
    assert "1 of 1 site" in page.text
    assert "<bdi>smarthost:1</bdi>" in page.text
    assert "0 of 1 site" in (await browser.get("/sites?q=nowhere")).text


async def test_it_is_tried_now(house, browser):
    await said_by(house, "you@away.example")
    (site,) = house.sites()
    attempts = house.queue()[0].attempts
    answer = await posted(browser, verb="retry", name=site.key)
    assert answer.note == f"{site.key} is tried now: 1 message waited for it."
    await house.idle(timeout=10)
    assert house.queue()[0].attempts == attempts + 1
    assert "No such site" in (await posted(browser, verb="retry", name="mx:nowhere")).note


@pytest.mark.parametrize(
    ("what", "name", "reason"),
    [
        ("input", "", "input is paused"),
        ("output", "", "output is paused"),
        ("domain", "Away.Example", "domain away.example is paused"),
        ("site", "smarthost:1", "site smarthost:1 is paused"),
    ],
)
async def test_pauses_begin_and_end(house, browser, what, name, reason):
    answer = await posted(browser, verb="pause", what=what, name=name)
    assert answer.note.endswith("is paused.")
    assert house.paused.reasons() == [reason]
    shown = name.lower() if what == "domain" else name
    if shown:
        assert f"<bdi>{shown}</bdi>" in (await browser.get("/sites")).text
    answer = await posted(browser, verb="resume", what=what, name=shown)
    assert answer.note.endswith("goes on.")
    assert house.paused.reasons() == []


async def test_a_pause_may_end_by_itself(house, browser):
    answer = await posted(browser, verb="pause", what="domain", name="away.example", **{"for": "2h"})
    assert answer.note == "Domain away.example is paused for 2h."
    assert house.paused.ends[0].at == pytest.approx(house._clock.now() + 7200, abs=60)
    assert "until <time" in (await browser.get("/sites")).text


@pytest.mark.parametrize("what", ["output", "site"])
@pytest.mark.parametrize("length", ["999999999w", "367d", "0s"])
async def test_a_pause_that_no_calendar_has_is_none(house, browser, what, length):
    name = "x.example" if what == "site" else ""
    answer = await posted(browser, verb="pause", what=what, name=name, **{"for": length})
    assert answer.note.startswith("Nothing was paused: ")
    assert house.paused.reasons() == []
    assert (await browser.get("/sites")).status == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"verb": "pause", "what": "domain", "name": ""},
        {"verb": "pause", "what": "domain", "name": "no domain <b>"},
        {"verb": "pause", "what": "input", "name": "with a name"},
        {"verb": "pause", "what": "everything"},
        {"verb": "forget", "what": "input"},
        {"verb": "pause", "what": "domain", "name": "a.example", "for": "soon"},
        {},
    ],
)
async def test_what_is_not_clear_changes_nothing(house, browser, fields):
    answer = await posted(browser, **fields)
    assert answer.note
    assert house.paused.reasons() == []


async def test_nothing_is_paused_by_get_or_without_the_mark(house, browser):
    await browser.get("/sites?verb=pause&what=output")
    assert (await browser.post("/sites", form={"verb": "pause", "what": "output"})).status == 403
    assert not house.paused.output


async def test_what_a_server_says_stays_text(house, browser, monkeypatch):
    site = SiteView("mx:<b>", ("<i>.example",), 0, 0, 0, 0, 5, None, HOSTILE, 20, None, ("mx:<u>",))

    async def look_at_sites(self):
        return [site]

    monkeypatch.setattr(type(house), "look_at_sites", look_at_sites)
    page = await browser.get("/sites")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[2J\\u202e" in page.text
    assert not page.tags & {"b", "i", "u", "onload"}
    assert "<script>alert" not in page.text


# -- log ---------------------------------------------------------------------------------------------------------------


async def test_the_end_of_the_log_leads_to_the_message(house, browser):
    queue_id = await said_by(house)
    page = await browser.get("/log")
    assert f'<a href="/queue/{queue_id}">' in page.text
    assert '<th scope="row">accepted</th>' in page.text
    only = await browser.get(f"/log?event=accepted&queue_id={queue_id}")
    assert only.text.count('<th scope="row">') == 1
    assert "No line of the last thousand matches" in (await browser.get("/log?event=nothing")).text


async def test_an_id_that_is_none_is_said_to_be_none(browser):
    page = await browser.get("/log?queue_id=%3Cscript%3E")
    assert page.status == 400
    assert 'role="alert"' in page.text
    assert "<script>" not in page.text.replace("<script src", "")


async def test_what_stands_in_the_log_stays_text(house, browser):
    house.maillog.note("warning", "odd<b>", text=HOSTILE, **{"key<i>": "<u>", "queue_id": '"><u>'})
    await asyncio.to_thread(house.maillog.flush)
    page = await browser.get("/log")
    assert "odd&lt;b&gt;" in page.text
    assert "&lt;script&gt;" in page.text
    assert not page.tags & {"b", "i", "u"}


async def test_nothing_logged_is_a_word_too(house, browser):
    house.maillog.recent._batches.clear()
    assert "Nothing was logged" in (await browser.get("/log")).text


# -- settings ----------------------------------------------------------------------------------------------------------


async def test_settings_with_their_source(house, browser):
    page = await browser.get("/settings")
    assert "<code>queue.lifetime</code>" in page.text
    assert "No file was read." in page.text
    assert 'class="given"' in page.text
    found = await browser.get("/settings?q=QUEUE.LIFETIME")
    assert found.text.count('<th scope="row">') == 1
    assert "program" in (await browser.get("/settings?q=hostname")).text
    every = len(house.told_settings()["settings"])
    assert f"{every} of {every} keys" in page.text
    assert f"{every} of {every} keys" in (await browser.get("/settings?source=nonsense")).text


async def test_what_waits_for_a_restart_is_said(house, browser, monkeypatch):
    monkeypatch.setattr(house, "waiting_for_restart", ("dns.timeout",))
    page = await browser.get("/settings")
    assert "A restart is needed" in page.text
    assert page.text.count("waits for a restart") == 1
