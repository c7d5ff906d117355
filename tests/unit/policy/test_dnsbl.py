"""policy/dnsbl: entries as postscreen has them, questions, and what answers add up to."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from asyncmta.policy.dnsbl import DnsList, InvalidList, add_up, parse_list, question
from asyncmta.policy.verdict import Findings


def test_a_zone_alone_takes_any_answer_and_counts_one() -> None:
    entry = parse_list("Zen.Spamhaus.org")
    assert entry == DnsList("zen.spamhaus.org", 1, None)
    assert entry.takes("127.0.0.4")


@pytest.mark.parametrize(
    ("text", "weight", "taken", "not_taken"),
    [
        ("a.example*3", 3, ["127.0.0.2"], []),
        ("a.example*-3", -3, ["127.0.0.2"], []),
        ("a.example=127.0.0.2", 1, ["127.0.0.2"], ["127.0.0.3", "127.0.1.2"]),
        ("a.example=127.0.0.[2..11]*3", 3, ["127.0.0.2", "127.0.0.11"], ["127.0.0.1", "127.0.0.12"]),
        ("a.example=127.0.0.2..11*3", 3, ["127.0.0.2", "127.0.0.11"], ["127.0.0.12"]),
        ("a.example=127.0.0.[2;5..6]", 1, ["127.0.0.2", "127.0.0.5", "127.0.0.6"], ["127.0.0.3"]),
        ("a.example=127.0.[0..255].[1..3]*-2", -2, ["127.0.9.1"], ["127.0.9.4"]),
        ("a.example=127.0.*.**-2", -2, ["127.0.9.200"], ["127.1.0.1"]),
        ("a.example=127.0.*.*-2", -2, ["127.0.9.200"], ["127.1.0.1"]),
    ],
)
def test_filters_and_weights(text: str, weight: int, taken: list[str], not_taken: list[str]) -> None:
    entry = parse_list(text)
    assert entry.weight == weight
    assert all(map(entry.takes, taken))
    assert not any(map(entry.takes, not_taken))


@pytest.mark.parametrize("ip", ["192.0.2.1", "127.255.255.254", "::1", "127.0.0", "127.0.0.x"])
def test_what_is_no_answer_of_a_list(ip: str) -> None:
    assert not DnsList("a.example").takes(ip)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "a.example=",
        "a.example*x",
        "a.example*1001",
        "-bad-.example",
        "a.example=127.0.0",
        "a.example=127.0.0.1.2",
        "a.example=127.0.0.256",
        "a.example=127.0.0.[5..2]",
        "a.example=127.0.0.[]",
        "a.example=127.0.0.[2;]",
        "a.example=127..0.0",
        "a.example=127.0.0.2x",
    ],
)
def test_what_is_no_entry(text: str) -> None:
    with pytest.raises(InvalidList):
        parse_list(text)


def test_the_question_is_the_address_backwards() -> None:
    assert question(ip_address("192.0.2.99"), "zen.example") == "99.2.0.192.zen.example"
    nibbles = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"
    assert question(ip_address("2001:db8::1"), "zen.example") == f"{nibbles}.zen.example"


def test_answers_add_up() -> None:
    lists = [
        parse_list(text) for text in ("a.example=127.0.0.2*3", "a.example=127.0.0.3*2", "b.example*2", "w.example*-4")
    ]
    assert add_up(lists, {"a.example": ("127.0.0.2", "127.0.0.2"), "b.example": (), "w.example": ()}) == Findings(
        score=3, least=3, lists=("a.example",)
    )
    both = add_up(lists, {"a.example": ("127.0.0.2", "127.0.0.3"), "b.example": ("127.0.0.9",), "w.example": None})
    assert both == Findings(score=7, least=3, lists=("a.example", "b.example"))
    assert add_up(lists, {"w.example": ("127.0.0.1",)}) == Findings(score=-4, least=-4)
    assert add_up(lists, {}) == Findings(score=0, least=-4)
