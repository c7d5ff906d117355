"""What hosts want: by the settings, by their name, by what they said."""

from __future__ import annotations

import math

import pytest

from asyncmta.delivery import habits as module
from asyncmta.delivery.exchange import Exchanger, Site
from asyncmta.delivery.habits import ONE_DOMAIN_FOR, PERHAPS_FOR, RECIPIENTS_FOR, Habits, Rule
from asyncmta.delivery.transaction import Shape


def site(*hosts: str) -> Site:
    return Site("mx:" + ",".join(hosts), tuple(Exchanger(host) for host in hosts))


def test_nothing_known() -> None:
    habit = Habits(100).of(site("a.example"), 0.0)
    assert (habit.shape, habit.until) == (Shape(100, 0), math.inf)


@pytest.mark.parametrize("host", ["aspmx.l.google.com", "d-example.mail.protection.outlook.com", "d.x-v1.mx.microsoft"])
def test_known_by_name(host: str) -> None:
    assert Habits(100).of(site("a.example", host), 0.0).shape == Shape(100, 1)
    assert Habits(100).of(site(f"{host}.example"), 0.0).shape == Shape(100, 0)


def test_what_it_said_is_kept_for_some_time() -> None:
    habits = Habits(100)
    habits.wants_one_domain("a.example", 0.0, is_sure=True)
    habits.wants_one_domain("b.example", 0.0, is_sure=False)
    assert habits.of(site("x.example", "a.example"), 1.0).until == ONE_DOMAIN_FOR
    assert habits.of(site("b.example"), 1.0).until == PERHAPS_FOR
    assert habits.of(site("b.example"), PERHAPS_FOR).shape.most_domains == 0
    assert habits.of(site("a.example"), ONE_DOMAIN_FOR - 1).shape.most_domains == 1
    habits.wants_one_domain("a.example", 1.0, is_sure=False)  # a guess does not cut a certainty short
    assert habits.of(site("a.example"), ONE_DOMAIN_FOR - 1).shape.most_domains == 1
    assert habits.of(site("a.example"), ONE_DOMAIN_FOR).shape.most_domains == 0


def test_a_limit_doubles_until_it_is_none() -> None:
    habits = Habits(100)
    habits.takes("a.example", 30, 0.0)
    for hours, most in ((0, 30), (1, 60), (2, 100), (900, 100)):
        habit = habits.of(site("a.example"), hours * RECIPIENTS_FOR)
        assert habit.shape.most_recipients == most
        assert habit.until == (math.inf if most == 100 else (hours + 1) * RECIPIENTS_FOR)


def test_both_are_kept_beside_one_another() -> None:
    habits = Habits(100)
    habits.takes("a.example", 30, 0.0)
    habits.wants_one_domain("a.example", 0.0, is_sure=True)
    habits.takes("a.example", 20, 0.0)
    assert habits.of(site("a.example"), 1.0).shape == Shape(20, 1)


def test_an_operator_knows_better() -> None:
    rules = [
        Rule((".google.com",), one_domain=False),
        Rule(("a.example", "b.example"), one_domain=True),
        Rule(("a.example",), one_domain=False),
        Rule(("c.example",)),
    ]
    habits = Habits(100, rules)
    assert habits.of(site("aspmx.l.google.com"), 0.0).shape.most_domains == 0
    assert habits.of(site("a.example"), 0.0).shape.most_domains == 1
    assert habits.of(site("sub.a.example"), 0.0).shape.most_domains == 0
    habits.wants_one_domain("c.example", 0.0, is_sure=True)
    assert habits.of(site("c.example"), 0.0).shape.most_domains == 1


def test_not_more_hosts_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_HOSTS", 3)
    habits = Habits(100)
    for host in ("a", "b", "c", "a", "d"):
        habits.takes(host, 10, 0.0)
    assert [habits.of(site(host), 1.0).shape.most_recipients for host in "abcd"] == [10, 100, 10, 10]
