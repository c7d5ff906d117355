"""When name servers count as gone, and as back."""

from __future__ import annotations

from asyncmta.delivery.dns_health import DnsHealth


def test_three_silent_zones_in_a_row() -> None:
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


def test_a_block_list_that_is_silent_is_one_zone() -> None:
    health = DnsHealth()
    for n in range(9):
        assert not health.silent(f"{n}.2.0.192.bl.example.org", is_certain=False)
    assert not health.silent("example.net", is_certain=False)
    assert health.silent("test", is_certain=False)
