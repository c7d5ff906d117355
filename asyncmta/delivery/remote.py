"""Remote delivery: consignments in; each finds its site, by DNS or by route, and joins it.

Promises: `deliver` never blocks and never raises, and `done` comes exactly once for each consignment. Where the site
is known, the way there is plain calls: no task, no timer, no await. Consignments of one message that share a site
share its transactions. One sweep a second looks after all deadlines; sites that nobody uses are forgotten. Never: a
decision about the next attempt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Coroutine, Sequence
from typing import Any

from msgspec import Struct

from asyncmta.delivery.dialer import Dialer
from asyncmta.delivery.equipment import AttemptLog, Equipment, SiteView
from asyncmta.delivery.exchange import MxAnswer, NoData, Site, at_level, site_of_domain, site_of_hosts
from asyncmta.delivery.gathering import Gathering, Where
from asyncmta.delivery.grouping import group
from asyncmta.delivery.habits import Habits
from asyncmta.delivery.sites import ActiveSite
from asyncmta.delivery.transaction import Done, Leg
from asyncmta.delivery.verdict import Fault, Stage, blame
from asyncmta.delivery.way import Way, way_of
from asyncmta.mail.envelope import Consignment, ReadContent
from asyncmta.mail.outcome import Deferred, Postponed
from asyncmta.routing import Mx, Route, Smarthost
from asyncmta.system.clock import Clock, Timer

SWEEP_INTERVAL = 1.0
# Not longer than the shortest time for which the resolver keeps an answer, so that this keeps nothing too long.
KNOWN_FOR = 30.0
UNUSED_FOR = 60.0  # longer than KNOWN_FOR: a site that is forgotten is one that no destination leads to
REMEMBERED_FOR = 1800.0  # one that failed: so that its next suspension is a longer one
TIDY_INTERVAL = 30.0


class _Known(Struct):
    """A way, and the site of its first tier."""

    way: Way
    site: ActiveSite
    until: float


def _site_of_route(route: Smarthost) -> Site:
    return site_of_hosts(
        route.hosts,
        route.tls,
        route.login,
        route.identity,
        implicit_tls=route.implicit_tls,
        protocol=route.protocol,
    )


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
        self._clock = clock
        self._dialer = dialer
        self._resolver = dialer.resolver
        self._hostname = dialer.hostname
        self._tls = dialer.settings.tls
        self._maillog = maillog
        self._route_of = route_of
        self._equipment = Equipment(
            clock=clock,
            dialer=dialer,
            read_content=read_content,
            maillog=maillog,
            habits=Habits(dialer.settings.recipients_per_transaction),
            spawn=self._spawn,
            watch=self._watch,
            onward=self._onward,
        )
        self._sites: dict[str, ActiveSite] = {}
        self._known: dict[str, _Known] = {}
        self._wanted: dict[str, list[tuple[Gathering, Consignment]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeper: Timer | None = None
        self._tidy_at = 0.0
        self._is_closing = False

    async def close(self) -> None:
        """QUIT to idle sessions, the rest broken off; consignments still here come back postponed."""
        self._is_closing = True
        if self._sweeper is not None:
            self._sweeper.cancel()
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

    def deliver(self, consignments: Sequence[Consignment], done: Done) -> None:
        """Take consignments of one message, one for each destination."""
        if len(consignments) == 1:
            known = self._known.get(consignments[0].destination)
            if known is not None and known.until > self._clock.monotonic():
                known.site.take_whole(consignments[0], known.way, done)
                return
        self._gather(consignments, done)

    def resume(self, destinations: Container[str] | None) -> None:
        """An operator wants what waits for these (None: for all) tried now: their sites are no longer suspended."""
        for destination, known in self._known.items():
            if destinations is None or destination in destinations:
                for tier in known.way.tiers:
                    self._dialer.revive(tier)
                    if (site := self._sites.get(tier.key)) is not None:
                        site.backlog.resume()

    def sites(self) -> list[SiteView]:
        """A snapshot."""
        return [site.view() for site in self._sites.values()]

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
                return self._remember(destination, _site_of_route(route))
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
        found = site_of_domain(route.domain, answer, self._hostname)
        if not isinstance(found, Site):
            return found
        return self._remember(destination, at_level(found, route.tls or self._tls))

    def _located(self, destination: str, where: Where) -> None:
        for gathering, consignment in self._wanted.pop(destination):
            gathering.found(consignment, where)

    def _remember(self, destination: str, site: Site) -> Way:
        way = way_of(site)
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
            self._sites[f"{site.key} until {now:.0f}"] = active
            active = None
        if active is None:
            active = self._sites[site.key] = ActiveSite(site, self._equipment)
        active.last_used = now
        return active

    def _onward(self, legs: Sequence[Leg]) -> None:
        """Legs of one message set out, or go on from where they could not be taken: each to the best site that is left
        to it, together with whoever goes there too."""
        groups, stranded = group(legs)
        for leg in stranded:
            try:
                leg.conclude()
            except Exception as error:
                self._bug(error, leg.parcel.consignment.destination)
        for site, together in groups:
            self._active(site).join(together)

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

    def _watch(self) -> None:
        if self._sweeper is None:
            self._sweeper = self._clock.call_at(self._clock.monotonic() + SWEEP_INTERVAL, self._sweep)

    def _sweep(self) -> None:
        """End what is past its deadline; once a second as long as there are sessions."""
        self._sweeper = None
        now = self._clock.monotonic()
        for site in tuple(self._sites.values()):
            site.sweep(now)
        if any(site.has_sessions for site in self._sites.values()):
            self._watch()

    def _tidy(self, now: float) -> None:
        """Forget what nobody has used for a while, so that memory follows the present mail and not all mail ever."""
        self._known = {name: known for name, known in self._known.items() if known.until > now}
        for key, site in tuple(self._sites.items()):
            if site.may_be_dropped(now, REMEMBERED_FOR if site.backlog.has_failed else UNUSED_FOR):
                del self._sites[key]
