"""What `asyncmta top` makes of answers and keys: figures, states, lines of a screen; and of octets from a terminal."""

from __future__ import annotations

import io
import json

import pytest
from rich.cells import cell_len
from rich.console import Console, Group

from asyncmta.cli import top_layout
from asyncmta.cli.keyboard import names
from asyncmta.cli.top_facts import (
    PLAIN_BLOCKS,
    SORTS,
    Facts,
    course,
    failing,
    latest,
    ordered,
    per_second,
    rate,
    seconds,
    shown,
    spark,
    worst,
)
from asyncmta.cli.top_keys import LOOK, QUIT, RETRY, State, pressed

EVIL = "\x1b[2J\x1b]0;x\x07[bold]\u202e\r\n"


def rates(**more):
    found = {
        "step": 1,
        "at": 1000.0,
        "now": {
            "queue": {"held": 1, "active": 0, "ready": 2, "deferred": 3, "damaged": 0},
            "oldest_accepted_at": 400.0,
            "sessions_in": 4,
            "sessions_out": 5,
        },
        "times": [998.0, 999.0, 1000.0],
        "seconds": [1.0, 1.0, 2.0],
        "lag": [0.001, 0.5, 0.002],
        "sync": [0.003, None, None],
    }
    found |= {name: [10, 0, 40] for name in ("accepted", "delivered", "deferred", "failed", "refused")}
    found |= {name: [None, 0.25, None] for name in ("p50", "p95", "p99")}
    return found | more


def site(key, **more):
    return {
        "key": key,
        "hosts": ["mx.test"],
        "waiting": 0,
        "sessions": 0,
        "idle": 0,
        "opening": 0,
        "window": 5,
        "limit": 20,
        "suspended_until": None,
        "suspended_since": None,
        "last_failure": "",
        "destinations": [],
    } | more


SITES = (
    site("mx:a", waiting=3, destinations=["mx:a.test"]),
    site("mx:b", sessions=2, opening=1, last_failure="421 too busy"),
    site("mx:c", suspended_until=1060.0, hosts=["mx.c.test"]),
)
FACTS = Facts(
    rates(),
    SITES,
    ({"ts": "2026-11-22T10:00:01.5Z", "event": "failed", "recipient": "x@a.test", "reply": "550 5.1.1 nobody"},),
    ("output is paused",),
    {"mx:a.test": 7, "mx:c.test": 9},
    {"mx:c": frozenset({"mx:c.test"})},
)
EMPTY = Facts(rates(**{name: [] for name in rates() if name not in ("step", "at", "now")}))


# -- figures ----------------------------------------------------------------------------------------------------------


def test_rates_count_by_how_long_steps_really_were():
    assert rate(FACTS, "accepted") == 12.5
    assert rate(FACTS, "accepted", 1) == 20.0
    assert course(FACTS, "accepted") == [10.0, 0.0, 20.0]
    assert rate(EMPTY, "accepted") == 0.0
    assert course(Facts(rates(seconds=[0.0, 1.0, 1.0])), "failed") == [0.0, 0.0, 40.0]


def test_the_last_value_that_there_was():
    assert (latest(FACTS, "p95"), worst(FACTS, "lag")) == (0.25, 0.5)
    assert (latest(EMPTY, "p95"), worst(EMPTY, "lag")) == (None, None)


def test_sparks_tell_nothing_from_little():
    assert spark([0, 1, 50, 100], 10) == " ▁▄█"
    assert spark([1, 2, 3], 2) == "▅█"
    assert spark([0, 0], 5) == "  "
    assert spark([1], 0) == ""
    assert spark([0, 1, 100], 3, PLAIN_BLOCKS) == " .@"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.0004, "0.4ms"), (0.012, "12ms"), (1.239, "1.24s"), (59.9, "59.90s"), (182, "3m2s")],
)
def test_latencies(value, text):
    assert seconds(value) == text


def test_rates_as_text():
    assert [per_second(value) for value in (0, 0.04, 0.4, 12.52, 1234.5)] == ["0", "<0.1", "0.4", "12.5", "1234"]


