"""The way to a domain: tiers, what is left of them, and what it comes to when nothing is."""

from __future__ import annotations

from asyncmta.delivery.exchange import Exchanger, MxRecord, MxRecords, Site, site_of_domain, site_of_hosts
from asyncmta.delivery.way import NO_TRAIL, Way, hosts_of, manner_of, next_site, not_tried, way_of
from asyncmta.mail.outcome import Cause, Deferred, Failed, Postponed, Scope
from asyncmta.mail.reply import reply

DOWN = Deferred(Cause.CONNECT, reply(451, "4.4.1", "down"), Scope.SITE)
NEVER = Failed(Cause.REFUSED, reply(554, "5.7.1", "never"), Scope.SITE)
LATER = Deferred(Cause.REFUSED, reply(450, "4.2.1", "later"), Scope.RECIPIENT)


def by_mx(*records: tuple[int, str]) -> Way:
    site = site_of_domain("d.example", MxRecords(tuple(MxRecord(*record) for record in records)), "us.example")
    assert isinstance(site, Site)
    return way_of(site)


def test_a_tier_for_each_preference() -> None:
    way = by_mx((10, "b.example"), (10, "a.example"), (5, "c.example"), (90, "d.example"))
    assert [tier.key for tier in way.tiers] == ["mx:c.example", "mx:a.example,b.example", "mx:d.example"]
    assert {exchanger.rank for tier in way.tiers for exchanger in tier.exchangers} == {0}


def test_the_same_hosts_are_the_same_site_whatever_their_numbers() -> None:
    assert by_mx((10, "b.example"), (10, "a.example")).tiers[0] == by_mx((5, "a.example"), (5, "b.example")).tiers[0]


def test_a_smarthost_is_a_tier_and_is_known_by_how_it_is_spoken_to() -> None:
    way = way_of(site_of_hosts(("one.example:587", "two.example"), "require", None))
    assert [tier.key for tier in way.tiers] == ["smarthost:one.example:587 require", "smarthost:two.example require"]
    assert [hosts_of(tier) for tier in way.tiers] == [[("one.example", 587)], [("two.example", 0)]]
    assert all(tier.explicit and tier.tls == "require" for tier in way.tiers)
    assert manner_of(way.tiers[0]) == ("smarthost", " require")


def test_weights_are_of_the_site() -> None:
    exchangers = (Exchanger("one.example", 0, 25, weight=3), Exchanger("two.example", 0))
    (tier,) = way_of(Site("smarthost:x require", exchangers, explicit=True)).tiers
    assert tier.key == "smarthost:one.example:25*3,two.example require"


def test_behind_us_there_is_nobody() -> None:
    way = by_mx((10, "a.example"), (20, "b.example"))
    loop = Failed(Cause.LOOP, reply(554, "5.4.6", "loop"), Scope.SITE)
    assert next_site(way, NO_TRAIL.failed([("a.example", 0)], loop)) is None


def test_what_is_left_of_a_way() -> None:
    way = by_mx((10, "a.example"), (10, "b.example"), (20, "c.example"))
    assert next_site(way, NO_TRAIL) is way.tiers[0]
    trail = NO_TRAIL.turned_down([("a.example", 0)], {0: LATER})
    site = next_site(way, trail)
    assert site is not None
    assert site.key == "mx:b.example"
    trail = trail.failed(hosts_of(site), DOWN, 3.0)
    assert next_site(way, trail) is way.tiers[1]
    assert (trail.spent, trail.steps) == (3.0, 2)
    trail = trail.passed_by(hosts_of(way.tiers[1]), Postponed(9.0, "suspended"))
    assert next_site(way, trail) is None
    assert trail.steps == 2


def test_it_is_final_only_if_all_said_so() -> None:
    trail = NO_TRAIL.failed([("a", 0)], NEVER)
    assert trail.conclude((0, 1)) == {0: NEVER, 1: NEVER}
    assert trail.failed([("b", 0)], DOWN).failed([("c", 0)], NEVER).conclude((0,)) == {0: DOWN}
    passed = trail.passed_by([("b", 0)], Postponed(9.0, "suspended")).conclude((0,))
    assert not isinstance(passed, Postponed)
    assert isinstance(passed[0], Deferred)
    assert passed[0].reply.text == "not tried: suspended"


def test_what_was_said_of_a_recipient_counts_for_more() -> None:
    trail = NO_TRAIL.turned_down([("a", 0)], {0: LATER}).failed([("b", 0)], NEVER)
    assert trail.conclude((0,)) == {0: LATER}
    told = NO_TRAIL.turned_down([("a", 0)], {0: LATER}).conclude((0, 1))
    assert not isinstance(told, Postponed)
    assert told[0] == LATER
    assert told[1] == not_tried(None)


def test_who_was_tried_nowhere_waits_for_the_first_that_may_be() -> None:
    early, late = Postponed(5.0, "early"), Postponed(9.0, "late")
    for first, second in ((early, late), (late, early)):
        trail = NO_TRAIL.passed_by([("a", 0)], first).passed_by([("b", 0)], second)
        assert trail.conclude((0,)) == early
