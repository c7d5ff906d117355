"""What an MTA is told about itself: how it is steered while it runs, and how it comes to its end.

A part of the composition root, which `Mta` has this from. An end is top first, with one deadline for all of it, and
nothing is lost by it, however short: what was not recorded is tried again after the next start. Pauses and a hand-over
of the queue are in memory alone. Never: a room is built here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from asyncmta.counted_log import CountedLog
from asyncmta.delivery.pipe import PipeTransport
from asyncmta.delivery.remote import RemoteTransport
from asyncmta.delivery.resolver import Resolver
from asyncmta.forwarding.local import LocalTransport
from asyncmta.forwarding.verping import Verping
from asyncmta.handing_off import HandingOff, Progress
from asyncmta.inbound.access import Access
from asyncmta.inbound.certificates import Certificates
from asyncmta.inbound.injection import AS_USUAL, Reports
from asyncmta.inbound.listener import Listener
from asyncmta.lists.desk import Desk
from asyncmta.mail.reply import Reply
from asyncmta.mta_watching import Watching
from asyncmta.operations import Operations, SubmitRefused
from asyncmta.pausing import LONGEST, Ending, Goes, Paused, Unnamed, What, replaced, steered
from asyncmta.routing import Route, Routing, Smarthost
from asyncmta.scheduling.scheduler import Scheduler
from asyncmta.spool.store import Store
from asyncmta.system.clock import Clock, Timer
from asyncmta.tracing.looking import Tracing

LAST_WORDS = 2.0  # seconds of a stop that are for the 421 of sessions that did not end
LET_GO = 5.0  # seconds that an attempt in hand gets to begin with the content


class Life(Operations):
    """The part of `Mta` that is about itself."""

    maillog: CountedLog
    _listeners: list[Listener]
    _is_draining: bool
    tracing: Tracing
    _clock: Clock
    _store: Store
    _lists: Desk | None
    _remote: RemoteTransport
    _verping: Verping
    _local: LocalTransport
    _maildir: Any
    _pipe: PipeTransport
    _own_resolver: Resolver | None
    _access: Access | None
    _certificates: Certificates | None
    _paused: Paused
    _routing: Routing
    _handing_off: HandingOff
    _handing_over: asyncio.Lock  # one that begins and one that ends take turns
    _watching: Watching
    _scheduler: Scheduler
    _replaced: list[Any]  # `mta_reload.Replaced`
    _endings: dict[Ending, Timer]

    async def drain(self, grace: float) -> None:
        """Stop top first: no new sessions, no new attempts; what is in hand gets `grace` seconds and is then cut off;
        an attempt without any content sent yet a little less.

        Nothing is lost by a grace of nothing: what was not recorded is tried again. Safe to call twice.
        """
        self._is_draining, end = True, self._clock.monotonic() + grace
        self._await_endings(())
        listeners, self._listeners = self._listeners, []
        rooms, self._rooms = self._rooms, None
        if rooms is not None:
            await asyncio.gather(*(listener.stop(grace) for listener in listeners))
            for intake in (rooms.intake, *(each.intake for each in self._replaced)):
                await intake.drain()
            while self._handing_in:
                await asyncio.wait(self._handing_in)
            if self._lists is not None:
                await self._lists.close()
            rooms.policy.consultation.close()
            timer = self._clock.call_at(self._clock.monotonic() + LET_GO, self._remote.let_go)
            self._handing_off.let_go()
            await rooms.scheduler.stop(max(0.0, end - self._clock.monotonic()))
            timer.cancel()
            await self._remote.close()
            await self._verping.close()
            await self._local.close()
            await self._maildir.close()
            await self._pipe.close()
            for each in self._replaced:
                await each.close()
        self.tracing.close()
        for opened in (self._own_resolver, self._access, self._certificates):
            if opened is not None:
                await opened.close()
        try:
            await self._store.close()
        finally:
            await self._watching.close()
            await asyncio.gather(*(listener.stop(0.0) for listener in listeners))  # whom the loop was just accepting
            await asyncio.to_thread(self.maillog.close)

    # -- steering ----------------------------------------------------------------------------------------------------

    async def submit(
        self,
        reverse_path: str | None,
        recipients: Sequence[str],
        content: bytes,
        reports: Reports = AS_USUAL,
        traceparent: str = "",
    ) -> str:
        """See `Operations`; while input is paused nothing is taken."""
        if (refusal := self.refusal()) is not None:
            raise SubmitRefused(refusal)
        return await super().submit(reverse_path, recipients, content, reports, traceparent)

    def refusal(self) -> Reply | None:
        """What new mail hears while input is paused."""
        return self._paused.refusal()

    def pressure(self) -> Reply | None:
        """What new mail hears while input is paused, or output far behind."""
        return self._paused.refusal() or self._scheduler.pressure()

    @property
    def paused(self) -> Paused:
        return self._paused

    async def pause(self, what: What, name: str = "", seconds: float | None = None) -> Paused:
        """Take no more mail, begin no attempt, or none to this site or domain, until `resume`, a restart, or for so
        many seconds; what is in hand goes on. Raises Unnamed."""
        if seconds is not None and not 0 < seconds <= LONGEST:
            raise Unnamed("a pause is for a second at least, and for a year at most")
        until = None if seconds is None else self._clock.now() + seconds
        return await self._steer(self._paused.with_(what, name, True, until))

    async def resume(self, what: What, name: str = "") -> Paused:
        return await self._steer(self._paused.with_(what, name, False))

    async def _steer(self, paused: Paused) -> Paused:
        scheduler, before = self.rooms.scheduler, self._paused
        self._paused = paused
        self._await_endings(paused.ends)
        self.maillog.note("info", "steered", reason="; ".join(paused.reasons()) or "nothing is paused")
        if paused.output:
            scheduler.pause()
        if (paused.sites, paused.domains, paused.handing_over) != (before.sites, before.domains, before.handing_over):
            await scheduler.replan(self._goes)
        if not self._paused.output:  # only now, so that nothing sets out by the old routes
            scheduler.resume()
        return self._paused

    def _await_endings(self, ends: Iterable[Ending]) -> None:
        """A timer for each pause that ends by itself."""
        wanted = set(ends)
        for ending in self._endings.keys() - wanted:
            self._endings.pop(ending).cancel()
        for ending in wanted - self._endings.keys():
            left = max(0.0, ending.at - self._clock.now())
            self._endings[ending] = self._clock.call_at(self._clock.monotonic() + left, partial(self._ended, ending))

    def _ended(self, ending: Ending) -> None:
        self._endings.pop(ending, None)
        self.keep_until_drained(asyncio.ensure_future(self._end(ending)))

    async def _end(self, ending: Ending) -> None:
        if self._rooms is not None and ending in self._paused.ends:
            await self._steer(self._paused.with_(ending.what, ending.name, False))

    def _goes(self) -> Goes:
        """Where recipients go now."""
        return steered(self._routing, self._paused)

    def _route_of(self, destination: str) -> Route:
        """For whoever goes over the network: also the route of a hand-over."""
        return self._handing_off.route_of(destination, self._routing)

    # -- handing the queue over --------------------------------------------------------------------------------------

    async def hand_over(self, to: str, tls: str = "opportunistic") -> Progress:
        """Take no more mail, and send everything that is queued to this relay ("host:port") now, whenever it is due and
        wherever it would go; but not what an operator holds. Said again, what failed meanwhile is tried once more."""
        async with self._handing_over:
            rooms = self.rooms
            await rooms.scheduler.loaded()
            self._handing_off.begin(Smarthost(to, (to,), tls), self._left())
            paused = self._paused.with_("input", "", True).with_("output", "", False)
            await self._steer(replaced(paused, handing_over=to))
            rooms.remote.forget()  # the relay of a hand-over before this one
            rooms.remote.resume(None)
            rooms.scheduler.retry()
            progress = self.handing_over()
            assert progress is not None
            return progress

    def handing_over(self) -> Progress | None:
        """How it stands; None: the queue is not handed over."""
        return self._handing_off.progress(left=self._left(), held=self.rooms.scheduler.held.stopped)

    async def end_hand_over(self) -> Paused:
        """What is left goes where the routes say, and new mail is taken again."""
        async with self._handing_over:
            paused = await self._steer(replaced(self._paused.with_("input", "", False), handing_over=""))
            self._handing_off.end()
            return paused

    def _left(self) -> int:
        return self.rooms.store.facts().messages
