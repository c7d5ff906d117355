"""A pass over random exchangers: every recipient ends it with one outcome, and goes to no host twice.

The pure parts work as the sites do, against hosts that are a few lines each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from asyncmta.delivery.exchange import MxRecord, MxRecords, Site, site_of_domain
from asyncmta.delivery.grouping import group
from asyncmta.delivery.sequel import Facts, follow, go_on
from asyncmta.delivery.transaction import Leg, Parcel, Shape, Transaction, plan
from asyncmta.delivery.way import hosts_of, way_of
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Consignment, Content, Envelope, QueueId, Recipient
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Outcome, Postponed, Scope
from asyncmta.mail.reply import parse_reply, reply

HOSTS = [f"h{n}.example" for n in range(6)]
TAKEN = Delivered(reply(250, "2.0.0", "ok"))
DOWN = Deferred(Cause.CONNECT, reply(451, "4.4.1", "down"), Scope.SITE)
NEVER = Failed(Cause.REFUSED, reply(554, "5.7.1", "never"), Scope.SITE)
LOST = Deferred(Cause.CONNECT, reply(451, "4.4.2", "lost"), Scope.SITE)
NOT_NOW = Deferred(Cause.REFUSED, reply(451, "4.3.2", "not now"), Scope.MESSAGE)
REPLIES = [
    b"450 4.2.1 later\r\n",
    b"451 4.3.0 multiple destination domains\r\n",
    b"452 4.5.3 limit\r\n",
    b"452 4.5.3 too many\r\n",
    b"452 no\r\n",
    b"550 5.1.1 nobody\r\n",
]


def refusal(raw: bytes) -> Outcome:
    heard = parse_reply(raw)
    return (Failed if heard.code >= 500 else Deferred)(Cause.REFUSED, heard, Scope.RECIPIENT)


class Host(Struct):
    """In one of the moods below; it takes so many domains, and recipients, in a transaction."""

    mood: str
    most_domains: int
    most_recipients: int
    answer: bytes
    refused: frozenset[int]

    def serve(self, transaction: Transaction) -> tuple[dict[int, Outcome], Facts]:
        outcomes: dict[int, Outcome] = {}
        domains: set[str] = set()
        recipients = transaction.consignment.envelope.recipients
        for at in transaction.ordinals:
            domain = recipients[at].address.domain_key
            is_full = len(outcomes) >= self.most_recipients or len(domains | {domain}) > self.most_domains
            if at in self.refused or is_full:
                outcomes[at] = refusal(self.answer)
            else:
                domains.add(domain)
        end: Outcome = TAKEN
        facts = Facts()
        if self.mood == "puts off":
            end = NOT_NOW
        elif self.mood == "hangs up":
            end, facts = LOST, Facts(is_usable=False)
        elif self.mood == "hangs up at once":
            return dict.fromkeys(transaction.ordinals, LOST), Facts(is_usable=False, is_unheard=True)
        elif self.mood == "unsure":
            end, facts = LOST, Facts(is_usable=False, is_unsure=True)
        return {at: outcomes.get(at, end) for at in transaction.ordinals}, facts


MOODS = ["good", "good", "good", "dead", "refuses", "suspended", "puts off", "hangs up", "hangs up at once", "unsure"]
CLOSED = ("dead", "refuses", "suspended")
hosts = st.builds(
    Host,
    mood=st.sampled_from(MOODS),
    most_domains=st.sampled_from([1, 2, 99]),
    most_recipients=st.sampled_from([1, 3, 99]),
    answer=st.sampled_from(REPLIES),
    refused=st.frozensets(st.integers(0, 19), max_size=6),
)
records = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(HOSTS)), min_size=1, max_size=6)


class World:
    """One message, under way."""

    def __init__(self, peers: dict[str, Host], mode: str) -> None:
        self.peers = peers
        self.mode = mode
        self.results: dict[str, Mapping[int, Outcome] | Postponed] = {}
        self.taken: Counter[int] = Counter()
        self.left: Counter[tuple[int, str]] = Counter()  # recipient and host that it went on from
        self.transactions = 0

    def done(self, consignment: Consignment, result: Mapping[int, Outcome] | Postponed) -> None:
        assert consignment.destination not in self.results
        self.results[consignment.destination] = result

    def set_out(self, legs: list[Leg]) -> None:
        groups, stranded = group(legs)
        assert sorted(at for leg in legs for at in leg.ordinals) == sorted(
            at for leg in [*stranded, *(leg for _, together in groups for leg in together)] for at in leg.ordinals
        )
        for leg in stranded:
            leg.conclude()
        for site, together in groups:
            for leg in together:
                assert not leg.trail.tried.intersection(hosts_of(site))
                assert set(hosts_of(site)) <= {host for tier in leg.parcel.way.tiers for host in hosts_of(tier)}
            self.visit(site, together)

    def visit(self, site: Site, legs: list[Leg]) -> None:
        moods = [self.peers[exchanger.host].mood for exchanger in site.exchangers]
        if all(mood == "suspended" for mood in moods):
            later = Postponed(1.0, "suspended")
            self.set_out([Leg(leg.parcel, leg.ordinals, leg.trail.passed_by(hosts_of(site), later)) for leg in legs])
            return
        alive = [
            each.host for each in site.exchangers if self.peers[each.host].mood not in ("dead", "refuses", "suspended")
        ]
        if not alive:
            failure = NEVER if all(mood == "refuses" for mood in moods) else DOWN
            self.set_out([Leg(leg.parcel, leg.ordinals, leg.trail.failed(hosts_of(site), failure)) for leg in legs])
            return
        waiting = plan(legs, Shape(10))
        while waiting:
            waiting = self.serve(site, alive[0], waiting.pop(0)) + waiting

    def serve(self, site: Site, host: str, transaction: Transaction) -> list[Transaction]:
        self.transactions += 1
        assert self.transactions < 2000, "without end"
        for at in transaction.ordinals:
            assert not self.left[(at, host)], "was there before"
        outcomes, facts = self.peers[host].serve(transaction)
        self.taken.update(at for at, outcome in outcomes.items() if isinstance(outcome, Delivered))
        sequel = follow(
            transaction.legs(), outcomes, Facts(facts.is_usable, facts.is_unheard, facts.is_unsure, self.mode)
        )
        for leg, ordinals in sequel.settled:
            leg.parcel.settle(ordinals, outcomes)
        if sequel.onward:
            for leg in sequel.onward:
                self.left.update((at, host) for at in leg.ordinals)
                assert not any(facts.is_unsure and outcomes[at] == LOST for at in leg.ordinals)
            self.set_out(go_on(sequel, site, host, outcomes))
        return plan(sequel.again, Shape(sequel.accepts or 10, 1 if sequel.is_split else 0))


@settings(deadline=None, max_examples=400)
@given(
    ways=st.lists(records, min_size=1, max_size=6),
    peers=st.fixed_dictionaries(dict.fromkeys(HOSTS, hosts)),
    recipients=st.lists(st.integers(0, 5), min_size=1, max_size=20),
    mode=st.sampled_from(["all-failed", "per-recipient", "never"]),
)
def test_every_recipient_ends_with_one_outcome(
    ways: list[list[tuple[int, str]]], peers: dict[str, Host], recipients: list[int], mode: str
) -> None:
    world = World(peers, mode)
    envelope = Envelope(
        None, tuple(Recipient(parse_address(f"r{n}@d{at % len(ways)}.example")) for n, at in enumerate(recipients))
    )
    legs = []
    for number, its_records in enumerate(ways):
        domain = f"d{number}.example"
        ordinals = tuple(n for n, at in enumerate(recipients) if at % len(ways) == number)
        if not ordinals:
            continue
        site = site_of_domain(domain, MxRecords(tuple(MxRecord(*each) for each in its_records)), "us.example")
        assert isinstance(site, Site)
        consignment = Consignment(QueueId(1), f"mx:{domain}", envelope, ordinals, Content(1, b"", False, 1), 0.0)
        legs.append(Leg(Parcel(consignment, way_of(site), world.done), ordinals))
    world.set_out(legs)
    seen: list[int] = []
    for leg in legs:
        result = world.results[leg.parcel.consignment.destination]
        if isinstance(result, Postponed):
            assert not any(world.taken[at] for at in leg.ordinals)
            seen += leg.ordinals
            continue
        seen += result
        for at, outcome in result.items():
            assert world.taken[at] == isinstance(outcome, Delivered)
    assert sorted(seen) == list(range(len(recipients)))
