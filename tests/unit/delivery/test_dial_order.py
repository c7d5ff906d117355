"""In which order hosts and addresses are dialled, and for how long each."""

from __future__ import annotations

from collections import Counter

import pytest

from asyncmta.delivery.dial_order import at_most, attempt_time, by_family, most_of_one_host, walk_order
from asyncmta.delivery.exchange import Exchanger, Site

IPS = ("192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2")


def test_equals_are_shuffled_by_the_salt_and_nothing_else_is() -> None:
    site = Site("k", (*(Exchanger(f"{n}.example", 1) for n in "abcd"), Exchanger("best.example", 0)))
    orders = {tuple(exchanger.host for exchanger in walk_order(site, salt)) for salt in range(500)}
    assert len(orders) == 24
    assert all(order[0] == "best.example" for order in orders)
    assert walk_order(site, 3) == walk_order(site, 3)


def test_a_single_exchanger_needs_no_order() -> None:
    assert walk_order(Site("k", (Exchanger("a.example"),)), 1) == (Exchanger("a.example"),)


def test_equals_are_first_as_often_as_their_weights_say() -> None:
    weights = {"a.example": 6, "b.example": 3, "c.example": 1, "spare.example": 0}
    site = Site("k", tuple(Exchanger(host, weight=weight) for host, weight in weights.items()))
    walks = [[exchanger.host for exchanger in walk_order(site, salt)] for salt in range(2000)]
    first = Counter(walk[0] for walk in walks)
    assert {host: round(count / 200) for host, count in first.items()} == {
        "a.example": 6,
        "b.example": 3,
        "c.example": 1,
    }
    assert all(walk[-1] == "spare.example" and len(walk) == 4 for walk in walks)


def test_the_same_host_at_two_ports_is_two() -> None:
    site = Site("k", (Exchanger("a.example", port=25), Exchanger("a.example", port=26)))
    assert {walk_order(site, salt)[0].port for salt in range(50)} == {25, 26}


@pytest.mark.parametrize(
    ("preference", "order"),
    [
        ("both", [0, 1, 2, 3]),
        ("prefer-ipv4", [0, 2, 1, 3]),
        ("prefer-ipv6", [1, 3, 0, 2]),
        ("ipv4", [0, 2]),
        ("ipv6", [1, 3]),
    ],
)
def test_families(preference: str, order: list[int]) -> None:
    assert by_family(IPS, preference) == [IPS[n] for n in order]


@pytest.mark.parametrize(
    ("ips", "most", "taken"),
    [
        ("444", 5, "444"),
        ("444", 2, "44"),
        ("4446", 3, "446"),
        ("6664", 2, "64"),
        ("6464", 3, "646"),
        ("644", 1, "6"),
    ],
)
def test_the_other_family_is_not_left_out(ips: str, most: int, taken: str) -> None:
    found = at_most([f"2001:db8::{n}" if kind == "6" else f"192.0.2.{n}" for n, kind in enumerate(ips)], most)
    assert "".join("6" if ":" in ip else "4" for ip in found) == taken
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("left", "longest", "others", "seconds"),
    [
        (90.0, 30.0, 0, 30.0),
        (90.0, 30.0, 1, 30.0),
        (90.0, 30.0, 4, 18.0),
        (12.0, 30.0, 0, 12.0),
        (12.0, 30.0, 4, 5.0),
        (3.0, 30.0, 4, 3.0),
        (3.0, 1.0, 4, 1.0),
    ],
)
def test_nobody_takes_the_time_of_all_the_others(left: float, longest: float, others: int, seconds: float) -> None:
    assert attempt_time(left, longest, others) == seconds


def test_a_host_leaves_an_address_to_each_behind_it() -> None:
    assert [most_of_one_host(5, ahead) for ahead in (0, 2, 4, 9)] == [5, 3, 1, 1]
