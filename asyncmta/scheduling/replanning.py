"""New routes for what is queued already: whoever waits is laid out anew where his destination is another one now.

Promises: nobody is tried earlier for it, but who was kept back by a route and is not any more, who is due now; what an
operator holds stays held; what is in hand comes to its end where it is, and is laid out anew when it is deferred
(`attempts`). The loop goes on meanwhile. Never: where anybody goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from asyncmta.mail.address import Address
from asyncmta.scheduling.held import HeldBack
from asyncmta.scheduling.means import Means
from asyncmta.scheduling.pump import Pump
from asyncmta.scheduling.task import Task
from asyncmta.spool.ledger import Entry

TURN = 500  # messages that one turn of the loop looks at
HOLD = "hold"  # the destination of a route that holds (`routing`)

Goes = Callable[[Address, Address | None], str]
"""Where a recipient of this sender goes."""

Destinations = Callable[[Entry], Callable[[int], str]]


class Replanning:
    """Of one scheduler. `destinations`: makes, for a message, what says the destination of each ordinal today; `put`
    lays recipients out who are due now."""

    def __init__(
        self,
        means: Means,
        *,
        held: HeldBack,
        destinations: Destinations,
        put: Callable[[Entry, list[int]], None],
    ) -> None:
        self._store = means.store
        self._agenda = means.agenda
        self._held = held
        self._destinations = destinations
        self._put = put
        self._lock = asyncio.Lock()

    async def run(self, pump: Pump, swap: Callable[[], None]) -> int:
        """While nothing is handed out, have the new routes put in force (`swap`), and lay out anew what waits; how many
        messages that was for. What was on its way to the transport gets there by the old ones."""
        async with self._lock:
            await pump.stand_still()
            try:
                swap()
                return await self._move_all()
            finally:
                pump.go_on()

    async def _move_all(self) -> int:
        moved = 0
        for number, queue_id in enumerate(self._store.whole_ids()):
            if number % TURN == TURN - 1:
                await asyncio.sleep(0)
            entry = self._store.entry(queue_id)
            if entry is not None and not self._held.stops(queue_id):
                moved += self._move(entry)
        return moved

    def _move(self, entry: Entry) -> bool:
        queue_id, destination_of = entry.queue_id, self._destinations(entry)
        kept = [each for each in sorted(self._held.ordinals(queue_id)) if destination_of(each) != HOLD]
        tasks = self._agenda.tasks(queue_id)
        is_other = any(destination_of(each) != task.destination for task in tasks for each in task.ordinals)
        if is_other:
            for task in self._agenda.remove(queue_id):
                self.lay_out(entry, task, task.ordinals, task.due)
        if kept:
            self._held.take_back(queue_id, kept)
            self._put(entry, kept)
        return is_other or bool(kept)

    def lay_out(self, entry: Entry, task: Task, ordinals: Iterable[int], due: float) -> None:
        """Some recipients of a task that is not on the agenda any more, each where he goes today."""
        destination_of = self._destinations(entry)
        parts: dict[str, list[int]] = {}
        for ordinal in ordinals:
            parts.setdefault(destination_of(ordinal), []).append(ordinal)
        for destination, part in parts.items():
            if destination == HOLD:
                self._held.keep(entry.queue_id, part)
            else:
                self._agenda.add(Task(entry.queue_id, destination, tuple(part), task.lane, due, task.lead))
