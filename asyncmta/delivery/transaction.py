"""Recipients of one message on their way to one site: consignments as legs, legs as transactions.

A leg is recipients of one consignment who travel together; a transaction has one or more legs, of one message, and
one MAIL. Promises: a consignment that travels in several legs is given back when the last of them has ended, once;
every ordinal is in exactly one transaction; the usual transaction, one whole consignment, costs one object. Never:
sockets, time, where anything goes.

Seeds Q-13, Q-21, Q-22, Q-30, Disagreement 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from asyncmta.delivery.way import NO_TRAIL, Trail, Way, not_tried
from asyncmta.mail.envelope import Consignment
from asyncmta.mail.outcome import Deferred, Outcome, Postponed

Done = Callable[[Consignment, Mapping[int, Outcome] | Postponed], None]


class Parcel:
    """A consignment that travels in more than one leg, in company, or farther than to its first site: collects what
    becomes of its parts."""

    __slots__ = ("_done", "_left", "_outcomes", "_postponed", "consignment", "way")

    def __init__(self, consignment: Consignment, way: Way, done: Done) -> None:
        self.consignment = consignment
        self.way = way
        self._done = done
        self._left = len(consignment.ordinals)
        self._outcomes: dict[int, Outcome] = {}
        self._postponed: list[tuple[tuple[int, ...], Postponed, Deferred]] = []

    def settle(self, ordinals: tuple[int, ...], outcomes: Mapping[int, Outcome]) -> None:
        for ordinal in ordinals:
            self._outcomes[ordinal] = outcomes[ordinal]
        self._part_ended(len(ordinals))

    def postpone(self, ordinals: tuple[int, ...], postponed: Postponed, instead: Deferred) -> None:
        self._postponed.append((ordinals, postponed, instead))
        self._part_ended(len(ordinals))

    def _part_ended(self, size: int) -> None:
        self._left -= size
        if self._left:
            return
        if not self._outcomes:
            self._done(self.consignment, min((each[1] for each in self._postponed), key=lambda each: each.until))
            return
        # Something was tried, so that the result has to be a mapping; what was not tried is deferred with the reason.
        for ordinals, _, instead in self._postponed:
            self._outcomes.update(dict.fromkeys(ordinals, instead))
        self._done(self.consignment, self._outcomes)


class Leg(Struct, frozen=True, eq=False):
    """These recipients of a consignment, and what has been tried for them before."""

    parcel: Parcel
    ordinals: tuple[int, ...]
    trail: Trail = NO_TRAIL

    def settle(self, outcomes: Mapping[int, Outcome]) -> None:
        self.parcel.settle(self.ordinals, outcomes)

    def conclude(self) -> None:
        """There is nowhere left to go."""
        result = self.trail.conclude(self.ordinals)
        if isinstance(result, Postponed):
            self.parcel.postpone(self.ordinals, result, not_tried(result))
        else:
            self.settle(result)


class Shape(Struct, frozen=True):
    """What a transaction for a site may be: at most so many recipients, of so many domains (0: any number)."""

    most_recipients: int = 100
    most_domains: int = 0


class Transaction:
    """Recipients of one message for one site, to be sent with one MAIL.

    `returns` counts how often it came back. `behind` is another of the same message, to be sent on the same session
    after it; `place` counts those before it. `is_begun`: it has left the backlog.
    """

    __slots__ = (
        "_done",
        "_legs",
        "_way",
        "behind",
        "consignment",
        "is_begun",
        "is_suspected",
        "joined",
        "ordinals",
        "place",
        "returns",
    )

    def __init__(self, consignment: Consignment, way: Way | None = None, done: Done | None = None) -> None:
        self.consignment = consignment  # the only one, or the first: envelope, content and queue id are the same
        self._way = way
        self._done = done
        self._legs: list[Leg] = []
        self.ordinals = consignment.ordinals if done is not None else ()
        self.joined = 0
        self.returns = 0
        self.place = 0
        self.behind: Transaction | None = None
        self.is_begun = False
        self.is_suspected = False  # it was cut out of another, since the site may take one domain at a time only

    def add(self, leg: Leg) -> None:
        self._legs.append(leg)
        self.ordinals += leg.ordinals

    def absorb(self, other: Transaction) -> None:
        """Take over the recipients of another transaction of the same message."""
        self._legs = [*self.legs(), *other.legs()]
        self.ordinals += other.ordinals

    def legs(self) -> list[Leg]:
        """What travels in it, in parts that can be settled, or go on, each for itself."""
        if self._done is not None:
            assert self._way is not None
            self._legs = [Leg(Parcel(self.consignment, self._way, self._done), self.ordinals)]
            self._done = None
        return self._legs

    @property
    def is_on_its_only_way(self) -> bool:
        """It is a whole consignment, was nowhere before, and there is nowhere else to go."""
        return self._done is not None and self._way is not None and len(self._way.tiers) == 1

    def settle(self, outcomes: Mapping[int, Outcome]) -> None:
        """Hand on what became of each recipient; `outcomes` has all ordinals of the transaction."""
        if self._done is not None:
            self._done(self.consignment, outcomes)
            return
        for leg in self._legs:
            leg.settle(outcomes)

    def settle_all(self, outcome: Outcome) -> None:
        self.settle(dict.fromkeys(self.ordinals, outcome))

    def postpone(self, postponed: Postponed, instead: Deferred) -> None:
        """Nothing was tried. `instead` is for recipients whose consignment was tried in part."""
        if self._done is not None:
            self._done(self.consignment, postponed)
            return
        for leg in self._legs:
            leg.parcel.postpone(leg.ordinals, postponed, instead)


def plan(legs: Sequence[Leg], shape: Shape) -> list[Transaction]:
    """The fewest transactions of that shape for legs of one message, in the order of the envelope's domains."""
    portions = _by_domain(legs) if shape.most_domains else [legs]
    transactions: list[Transaction] = []
    room = domains = 0
    for portion in portions:
        if not domains:
            domains, room = shape.most_domains, 0  # a new one, for so many domains
        domains -= 1
        for leg in portion:
            at = 0
            while at < len(leg.ordinals):
                if not room:
                    transactions.append(Transaction(leg.parcel.consignment))
                    room = shape.most_recipients
                    domains = max(domains, shape.most_domains - 1)
                part = leg.ordinals[at : at + room]
                transactions[-1].add(Leg(leg.parcel, part, leg.trail))
                at += len(part)
                room -= len(part)
    return transactions


def _by_domain(legs: Sequence[Leg]) -> list[list[Leg]]:
    """The same recipients, those of one domain together."""
    domains: dict[str, list[Leg]] = {}
    for leg in legs:
        own: dict[str, list[int]] = {}
        for ordinal in leg.ordinals:
            own.setdefault(domain_of(leg, ordinal), []).append(ordinal)
        for domain, ordinals in own.items():
            domains.setdefault(domain, []).append(Leg(leg.parcel, tuple(ordinals), leg.trail))
    return list(domains.values())


def domain_of(leg: Leg, ordinal: int) -> str:
    """Of a recipient."""
    return leg.parcel.consignment.envelope.recipients[ordinal].address.domain_key
