"""All live sessions of one listener: who they are, what they share, and one sweep a second for all their deadlines.

Promises: a session costs one entry in one set and no timer of its own; a sweep in which nothing has happened is the
last until the next deadline, and while nobody is connected there is none; tasks that a session needs (a handshake, a
lookup that has to wait, AUTH) are owned here, so that none is lost. Never: protocol, sockets.

RFC 5321 4.5.3.2 (time-outs).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from msgspec import Struct, field

from asyncmta.inbound.acceptance import Acceptance, Lookup, Network, Refusal, Terms
from asyncmta.inbound.access import Access
from asyncmta.inbound.etrn import Turns
from asyncmta.inbound.flow import Takes
from asyncmta.inbound.gate import Gate
from asyncmta.inbound.holding import Holding
from asyncmta.inbound.limits import Limits, SessionCounts
from asyncmta.inbound.loop_watch import LoopWatch
from asyncmta.inbound.readdressing import Readdressing
from asyncmta.mail import replies
from asyncmta.mail.reply import Reply
from asyncmta.maillog import MailLog
from asyncmta.routing import Routing
from asyncmta.system.clock import Clock, Timer
from asyncmta.system.memory import give_back
from asyncmta.tracing.looking import Tracing

SWEEP = 1.0  # seconds between two looks at all deadlines


class Reception(Struct, kw_only=True, eq=False):
    """What all listeners of one Mta share; made by `mta.py`. `clients` counts live sessions by client; `watch` knows
    whether the loop is late, `holding` what all sessions keep in memory."""

    intake: Takes
    maillog: MailLog
    clock: Clock
    hostname: str
    routing: Routing
    lookup: Lookup
    refusal: Refusal
    pressure: Callable[[], Reply | None]
    access: Access
    limits: Limits = Limits()
    networks: tuple[Network, ...] = ()
    etrn_from: tuple[Network, ...] = ()
    turns: Turns | None = None
    gate: Gate | None = None
    readdressing: Readdressing | None = None
    clients: dict[int | str, int] = field(default_factory=dict)
    holding: Holding = field(default_factory=Holding)
    watch: LoopWatch | None = None
    tracing: Tracing | None = None

    def __post_init__(self) -> None:
        if self.watch is None:
            self.watch = LoopWatch(clock=self.clock, maillog=self.maillog)

    def acceptance(self, terms: Terms) -> Acceptance:
        """The decisions of a listener with these terms."""
        found = Acceptance(
            terms=terms,
            routing=self.routing,
            lookup=self.lookup,
            refusal=self.refusal,
            pressure=self.pressure,
            now=self.clock.now,
            turns=self.turns,
            allowance=self.access.allowance,
            gate=self.gate,
            readdressing=self.readdressing,
        )
        if self.access.users is not None:
            self.access.users.watch(found.announce)
        return found


class Live(Protocol):
    """A connection, as far as the sweep knows it. `seen`: when it last did something."""

    seen: float

    def sweep(self, now: float) -> float:
        """Do what is due; when to look again, at the latest."""
        ...


class Sessions:
    """The live sessions of one listener. `second`, the time of the last sweep, is near enough for all deadlines while
    `is_awake`; else `now` is to be asked, which begins the sweeps anew."""

    def __init__(self, *, reception: Reception, acceptance: Acceptance, max_sessions: int) -> None:
        self.reception = reception
        self.acceptance = acceptance
        self.counts = SessionCounts(
            max_sessions=max_sessions, per_client=reception.limits.sessions_per_client, clients=reception.clients
        )
        assert reception.watch is not None
        self.watch = reception.watch
        self.live: set[Live] = set()
        self.entered = 0  # sessions since the start
        self.second = 0.0
        self.is_awake = False
        self._timer: Timer | None = None
        self._tasks: set[asyncio.Future[Any]] = set()
        self._when_empty: asyncio.Future[None] | None = None

    def renew(self, reception: Reception, acceptance: Acceptance) -> None:
        """Other settings, for who comes from now on; those who are here keep what they began with."""
        self.reception, self.acceptance = reception, acceptance
        self.counts.allow(reception.limits.sessions_per_client)

    def now(self) -> float:
        """The time, to a second; something happens."""
        if not self.is_awake:
            self.is_awake = True
            self.watch.begin()
            self.second = self.reception.clock.monotonic()
            self._set_timer(self.second + SWEEP)
        return self.second

    def admit(self, ip: str, trusted: bool) -> Reply | None:
        """Count one more session of this client, or say why not."""
        if self.watch.is_lagging:  # those who are here go on, and come to an end the sooner
            return replies.OVERLOADED
        gate = self.reception.gate
        if gate is not None and not trusted and not gate.connects(ip):
            return replies.RATE_OF_CONNECTIONS
        return self.counts.admit(ip)

    def enter(self, connection: Live) -> None:
        self.live.add(connection)
        self.entered += 1
        self.reception.holding.entered(len(self.live))

    def leave(self, connection: Live) -> None:
        self.live.discard(connection)
        if not self.live:
            # What they had is not free before they are all gone: one more look, if it is worth it.
            is_worth_it = self.reception.holding.is_worth_giving_back(0)
            self._sleep(self.reception.clock.monotonic() + SWEEP if is_worth_it else math.inf)
            self._say_empty()

    def own(self, work: Awaitable[Any]) -> asyncio.Future[Any]:
        """Run this as a task of ours; whoever asked for it looks at its result, or cancels it."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def wait_until_empty(self, seconds: float, *, for_sockets: bool = False) -> None:
        """Return when the last session has left, or after this time: of our clock, or (`for_sockets`: nothing but
        sockets can still hold it up) of the loop, also where a test's clock stands still."""
        if not self.live:
            return
        loop, clock = asyncio.get_running_loop(), self.reception.clock
        self._when_empty = loop.create_future()
        timer: Timer
        if for_sockets:
            timer = loop.call_later(seconds, self._say_empty)
        else:
            timer = clock.call_at(clock.monotonic() + seconds, self._say_empty)
        try:
            await self._when_empty
        finally:
            timer.cancel()
            self._when_empty = None

    def _say_empty(self) -> None:
        if self._when_empty is not None and not self._when_empty.done():
            self._when_empty.set_result(None)

    async def cancel_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.reception.clock.call_at(when, self._sweep) if when < math.inf else None

    def _sweep(self) -> None:
        before, self.second = self.second, self.reception.clock.monotonic()
        self._set_timer(self.second + SWEEP)  # first of all, whatever a connection does to us
        due, seen = math.inf, -math.inf
        for connection in tuple(self.live):
            seen = max(seen, connection.seen)
            due = min(due, connection.sweep(self.second))
        if seen < before or not self.live:
            self._sleep(max(due, self.second + SWEEP))
            holding = self.reception.holding
            if holding.is_worth_giving_back(len(self.live)):
                holding.gave_back()
                give_back()

    def _sleep(self, until: float) -> None:
        """Nothing happens: no sweep before this time, unless something does."""
        if self.is_awake:
            self.is_awake = False
            self.watch.end()
        self._set_timer(until)
