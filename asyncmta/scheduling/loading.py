"""What a start finds in the ledger, laid out: some in each turn of the loop, and what is parked is parked.

Promises: no message that waits is read back, unless it has several recipients or something about it is not plain;
overdue mail is spread over a while, so that it is no stampede. Never: what comes after the start.

Seeds D-58 and W-180.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import count

from asyncmta.mail.envelope import QueueId
from asyncmta.mail.outcome import is_unreached
from asyncmta.scheduling.held import HeldBack
from asyncmta.scheduling.means import Means
from asyncmta.scheduling.pump import TURN
from asyncmta.scheduling.reports import Reports
from asyncmta.scheduling.retry import RetrySchedule
from asyncmta.scheduling.settle import salt_of
from asyncmta.scheduling.tags import BITS, BOUNCE, LOCAL, LOOK, TIMED, tag_of
from asyncmta.scheduling.unreached import named
from asyncmta.scheduling.waiting import AGAIN_AFTER
from asyncmta.spool.ledger import Entry
from asyncmta.spool.parked import Parked

SPREAD = 30.0  # seconds over which what is overdue at a start is spread, at most
SPREAD_RATE = 200.0  # how many of those are due in a second, while that is less
CHUNK = 200  # messages that are read back together


class Loading:
    """Of one scheduler. `put`: lay these recipients out as the schedule says, overdue ones after the next delay."""

    def __init__(
        self,
        means: Means,
        *,
        held: HeldBack,
        reports: Reports,
        schedule: RetrySchedule,
        put: Callable[[Entry, Sequence[int], Iterator[float]], None],
        wake: Callable[[], None],
    ) -> None:
        self._clock = means.clock
        self._store = means.store
        self._agenda = means.agenda
        self._unreached = means.unreached
        self._held = held
        self._reports = reports
        self._waiting = held.waiting
        self._schedule = schedule
        self._put = put
        self._wake = wake
        self._delays = (number / SPREAD_RATE % SPREAD for number in count())

    async def load(self, queue_ids: Sequence[QueueId]) -> None:
        """These are whole; and all that are parked."""
        for number, queue_id in enumerate(queue_ids):
            if number % TURN == 0:
                await asyncio.sleep(0)
            self._lay_out(self._store.entry(queue_id))
        strange: list[QueueId] = []
        for number, parked in enumerate(self._store.all_parked()):
            if number % TURN == 0:
                self._wake()
                await asyncio.sleep(0)
            if parked.is_closed or parked.queue_id in self._waiting:
                continue
            if not _is_plain(parked):
                strange.append(parked.queue_id)
            else:
                self._waiting.restore(parked, self._due(parked))
                if parked.unreached:
                    self._unreached.add((parked.queue_id, parked.mark & ~BITS))
        for at in range(0, len(strange), CHUNK):
            chunk = strange[at : at + CHUNK]
            for queue_id, found in zip(chunk, await self._store.recall_many(chunk), strict=True):
                row = self._store.parked(queue_id)
                if isinstance(found, Entry):
                    self._lay_out(found)
                    self._waiting.park(found)
                elif row is not None:  # it cannot be read now
                    self._waiting.restore(row, self._clock.monotonic() + AGAIN_AFTER)
        self._wake()

    def _lay_out(self, entry: Entry | None) -> None:
        if entry is None or entry.is_closed:
            return
        failed, owes = entry.failed(), bool(entry.owed())
        if failed or owes:
            self._reports.add(entry, failed, owes=owes)
        if entry.held:
            self._held.restore(entry)
        else:
            self._put(entry, entry.pending(), self._delays)
            for task in self._agenda.tasks(entry.queue_id):
                said = [entry.last[at][1] for at in task.ordinals if at in entry.last]
                if said and is_unreached(said[0]):
                    host = named(said[0].place.host, task.destination)
                    self._unreached.add((entry.queue_id, tag_of(task.destination)), host)

    def _due(self, parked: Parked) -> float:
        """On the agenda's scale; the same that `settle.plan` comes to."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        if not parked.tried_segment:
            return monotonic
        # A stamp from the future is that of a clock that has been set back since.
        tried = min(parked.tried_at, now)
        due = self._schedule.next_due(
            parked.accepted_at,
            tried,
            local=bool(parked.mark & LOCAL),
            bounce=bool(parked.mark & BOUNCE),
            salt=salt_of(parked.queue_id, tried),
        )
        return monotonic + (due - now if due > now else next(self._delays))


def _is_plain(parked: Parked) -> bool:
    return (
        parked.mark != LOOK
        and not parked.mark & TIMED
        and not parked.held
        and not parked.failed
        and parked.pending == 1
    )
