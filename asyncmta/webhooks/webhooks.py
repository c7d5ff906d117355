"""From durable records to endpoints: events gather, go to the outbox, and are posted from there until they are taken.

Promises: an event of a record is told at least once to each endpoint that wants it, whether or not the process is
killed on the way, and in the order of the journal, unless the outbox overflows, which is counted; an endpoint that
is slow or gone holds up neither mail nor another endpoint; memory is bounded. Never: the loop waits for the disk; a
decision about mail.

docs/webhooks.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from asyncmta.spool.records import Record
from asyncmta.system.clock import Clock, Timer
from asyncmta.webhooks.events import About, Event, Refusal, events_of, lines, refused
from asyncmta.webhooks.outbox import Outbox
from asyncmta.webhooks.serving import AGAIN, Endpoint, Notes, Posts, Serving, Standing

INTERVAL = 0.2  # seconds that an event may wait for company
MOST_WAITING = 100_000  # events that are not on the disk yet; above it they are lost, and counted

T = TypeVar("T")


Missed = Callable[[float, frozenset[str], frozenset[str]], Sequence[Event]]
"""What the journal says since a time, but for events with these ids, of these kinds. Blocks."""


class Webhooks:
    """One for an Mta. `look_back` before the spool is opened, `open` before anything happens to mail, `close` last."""

    def __init__(
        self,
        *,
        endpoints: Sequence[Endpoint],
        outbox: Outbox,
        posts: Posts,
        clock: Clock,
        maillog: Notes,
        missed: Missed,
    ) -> None:
        kinds: frozenset[str] = frozenset()
        self._kinds = kinds.union(*(each.kinds for each in endpoints))
        self._outbox = outbox
        self._posts = posts
        self._clock = clock
        self._maillog = maillog
        self._missed = missed
        self._pool: ThreadPoolExecutor | None = None  # of one thread: the outbox is nobody else's
        self._waiting: list[Event] = []
        self._timer: Timer | None = None
        self._writing: set[asyncio.Task[None]] = set()
        self._sending: list[asyncio.Task[None]] = []
        self._served = [
            Serving(each, outbox=outbox, in_thread=self._in_thread, posts=posts, clock=clock, maillog=maillog)
            for each in endpoints
        ]
        self._refusals = 0
        self._is_disk_bad = self._is_overflowing = False
        self.lost = 0

    @property
    def wants_refusals(self) -> bool:
        return "refused" in self._kinds

    # -- life --------------------------------------------------------------------------------------------------------

    async def look_back(self) -> None:
        """After a crash: what was not written any more. It waits for `open`."""
        try:
            self._waiting += await self._in_thread(self._look_back)
        except Exception as error:  # whatever it is, mail goes on without these
            self._maillog.note("error", "webhooks_look_back_failed", error=error)

    def _look_back(self) -> Sequence[Event]:
        if self._outbox.is_clean():
            return ()
        since, there = self._outbox.last()
        return self._missed(since, there, self._kinds) if since else ()

    async def open(self) -> None:
        """Raises OSError."""
        await self._in_thread(self._outbox.open, [each.endpoint.name for each in self._served], self._clock.now())
        await self._write()
        self._sending = [asyncio.create_task(each.run(), name="webhook") for each in self._served]

    async def close(self, *, clean: bool = False) -> None:
        """Safe to call twice, and without `open`. What was not taken yet is told after the next start. `clean`: `tell`
        has heard of all that is durable, so that nobody has to look back."""
        self._stop_timer()
        sending, self._sending = self._sending, []
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        if self._writing:
            await asyncio.wait(self._writing)
        if sending:
            await self._write()
            await self._close_outbox(clean)
        await self._posts.close()
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.get_running_loop().run_in_executor(None, pool.shutdown)

    async def _close_outbox(self, clean: bool) -> None:
        self._stop_timer()
        try:
            await self._in_thread(self._outbox.close, clean and not self._waiting)
        except OSError as error:
            self._maillog.note("error", "webhook_outbox_failed", reason=str(error))

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    async def _in_thread(self, job: Callable[..., T], *words: object) -> T:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="webhooks")
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(job, *words))

    @property
    def outbox_octets(self) -> int:
        return self._outbox.octets

    def standing(self) -> list[Standing]:
        """How it is with each, in the order of the settings."""
        return [each.standing() for each in self._served]

    # -- from records to the outbox ----------------------------------------------------------------------------------

    def tell(self, record: Record, about: About) -> None:
        """This record is durable. Plain: nothing here waits."""
        self._push(events_of(record, about, self._kinds))

    def tell_refused(self, said: Refusal) -> None:
        self._refusals += 1
        self._push([refused(said, self._clock.now(), self._refusals)])

    def _push(self, events: list[Event]) -> None:
        if not events:
            return
        if len(self._waiting) >= MOST_WAITING:
            self.lost += len(events)
            if not self._is_overflowing:
                self._is_overflowing = True
                self._maillog.note("error", "webhook_events_lost", reason="the disk does not keep up")
            return
        self._waiting += events
        if self._timer is None:
            self._timer = self._clock.call_at(self._clock.monotonic() + INTERVAL, self._wake)

    def _wake(self) -> None:
        self._timer = None
        task = asyncio.get_running_loop().create_task(self._write())
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write(self) -> None:
        events, self._waiting = self._waiting, []
        if not events:
            return
        try:
            await self._in_thread(self._append, events)
        except OSError as error:
            self._waiting = events + self._waiting
            if not self._is_disk_bad:
                self._is_disk_bad = True
                self._maillog.note("error", "webhook_outbox_failed", reason=str(error))
            if self._timer is None:
                self._timer = self._clock.call_at(self._clock.monotonic() + AGAIN, self._wake)
            return
        self._is_disk_bad = self._is_overflowing = False
        for each in self._served:
            each.grown.set()

    def _append(self, events: list[Event]) -> None:
        lost = self._outbox.lost
        self._outbox.append(lines(events), self._clock.now())
        if self._outbox.lost > lost:
            self.lost += self._outbox.lost - lost
            self._maillog.note("error", "webhook_events_lost", events=self._outbox.lost - lost, reason="outbox full")
