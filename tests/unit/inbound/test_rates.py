"""inbound/rates: leaky buckets by network, in a table with a bound."""

from __future__ import annotations

from asyncmta.inbound.rates import Rate, RateTable


def test_so_many_at_once_and_then_as_time_passes() -> None:
    table = RateTable(Rate(3, 60.0))
    assert [table.take("192.0.2.1", 0.0) for _ in range(5)] == [True, True, True, False, False]
    assert not table.take("192.0.2.1", 19.9)
    assert table.take("192.0.2.1", 20.0)
    assert not table.take("192.0.2.1", 20.0)
    assert [table.take("192.0.2.1", 1000.0) for _ in range(4)] == [True, True, True, False]


def test_networks_are_counted_apart_and_an_ipv6_customer_once() -> None:
    table = RateTable(Rate(1, 60.0))
    assert table.take("192.0.2.1", 0.0)
    assert table.take("192.0.2.2", 0.0)
    assert table.take("2001:db8::1", 0.0)
    assert not table.take("2001:db8::ffff", 0.0)
    assert not table.take("::ffff:192.0.2.1", 0.0)
    assert table.take("2001:db8:0:1::1", 0.0)


def test_a_flood_of_addresses_costs_no_more_than_the_bound() -> None:
    table = RateTable(Rate(1, 60.0), most=100)
    for number in range(10_000):
        assert table.take(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0.0)
    assert len(table) == 100
    assert not table.take("10.0.39.15", 0.0)  # the latest are known
    assert table.take("10.0.0.0", 0.0)  # the oldest are not


def test_who_comes_often_is_not_forgotten_first() -> None:
    table = RateTable(Rate(2, 60.0), most=2)
    for ip in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.3"):
        assert table.take(ip, 0.0)
    assert not table.take("192.0.2.1", 0.0)
