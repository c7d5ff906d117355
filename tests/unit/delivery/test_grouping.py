"""Who of one message goes together."""

from __future__ import annotations

from asyncmta.delivery.exchange import Exchanger, Site
from asyncmta.delivery.grouping import group
from asyncmta.delivery.transaction import Leg, Parcel
from asyncmta.delivery.way import NO_TRAIL, Way, way_of
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Consignment, Content, Envelope, QueueId, Recipient
from asyncmta.mail.outcome import Cause, Deferred
from asyncmta.mail.reply import reply

ENVELOPE = Envelope(None, tuple(Recipient(parse_address(f"r@d{n}.example")) for n in range(20)))
DOWN = Deferred(Cause.CONNECT, reply(451, "4.4.1", "down"))


def way(*tiers: str, kind: str = "mx", how: str = "") -> Way:
    """`way("ab", "c")`: a and b are the best, then c."""
    hosts = [Exchanger(host, rank) for rank, tier in enumerate(tiers) for host in tier]
    return way_of(Site(f"{kind}:{','.join(each.host for each in hosts)}{how}", tuple(hosts)))


def leg(ordinal: int, its_way: Way) -> Leg:
    consignment = Consignment(
        QueueId(1), f"mx:d{ordinal}.example", ENVELOPE, (ordinal,), Content(1, b"", False, 1), 0.0
    )
    return Leg(Parcel(consignment, its_way, lambda *_: None), (ordinal,))


def grouped(*ways: Way) -> list[tuple[str, list[int]]]:
    groups, stranded = group([leg(n, each) for n, each in enumerate(ways)])
    assert not stranded
    return [(site.key, [each.ordinals[0] for each in legs]) for site, legs in groups]


def test_equal_sets_go_together() -> None:
    assert grouped(way("ab"), way("ba", "c"), way("c"), way("ab")) == [("mx:a,b", [0, 1, 3]), ("mx:c", [2])]


def test_overlapping_sets_meet_where_they_overlap() -> None:
    assert grouped(way("ab"), way("bc"), way("cd"), way("ab"), way("b")) == [("mx:b", [0, 1, 3, 4]), ("mx:c,d", [2])]


def test_a_group_is_never_for_nobody() -> None:
    assert grouped(way("ab"), way("bc"), way("a"), way("c")) == [("mx:b", [0, 1]), ("mx:a", [2]), ("mx:c", [3])]


def test_a_wider_set_joins_a_narrow_group() -> None:
    assert grouped(way("a"), way("abc"), way("bc")) == [("mx:a", [0, 1]), ("mx:b,c", [2])]


def test_who_is_spoken_to_in_another_way_is_another_site() -> None:
    assert grouped(way("a"), way("a", kind="smarthost"), way("a", how=" verify")) == [
        ("mx:a", [0]),
        ("smarthost:a", [1]),
        ("mx:a verify", [2]),
    ]


def test_a_key_that_was_narrowed_is_not_mistaken_for_the_whole() -> None:
    assert grouped(way("ab"), way("bc"), way("ab"), way("a")) == [("mx:b", [0, 1, 2]), ("mx:a", [3])]


def test_who_has_nowhere_to_go() -> None:
    one = leg(0, way("a"))
    other = leg(1, way("a", "b"))
    trail = NO_TRAIL.failed([("a", 0)], DOWN)
    groups, stranded = group([Leg(each.parcel, each.ordinals, trail) for each in (one, other)])
    assert [each.ordinals for each in stranded] == [(0,)]
    assert [site.key for site, _ in groups] == ["mx:b"]


def test_ten_thousand_domains_are_grouped_in_one_go_through_them() -> None:
    """Linear: a group is looked at for each host of a leg, and not each group for each leg."""
    ways = [way(f"{chr(0x4E00 + n % 3000)}{chr(0x8000 + n % 3000)}") for n in range(10_000)]
    envelope = Envelope(None, (ENVELOPE.recipients[0],))
    legs = []
    for n, each in enumerate(ways):
        consignment = Consignment(QueueId(1), f"mx:d{n}", envelope, (0,), Content(1, b"", False, 1), 0.0)
        legs.append(Leg(Parcel(consignment, each, lambda *_: None), (0,)))
    groups, _ = group(legs)
    assert len(groups) == 3000
