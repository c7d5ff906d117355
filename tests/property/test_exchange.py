"""Sites: order, pruning and keys over arbitrary MX answers."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from asyncmta.delivery.dial_order import walk_order
from asyncmta.delivery.exchange import MxRecord, MxRecords, Site, site_of_domain
from asyncmta.mail.outcome import Deferred, Failed

US = "us.example"
names = st.sampled_from([f"mx{n}.example" for n in range(6)] + [US])
anything = st.one_of(names, names, st.text(max_size=12))
records = st.lists(st.builds(MxRecord, st.integers(0, 4), anything), min_size=1, max_size=12)


@given(records, st.integers())
def test_the_walk_keeps_preferences_and_loses_nobody(found: list[MxRecord], salt: int) -> None:
    site = site_of_domain("d.example", MxRecords(tuple(found)), US)
    assert isinstance(site, Site | Failed | Deferred)
    if isinstance(site, Site):
        walk = walk_order(site, salt)
        assert sorted(walk, key=repr) == sorted(site.exchangers, key=repr)
        assert [exchanger.rank for exchanger in walk] == sorted(exchanger.rank for exchanger in walk)


@given(records)
def test_our_own_name_goes_with_all_that_is_not_better(found: list[MxRecord]) -> None:
    site = site_of_domain("d.example", MxRecords(tuple(found)), US)
    ours = [record.preference for record in found if record.host == US]
    if isinstance(site, Site) and ours:
        better = {record.host.lower() for record in found if record.preference < min(ours)}
        assert {exchanger.host for exchanger in site.exchangers} <= better
    if isinstance(site, Site):
        assert US not in [exchanger.host for exchanger in site.exchangers]


@given(records, st.randoms(use_true_random=False), st.integers(0, 50), st.integers(1, 9))
def test_the_same_exchangers_make_the_same_site(
    found: list[MxRecord], chance: random.Random, offset: int, factor: int
) -> None:
    # The case of DNS is that of ASCII: a sharp s that is raised would be another name.
    hosts = [record.host.upper() if record.host.isascii() else record.host for record in found]
    other = [MxRecord(one.preference * factor + offset, host) for one, host in zip(found, hosts, strict=True)]
    chance.shuffle(other)
    one = site_of_domain("one.example", MxRecords(tuple(found)), US)
    two = site_of_domain("two.example", MxRecords(tuple(other)), US)
    if isinstance(one, Site):
        assert isinstance(two, Site)
        assert one == two


@given(records, records)
def test_different_exchangers_make_different_sites(first: list[MxRecord], second: list[MxRecord]) -> None:
    one = site_of_domain("one.example", MxRecords(tuple(first)), US)
    two = site_of_domain("one.example", MxRecords(tuple(second)), US)
    if isinstance(one, Site) and isinstance(two, Site):
        assert (one.key == two.key) == (one.exchangers == two.exchangers)
