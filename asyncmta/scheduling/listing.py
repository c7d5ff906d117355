"""The queue as people are shown it: one message, or all of them, newest first, without stopping the loop.

Promises: each row is true of one moment; messages that are parked are read back for the page that shows them, a chunk
at a time and off the loop, and stay parked. Never: a change of anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import islice

from msgspec import Struct

from asyncmta.mail.envelope import QueueId
from asyncmta.scheduling.attempts import Attempts
from asyncmta.scheduling.held import HeldBack
from asyncmta.scheduling.means import Means
from asyncmta.scheduling.settle import wait_for_release
from asyncmta.scheduling.snapshot import QueueRow, Standing, row
from asyncmta.scheduling.task import READY, WAITING, Lane, Task
from asyncmta.scheduling.waiting import Waiting
from asyncmta.spool.ledger import Entry
from asyncmta.system.meter import Distribution

CHUNK = 200


class QueueCounts(Struct, frozen=True):
    """Messages that are `active` and `held`; recipients `in_hand`, and those that are due and not in hand (`ready`; of
    one that is parked, as one). `waited`: seconds from being accepted to the first attempt."""

    active: int
    held: int
    in_hand: int
    ready: int
    waited: Distribution


class Listing:
    """Of one scheduler. `destinations`: makes, for a message, what says the destination of each ordinal; `to_wall`:
    from the agenda's scale to Unix seconds."""

    def __init__(
        self,
        means: Means,
        *,
        held: HeldBack,
        attempts: Attempts,
        waiting: Waiting,
        destinations: Callable[[Entry], Callable[[int], str]],
        to_wall: Callable[[float], float],
    ) -> None:
        self._clock = means.clock
        self._store = means.store
        self._agenda = means.agenda
        self._held = held
        self._attempts = attempts
        self._waiting = waiting
        self._destinations = destinations
        self._to_wall = to_wall

    def view(self, queue_id: QueueId) -> QueueRow | None:
        """How this message stands; None when it is not queued (any more). Reads from the disk if it is parked."""
        entry = self._store.peek(queue_id)
        return self._row(entry) if entry is not None else None

    def rows(self) -> Iterator[QueueRow]:
        """All messages, in the order in which they came; some tens of microseconds each."""
        shown = (self._row(entry) for entry in self._store.entries())
        return (each for each in shown if each is not None)

    def standing(self) -> QueueCounts:
        """How many there are of which kind; however many they are, it looks at none of them."""
        agenda = self._agenda
        ready = agenda.overdue + self._waiting.overdue
        return QueueCounts(
            self._attempts.messages, self._held.messages, agenda.in_hand, ready, self._attempts.waited.read()
        )

    async def newest(self, before: QueueId | None = None) -> AsyncIterator[QueueRow]:
        """All, or those below that id, the newest first; they may come and go meanwhile."""
        ids = self._store.ids(before)
        while chunk := list(islice(ids, CHUNK)):
            await asyncio.sleep(0)  # those that are not parked are at hand: nothing else here would wait
            for entry in await self._store.peek_many(chunk):
                shown = self._row(entry) if entry is not None else None
                if shown is not None:
                    yield shown

    def _row(self, entry: Entry) -> QueueRow | None:
        if entry.is_closed:
            return None
        queue_id = entry.queue_id
        tasks = self._agenda.tasks(queue_id)
        if not tasks and (due := self._waiting.due(queue_id)) is not None:
            place = WAITING if due > self._clock.monotonic() else READY
            is_scheduled = wait_for_release(entry, self._clock.now()) > 0
            lane = Lane.SCHEDULED if is_scheduled else Lane.RETRY
            tasks = (Task(queue_id, "", entry.pending(), lane, due, place=place),)
        standing = Standing(
            tasks=tasks,
            held=self._held.ordinals(queue_id),
            failures=self._attempts.failures(queue_id),
            to_wall=self._to_wall,
            destination_of=self._destinations(entry),
        )
        return row(entry, standing)
