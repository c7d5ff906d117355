"""From durable records to endpoints: events gather, go to the outbox, and are posted from there until they are taken.

Promises: an event of a record is told at least once to each endpoint that wants it, whether or not the process is
killed on the way, and in the order of the journal, unless the outbox overflows, which is counted; an endpoint that
is slow or gone holds up neither mail nor another endpoint; memory is bounded. Never: the loop waits for the disk; a
decision about mail.

docs/webhooks.md.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from msgspec import Struct

from asyncmta.spool.records import Record
from asyncmta.system.clock import Clock, Timer
from asyncmta.system.deadline import Deadline
from asyncmta.webhooks.events import About, Event, Refusal, events_of, lines, refused
from asyncmta.webhooks.outbox import Batch, Outbox
from asyncmta.webhooks.signing import body_of, headers, wait_after

INTERVAL = 0.2  # seconds that an event may wait for company
AGAIN = 5.0  # seconds after which a disk that failed is asked again
MOST_WAITING = 100_000  # events that are not on the disk yet; above it they are lost, and counted

T = TypeVar("T")


class Posts(Protocol):
    """`posting.Posting`."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> str: ...

    async def close(self) -> None: ...


class Notes(Protocol):
    """What is asked of the log."""

    def note(self, level: str, event: str, /, *, error: BaseException | None = None, **facts: object) -> None: ...


class Endpoint(Struct, frozen=True, kw_only=True):
    """Somebody who is told: of which kinds of events, at most how many at once, and with which key they are signed."""

    url: str
    key: bytes
    kinds: frozenset[str]
    batch: int = 100
    timeout: float = 10.0

    @property
    def name(self) -> str:
        """What its place is kept under."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:16]

    @property
    def host(self) -> str:
        """What may be logged of it: a path can be a secret."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


class Standing(Struct, frozen=True):
    """How it is with an endpoint: octets that it has not got, and how many attempts in a row it did not take."""

    host: str
    backlog: int
    failures: int


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
        self._endpoints = tuple(endpoints)
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
        self._grown = {each.name: asyncio.Event() for each in self._endpoints}
        self._failures = dict.fromkeys(self._grown, 0)
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
        await self._in_thread(self._outbox.open, tuple(self._grown), self._clock.now())
        await self._write()
        self._sending = [asyncio.create_task(self._serve(each), name="webhook") for each in self._endpoints]

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

    def standing(self) -> list[Standing]:
        """How it is with each, in the order of the settings."""
        return [
            Standing(each.host, self._outbox.backlog(each.name), self._failures[each.name]) for each in self._endpoints
        ]

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
        for grown in self._grown.values():
            grown.set()

    def _append(self, events: list[Event]) -> None:
        lost = self._outbox.lost
        self._outbox.append(lines(events), self._clock.now())
        if self._outbox.lost > lost:
            self.lost += self._outbox.lost - lost
            self._maillog.note("error", "webhook_events_lost", events=self._outbox.lost - lost, reason="outbox full")

    # -- from the outbox to an endpoint ------------------------------------------------------------------------------

    async def _serve(self, endpoint: Endpoint) -> None:
        """One endpoint, for as long as the Mta runs."""
        name, grown = endpoint.name, self._grown[endpoint.name]
        while True:
            try:
                grown.clear()
                place = self._outbox.place(name)
                batch = await self._in_thread(self._outbox.read, place, endpoint.batch, endpoint.kinds)
                if batch.lines:
                    await self._until_taken(endpoint, batch)
                if batch.place != place:
                    await self._in_thread(self._outbox.advance, name, batch.place)
                if not batch.lines:
                    await grown.wait()
            except Exception as error:  # the disk, or a bug of ours: the others go on, and so does this one
                self._maillog.note("error", "webhook_broken", host=endpoint.host, error=error)
                await self._clock.sleep_until(self._clock.monotonic() + AGAIN)

    async def _until_taken(self, endpoint: Endpoint, batch: Batch) -> None:
        body = body_of(batch.lines)
        failures = 0
        while reason := await self._post(endpoint, body):
            failures += 1
            self._failures[endpoint.name] = failures
            if failures & (failures - 1) == 0:  # the first, the second, the fourth, ...
                self._maillog.note(
                    "warning",
                    "webhook_failed",
                    host=endpoint.host,
                    reason=reason,
                    events=len(batch.lines),
                    attempts=failures,
                )
            await self._clock.sleep_until(self._clock.monotonic() + wait_after(failures))
        if failures:
            self._failures[endpoint.name] = 0
            self._maillog.note("info", "webhook_recovered", host=endpoint.host, attempts=failures + 1)

    async def _post(self, endpoint: Endpoint, body: bytes) -> str:
        """Why it was not taken; an empty text: it was."""
        signed = headers(body, endpoint.key, self._clock.now())
        try:
            async with Deadline(self._clock, endpoint.timeout):
                return await self._posts.post(endpoint.url, signed, body)
        except TimeoutError:
            return f"no answer within {endpoint.timeout:g} s"
