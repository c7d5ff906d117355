"""From the agenda to the attempts: what is due is taken while there is room, a turn of the loop at a time.

Promises: one timer, for the next due time; no turn hands out more than TURN recipients; a message that memory does not
hold whole is recalled by one task for all of a turn. Never: who is due (`agenda`), what follows (`attempts`).

Seeds Q-16, D-66.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import attrgetter

from asyncmta.scheduling.means import Means
from asyncmta.scheduling.task import Task
from asyncmta.scheduling.waiting import Waiting
from asyncmta.spool.ledger import Entry
from asyncmta.system.clock import Timer

TURN = 2_000  # recipients handed out, or messages loaded, in one turn of the loop
AGAIN_AFTER = 60.0
SLACK = 0.001  # seconds by which something may be early: two scales of floats differ in the last digits


class Pump:
    """`deliver`: hand these tasks of one message to the transport. `in_hand`, `quantum`: see `SchedulerSettings`."""

    def __init__(
        self,
        means: Means,
        *,
        deliver: Callable[[Entry, Sequence[Task]], None],
        waiting: Waiting,
        in_hand: int,
        quantum: int,
        on_change: Callable[[], None],
    ) -> None:
        self._means = means
        self._clock = means.clock
        self._store = means.store
        self._maillog = means.maillog
        self._agenda = means.agenda
        self._deliver = deliver
        self._waiting = waiting
        self._limit = in_hand
        self._quantum = quantum
        self._on_change = on_change
        self._recalls: set[asyncio.Task[None]] = set()
        self._timer: Timer | None = None
        self._timer_at = 0.0
        self.is_open = self._is_woken = False
        self._is_started = self._is_paused = self._is_still = False

    def open(self) -> None:
        self._is_started = True
        self._look()

    def pause(self) -> None:
        """Hand nothing out until `resume`."""
        self._is_paused = True
        self._look()

    def resume(self) -> None:
        self._is_paused = False
        self._look()
        self.wake()

    async def stand_still(self) -> None:
        """Hand nothing out until `go_on`; nothing is on its way to the transport either when this returns."""
        self._is_still = True
        self._look()
        while self._recalls:
            await asyncio.wait(tuple(self._recalls))

    def go_on(self) -> None:
        self._is_still = False
        self._look()
        self.wake()

    def _look(self) -> None:
        self.is_open = self._is_started and not (self._is_paused or self._is_still)
        if not self.is_open and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def close(self) -> None:
        """Take nothing more."""
        self._is_started = False
        self._look()
        recalls = tuple(self._recalls)
        for recall in recalls:
            recall.cancel()
        await asyncio.gather(*recalls, return_exceptions=True)

    def wake(self) -> None:
        """Look at the agenda in the next turn of the loop: once, however often this is said in this one."""
        if not self._is_woken and self.is_open:
            self._is_woken = True
            asyncio.get_running_loop().call_soon(self._woken)

    def _woken(self) -> None:
        if self._is_woken:  # else it has run since
            self.run()

    def run(self) -> None:
        """Hand out what is due: as much as there is room for, and one turn may take."""
        self._is_woken = False
        if not self.is_open:
            return
        if self._waiting.run():
            self.wake()
        room = self._limit - self._agenda.in_hand
        if room < self._quantum:  # one at a time would tear consignments apart; an attempt ends soon
            room = 0
        taken = self._agenda.take(self._clock.monotonic() + SLACK, min(room, TURN))
        missing: list[list[Task]] = []
        for queue_id, group in groupby(taken, attrgetter("queue_id")):
            entry = self._store.entry(queue_id)
            if entry is None:
                missing.append(list(group))
            else:
                self._deliver(entry, tuple(group))
        if missing:
            recall = asyncio.create_task(self._recall(missing), name="scheduler.recall")
            self._recalls.add(recall)
            recall.add_done_callback(self._recalled)
        if taken and self._agenda.has_ready:
            self.wake()
        due = self.next_due()
        if due is not None:
            self.set_timer(due)
        self._on_change()

    def next_due(self) -> float | None:
        """When the first is due of all that wait, on the agenda or parked."""
        on_agenda, parked = self._agenda.next_due(), self._waiting.next_due()
        if on_agenda is None or parked is None:
            return on_agenda if parked is None else parked
        return min(on_agenda, parked)

    def set_timer(self, due: float) -> None:
        """There is one for all, for the next due time. One that is too early is harmless, and is left."""
        if not self.is_open:
            return
        if self._timer is not None:
            if self._timer_at <= due:
                return
            self._timer.cancel()
        self._timer_at = due
        self._timer = self._clock.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.run()

    async def _recall(self, groups: Iterable[Sequence[Task]]) -> None:
        for tasks in groups:
            queue_id = tasks[0].queue_id
            try:
                entry = await self._store.recall(queue_id)
            except Exception as error:  # it cannot be read now; others can
                self._maillog.note("error", "recall_failed", queue_id=queue_id, error=error)
                due = self._clock.monotonic() + AGAIN_AFTER
                for task in tasks:
                    self._agenda.release(task)
                    self._agenda.add(Task(queue_id, task.destination, task.ordinals, task.lane, due, task.lead))
                self.set_timer(due)
                continue
            if entry is not None:
                self._deliver(entry, tasks)
                continue
            for task in tasks:  # it is not queued any more
                self._agenda.release(task)

    def _recalled(self, recall: asyncio.Task[None]) -> None:
        self._recalls.discard(recall)
        self._means.mourn(recall, "recalls_failed")
        self._on_change()
