from __future__ import annotations

from asyncmta.delivery.exchange import Addresses, MxRecord, MxRecords, Names, NoData, NoSuchDomain, TemporaryFailure
from asyncmta.testing.dns import FakeResolver


def resolver() -> FakeResolver:
    return FakeResolver(
        {
            "Example.ORG": {"MX": [(20, "mx2.example.org."), (10, "MX1.example.org")]},
            "mx1.example.org": {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]},
            "null.example": {"MX": [(0, "")]},
            "broken.example": "server failure",
        }
    )


async def test_exchangers_come_by_preference() -> None:
    answer = await resolver().exchangers("example.org.")
    assert answer == MxRecords((MxRecord(10, "mx1.example.org"), MxRecord(20, "mx2.example.org")))


async def test_a_null_mx_has_no_host() -> None:
    assert await resolver().exchangers("null.example") == MxRecords((MxRecord(0, ""),))


async def test_addresses_of_both_families() -> None:
    assert await resolver().addresses("mx1.example.org") == Addresses(("192.0.2.1", "2001:db8::1"))
    assert await resolver().addresses("192.0.2.9") == Addresses(("192.0.2.9",))


async def test_what_is_not_there() -> None:
    fake = resolver()
    assert await fake.exchangers("mx1.example.org") == NoData()
    assert await fake.addresses("example.org") == NoData()
    assert await fake.exchangers("none.example") == NoSuchDomain()
    assert await fake.addresses("none.example") == NoSuchDomain()
    assert await fake.exchangers("broken.example") == TemporaryFailure("server failure")
    assert await fake.addresses("broken.example") == TemporaryFailure("server failure")
    assert fake.asked[0] == ("MX", "mx1.example.org")
    assert fake.asked[-1] == ("A", "broken.example")


async def test_the_zone_changes_under_way() -> None:
    fake = resolver()
    fake.set("example.org", None)
    fake.set("new.example", {"A": ["192.0.2.7"]})
    assert await fake.exchangers("example.org") == NoSuchDomain()
    assert await fake.addresses("new.example") == Addresses(("192.0.2.7",))


async def test_names_of_an_address_and_entries_of_a_block_list() -> None:
    zone = resolver()
    zone.set("1.2.0.192.in-addr.arpa", {"PTR": ["MX1.example.org."]})
    zone.set("2.2.0.192.in-addr.arpa", {})
    zone.set("3.2.0.192.in-addr.arpa", "server failure")
    zone.set("1.2.0.192.bad.example", {"A": ["127.0.0.2"], "AAAA": ["::1"]})
    zone.set("2.2.0.192.bad.example", {"AAAA": ["::1"]})
    assert await zone.pointers("192.0.2.1") == Names(("mx1.example.org",))
    assert await zone.pointers("192.0.2.2") == NoData()
    assert await zone.pointers("192.0.2.3") == TemporaryFailure("server failure")
    assert await zone.pointers("192.0.2.4") == NoSuchDomain()
    assert await zone.listed("1.2.0.192.bad.example") == Addresses(("127.0.0.2",))
    assert await zone.listed("2.2.0.192.bad.example") == NoData()
    assert await zone.listed("4.2.0.192.bad.example") == NoSuchDomain()
    assert zone.asked[-1] == ("A", "4.2.0.192.bad.example")
