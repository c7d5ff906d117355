"""Which address of ours a host is dialled from."""

from __future__ import annotations

from asyncmta.delivery.sources import SourceRule, address_for, source_for

DEFAULT = SourceRule(exchangers=(), addresses=("192.0.2.1", "2001:db8::1", "192.0.2.2"))
RULES = (
    SourceRule(exchangers=("mx.example.org", "203.0.113.9"), addresses=("192.0.2.7",), hostname="seven.example"),
    SourceRule(exchangers=("*.example.org",), addresses=("192.0.2.8",)),
)


def test_the_first_rule_that_names_the_host() -> None:
    assert source_for(RULES, "mx.example.org", DEFAULT) is RULES[0]
    assert source_for(RULES, "203.0.113.9", DEFAULT) is RULES[0]
    assert source_for(RULES, "mx2.example.org", DEFAULT) is RULES[1]
    assert source_for(RULES, "a.b.example.org", DEFAULT) is RULES[1]


def test_others_have_the_default() -> None:
    assert source_for(RULES, "example.org", DEFAULT) is DEFAULT
    assert source_for(RULES, "badexample.org", DEFAULT) is DEFAULT
    assert source_for((), "mx.example.org", DEFAULT) is DEFAULT


def test_addresses_of_the_family_take_turns() -> None:
    assert [address_for(DEFAULT, "198.51.100.1", salt) for salt in range(3)] == ["192.0.2.1", "192.0.2.2", "192.0.2.1"]
    assert address_for(DEFAULT, "2001:db8:1::1", 7) == "2001:db8::1"
    assert address_for(RULES[0], "2001:db8:1::1", 0) == ""
