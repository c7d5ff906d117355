"""The way to a domain: its exchangers as tiers of equals, each tier a site, and what is left of it after some failed.

A tier that was tried in part goes on without the hosts that were. Promises: no host is given twice on one way; the key
of a site follows from its hosts and from how it is spoken to, so that whoever goes there under whatever name meets.
Never: look-ups, sockets, the order among equals.

RFC 5321 5.1 (by preference); seeds Q-22, Q-35, Q-40, Q-41.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from msgspec import Struct
from msgspec.structs import replace

from asyncmta.delivery.exchange import Exchanger, Site, site_of_hosts, weighted
from asyncmta.mail.outcome import Cause, Deferred, Failed, Outcome, Postponed, Scope
from asyncmta.mail.reply import EnhancedStatus, reply
from asyncmta.routing import Smarthost

NO_CONNECTION = EnhancedStatus(4, 4, 1)

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
            steps=self.steps + (failure.cause is not Cause.DNS),  # what has no address costs nobody anything
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

    def conclude(self, ordinals: tuple[int, ...], *, is_cut_short: bool = False) -> dict[int, Outcome] | Postponed:
        """What it comes to when nobody is left, or (`is_cut_short`) somebody who is not tried in this pass. For good
        only if every host said so; what a server said, of a recipient or of all, tells more than that another could not
        be reached."""
        if not self.failures and not self.said:
            assert self.postponed is not None, "somebody was tried, or passed by"
            return self.postponed
        rest = self._of_sites(is_cut_short)
        return {ordinal: self.said.get(ordinal, rest) for ordinal in ordinals}

    def _of_sites(self, is_cut_short: bool) -> Outcome:
        put_off = [failure for failure in reversed(self.failures) if isinstance(failure, Deferred)]
        if put_off:
            return next((failure for failure in put_off if failure.cause is Cause.REFUSED), put_off[0])
        if self.postponed is None and self.failures and not is_cut_short:
            return self.failures[-1]
        return not_tried(self.postponed)


NO_TRAIL = Trail()


def not_tried(postponed: Postponed | None) -> Deferred:
    """The outcome for recipients of whom others of the same consignment were tried."""
    why = postponed.reason if postponed is not None else "nobody is left"
    return Deferred(Cause.CONNECT, reply(451, "4.4.1", f"not tried: {why}"), Scope.SITE)


def is_mute(failure: Failed | Deferred) -> bool:
    """Was there no connection? Who lets us in and is slow then costs nothing of the time for connecting (D-98)."""
    return failure.reply.enhanced == NO_CONNECTION


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
    return None if trail.is_loop else next(_left(way, trail), None)


def leaping(way: Way, trail: Trail, turn: int, is_dead: Callable[[Host], bool]) -> Way:
    """The same way, for the last try of a pass: by one of those that are left, another in each turn, and by nobody who
    was dead when he was tried last if there are others. So nobody is kept from being tried for ever by those in front
    of him, who fail in each pass and use up what it may try."""
    left = list(_left(way, trail))
    if not left:
        return way
    left = [site for site in left if not all(map(is_dead, hosts_of(site)))] or left
    # By the golden ratio: whatever number of turns lies between two of them, all come soon.
    return Way((left[(turn * 0x9E37_79B9_7F4A_7C15 % (1 << 64)) * len(left) >> 64], *way.tiers))


def _left(way: Way, trail: Trail) -> Iterator[Site]:
    for tier in way.tiers:
        left = [exchanger for exchanger in tier.exchangers if _host_of(exchanger) not in trail.tried]
        if left:
            yield tier if len(left) == len(tier.exchangers) else narrowed(tier, left)


def preferring(way: Way, host: str) -> Way:
    """The same way, by this host first if it is on it."""
    for tier in way.tiers:
        first = [exchanger for exchanger in tier.exchangers if exchanger.host == host]
        if first:
            return Way((narrowed(tier, first), *way.tiers))
    return way


def hosts_of(site: Site) -> list[Host]:
    return [_host_of(exchanger) for exchanger in site.exchangers]


def _host_of(exchanger: Exchanger) -> Host:
    return (exchanger.host, exchanger.port)


def _name_of(exchanger: Exchanger) -> str:
    name = f"{exchanger.host}:{exchanger.port}" if exchanger.port else exchanger.host
    return f"{name}*{exchanger.weight}" if exchanger.weight != 1 else name


def site_of_route(route: Smarthost) -> Site:
    """The next hops of a `[[route]]` as one site."""
    site = site_of_hosts(
        route.hosts,
        route.tls,
        route.login,
        route.identity,
        implicit_tls=route.implicit_tls,
        protocol=route.protocol,
    )
    return weighted(site, route.weights)
