"""Reading the rows of DNS answers."""

from __future__ import annotations

import pytest

from asyncmta.delivery.answers import (
    FAILURE_TTL,
    LONGEST_TTL,
    MAX_RECORDS,
    NEGATIVE_TTL,
    SHORTEST_TTL,
    Alias,
    Row,
    both_families,
    lifetime,
    normal_name,
    read_addresses,
    read_answer,
    read_mx,
    read_names,
)
from asyncmta.delivery.exchange import (
    AddressAnswer,
    Addresses,
    MxRecord,
    MxRecords,
    Names,
    NoData,
    NoSuchDomain,
    TemporaryFailure,
)


def mx(owner: str, preference: int, host: str, ttl: int = 300) -> Row:
    return Row(owner, "MX", ttl, host, preference)


def cname(owner: str, target: str) -> Row:
    return Row(owner, "CNAME", 300, target)


def test_names_are_compared_without_case_and_final_dot() -> None:
    assert normal_name("Example.ORG.") == "example.org"


def test_exchangers_are_sorted_and_normal() -> None:
    rows = [mx("Example.org.", 20, "B.example."), mx("example.org", 10, "a.example")]
    assert read_mx("example.org", rows) == MxRecords((MxRecord(10, "a.example"), MxRecord(20, "b.example")))


def test_the_root_is_the_null_mx() -> None:
    assert read_mx("example.org", [mx("example.org", 0, ".")]) == MxRecords((MxRecord(0, ""),))


def test_answers_for_other_names_are_ignored() -> None:
    rows = [mx("evil.example", 0, "mx.evil.example"), Row("example.org", "A", 300, "192.0.2.1")]
    assert read_mx("example.org", rows) == NoData()


def test_names_of_an_address() -> None:
    rows = [
        Row("a.arpa", "PTR", 300, "B.example."),
        Row("a.arpa", "PTR", 300, "b.example"),
        Row("x.arpa", "PTR", 1, "y"),
    ]
    assert read_names("a.arpa", rows) == Names(("b.example",))
    assert read_names("c.arpa", rows) == NoData()
    assert read_names("c.arpa", [cname("c.arpa", "a.arpa")]) == Alias("a.arpa")
    assert isinstance(read_names("c.arpa", [cname("c.arpa", "c.arpa")]), TemporaryFailure)


def test_each_kind_is_read_as_what_it_is() -> None:
    rows = [mx("a.example", 5, "mx.example"), Row("a.example", "A", 300, "192.0.2.1"), Row("a.example", "PTR", 1, "b")]
    assert read_answer("a.example", "MX", rows) == MxRecords((MxRecord(5, "mx.example"),))
    assert read_answer("a.example", "A", rows) == Addresses(("192.0.2.1",))
    assert read_answer("a.example", "PTR", rows) == Names(("b",))


def test_an_answer_about_another_name_is_none() -> None:
    for kind in ("MX", "A", "AAAA", "PTR"):
        rows = [Row("evil.example", kind, 300, "192.0.2.1"), cname("evil.example", "a.example")]
        assert isinstance(read_answer("a.example", kind, rows), TemporaryFailure)


def test_an_alias_leads_to_the_records_of_its_target() -> None:
    rows = [mx("c.example", 5, "mx.example"), cname("b.example", "C.example."), cname("a.example", "b.example")]
    assert read_mx("a.example", rows) == MxRecords((MxRecord(5, "mx.example"),))


def test_an_alias_without_records_has_to_be_asked_for() -> None:
    assert read_mx("a.example", [cname("a.example", "b.example")]) == Alias("b.example")


@pytest.mark.parametrize(
    "rows",
    [
        [cname("a.example", "a.example")],
        [cname("a.example", "b.example"), cname("b.example", "a.example")],
        [cname("a.example", "0.example"), *(cname(f"{n}.example", f"{n + 1}.example") for n in range(20))],
    ],
)
def test_loops_and_long_chains_are_temporary(rows: list[Row]) -> None:
    assert isinstance(read_mx("a.example", rows), TemporaryFailure)
    assert isinstance(read_addresses("a.example", "A", rows), TemporaryFailure)


def test_eight_aliases_are_followed() -> None:
    rows = [cname(f"{n}.example", f"{n + 1}.example") for n in range(8)] + [mx("8.example", 1, "mx.example")]
    assert isinstance(read_mx("0.example", rows), MxRecords)


def test_ten_thousand_records_keep_the_best() -> None:
    answer = read_mx("example.org", [mx("example.org", n, f"h{n}.example") for n in range(10_000, 0, -1)])
    assert isinstance(answer, MxRecords)
    assert len(answer.records) == MAX_RECORDS
    assert answer.records[0] == MxRecord(1, "h1.example")


def test_addresses_of_one_kind() -> None:
    rows = [
        cname("mx.example", "real.example"),
        Row("real.example", "A", 300, "192.0.2.1"),
        Row("real.example", "A", 300, "192.0.2.1"),
        Row("real.example", "AAAA", 300, "2001:db8::1"),
        Row("other.example", "A", 300, "192.0.2.66"),
    ]
    assert read_addresses("mx.example", "A", rows) == Addresses(("192.0.2.1",))
    assert read_addresses("mx.example", "AAAA", rows) == Addresses(("2001:db8::1",))
    assert read_addresses("none.example", "A", rows) == NoData()
    assert read_addresses("mx.example", "A", rows[:1]) == Alias("real.example")


FOUR = Addresses(("192.0.2.1", "192.0.2.2", "192.0.2.3"))
SIX = Addresses(("2001:db8::1",))
BROKEN = TemporaryFailure("server failure")


@pytest.mark.parametrize(
    ("four", "six", "both"),
    [
        (FOUR, SIX, Addresses(("192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.3"))),
        (SIX, FOUR, Addresses(("2001:db8::1", "192.0.2.1", "192.0.2.2", "192.0.2.3"))),
        (FOUR, NoData(), FOUR),
        (BROKEN, SIX, SIX),
        (BROKEN, NoData(), BROKEN),
        (NoSuchDomain(), BROKEN, BROKEN),
        (NoSuchDomain(), NoSuchDomain(), NoSuchDomain()),
        (NoSuchDomain(), NoData(), NoData()),
        (NoData(), NoData(), NoData()),
    ],
)
def test_both_families(four: AddressAnswer, six: AddressAnswer, both: AddressAnswer) -> None:
    assert both_families(four, six) == both


@pytest.mark.parametrize(("ttl", "kept"), [(0, SHORTEST_TTL), (1000, 1000), (2**31, LONGEST_TTL), (-5, SHORTEST_TTL)])
def test_lifetimes_are_clamped(ttl: int, kept: float) -> None:
    rows = [mx("example.org", 10, "a.example", ttl), mx("example.org", 10, "b.example", 2**31)]
    assert lifetime(read_mx("example.org", rows), rows) == kept  # type: ignore[arg-type]


def test_what_was_not_found_is_kept_for_less() -> None:
    assert lifetime(NoData(), []) == lifetime(NoSuchDomain(), []) == NEGATIVE_TTL
    assert lifetime(BROKEN, []) == FAILURE_TTL
