"""`asyncmta top` of a running MTA, on a terminal: what is seen, what keys do, and how the terminal is given back."""

from __future__ import annotations

import json
import os
import re
import signal

import pytest
from peerkit.receiver import wait
from peerkit.serving import SMARTHOST
from peerkit.terminal import Terminal

pytestmark = pytest.mark.peers


@pytest.fixture
def mta(serving):
    """With three messages for a host that is not there."""
    mta = serving(SMARTHOST.format(port=1)).start().await_control()
    for number in range(3):
        sent = mta.asyncmta("send", "-f", "me@here.test", f"x{number}@down.test", stdin=b"Subject: x\n\nx\n")
        assert sent.returncode == 0, sent.stderr
    return mta


@pytest.fixture
def top(mta):
    """Makes terminals with `top` on them."""
    made = []

    def top(*arguments, **keywords):
        made.append(Terminal(mta.command("top", *arguments), env=keywords.pop("env", {}), **keywords))
        return made[-1]

    yield top
    for each in made:
        each.__exit__()


def assert_given_back(terminal):
    assert terminal.mode == terminal.before
    assert not terminal.is_cursor_hidden
    assert terminal.raw.rindex(b"\x1b[?1049l") > terminal.raw.rindex(b"\x1b[?1049h")


def test_a_site_is_seen_picked_and_tried_again(mta, top):
    terminal = top(columns=80, lines=24)
    screen = terminal.until(lambda screen: "smarthost:127" in screen and "recent failures" in screen)
    assert "queue 3" in screen
    assert re.search(r"^[0-9:]{8} deferred +x[0-9]@down\.test +451", screen, re.MULTILINE)
    assert terminal.is_cursor_hidden
    attempts = attempts_of(mta)
    terminal.type("jr")
    terminal.until_text("3 tried now at smarthost:127.0.0.1:1")
    assert wait(lambda: attempts_of(mta) > attempts, 30)
    terminal.type("/nothing-has-this\r")
    terminal.until_text("none of them has that")
    terminal.type("\x1b")
    terminal.until_text("smarthost:127")
    terminal.type("s")
    terminal.until_text("(by waiting)")
    terminal.type("q")
    assert terminal.wait() == 0
    assert_given_back(terminal)


def attempts_of(mta):
    found = json.loads(mta.asyncmta("queue", "list", "--json").stdout)
    return sum(row["attempts"] for row in found["messages"])


def test_figures_move_and_stand_still_while_paused(mta, top):
    terminal = top("--interval", "0.3s")
    terminal.until_text("queue 3")
    terminal.type("p")
    terminal.until_text("PAUSED")
    mta.asyncmta("send", "-f", "me@here.test", "y@down.test", stdin=b"Subject: x\n\nx\n")
    assert "queue 3" in terminal.screen
    terminal.type("p")
    terminal.until_text("queue 4")
    terminal.resize(60, 15)
    terminal.until(lambda screen: "queue 4" in screen.splitlines()[0] and "q quit" in screen)
    terminal.type("\x03")
    assert terminal.wait() == 130
    assert_given_back(terminal)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_kill_gives_the_terminal_back(top, number):
    terminal = top()
    terminal.until_text("queue 3")
    os.kill(terminal.process.pid, number)
    assert terminal.wait() == 128 + number
    assert_given_back(terminal)


def test_while_it_is_stopped_the_terminal_is_the_shells(top):
    """Ctrl-Z; the kernel stops no process group without a shell, so the signal comes from here."""
    terminal = top()
    terminal.until_text("queue 3")
    os.kill(terminal.process.pid, signal.SIGTSTP)
    assert wait(lambda: not terminal.read(0.05) and terminal.mode == terminal.before, 30)
    assert_given_back(terminal)
    os.kill(terminal.process.pid, signal.SIGCONT)
    assert wait(lambda: not terminal.read(0.05) and terminal.mode != terminal.before, 30)
    terminal.until_text("queue 3")
    terminal.type("q")
    assert terminal.wait() == 0
    assert_given_back(terminal)


def test_an_mta_that_goes_away_is_waited_for(mta, top):
    terminal = top("--interval", "0.3s")
    terminal.until_text("queue 3")
    mta.kill()
    screen = terminal.until_text("nobody answers, waiting")
    assert "queue 3" in screen  # the last that was known
    mta.start()
    terminal.until(lambda screen: "queue 3" in screen and "nobody answers" not in screen)
    terminal.type("q")
    assert terminal.wait() == 0


def test_one_picture_and_no_colour(top):
    with_colour = top("--once")
    assert with_colour.wait() == 0
    assert "smarthost:127.0.0.1:1" in with_colour.screen
    assert b"\x1b[?1049h" not in with_colour.raw
    assert re.search(rb"\x1b\[[0-9;]*3[0-9]m", with_colour.raw)
    dumb = top(env={"TERM": "dumb"})
    assert dumb.wait() == 0
    assert "queue 3" in dumb.screen
    assert b"\x1b" not in dumb.raw
    without = top("--once", env={"NO_COLOR": "1"})
    assert without.wait() == 0
    assert not re.search(rb"\x1b\[[0-9;]*3[0-9]m", without.raw)


def test_off_a_terminal_it_is_json(mta):
    ended = mta.asyncmta("top")
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert sum(found["queue"].values()) == 3
    assert found["sites"][0]["queued"] == 3
    mta.kill()
    assert mta.asyncmta("top").returncode == 69