def test_sites_in_any_order_and_those_with_a_word():
    by = {sort: [each["key"] for each in ordered(FACTS, sort, "")] for sort in SORTS}
    assert by == {
        "queued": ["mx:c", "mx:a", "mx:b"],
        "waiting": ["mx:a", "mx:b", "mx:c"],
        "sessions": ["mx:b", "mx:a", "mx:c"],
        "back-off": ["mx:c", "mx:a", "mx:b"],
        "name": ["mx:a", "mx:b", "mx:c"],
    }
    for word, key in (("BUSY", "mx:b"), ("c.test", "mx:c"), ("a.test", "mx:a")):
        assert [each["key"] for each in ordered(FACTS, "name", word)] == [key]
    assert Facts(rates(), SITES).queued_for(SITES[0]) is None
    assert [line["recipient"] for line in failing(FACTS, "NOBODY")] == ["x@a.test"]
    assert failing(FACTS, "somebody") == []


def test_all_of_it_as_json():
    found = json.loads(json.dumps(shown(FACTS)))
    assert found["rates"]["accepted"] == {"now": 12.5, "minute": 12.5}
    assert found["latency"] == {"p50": 0.25, "p95": 0.25, "p99": 0.25}
    assert [(each["key"], each["queued"]) for each in found["sites"]] == [("mx:c", 9), ("mx:a", 7), ("mx:b", 0)]
    assert found["sites"][0]["destinations"] == ["mx:c.test"]
    assert found["queue"]["deferred"] == 3
    assert (found["paused"], found["failures"][0]["event"]) == (["output is paused"], "failed")


# -- keys -------------------------------------------------------------------------------------------------------------

KEYS = ["one", "two", "three"]


def after(state, *typed):
    action = ""
    for key in typed:
        state, action = pressed(state, key, KEYS)
    return state, action


def test_quit_pause_and_sort():
    assert after(State(), "q")[1] == QUIT
    assert after(State(), "p") == (State(is_paused=True), "")
    assert after(State(), "p", " ") == (State(), LOOK)
    assert [after(State(), *["s"] * times)[0].sort for times in range(6)] == [*SORTS, SORTS[0]]
    assert after(State(note="said"), "x") == (State(), "")


@pytest.mark.parametrize(
    ("typed", "picked"),
    [
        (["j"], "one"),
        (["down", "down"], "two"),
        (["k"], "three"),
        (["j", "k"], "one"),
        (["end"], "three"),
        (["home"], "one"),
        (["j", "page down"], "three"),
        (["j", "escape"], ""),
    ],
)
def test_a_site_is_picked(typed, picked):
    assert after(State(), *typed)[0].picked == picked


def test_only_a_site_that_is_there_is_tried():
    assert after(State(), "j", "r") == (State(picked="one"), RETRY)
    assert "pick a site" in after(State(picked="gone"), "r")[0].note
    assert after(State(picked="gone"), "j")[0].picked == "one"
    assert pressed(State(), "j", []) == (State(), "")


def test_a_filter_is_typed_letter_by_letter():
    assert after(State(), "/", "q", "ä", "backspace", "p")[0] == State(wanted="qp", is_typing=True)
    assert after(State(), "/", "q", "enter")[0] == State(wanted="q")
    assert after(State(), "/", "q", "escape")[0] == State()
    assert after(State(wanted="q"), "escape")[0] == State()
    assert after(State(), "/", "up", "\x07")[0] == State(is_typing=True)
    assert len(after(State(), "/", *["x"] * 200)[0].wanted) == 100


@pytest.mark.parametrize(
    ("octets", "keys"),
    [
        (b"q", ["q"]),
        (b"jk", ["j", "k"]),
        (b"\x1b[A\x1bOB", ["up", "down"]),
        (b"\x1b[5~\x1b[6~j", ["page up", "page down", "j"]),
        (b"\x1b[1;5C\x1b[H", ["home"]),
        (b"\x1b", ["escape"]),
        (b"\r\x7f", ["enter", "backspace"]),
        ("ä\x1b[Bx".encode(), ["ä", "down", "x"]),
        (b"\x1b[", []),
        (b"\xff", []),
    ],
)
def test_what_a_terminal_sends_for_keys(octets, keys):
    assert names(octets) == keys


# -- the picture ------------------------------------------------------------------------------------------------------


def drawn(facts, state=State(), width=80, height=24):  # noqa: B008 - it is frozen
    return [line.plain for line in top_layout.lines(facts, state, width, height)]


