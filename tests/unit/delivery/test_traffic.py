"""Connections, look-ups and busy sites as numbers, bounded whatever the world is like."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from asyncmta.delivery.backlog import Backlog
from asyncmta.delivery.busy_sites import MOST, OTHER, busiest
from asyncmta.delivery.exchange import Exchanger, MxRecords, NoData, NoSuchDomain, Site, TemporaryFailure
from asyncmta.delivery.look_ups import LookUps, result_of
from asyncmta.delivery.traffic import Traffic
from asyncmta.mail.outcome import Place


class AtWork(NamedTuple):
    site: Site
    backlog: Backlog


def at_work(host, *, waiting=0, sessions=0, suspended_until=0.0):
    backlog = Backlog(20)
    backlog.waiting.extend([None] * waiting)  # only how many there are is looked at
    backlog.live = sessions
    backlog.suspended_until = suspended_until
    return AtWork(Site(host, (Exchanger(host),)), backlog)


def test_few_sites_are_all_named():
    found = busiest([at_work("a.example", waiting=3, sessions=1), at_work("b.example", suspended_until=9.0)], 5.0)
    assert [(each.name, each.waiting, each.sessions, each.suspended) for each in found.listed] == [
        ("a.example", 3, 1, 0),
        ("b.example", 0, 0, 1),
    ]
    assert (found.count, found.waiting, found.sessions, found.suspended) == (2, 3, 1, 1)


def test_ten_thousand_hostile_domains_are_fifty_names_and_the_rest():
    sites = [at_work(f"mx{number}.evil.example", waiting=number % 7, sessions=1) for number in range(10_000)]
    sites.append(at_work("busy.example", waiting=1000, sessions=20, suspended_until=1.0))
    found = busiest(sites, 0.0)
    assert len(found.listed) == MOST + 1
    assert found.listed[0].name == "busy.example"
    assert found.listed[-1].name == OTHER
    assert (
        sum(each.waiting for each in found.listed) == found.waiting == sum(len(each.backlog.waiting) for each in sites)
    )
    assert sum(each.sessions for each in found.listed) == found.sessions == 10_020
    assert sum(each.suspended for each in found.listed) == found.suspended == 1


def test_of_those_with_nothing_to_do_the_first_are_named():
    idle = [at_work(f"idle{number}.example", suspended_until=1.0) for number in range(200)]
    busy = [at_work(f"busy{number}.example", waiting=number) for number in range(1, 4)]
    found = busiest([*idle, *busy], 1.0)
    assert found.count == 203
    assert [each.name for each in found.listed] == [
        *("busy3.example", "busy2.example", "busy1.example"),
        *(f"idle{number}.example" for number in range(MOST - 3)),
        OTHER,
    ]
    assert found.waiting == 6
    assert (found.listed[-1].waiting, found.listed[-1].sessions, found.listed[-1].suspended) == (0, 0, 0)


def test_two_sites_of_one_host_are_one_name():
    found = busiest([at_work("a.example", waiting=2), at_work("a.example", waiting=1, suspended_until=2.0)], 1.0)
    assert [(each.name, each.waiting, each.suspended) for each in found.listed] == [("a.example", 3, 1)]
    assert found.count == 2


def test_a_host_cannot_take_the_name_of_the_rest():
    names = [each.name for each in busiest([at_work(OTHER), *(at_work(f"{n}.example") for n in range(60))], 0.0).listed]
    assert names.count(OTHER) == 1
    assert len(names) == len(set(names))


def test_sessions_by_tls():
    traffic = Traffic()
    traffic.opened(Place("mx", "192.0.2.1", "TLSv1.3"), verified=True, seconds=0.2)
    traffic.opened(Place("mx", "192.0.2.1", ""), verified=False, seconds=0.1)
    traffic.opened(Place("mx", "192.0.2.1", "DTLSv1"), verified=False, seconds=0.1)
    traffic.failed("timeout")
    traffic.failed("timeout")
    found = traffic.read()
    assert found.opened == {("TLSv1.3", "yes"): 1, ("none", "no"): 1, ("other", "no"): 1}
    assert found.failed == {"timeout": 2}
    assert found.seconds.count == 3


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (TemporaryFailure("silence"), "failed"),
        (NoSuchDomain(), "no_such_domain"),
        (NoData(), "no_data"),
        (MxRecords(()), "found"),
    ],
)
def test_results_of_look_ups(answer, result):
    assert result_of(answer) == result
    look_ups = LookUps()
    look_ups.answered("MX", answer, 0.1)
    look_ups.answered("MX", answer, 0.1)
    look_ups.hits += 1
    found = look_ups.read(cached=7)
    assert (found.results, found.hits, found.cached, found.seconds.count) == ({("MX", result): 2}, 1, 7, 2)
