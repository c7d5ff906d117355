"""What hosts are known to want of those who send to them: by the settings, by their name, and by what they said.

What was learned is kept for a bounded time, for a bounded number of hosts; a limit on recipients is doubled when its
time is over, until it is none. Promises: what an operator said goes before all else. Never: sockets, the time (an
argument), a decision about one transaction.

Seeds Q-30, D-88, Disagreement 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from asyncmta.delivery.exchange import Site
from asyncmta.delivery.transaction import Shape

ONE_DOMAIN_FOR = 6 * 3600.0
PERHAPS_FOR = 900.0
RECIPIENTS_FOR = 3600.0
MOST_HOSTS = 10_000

# Google answers further domains of a transaction with 451 4.3.0 or 452 4.5.3, Exchange Online those of other regions
# with 452 4.5.3.
ONE_DOMAIN_HOSTS = (
    ".google.com",
    ".googlemail.com",
    ".protection.outlook.com",
    ".mx.microsoft",
)


class Wish(Struct, frozen=True):
    """Of a host, as it was learned: one domain in a transaction until then; at most so many recipients until then."""

    one_domain_until: float = 0.0
    recipients: int = 0
    recipients_until: float = 0.0


class Rule(Struct, frozen=True):
    """`[[site]]` of config.toml: for exchangers of these names, or (`.name`) below them. None: nothing said."""

    hosts: tuple[str, ...]
    one_domain: bool | None = None
    most_sessions: int = 0
    messages: int = 0  # in so many seconds
    seconds: float = 0.0


class Habit(Struct, frozen=True):
    """How a site is treated. `until`: when it has to be looked up again."""

    shape: Shape
    until: float = math.inf


class Habits:
    """One for a transport."""

    def __init__(self, most_recipients: int, rules: Sequence[Rule] = ()) -> None:
        self._most = most_recipients
        self._rules = tuple(rules)
        self._wishes: dict[str, Wish] = {}

    def rule_of(self, site: Site) -> Rule | None:
        """The first that covers one of its hosts."""
        for rule in self._rules:
            if any(_covers(rule.hosts, exchanger.host) for exchanger in site.exchangers):
                return rule
        return None

    def of(self, site: Site, now: float) -> Habit:
        """What all hosts of a site put up with."""
        hosts = [exchanger.host for exchanger in site.exchangers]
        wishes = [wish for wish in (self._wishes.get(host) for host in hosts) if wish is not None]
        until = math.inf
        most = self._most
        one_domain = any(_covers(ONE_DOMAIN_HOSTS, host) for host in hosts)
        for wish in wishes:
            if now < wish.one_domain_until:
                one_domain = True
                until = min(until, wish.one_domain_until)
            limit, limit_until = self._limit(wish, now)
            if limit:
                most = min(most, limit)
                until = min(until, limit_until)
        rule = self.rule_of(site)
        if rule is not None and rule.one_domain is not None:
            one_domain = rule.one_domain
        return Habit(Shape(most, 1 if one_domain else 0), until)

    def wants_one_domain(self, host: str, now: float, *, is_sure: bool) -> None:
        """It has said so (`is_sure`), or behaves like that."""
        wish = self._wishes.pop(host, Wish())
        until = max(wish.one_domain_until, now + (ONE_DOMAIN_FOR if is_sure else PERHAPS_FOR))
        self._keep(host, Wish(until, wish.recipients, wish.recipients_until))

    def takes(self, host: str, recipients: int, now: float) -> None:
        """It has taken so many, and no more."""
        wish = self._wishes.pop(host, Wish())
        self._keep(host, Wish(wish.one_domain_until, recipients, now + RECIPIENTS_FOR))

    def _keep(self, host: str, wish: Wish) -> None:
        self._wishes[host] = wish
        while len(self._wishes) > MOST_HOSTS:  # the one that was said longest ago
            del self._wishes[next(iter(self._wishes))]

    def _limit(self, wish: Wish, now: float) -> tuple[int, float]:
        """Its limit by now, and until when; 0: none."""
        limit, until = wish.recipients, wish.recipients_until
        while limit and now >= until:
            limit, until = limit * 2, until + RECIPIENTS_FOR
            if limit >= self._most:
                return 0, 0.0
        return limit, until


def _covers(patterns: Sequence[str], host: str) -> bool:
    return any(host == pattern or (pattern.startswith(".") and host.endswith(pattern)) for pattern in patterns)
