"""`asyncmta reload`, `pause` and `resume` on a running MTA: what they say, and how they end."""

from __future__ import annotations

import json

import pytest


def test_a_reload_says_what_came_of_it(run, mta):
    ended = run("reload")
    assert (ended.code, ended.out) == (0, "changed         route\nneeds a restart listener\n")
    ended = run("reload", "--json")
    assert (ended.code, json.loads(ended.out)) == (0, {"changed": ["route"], "needs_restart": ["listener"]})


def test_a_reload_of_nothing_new(run, mta):
    mta.change = ((), ())
    assert run("reload").out == "nothing has changed\n"


def test_a_reload_with_faults_is_78_and_names_them_all(run, mta):
    mta.faults = ["config.toml: queue.lifetime: no", "config.toml: limits.hops: no"]
    ended = run("reload")
    assert (ended.code, ended.out) == (78, "")
    assert ended.err.splitlines() == mta.faults


def test_a_pause_with_an_end(run, mta):
    ended = run("pause", "domain", "b.example", "--for", "1h")
    assert (ended.code, ended.out) == (0, "domain b.example is paused until 1970-01-01 02:23:20Z\n")
    assert run("pause").out == ended.out
    assert run("resume", "domain", "b.example").out == "nothing is paused\n"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("pause", "domain"), 64),
        (("pause", "input", "x"), 64),
        (("pause", "--for", "1h"), 64),
        (("pause", "input", "--for", "soon"), 65),
        (("pause", "input", "--for", "0s"), 65),
        (("pause", "domain", "a b"), 65),
        (("resume", "site"), 64),
    ],
)
def test_what_cannot_be_meant(run, mta, arguments, code):
    ended = run(*arguments)
    assert (ended.code, ended.out) == (code, "")
    assert ended.err != ""


@pytest.mark.parametrize("arguments", [("reload",), ("pause",), ("pause", "input"), ("resume", "input")])
def test_nobody_is_running(run, arguments):
    ended = run(*arguments)
    assert ended.code == 69
    assert "not running" in ended.err
