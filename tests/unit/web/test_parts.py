"""The small parts: attempts to log in, sessions, hostile text, files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

import asyncmta.web as room
from asyncmta.web.assets import Assets
from asyncmta.web.attempts import AT_ONCE, EVERY, MOST_CLIENTS, Attempts
from asyncmta.web.rendering import Templates
from asyncmta.web.sessions import MOST, Sessions, fresh
from asyncmta.web.visible import visible

FOLDER = Path(room.__file__).parent


def test_some_attempts_at_once_and_then_one_now_and_then():
    attempts = Attempts()
    assert [attempts.wait("a", 0.0) for _ in range(AT_ONCE)] == [0.0] * AT_ONCE
    assert attempts.wait("a", 0.0) == EVERY
    assert attempts.wait("b", 0.0) == 0.0
    assert attempts.wait("a", EVERY / 2) == pytest.approx(EVERY / 2)
    assert attempts.wait("a", EVERY) == 0.0
    assert attempts.wait("a", EVERY) == pytest.approx(EVERY)
    attempts.forgive("a")
    attempts.forgive("nobody")
    assert [attempts.wait("a", EVERY) for _ in range(AT_ONCE + 1)][-2:] == [0.0, EVERY]


def test_attempts_are_remembered_of_so_many_clients():
    attempts = Attempts()
    for _ in range(AT_ONCE):
        attempts.wait("first", 0.0)
    for number in range(MOST_CLIENTS):
        attempts.wait(str(number), 0.0)
    assert attempts.wait("first", 0.0) == 0.0  # forgotten


def test_no_more_sessions_than_there_may_be():
    sessions = Sessions()
    first, second = sessions.begin(0.0), sessions.begin(0.0)
    assert sessions.knows(first, 1.0)  # used last
    for _ in range(MOST - 1):
        sessions.begin(1.0)
    assert not sessions.knows(second, 2.0)
    assert sessions.knows(first, 2.0)
    sessions.end(first)
    sessions.end(first)
    assert not sessions.knows(first, 2.0)


def test_marks_are_of_one_browser_and_one_process():
    sessions, cookie = Sessions(), fresh()
    assert sessions.is_mark(sessions.mark(cookie), cookie)
    assert not sessions.is_mark(sessions.mark(cookie), fresh())
    assert not sessions.is_mark(sessions.mark(cookie), cookie, "text")
    assert not sessions.is_mark(Sessions().mark(cookie), cookie)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain <b>", "plain <b>"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\r\nb\t\x00", "a\\x0d\\x0ab\\x09\\x00"),
        ("\u202ecod.exe", "\\u202ecod.exe"),
        ("\u200b\ufeff", "\\u200b\\ufeff"),
        ("\U000e0041", "\\U000e0041"),
        ("\udcff", "\\udcff"),
        ("grüße 日本", "grüße 日本"),
    ],
)
def test_what_would_hide_is_visible(text, shown):
    assert visible(text) == shown
    assert visible(text).isprintable()


def test_a_name_that_nobody_gave_is_an_error():
    with pytest.raises(UndefinedError):
        Templates(Assets()).render("error.html", {"title": "x"})


def test_what_is_not_ours_says_its_version_and_has_its_licence():
    table = (FOLDER / "static" / "VENDORED.md").read_text()
    version = re.search(r"`htmx\.org` \| ([0-9.]+) \|", table)[1]
    assert f'version:"{version}"' in (FOLDER / "static" / "htmx.min.js").read_text()
    version = re.search(r"`uplot` \| ([0-9.]+) \|", table)[1]
    assert f"uPlot (v{version})" in (FOLDER / "static" / "uplot.min.js").read_text()
    for name in re.findall(r"\(`([^`]+LICENSE[^`]*)`\)", table):
        assert (FOLDER / "static" / name).stat().st_size > 100
    listed = set(re.findall(r"^\| `([^`]+)`", table, re.MULTILINE))
    scripts = {path.name for path in (FOLDER / "static").iterdir() if path.suffix in (".js", ".css")}
    assert {name for name in scripts if ".min." in name} <= listed


INLINE = r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon[a-z]+=|\bhx-on|javascript:|\|\s*safe\b"


def test_templates_have_no_script_and_no_style_of_their_own():
    for path in (FOLDER / "templates").glob("*.html"):
        text = path.read_text()
        assert not re.search(
            r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon[a-z]+=|\bhx-on|javascript:|\|\s*safe\b", text
        ), path
        assert "autoescape" not in text
