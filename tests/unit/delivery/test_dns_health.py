"""When name servers count as gone, and as back."""

from __future__ import annotations

from asyncmta.delivery.dns_health import DnsHealth


def test_three_silent_names_in_a_row() -> None:
    health = DnsHealth()
    assert not any(health.silent(name, is_certain=False) for name in ("a.example", "b.example", "a.example"))
    assert not health.is_down
    assert health.silent("c.example", is_certain=False)
    assert health.is_down
    assert not health.silent("d.example", is_certain=False)
    assert health.answered()
    assert not health.is_down
    assert not health.answered()


def test_an_answer_in_between_says_that_they_are_there() -> None:
    health = DnsHealth()
    for name in ("a.example", "b.example", "c.example", "d.example"):
        assert not health.silent(name, is_certain=False)
        assert not health.answered()


def test_a_refused_connection_is_enough() -> None:
    health = DnsHealth()
    assert health.silent("a.example", is_certain=True)
    assert not health.silent("b.example", is_certain=True)