def test_a_picture_of_80_columns():
    assert [line.rstrip() for line in drawn(FACTS)] == [
        "asyncmta top  queue 6  oldest 10m  sessions 4 in 5 out",
        "output is paused",
        "",
        "per second      now   minute",
        "accepted       12.5     12.5  ▄ █",
        "delivered      12.5     12.5  ▄ █",
        "deferred       12.5     12.5  ▄ █",
        "failed         12.5     12.5  ▄ █",
        "refused        12.5     12.5  ▄ █",
        "queue      held 1  active 0  ready 2  deferred 3  damaged 0",
        "latency    p50 250ms  p95 250ms  p99 250ms  sync 3.0ms  loop lag 500ms",
        "",
        "site                     queued waiting sessions window back-off  last failure",
        "mx:c                          9       0        0   5/20       1m",
        "mx:a                          7       3        0   5/20        -",
        "mx:b                          0       0      2+1   5/20        -  421 too busy",
        "",
        "recent failures",
        "10:00:01 failed   x@a.test                   550 5.1.1 nobody",
        "q quit  p pause  s sort  j/k pick  r retry site  / filter  (by queued)",
    ]


@pytest.mark.parametrize("width", [1, 20, 79, 80, 200])
@pytest.mark.parametrize("height", [1, 5, 14, 16, 24, 60])
def test_it_is_never_larger_than_the_screen(width, height):
    many = tuple(site(f"mx:mx{number}.example.org", last_failure="漢字" * 40) for number in range(100))
    facts = Facts(rates(), many, FACTS.failures * 10, ("output is paused",), None, {})
    found = drawn(facts, State(picked="mx:mx99.example.org", sort="name", wanted="mx", is_paused=True), width, height)
    assert len(found) <= height
    assert max(cell_len(line) for line in found) <= width
    assert height < 24 or width < 80 or any("mx:mx99" in line for line in found)


def test_what_a_peer_said_moves_no_cursor_and_is_no_markup():
    facts = Facts(
        rates(),
        (site(f"mx:{EVIL}", last_failure=EVIL, hosts=[EVIL]),),
        ({"ts": EVIL, "event": EVIL, "recipient": EVIL, "reply": EVIL},),
        (EVIL,),
    )
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=200, color_system=None)
    state = State(absent=EVIL, note=EVIL, wanted="")
    console.print(Group(*top_layout.lines(facts, state, 200, 50)))
    assert not set(out.getvalue()) & {"\x1b", "\x07", "\r", "\u202e"}
    assert "[bold]" in out.getvalue()


def test_who_is_away_who_types_and_nothing_at_all():
    found = drawn(FACTS, State(absent="spool/control.sock: no such file", is_paused=True))
    assert "PAUSED" in found[0]
    assert found[1] == "nobody answers, waiting: spool/control.sock: no such file"
    assert drawn(FACTS, State(is_typing=True, wanted="ab"))[-1].startswith("/ab_ ")
    assert "none of them has that" in drawn(FACTS, State(wanted="zzz"))
    assert "none just now" in drawn(EMPTY)
    assert drawn(FACTS, State(note="3 tried now"))[-1].startswith("3 tried now   q quit")
    silent = Facts(rates(now=rates()["now"] | {"oldest_accepted_at": None}))
    assert "oldest" not in drawn(silent)[0]


def test_the_picked_site_stands_out():
    picked = [line for line in top_layout.lines(FACTS, State(picked="mx:b"), 80, 24) if line.style == top_layout.PICKED]
    assert [line.plain[:4] for line in picked] == ["mx:b"]


# -- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def watched(mta):
    """A fake with something to show."""
    mta.known_sites = list(SITES)
    return mta


def test_off_a_terminal_it_is_one_picture_as_json(run, watched):
    ended = run("top")
    assert ended.code == 0
    assert [each["key"] for each in json.loads(ended.out)["sites"]] == ["mx:a", "mx:b", "mx:c"]
    assert json.loads(run("top", "--once", "--json").out).keys() == shown(FACTS).keys()


def test_nobody_there_and_options_that_cannot_be(run):
    assert run("top").code == 69
    assert run("top", "--interval", "0.1s").code == 64
    assert run("top", "--interval", "soon").code == 64
    assert run("top", "--json").code == 64
