"""The way to a domain: its exchangers as tiers of equals, each tier a site, and what is left of it after some failed.

A tier that was tried in part goes on without the hosts that were. Promises: no host is given twice on one way; the key
of a site follows from its hosts and from how it is spoken to, so that whoever goes there under whatever name meets.
Never: look-ups, sockets, the order among equals.

RFC 5321 5.1 (by preference); seeds Q-22, Q-35, Q-40, Q-41.
"""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct
from msgspec.structs import replace

from asyncmta.delivery.exchange import Exchanger, Site
from asyncmta.mail.outcome import Cause, Deferred, Failed, Outcome, Postponed, Scope
from asyncmta.mail.reply import reply

Host = tuple[str, int]


class Way(Struct, frozen=True):
    """Sites in the order in which they are to be tried."""

    tiers: tuple[Site, ...]


class Trail(Struct, frozen=True):
    """What has been tried of a way in one pass. `tried`: the hosts struck from it; `failures`: of whole sites;
    `said`: what a server told of single recipients; `postponed`: of sites that were not tried, the one that can be
    tried again first; `spent`: seconds of connecting; `steps`: the sites that were
    tried; `is_loop`: we are one of them, and whoever stands behind us would send it back."""

    tried: frozenset[Host] = frozenset()
    failures: tuple[Failed | Deferred, ...] = ()
    said: dict[int, Outcome] = {}
    postponed: Postponed | None = None
    spent: float = 0.0
    steps: int = 0
    is_loop: bool = False

    def failed(self, hosts: Collection[Host], failure: Failed | Deferred, spent: float = 0.0) -> Trail:
        """Nobody there could be used."""
        return replace(
            self,
            tried=self.tried.union(hosts),
            failures=(*self.failures, failure),
            spent=self.spent + spent,
            steps=self.steps + 1,
            is_loop=failure.cause is Cause.LOOP,
        )

    def passed_by(self, hosts: Collection[Host], postponed: Postponed) -> Trail:
        """They were not tried, since they have failed lately."""
        if self.postponed is not None and self.postponed.until <= postponed.until:
            postponed = self.postponed
        return replace(self, tried=self.tried.union(hosts), postponed=postponed)

    def turned_down(self, hosts: Collection[Host], said: dict[int, Outcome]) -> Trail:
        """They were asked, and did not take these recipients now."""
        return replace(self, tried=self.tried.union(hosts), said={**self.said, **said}, steps=self.steps + 1)

    def conclude(self, ordinals: tuple[int, ...]) -> dict[int, Outcome] | Postponed:
        """What it comes to when nobody is left. For good only if every host said so; what a server said of a
        recipient tells more than that another could not be reached."""
        if not self.failures and not self.said:
            assert self.postponed is not None, "somebody was tried, or passed by"
            return self.postponed
        rest = self._of_sites()
        return {ordinal: self.said.get(ordinal, rest) for ordinal in ordinals}

    def _of_sites(self) -> Outcome:
        for failure in reversed(self.failures):
            if isinstance(failure, Deferred):
                return failure
        if self.postponed is None and self.failures:
            return self.failures[-1]
        return not_tried(self.postponed)


NO_TRAIL = Trail()


def not_tried(postponed: Postponed | None) -> Deferred:
    """The outcome for recipients of whom others of the same consignment were tried."""
    why = postponed.reason if postponed is not None else "nobody is left"
    return Deferred(Cause.CONNECT, reply(451, "4.4.1", f"not tried: {why}"), Scope.SITE)


def way_of(site: Site) -> Way:
    """The tiers of a site whose exchangers have ranks."""
    ranks: dict[int, list[Exchanger]] = {}
    for exchanger in site.exchangers:
        ranks.setdefault(exchanger.rank, []).append(exchanger)
    return Way(tuple(narrowed(site, ranks[rank]) for rank in sorted(ranks)))


def narrowed(site: Site, exchangers: Collection[Exchanger]) -> Site:
    """The site of these of its exchangers, all equal."""
    equals = tuple(sorted((replace(exchanger, rank=0) for exchanger in exchangers), key=_host_of))
    kind, how = manner_of(site)
    return replace(site, key=f"{kind}:{','.join(map(_name_of, equals))}{how}", exchangers=equals)


def manner_of(site: Site) -> tuple[str, str]:
    """How a site is spoken to, as its key says it: what stands before the hosts and behind them."""
    kind, _, rest = site.key.partition(":")
    _, space, how = rest.partition(" ")
    return kind, space + how


def next_site(way: Way, trail: Trail) -> Site | None:
    """The best that is left: the first tier with a host that was not tried, without those that were."""
    tried = trail.tried
    if trail.is_loop:
        return None
    for tier in way.tiers:
        left = [exchanger for exchanger in tier.exchangers if _host_of(exchanger) not in tried]
        if left:
            return tier if len(left) == len(tier.exchangers) else narrowed(tier, left)
    return None


def hosts_of(site: Site) -> list[Host]:
    return [_host_of(exchanger) for exchanger in site.exchangers]


def _host_of(exchanger: Exchanger) -> Host:
    return (exchanger.host, exchanger.port)


def _name_of(exchanger: Exchanger) -> str:
    name = f"{exchanger.host}:{exchanger.port}" if exchanger.port else exchanger.host
    return f"{name}*{exchanger.weight}" if exchanger.weight != 1 else name
