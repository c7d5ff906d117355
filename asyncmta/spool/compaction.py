"""Compaction: what lives in the oldest segments is carried to the newest, so that the oldest can be dropped.

Promises: a segment stays until all that lived there is durable elsewhere and was read back past the page cache (K2);
it goes the way every segment goes, by a checkpoint, so that a crash anywhere leaves the old set or the new one; mail
goes on meanwhile, and no message is carried while something about it is under way, so that what is carried is the
whole state; small steps with a pause behind each, reading and comparing in a thread (K4). Never: reads a clock for
anything but pauses; touches the tail but through the journal.

reliability.md 5.5; docs/journal-format.md 6.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from typing import TypeVar

from asyncmta.mail.envelope import QueueId, format_queue_id
from asyncmta.spool.carrying import Carrier, Place, laden
from asyncmta.spool.compaction_plan import Plan, plan
from asyncmta.spool.failures import may_pass
from asyncmta.spool.fold import Fold
from asyncmta.spool.journal import Journal, JournalFailed, resolve
from asyncmta.spool.ledger import Entry
from asyncmta.spool.records import Carried
from asyncmta.spool.repair import OnEvent
from asyncmta.system.clock import Clock, Timer

STEP = 1 << 20
"""Octets of content, before they are packed, that are carried at once: what mail that arrives meanwhile waits for."""
STEP_MESSAGES = 256
PAUSE = 0.02
"""Seconds between two steps, or as many as the step took."""
AFTER = 1.0
"""Seconds after a change until we look whether compaction is worth it; after a vain try it is a minute."""
AFTER_FAILURE = 60.0
_ROUNDS = 3

T = TypeVar("T")

Peek = Callable[[Sequence[QueueId]], Awaitable[list[Entry | None]]]
"""Messages as they stand, read back if they are parked; None: it is not queued, or cannot be read."""
Origin = tuple[QueueId, Place, Place | None]
"""A message that is carried, and where its record and the one with its last replies stood before."""


class Compactor:
    """`stir` says that something has changed. At most one run at a time; `runs`, `carried` and `freed` count."""

    def __init__(
        self, *, fold: Fold, journal: Journal, carrier: Carrier, peek: Peek, pool: Executor, clock: Clock,
        on_event: OnEvent,
    ) -> None:  # fmt: skip
        self._fold = fold
        self._census = fold.census
        self._journal = journal
        self._carrier = carrier
        self._peek = peek
        self._pool = pool
        self._clock = clock
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._timer: Timer | None = None
        self._not_before = 0.0
        self._task: asyncio.Task[None] | None = None
        self._is_stopped = False
        self.runs = self.carried = self.freed = 0

    def stir(self) -> None:
        """Segments or their tenants have changed: look into it soon."""
        if self._timer is None and self._task is None and not self._is_stopped:
            when = max(self._clock.monotonic() + AFTER, self._not_before)
            self._timer = self._clock.call_at(when, self._start)

    async def close(self) -> None:
        """Stop, whatever was carried; a message is carried or it is not."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def _start(self) -> None:
        self._timer = None
        # Without looking at the room, which takes a thread: most of the time there is nothing to do.
        if not self._is_stopped and plan(self._census.facts(), room=1 << 62, least=self._fold.renew_above) is not None:
            self._task = self._loop.create_task(self._run())
            self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if task.cancelled():
            return
        failure = task.exception()
        if failure is not None:  # a bug: what was begun stays as it is, and the sources are kept
            self._is_stopped = True
            self._loop.call_exception_handler({"message": "compaction failed", "exception": failure})
        self.stir()

    async def _run(self) -> None:
        before = self.carried
        room = await self._in_thread(self._carrier.reserve.room)
        found = plan(self._census.facts(), room=room, least=self._fold.renew_above)
        if found is None:
            self._wait("no_room")
            return
        held = self._census.oldest
        self._census.enter(held)  # nothing is dropped before all of it was read back
        try:
            await self._carry_all(found)
        except JournalFailed as failure:
            self._wait(str(failure))
        if self._is_stopped:  # what was written is not what is there: the sources stay
            return
        self.runs += 1
        self._census.leave(held)
        self._fold.give_up_segments()
        self.freed += self._census.oldest - held
        if self.carried == before:
            self._not_before = self._clock.monotonic() + AFTER_FAILURE

    def _wait(self, reason: str) -> None:
        self._on_event("compaction_waits", {"reason": reason})
        self._not_before = self._clock.monotonic() + AFTER_FAILURE

    async def _carry_all(self, found: Plan) -> None:
        if found.last == self._census.tail:
            self._journal.renew()
        for _ in range(_ROUNDS):  # again for those that were busy, or were still written to the tail
            count = 0
            for waiting in self._fold.ledger.below(found.last + 1):
                await asyncio.sleep(0)
                count += len(waiting)
                for at in range(0, len(waiting), STEP_MESSAGES):
                    if not await self._carry_some(waiting[at : at + STEP_MESSAGES], found.last):
                        return
            if not count:
                return

    async def _carry_some(self, queue_ids: Sequence[QueueId], last: int) -> bool:
        """So many as are read back at once. False: it ends here."""
        entries = [entry for entry in await self._peek(queue_ids) if entry is not None and entry.segment <= last]
        entries.sort(key=lambda entry: (entry.segment, entry.offset), reverse=True)
        while entries:
            began = self._clock.monotonic()
            step = _take_step(entries)
            if self._is_stopped or not await self._in_thread(self._carrier.reserve.claim, _need(step)):
                return False
            if not await self._carry(step):
                return False
            now = self._clock.monotonic()
            await self._clock.sleep_until(now + max(PAUSE, now - began))
        return True

    async def _carry(self, entries: Sequence[Entry]) -> bool:
        """One step. False: it ends here."""
        contents = await self._in_thread(self._carrier.read, entries)
        records: list[Carried] = []
        origins: list[Origin] = []
        busy = self._journal.in_flight()
        is_well = True
        for entry, load in zip(entries, contents, strict=True):
            if not self._fold.ledger.is_current(entry) or entry.is_closed or entry.queue_id in busy:
                continue  # done meanwhile, or about to change: a state that is already old must not be carried
            if load is None:
                self._census.pin(entry.segment)
                facts = {"queue_id": format_queue_id(entry.queue_id), "segment": entry.segment}
                self._on_event("content_unreadable", facts)
                is_well = False
                continue
            origins.append((entry.queue_id, (entry.segment, entry.offset), entry.tried))
            records.append(laden(entry, load))
        if not records:
            return is_well
        places = await self._commit(records)
        bad = await self._in_thread(self._carrier.differing, list(zip(places, records, strict=True)))
        for index in bad:
            self._distrust(origins[index], places[index])
        self.carried += len(records) - len(bad)
        return is_well and not bad

    async def _commit(self, records: Sequence[Carried]) -> list[Place]:
        """Make them durable; where they stand now."""
        durable: asyncio.Future[None] = self._loop.create_future()
        places: list[Place] = []

        def on_durable(failure: JournalFailed | None) -> None:
            found = (self._fold.ledger.place(record.queue_id) for record in records)
            places.extend(place for place in found if place is not None)
            resolve(durable, failure)

        self._journal.submit(records, on_durable)
        await durable
        return places

    def _distrust(self, origin: Origin, place: Place) -> None:
        """The device does not give back what it took: the source counts, and is kept."""
        self._is_stopped = True
        queue_id, before, tried = origin
        now = self._fold.ledger.put_back(queue_id, before, tried)
        if now is not None:
            self._census.enter(before[0])
            self._census.leave(now[0])
        facts = {"queue_id": format_queue_id(queue_id), "segment": place[0], "offset": place[1]}
        self._on_event("compaction_failed", facts)

    async def _in_thread(self, job: Callable[..., T], *arguments: object) -> T:
        """Once more, later, when the machine is short of something: until then the sources stay."""
        while True:
            try:
                return await self._loop.run_in_executor(self._pool, partial(job, *arguments))
            except OSError as error:
                if not may_pass(error):
                    raise
                self._on_event("compaction_waits", {"reason": str(error)})
            await self._clock.sleep_until(self._clock.monotonic() + AFTER_FAILURE)


def _need(entries: Sequence[Entry]) -> int:
    """Octets that carrying them may take, rather more than fewer."""
    return sum(_size(entry) + 1024 + 256 * len(entry.envelope.recipients) for entry in entries)


def _size(entry: Entry) -> int:
    return 0 if entry.large else entry.content.wire_size


def _take_step(waiting: list[Entry]) -> list[Entry]:
    """As many as go in one step, off the end of the list."""
    step = [waiting.pop()]
    size = _size(step[0])
    while waiting and len(step) < STEP_MESSAGES and size + _size(waiting[-1]) <= STEP:
        size += _size(waiting[-1])
        step.append(waiting.pop())
    return step
