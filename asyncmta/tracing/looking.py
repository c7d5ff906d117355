"""Who looks on: each with a bounded queue of events, a few at a time; and the taps that fill them.

Promises: nobody looking on is one attribute for a new session to test; who reads too slowly loses the oldest events,
is told how many, and keeps nobody waiting; there are at most MOST lookers. Never: what a session says (`masking`), a
socket.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import count

from asyncmta.system.clock import Clock
from asyncmta.tracing.events import Session, TraceEvent
from asyncmta.tracing.tap import LooksOn, Tap
from asyncmta.tracing.wanted import Wanted

MOST = 4
MOST_EVENTS = 2000  # that wait for one reader


class TooMany(Exception):
    """So many look on already."""


class Looker:
    """One who looks on. To be closed."""

    def __init__(self, wanted: Wanted, *, now: Callable[[], float], on_close: Callable[[Looker], None]) -> None:
        self.wanted = wanted
        self.is_closed = False
        self.dropped = 0  # in all
        self._now = now
        self._on_close = on_close
        self._events: deque[TraceEvent] = deque()
        self._lost = 0  # since the last `take`
        self._came = asyncio.Event()

    def put(self, event: TraceEvent) -> None:
        events = self._events
        if len(events) >= MOST_EVENTS:
            events.popleft()
            self._lost += 1
            self.dropped += 1
        events.append(event)
        self._came.set()

    async def take(self, seconds: float) -> list[TraceEvent]:
        """What has come, at the latest after so many seconds; then it may be nothing."""
        if not self._events and not self.is_closed:
            try:
                async with asyncio.timeout(seconds):
                    await self._came.wait()
            except TimeoutError:
                return []
        taken, self._events = list(self._events), deque()
        lost, self._lost = self._lost, 0
        self._came.clear()
        if lost:
            words = f"{lost:,} events are lost: they were not read fast enough"
            taken.insert(0, TraceEvent(self._now(), "dropped", words, count=lost))
        return taken

    def close(self) -> None:
        """Safe to call twice."""
        if not self.is_closed:
            self.is_closed = True
            self._came.set()
            self._on_close(self)


class Tracing:
    """One for an Mta."""

    def __init__(self, clock: Clock) -> None:
        self.is_on = False
        self._clock = clock
        self._lookers: list[Looker] = []
        self._taps: set[Tap] = set()
        self._ids = count(1)

    @property
    def lookers(self) -> int:
        return len(self._lookers)

    def look(self, wanted: Wanted) -> Looker:
        """Raises TooMany. Sessions that have a tap are joined; who has none is for whoever knows them."""
        if len(self._lookers) >= MOST:
            raise TooMany(f"{MOST} look on already")
        looker = Looker(wanted, now=self._clock.now, on_close=self._left)
        self._lookers.append(looker)
        self.is_on = True
        for tap in self._taps:
            if wanted.covers(tap.session):
                tap.add(looker)
        return looker

    def close(self) -> None:
        """Nothing more will happen."""
        for each in tuple(self._lookers):
            each.close()

    def next_id(self, direction: str) -> str:
        return f"{direction[0]}{next(self._ids)}"

    def tap(
        self,
        session: Session,
        *,
        queue_id: Callable[[], str] | None = None,
        is_between: Callable[[], bool] | None = None,
        is_octets: bool = False,
        lmtp: bool = False,
    ) -> Tap | None:
        """A tap on this session; None where nobody wants one."""
        lookers: list[LooksOn] = [each for each in self._lookers if each.wanted.covers(session)]
        if not lookers:
            return None
        tap = Tap(
            session=session,
            lookers=lookers,
            now=self._clock.now,
            queue_id=queue_id,
            is_between=is_between,
            is_octets=is_octets,
            lmtp=lmtp,
        )
        self._taps.add(tap)
        tap.on_off = lambda: self._taps.discard(tap)
        return tap

    def _left(self, looker: Looker) -> None:
        self._lookers.remove(looker)
        self.is_on = bool(self._lookers)
        for tap in tuple(self._taps):
            tap.leave(looker)
