"""Who is who in the simulated internet: 60 providers, their hosts and habits, the shapes of their MX records, and what
of each could be done at best.

A provider's domains differ in their MX records: its `shapes` say which hosts stand in which preference. The least
number of transactions for a message is reckoned from shapes and habits alone, without any of our code. Never: a clock.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterable
from math import ceil

from msgspec import Struct, field

from asyncmta.testing.dns import Records
from tests.internet.servers import Habit, Host, Hosts

MOST = 100  # recipients in a transaction, by our settings
GOOGLE = "451 4.3.0 Multiple destination domains per transaction is unsupported. Please try again."
EXCHANGE = "452 4.5.3 Recipients belong to multiple regions ATTR1 [abc.prod.protection.example]"
LATER = "450 4.2.0 One domain at a time, please"

Shape = tuple[tuple[int, ...], ...]
"""Hosts by number, in tiers: ((0, 1), (2,)) is two equal ones and one behind them."""

ONE: tuple[Shape, ...] = (((0,),),)
TWO: tuple[Shape, ...] = (((0,), (1,)),)
EQUALS: tuple[Shape, ...] = (((0, 1),),)
OVERLAPPING: tuple[Shape, ...] = (((0, 1),), ((1, 2),), ((0, 2),))
SAME_BEST: tuple[Shape, ...] = (((0,), (1,)), ((0,), (2,)), ((0,), (1, 2)), ((0,),))
DEEP: tuple[Shape, ...] = (((0, 1), (2,), (3,)), ((1, 2), (3,)), ((0, 1),))
PLAIN = (ONE, TWO, EQUALS, OVERLAPPING, SAME_BEST, DEEP)


class Provider(Struct, eq=False):
    """`kind` names it in reports. `ill`: hosts (by number) with another habit than the rest. `is_sick`: what it does
    may be slow; the healthy ones are to be as fast as without it. `ends`: what becomes of mail for it, at last."""

    kind: str
    shapes: tuple[Shape, ...]
    habit: Habit = Habit()
    ill: dict[int, Habit] = {}
    is_sick: bool = True
    ends: str = "delivered"
    hosts: list[Host] = field(default_factory=list)
    domains: dict[str, Shape] = field(default_factory=dict)

    def least(self, recipients: Iterable[str]) -> int:
        """The fewest transactions that can take a message to these recipients of this provider."""
        by_domain = Counter(recipient.rpartition("@")[2] for recipient in recipients)
        if self.habit.mixed:
            return sum(ceil(count / MOST) for count in by_domain.values())
        tiers = {self.best_tier(domain) for domain in by_domain}
        most = min(self.habit.most or MOST, MOST)
        return max(_least_hosts(tiers), ceil(sum(by_domain.values()) / most))

    def best_tier(self, domain: str) -> frozenset[int]:
        """The first tier with a host that works; the first of all where none does."""
        tiers = self.domains[domain]
        for tier in tiers:
            well = frozenset(number for number in tier if not self.ill.get(number, self.habit).down)
            if well:
                return well
        return frozenset(tiers[0])


def _least_hosts(tiers: set[frozenset[int]]) -> int:
    """So few hosts that each of the tiers has one of them."""
    hosts = sorted(frozenset().union(*tiers))
    for size in range(1, len(hosts) + 1):
        for chosen in itertools.combinations(hosts, size):
            if all(tier.intersection(chosen) for tier in tiers):
                return size
    raise AssertionError("a tier without hosts")


def providers() -> list[Provider]:
    """Sixty of them; the first is where the senders are."""
    refuses, silent, rude = (Habit(down=how) for how in ("refuses", "silent", "says 554"))
    special = [
        Provider("home", EQUALS),
        Provider("google", OVERLAPPING, Habit(mixed=GOOGLE)),
        Provider("exchange", ONE, Habit(mixed=EXCHANGE)),
        Provider("one-by-one", EQUALS, Habit(mixed=LATER)),
        Provider("ten", EQUALS, Habit(most=10)),
        Provider("greylist", ONE, Habit(greylist=300.0)),
        Provider("tarpit", TWO, Habit(pause=10.0)),
        Provider("three sessions", ONE, Habit(sessions=3)),
        Provider("20 messages", ONE, Habit(messages=20)),
        Provider("refuses", EQUALS, refuses, ends="expired"),
        Provider("silent", TWO, silent, ends="expired"),
        Provider("says 554", ONE, rude, ends="failed"),
        Provider("backup: refuses", TWO, ill={0: refuses}),
        Provider("backup: silent", TWO, ill={0: silent}),
        Provider("backup: 554", TWO, ill={0: rude}),
        Provider("half dead", OVERLAPPING, ill={1: refuses}),
    ]
    lockstep = Habit(offers=("8BITMIME",))
    plain = [Provider("lock-step", EQUALS, lockstep, is_sick=False)]
    plain += [Provider("plain", PLAIN[number % len(PLAIN)], is_sick=False) for number in range(60 - len(special) - 1)]
    return special + plain


class Internet(Struct, eq=False):
    """All of it: who serves a domain, what DNS says, and the domains that nobody serves with what becomes of their
    mail."""

    providers: list[Provider]
    hosts: Hosts
    zone: dict[str, Records | str]
    provider_of: dict[str, Provider]
    lost_domains: dict[str, str]

    @property
    def domains(self) -> list[str]:
        return [*self.provider_of, *self.lost_domains]


def build(hosts: Hosts, chance: random.Random, domains: int) -> Internet:
    """Providers with their hosts, and `domains` domains spread over them, a few of which are nobody's."""
    internet = Internet(providers(), hosts, {}, {}, {})
    for number, provider in enumerate(internet.providers):
        latency = chance.choice((0.005, 0.01, 0.02, 0.04, 0.08))
        for at in range(1 + max(at for shape in provider.shapes for tier in shape for at in tier)):
            name = f"mx{at}.p{number}.example"
            host = hosts.add(name, provider.ill.get(at, provider.habit), latency)
            provider.hosts.append(host)
            internet.zone[name] = {"A": [host.ip]}
    lost = domains // 50
    for number in range(domains - lost):
        domain = f"d{number}.example"
        # A sixth of the domains is with the special ones; the plain ones are of very different size.
        at = number // 6 % 16 if number % 6 == 0 else 16 + int(44 * chance.random() ** 2)
        _serve(internet, internet.providers[at], domain, number)
    for number in range(lost):
        domain = f"lost{number}.example"
        internet.lost_domains[domain] = "failed"
        if number % 4 == 0:
            internet.zone[domain] = {"MX": [(0, "")]}
    _serve(internet, internet.providers[0], "home.example", 0)
    return internet


def _serve(internet: Internet, provider: Provider, domain: str, number: int) -> None:
    shape = provider.shapes[number % len(provider.shapes)]
    provider.domains[domain] = shape
    internet.provider_of[domain] = provider
    step = 1 + number % 3  # numbers differ where the order is the same
    records = [(10 + step * rank, provider.hosts[at].name) for rank, tier in enumerate(shape) for at in tier]
    internet.zone[domain] = {"MX": records}
