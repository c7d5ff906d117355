"""What is paused, in what words, and where mail goes then."""

from __future__ import annotations

import pytest

from asyncmta.mail.address import parse_address
from asyncmta.pausing import HAND_OVER, HOLD, PAUSED, Ending, Paused, Unnamed, replaced, steered
from asyncmta.routing import Routing

ONE, TWO = parse_address("a@one.example"), parse_address("b@two.example")


def goes(paused: Paused) -> list[str]:
    where = steered(Routing(), paused)
    return [where(ONE, None), where(TWO, None)]


def test_nothing_paused_is_the_routing_itself() -> None:
    assert goes(Paused()) == ["mx:one.example", "mx:two.example"]
    assert Paused().refusal() is None
    assert Paused().reasons() == []


def test_input_and_output_steer_nothing() -> None:
    paused = Paused().with_("input", "", True).with_("output", "", True)
    assert not paused.steers
    assert paused.refusal() is PAUSED
    assert paused.reasons() == ["input is paused", "output is paused"]
    assert paused.with_("input", "", False).with_("output", "", False) == Paused()


def test_a_domain_is_kept_back_and_let_go() -> None:
    paused = Paused().with_("domain", "ONE.example", True)
    assert goes(paused) == [HOLD, "mx:two.example"]
    assert paused.reasons() == ["domain one.example is paused"]
    assert paused.with_("domain", "one.example", False) == Paused()


@pytest.mark.parametrize("name", ["mx:two.example", "two.example"])
def test_a_site_is_a_destination(name: str) -> None:
    paused = Paused().with_("site", name, True)
    assert goes(paused) == ["mx:one.example", HOLD]
    assert paused.reasons() == ["site mx:two.example is paused"]


def test_a_hand_over_takes_everything() -> None:
    paused = replaced(Paused(domains=frozenset({"one.example"})), handing_over="relay.example:25")
    assert goes(paused) == [HAND_OVER, HAND_OVER]
    assert paused.reasons()[-1] == "the queue is handed over to relay.example:25"


@pytest.mark.parametrize(
    ("what", "name"), [("input", "x"), ("output", "x"), ("domain", "a b"), ("site", ""), ("domain", "")]
)
def test_what_cannot_be_meant(what: str, name: str) -> None:
    with pytest.raises(Unnamed):
        Paused().with_(what, name, True)  # type: ignore[arg-type]


def test_a_pause_may_end_by_itself() -> None:
    paused = Paused().with_("domain", "ONE.example", True, 60.0).with_("input", "", True, 3600.0)
    assert paused.ends == (Ending("domain", "one.example", 60.0), Ending("input", "", 3600.0))
    assert paused.reasons() == [
        "input is paused until 1970-01-01 01:00:00Z",
        "domain one.example is paused until 1970-01-01 00:01:00Z",
    ]
    assert paused.with_("input", "", False).with_("domain", "one.example", False) == Paused()


def test_a_pause_that_is_said_again_ends_when_it_was_said_last() -> None:
    paused = Paused().with_("output", "", True, 60.0)
    assert paused.with_("output", "", True, 90.0).ends == (Ending("output", "", 90.0),)
    assert paused.with_("output", "", True).ends == ()


def test_what_is_in_the_way_of_a_recipient() -> None:
    assert Paused().in_the_way(ONE, "mx:one.example") == ""
    paused = Paused().with_("site", "two.example", True).with_("domain", "one.example", True)
    assert paused.in_the_way(ONE, "mx:one.example") == "domain one.example is paused"
    assert paused.in_the_way(TWO, "mx:two.example") == "site mx:two.example is paused"
    assert paused.in_the_way(TWO, "smarthost:0") == ""
    given = replaced(paused, handing_over="relay.example:25")
    assert given.in_the_way(TWO, "mx:two.example") == "the queue is handed over to relay.example:25"
    assert (paused.of_output(), paused.with_("output", "", True).of_output()) == ("", "output is paused")


def test_it_is_counted() -> None:
    paused = replaced(Paused().with_("input", "", True).with_("site", "a.example", True), handing_over="x:25")
    assert paused.counts() == {"input": 1, "output": 0, "site": 1, "domain": 0, "handed_over": 1}
