"""Remote delivery: consignments in; each finds its site, by DNS or by route, and joins it.

Promises: `deliver` never blocks and never raises, and `done` comes exactly once for each consignment. Where the site
is known, the way there is plain calls: no task, no timer, no await. Consignments of one message that share a site
share its transactions. One sweep a second looks after all deadlines; sites that nobody uses are forgotten. Never: a
decision about the next attempt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Coroutine, Sequence
from itertools import chain
from typing import Any

from msgspec import Struct

from asyncmta.delivery.busy_sites import BusySites, busiest
from asyncmta.delivery.conversion import Conversion
from asyncmta.delivery.dialer import CONNECT_TIMES, Dialer
from asyncmta.delivery.doubts import Doubts
from asyncmta.delivery.equipment import AttemptLog, Equipment, SiteView
from asyncmta.delivery.exchange import MxAnswer, NoData, Site, at_level, site_of_domain, site_of_hosts
from asyncmta.delivery.gathering import Gathering, Where
from asyncmta.delivery.grouping import group
from asyncmta.delivery.habits import Habits
from asyncmta.delivery.sites import ActiveSite
from asyncmta.delivery.sweeping import Sweeper
from asyncmta.delivery.traffic import Connections
from asyncmta.delivery.transaction import Done, Leg
from asyncmta.delivery.verdict import Fault, Stage, blame
from asyncmta.delivery.way import Way, hosts_of, leaping, not_tried, site_of_route, way_of
from asyncmta.mail.envelope import Consignment, ReadContent
from asyncmta.mail.outcome import Deferred, Postponed
from asyncmta.routing import Mx, Route, Smarthost
from asyncmta.system.clock import Clock

# Not longer than the shortest time for which the resolver keeps an answer, so that this keeps nothing too long.
KNOWN_FOR = 30.0
UNUSED_FOR = 60.0  # longer than KNOWN_FOR: a site that is forgotten is one that no destination leads to
REMEMBERED_FOR = 1800.0  # one that failed: so that its next suspension is a longer one
TIDY_INTERVAL = 30.0
TIDY_AT_ONCE = 2_000
MOST_STEPS = 5  # sites that one pass tries for a recipient


class _Known(Struct):
    """A way, and the site of its first tier."""

    way: Way
    site: ActiveSite
    until: float


class RemoteTransport:
    """The transport for `mx:` and `smarthost:` destinations. Needs a running loop from the first consignment on."""

    def __init__(
        self,
        *,
        clock: Clock,
        dialer: Dialer,
        read_content: ReadContent,
        maillog: AttemptLog,
        route_of: Callable[[str], Route],
    ) -> None:
        settings = dialer.settings
        self._clock = clock
        self._dialer = dialer
        self._resolver = dialer.resolver
        self._hostname = dialer.hostname
        self._tls = settings.tls
        self._budget = CONNECT_TIMES * settings.connect_timeout
        self._fallback = way_of(site_of_hosts(settings.fallback, settings.tls)).tiers if settings.fallback else ()
        self._doubts = Doubts()
        self._maillog = maillog
        self._route_of = route_of
        self._sweeper = Sweeper(clock)
        self._equipment = Equipment(
            clock=clock,
            dialer=dialer,
            read_content=read_content,
            maillog=maillog,
            habits=Habits(settings.recipients_per_transaction, settings.sites),
            doubts=self._doubts,
            spawn=self._spawn,
            watch=self._sweeper.watch,
            onward=self._onward,
            conversion=Conversion(dialer.settings.eight_bit),
        )
        self._sites: dict[str, ActiveSite] = {}
        self._known: dict[str, _Known] = {}
        self._wanted: dict[str, list[tuple[Gathering, Consignment]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._tidy_at = 0.0
        self._is_closing = False

    async def close(self) -> None:
        """QUIT to idle sessions, the rest broken off; consignments still here come back postponed."""
        self._is_closing = True
        self._sweeper.close()
        for site in self._sites.values():
            site.close()
        while self._tasks:
            tasks = tuple(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for destination in tuple(self._wanted):  # whose look-up was cancelled before it began
            self._located(destination, self._stopping())
        await self._equipment.dialer.close()

    def let_go(self) -> None:
        """Begin nothing more, and postpone all of which no content has gone out; the rest may come to its end."""
        self._is_closing = True
        for site in self._sites.values():
            site.let_go()
        for destination in tuple(self._wanted):
            self._located(destination, self._stopping())

    def deliver(self, consignments: Sequence[Consignment], done: Done) -> None:
        """Take consignments of one message, one for each destination."""
        if len(consignments) == 1:
            consignment = consignments[0]
            known = self._known.get(consignment.destination)
            is_doubtful = consignment.attempts and self._doubts
            if known is not None and known.until > self._clock.monotonic() and not is_doubtful:
                known.site.take_whole(consignment, known.way, done)
                return
        self._gather(consignments, done)

    def resume(self, destinations: Container[str] | None) -> None:
        """An operator wants what waits for these (None: for all) tried now: their sites are no longer suspended."""
        known = [each for name, each in self._known.items() if destinations is None or name in destinations]
        hosts = {host for each in known for tier in each.way.tiers for host in hosts_of(tier)}
        for site in self._sites.values():  # also those of what is left of a tier, or of what some have in common
            if destinations is None or not hosts.isdisjoint(hosts_of(site.site)):
                self._dialer.revive(site.site)
                site.backlog.resume()

    def forget(self) -> None:
        """Destinations may mean something else from now on. Sites stay, with what is under way there."""
        self._known.clear()

    @property
    def possible_duplicates(self) -> int:
        """How often content went out and was not answered."""
        return self._doubts.count

    def sites(self) -> list[SiteView]:  # a snapshot
        return [site.view() for site in self._sites.values()]

    def connections(self) -> tuple[Connections, BusySites]:
        return self._equipment.traffic.read(), busiest(self._sites.values(), self._clock.monotonic())

    # -- finding the site --------------------------------------------------------------------------------------------

    def _gather(self, consignments: Sequence[Consignment], done: Done) -> None:
        gathering = Gathering(done, self._onward, len(consignments))
        for consignment in consignments:
            destination = consignment.destination
            where = self._where(destination)
            if not isinstance(where, Mx):
                gathering.found(consignment, where)
                continue
            wanted = self._wanted.get(destination)
            if wanted is None:
                wanted = self._wanted[destination] = []
                self._spawn(self._locate(destination, where))
            wanted.append((gathering, consignment))
        if len(consignments) > 1:
            gathering.wait(self._clock)

    def _where(self, destination: str) -> Where | Mx:
        """What is known of a destination without asking anybody; the route when DNS has to be asked."""
        if self._is_closing:
            return self._stopping()
        known = self._known.get(destination)
        if known is not None and known.until > self._clock.monotonic():
            return known.way
        try:
            route = self._route_of(destination)
        except Exception as error:
            return self._bug(error, destination)
        match route:
            case Smarthost():
                return self._remember(destination, way_of(site_of_route(route)))
            case Mx(domain) if domain.startswith("["):
                return self._found(destination, route, NoData())
            case Mx():
                return route
        return self._bug(TypeError(f"no route over the network: {route!r}"), destination)

    async def _locate(self, destination: str, route: Mx) -> None:
        """Ask DNS, once for all consignments that want to go there."""
        where: Where = self._stopping()
        try:
            where = self._found(destination, route, await self._resolver.exchangers(route.domain))
        except Exception as error:
            where = self._bug(error, destination)
        finally:
            self._located(destination, where)

    def _found(self, destination: str, route: Mx, answer: MxAnswer) -> Where:
        found = site_of_domain(route.domain, answer, self._hostname, mxps=self._dialer.settings.mxps)
        if isinstance(found, Site):
            tiers = way_of(at_level(found, route.tls or self._tls)).tiers
        elif self._fallback and isinstance(found, Deferred):
            tiers = ()
        else:
            return found
        return self._remember(destination, Way(tiers + self._fallback))

    def _located(self, destination: str, where: Where) -> None:
        for gathering, consignment in self._wanted.pop(destination, ()):
            gathering.found(consignment, where)

    def _remember(self, destination: str, way: Way) -> Way:
        active = self._active(way.tiers[0])
        self._known[destination] = _Known(way, active, active.last_used + KNOWN_FOR)
        return way

    def _active(self, site: Site) -> ActiveSite:
        """The site at work."""
        now = self._clock.monotonic()
        if now >= self._tidy_at:
            self._tidy_at = now + TIDY_INTERVAL
            self._tidy(now)
        active = self._sites.get(site.key)
        if active is not None and active.site != site:
            # Another password since a reload: what is under way there comes to its end under another name.
            self._sites[f"{site.key} until {now:.0f} ({id(active):x})"] = active
            active = None
        if active is None:
            active = self._sites[site.key] = ActiveSite(site, self._equipment)
        active.last_used = now
        return active

    def _onward(self, legs: Sequence[Leg]) -> None:
        """Legs of one message set out, or go on from where they could not be taken: each to the best site that is left
        to it, together with whoever goes there too."""
        if self._is_closing:
            postponed = self._stopping()
            for leg in legs:
                leg.parcel.postpone(leg.ordinals, postponed, not_tried(postponed))
            return
        if self._doubts:
            for leg in legs:
                leg.parcel.way = self._doubts.way(leg)
        for leg in legs:
            attempts = leg.parcel.consignment.attempts
            if attempts and leg.trail.steps and self._is_tired(leg, 1):
                leg.parcel.way = leaping(leg.parcel.way, leg.trail, attempts, self._dialer.was_dead)
        groups, stranded = group([leg for leg in legs if not self._is_tired(leg)])
        for leg in chain(stranded, filter(self._is_tired, legs)):
            try:
                leg.conclude()
            except Exception as error:
                self._bug(error, leg.parcel.consignment.destination)
        for site, together in groups:
            self._active(site).join(together)

    def _is_tired(self, leg: Leg, ahead: int = 0) -> bool:
        """Has this pass tried enough for it, or may it try only so many more?"""
        trail = leg.trail
        return trail.steps + ahead >= MOST_STEPS or trail.spent >= self._budget * (1 - ahead / CONNECT_TIMES)

    def _stopping(self) -> Postponed:
        return Postponed(self._clock.now(), "stopping")

    def _bug(self, error: Exception, destination: str) -> Deferred:
        self._maillog.note("error", "internal_error", error=error, destination=destination)
        return blame(Stage.CONNECT, Fault.INTERNAL)

    # -- looking after them ------------------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tidy(self, now: float) -> None:
        """Forget what nobody has used for a while, so that memory follows the present mail and not all mail ever."""
        self._known = {name: known for name, known in self._known.items() if known.until > now}
        self._forget_sites(list(self._sites.items()), now)

    def _forget_sites(self, left: list[tuple[str, ActiveSite]], now: float) -> None:
        """Some in each turn of the loop, which would stand still for a tenth of a second at a hundred thousand."""
        for key, site in left[-TIDY_AT_ONCE:]:
            unused_for = REMEMBERED_FOR if site.backlog.has_failed else UNUSED_FOR
            if site.may_be_dropped(now, unused_for) and self._sites.get(key) is site:
                del self._sites[key]
        del left[-TIDY_AT_ONCE:]
        if left:
            asyncio.get_running_loop().call_soon(self._forget_sites, left, now)
