"""From MX answers to sites, and from hosts to what may be connected to."""

from __future__ import annotations

import pytest

from asyncmta.delivery.exchange import (
    Login,
    MxRecord,
    MxRecords,
    NoData,
    NoSuchDomain,
    Site,
    TemporaryFailure,
    is_address,
    is_public,
    no_address,
    not_public,
    site_of_domain,
    site_of_hosts,
    weighted,
)
from asyncmta.mail.outcome import Cause, Deferred, Failed

US = "mta.example.com"


def mx(*records: tuple[int, str]) -> MxRecords:
    return MxRecords(tuple(MxRecord(preference, host) for preference, host in records))


def hosts(site: Site | Failed | Deferred) -> list[str]:
    assert isinstance(site, Site)
    return [exchanger.host for exchanger in site.exchangers]


def status(outcome: Site | Failed | Deferred) -> tuple[type, Cause, str]:
    assert not isinstance(outcome, Site)
    return type(outcome), outcome.cause, f"{outcome.reply.code} {outcome.reply.enhanced}"


def test_exchangers_stand_in_order_of_preference() -> None:
    site = site_of_domain("example.org", mx((20, "B.example."), (10, "a.example"), (20, "a2.example")), US)
    assert hosts(site) == ["a.example", "a2.example", "b.example"]


def test_without_mx_the_domain_is_its_own_exchanger() -> None:
    assert hosts(site_of_domain("example.org", NoData(), US)) == ["example.org"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (NoSuchDomain(), (Failed, Cause.DNS, "550 5.1.2")),
        (TemporaryFailure("server failure"), (Deferred, Cause.DNS, "451 4.4.3")),
        (mx((0, "")), (Failed, Cause.DNS, "556 5.1.10")),
        (mx((0, "127.0.0.1"), (0, "a b.example"), (5, "x" * 64 + ".example")), (Deferred, Cause.DNS, "451 4.4.4")),
        (mx((10, US)), (Failed, Cause.LOOP, "554 5.4.6")),
        (mx((10, US), (10, "equal.example"), (20, "worse.example")), (Failed, Cause.LOOP, "554 5.4.6")),
    ],
)
def test_answers_that_are_no_site(answer: MxRecords, expected: tuple[type, Cause, str]) -> None:
    assert status(site_of_domain("example.org", answer, US)) == expected


def test_our_own_name_is_pruned_with_all_that_is_not_better() -> None:
    answer = mx((5, "best.example"), (10, US.upper()), (10, "equal.example"), (20, "worse.example"))
    assert hosts(site_of_domain("example.org", answer, US)) == ["best.example"]


def test_our_own_name_without_mx_is_a_loop() -> None:
    assert status(site_of_domain(US, NoData(), US)) == (Failed, Cause.LOOP, "554 5.4.6")


def test_a_null_mx_among_others_is_ignored() -> None:
    assert hosts(site_of_domain("example.org", mx((0, ""), (10, "a.example")), US)) == ["a.example"]


def test_what_is_no_host_name_is_ignored() -> None:
    answer = mx((1, "1.2.3.4"), (1, "::1"), (2, "a..example"), (3, "bad\r\nquit.example"), (4, "under_score.example"))
    assert hosts(site_of_domain("example.org", answer, US)) == ["under_score.example"]


def test_a_host_named_twice_counts_with_its_best_preference() -> None:
    site = site_of_domain("example.org", mx((30, "a.example"), (20, "b.example"), (10, "a.example")), US)
    assert hosts(site) == ["a.example", "b.example"]


def test_the_number_of_exchangers_is_bounded() -> None:
    many = mx(*((n, f"h{n:05d}.example") for n in range(10_000, 0, -1)))
    assert hosts(site_of_domain("example.org", many, US)) == [f"h{n:05d}.example" for n in range(1, 21)]


def test_domains_with_the_same_exchangers_share_a_site() -> None:
    one = site_of_domain("one.example", mx((10, "a.example"), (20, "b.example"), (20, "c.example")), US)
    two = site_of_domain("two.example", mx((7, "c.example"), (5, "a.example"), (7, "b.example")), US)
    other = site_of_domain("three.example", mx((10, "a.example"), (10, "b.example"), (20, "c.example")), US)
    assert isinstance(one, Site)
    assert isinstance(two, Site)
    assert isinstance(other, Site)
    assert one.key == two.key == "mx:a.example;b.example,c.example"
    assert other.key == "mx:a.example,b.example;c.example"


@pytest.mark.parametrize(("domain", "host"), [("[192.0.2.1]", "192.0.2.1"), ("[ipv6:2001:db8::1]", "2001:db8::1")])
def test_address_literals_are_their_own_exchanger(domain: str, host: str) -> None:
    assert hosts(site_of_domain(domain, NoData(), US)) == [host]


def test_smarthosts_are_tried_in_the_order_given() -> None:
    login = Login("me", "secret")
    names = ("Z.example:587", "a.example", "[2001:db8::1]:25", "2001:db8::2", "192.0.2.1:2525")
    site = site_of_hosts(names, "verify", login)
    assert [(exchanger.host, exchanger.port) for exchanger in site.exchangers] == [
        ("z.example", 587),
        ("a.example", 0),
        ("2001:db8::1", 25),
        ("2001:db8::2", 0),
        ("192.0.2.1", 2525),
    ]
    assert site.explicit
    assert (site.tls, site.login) == ("verify", login)
    assert site.key != site_of_hosts(names, "verify", None).key


def test_a_password_does_not_show() -> None:
    assert "secret" not in repr(site_of_hosts(("a.example",), "verify", Login("me", "secret")))


PRIVATE_4 = ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.5.5", "169.254.1.1", "100.64.0.1"]
RESERVED_4 = ["0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255"]
NOT_PUBLIC_6 = ["::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"]
INSIDE_6 = ["2002:7f00:1::1", "2002:a00:1::", "::127.0.0.1", "64:ff9b::7f00:1", "fec0::1"]


@pytest.mark.parametrize("ip", [*PRIVATE_4, *RESERVED_4, *NOT_PUBLIC_6, *INSIDE_6])
def test_addresses_that_dns_must_not_send_us_to(ip: str) -> None:
    assert not is_public(ip)


@pytest.mark.parametrize("ip", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "2002:808:808::1"])
def test_public_addresses(ip: str) -> None:
    assert is_public(ip)


def test_what_is_an_address() -> None:
    assert is_address("192.0.2.1")
    assert is_address("2001:db8::1")
    assert not is_address("a.example")
    assert not is_address("mx1")
    assert not is_address("a:b")


def test_a_host_without_address() -> None:
    assert status(no_address("a.example", NoData())) == (Failed, Cause.DNS, "550 5.4.4")
    assert status(no_address("a.example", NoSuchDomain())) == (Failed, Cause.DNS, "550 5.4.4")
    assert status(no_address("a.example", TemporaryFailure("x"))) == (Deferred, Cause.DNS, "451 4.4.3")
    assert status(not_public("a.example", "10.0.0.1")) == (Deferred, Cause.DNS, "451 4.4.4")


def test_weights_make_equals_of_hosts_that_were_in_order() -> None:
    site = site_of_hosts(("a.example:25", "b.example:26"), "verify")
    assert weighted(site, ()) is site
    equals = weighted(site, (3, 0)).exchangers
    assert [(host.host, host.port, host.rank, host.weight) for host in equals] == [
        ("a.example", 25, 0, 3),
        ("b.example", 26, 0, 0),
    ]
