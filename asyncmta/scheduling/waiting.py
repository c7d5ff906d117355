"""Messages that wait for long: off the agenda and out of memory, and back when they are due or somebody wants them.

Promises: whoever is parked here is on no agenda and parked in the store; what is due is read back in chunks, off the
loop, and no more of one destination than can be taken in hand soon; a destination that is known to be suspended is
waited for without reading anything back. Who asks for a message (`fetch`) gets it whole, on the agenda, with its due
time. Never: who is due (`parking`), or what a message is.

Seed D-53.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from asyncmta.mail.envelope import QueueId
from asyncmta.scheduling.means import Means
from asyncmta.scheduling.parking import Parking
from asyncmta.scheduling.retry import RetrySchedule
from asyncmta.scheduling.tags import BITS, BOUNCE, LOOK, TIMED, mark_of, parking_tag, tag_of
from asyncmta.scheduling.task import WAITING
from asyncmta.spool.ledger import Entry
from asyncmta.spool.parked import Parked
from asyncmta.spool.recall import Unreadable
from asyncmta.system.clock import Timer

SOON = 5.0  # seconds; what is due again by then is not worth reading back
CHUNK = 500  # messages that are read back together
OPENED = 5_000  # messages that one turn of the loop looks at
ROOM = 1_000  # tasks of one destination that may be on the agenda and due
MOST_DUE = 50_000  # recipients on the agenda that are due; what is due beyond that stays parked
AGAIN_AFTER = 60.0
APPLIED_BY = 1.0  # seconds in which what is noted has usually been written, and applied
_NAMES = 10_000


class Owner(Protocol):
    """What is needed of the scheduler."""

    def lay_out(self, entry: Entry, due: float | None) -> None:
        """It is whole again, and is to be tried then."""
        ...

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when it holds."""
        ...

    def look(self) -> None:
        """Things have changed."""
        ...


class Waiting:
    """Of one scheduler."""

    def __init__(self, means: Means, *, schedule: RetrySchedule, owner: Owner) -> None:
        self._means = means
        self._clock = means.clock
        self._store = means.store
        self._agenda = means.agenda
        self._schedule = schedule
        self._owner = owner
        self._parking = Parking()
        self._names: dict[int, str] = {}
        self._suspended: dict[int, float] = {}
        self._on_the_way: dict[QueueId, float] = {}  # those that are being read back, and their due times
        self._late: list[tuple[QueueId, float, int]] = []  # those of them whose end has come meanwhile
        self._later: list[QueueId] = []
        self._timer: Timer | None = None
        self._worker: asyncio.Task[None] | None = None
        self._fetching: set[asyncio.Task[None]] = set()
        self._is_open = True

    def __contains__(self, queue_id: QueueId) -> bool:
        return queue_id in self._parking or queue_id in self._on_the_way

    def due(self, queue_id: QueueId) -> float | None:
        """When it is due, if it waits here."""
        due = self._parking.due(queue_id)
        return due if due is not None else self._on_the_way.get(queue_id)

    def next_due(self) -> float | None:
        """Of those that are not due yet."""
        return self._parking.next_due()

    @property
    def overdue(self) -> int:
        """Messages that are due and not on the agenda."""
        return self._parking.overdue + len(self._on_the_way)

    # -- going -------------------------------------------------------------------------------------------------------

    def park(self, entry: Entry) -> bool:
        """Nothing of it is in hand: park it, if it has one task that waits long enough, of all who are pending. Where
        the ledger is behind by what was noted a moment ago, that is asked once more a little later."""
        parked = self._park(entry)
        if parked is None:
            self._later.append(entry.queue_id)
            if self._timer is None:
                self._timer = self._clock.call_at(self._clock.monotonic() + APPLIED_BY, self._park_later)
        return bool(parked)

    def _park_later(self) -> None:
        self._timer = None
        later, self._later = self._later, []
        for queue_id in later:
            entry = self._store.entry(queue_id)
            if entry is not None and not entry.held:
                self._park(entry)

    def _park(self, entry: Entry) -> bool | None:
        """None: the ledger has others pending than wait here. They are done, and if that cannot be written (the disk is
        full), only the agenda knows."""
        queue_id = entry.queue_id
        tasks = self._agenda.tasks(queue_id)
        if len(tasks) != 1 or not self._parking.takes(queue_id):
            return False
        (task,) = tasks
        if task.place != WAITING or task.due < self._clock.monotonic() + SOON:
            return False
        if len(entry.envelope.recipients) > 1 and entry.pending() != tuple(sorted(task.ordinals)):
            return None
        tag = parking_tag(entry, task.destination)
        if not self._store.park(queue_id, mark_of(entry, task.destination)):
            return False
        self._agenda.remove(queue_id)
        self._parking.add(queue_id, task.due, tag)
        if len(self._names) >= _NAMES:
            self._names.clear()
        self._names[tag] = task.destination
        return True

    def restore(self, parked: Parked, due: float) -> None:
        """A start has found it parked."""
        self._parking.add(parked.queue_id, due, parked.mark & ~BITS)

    def postponed(self, destination: str, until: float) -> None:
        """Nothing can be tried there before."""
        self._suspended[tag_of(destination)] = until

    def forget_names(self) -> None:
        """Destinations may mean something else from now on."""
        self._names.clear()
        self._suspended.clear()

    def adopt(self, schedule: RetrySchedule) -> None:
        self._schedule = schedule

    # -- coming ------------------------------------------------------------------------------------------------------

    def run(self) -> bool:
        """Read back what is due and has room; True: there is more to look at in the next turn."""
        if not self._is_open:
            return False
        now = self._clock.monotonic()
        more = not self._parking.open(now, OPENED)
        if self._parking.overdue:
            more |= self._put_off(now)
        if self._worker is None and self.overdue and (chunk := self._next()):
            self._worker = asyncio.create_task(self._work(chunk), name="scheduler.waiting")
            self._worker.add_done_callback(self._ended)
        return more

    def _put_off(self, now: float) -> bool:
        """Whoever is due at a destination that is suspended waits on, but not beyond its end; True: look again."""
        self._suspended = {tag: until for tag, until in self._suspended.items() if until > now + SOON}
        if not self._suspended:
            return False
        suspended = self._suspended
        chosen = self._parking.take(lambda tag: OPENED if tag in suspended else 0, OPENED)
        for queue_id, due, tag in chosen:
            parked = self._store.parked(queue_id)
            if parked is None:  # it is whole again, or not queued any more
                self._on_the_way[queue_id] = due
                self._late.append((queue_id, due, tag))
                continue
            end = self._schedule.expires_at(parked.accepted_at, bounce=bool(parked.mark & BOUNCE))
            end += now - self._clock.now()
            if end > now and not parked.mark & TIMED:
                self._parking.add(queue_id, min(suspended[tag], end), tag)
            else:
                self._on_the_way[queue_id] = due
                self._late.append((queue_id, due, tag))
        return len(chosen) == OPENED

    def _next(self) -> list[tuple[QueueId, float, int]]:
        if self._late:
            late, self._late = self._late[:CHUNK], self._late[CHUNK:]
            return late
        limit = min(CHUNK, MOST_DUE - self._agenda.overdue)
        chunk = self._parking.take(self._room, limit) if limit > 0 else []
        self._on_the_way.update((queue_id, due) for queue_id, due, _ in chunk)
        return chunk

    def _room(self, tag: int) -> int:
        name = self._names.get(tag)
        if name is None:
            return CHUNK
        counts = self._agenda.counts(name)
        return ROOM - counts.ready - counts.held

    async def _work(self, chunk: list[tuple[QueueId, float, int]]) -> None:
        while chunk:
            await self._bring(chunk)
            chunk = self._next()

    async def _bring(self, chunk: Sequence[tuple[QueueId, float, int]]) -> None:
        """Read these back and lay them out. What cannot be read now is parked again."""
        failure: Exception | None = None
        found: list[Entry | Unreadable | None] = []
        try:
            found = await self._store.recall_many([queue_id for queue_id, _, _ in chunk])
        except Exception as error:  # a bug of ours; whoever is parked stays parked
            failure = error
        for at, (queue_id, _, tag) in enumerate(chunk):
            due = self._on_the_way.pop(queue_id)
            result = found[at] if failure is None else failure
            if isinstance(result, Entry):
                self._owner.lay_out(result, due)
            elif isinstance(result, Exception):
                self._means.maillog.note("error", "recall_failed", queue_id=queue_id, error=result)
                self._parking.add(queue_id, self._clock.monotonic() + AGAIN_AFTER, tag)
        self._owner.look()

    def _ended(self, worker: asyncio.Task[None]) -> None:
        self._worker = None
        self._means.mourn(worker, "recalls_failed")
        self._owner.look()

    def _fetched(self, fetching: asyncio.Task[None]) -> None:
        self._fetching.discard(fetching)
        self._means.mourn(fetching, "recalls_failed")

    async def close(self) -> None:
        """Bring nothing more."""
        self._is_open = False
        if self._timer is not None:
            self._timer.cancel()
        tasks = [*self._fetching, *([self._worker] if self._worker is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._on_the_way.clear()  # nobody waits for them any more
        self._owner.look()

    # -- what others ask ---------------------------------------------------------------------------------------------

    async def fetch(self, queue_ids: Iterable[QueueId]) -> None:
        """Those of them that wait here are whole and on the agenda when this returns."""
        wanted = list(queue_ids)
        chunk = []
        for queue_id in wanted:
            parked, due = self._store.parked(queue_id), self._parking.remove(queue_id)
            if due is not None:
                chunk.append((queue_id, due, parked.mark & ~BITS if parked is not None else LOOK))
                self._on_the_way[queue_id] = due
        if chunk:  # a task of its own: who does not wait any more must not leave it half done
            fetching = asyncio.create_task(self._bring(chunk), name="scheduler.fetching")
            self._fetching.add(fetching)
            fetching.add_done_callback(self._fetched)
        await self._owner.until(lambda: not any(queue_id in self._on_the_way for queue_id in wanted))

    def promote(self, queue_id: QueueId, now: float) -> bool:
        """Somebody wants it tried now; was it to wait longer?"""
        self._suspended.clear()
        return self.bring_forward(queue_id, now)

    def bring_forward(self, queue_id: QueueId, now: float) -> bool:
        """It is due now; was it to wait longer?"""
        if self._on_the_way.get(queue_id, now) > now:
            self._on_the_way[queue_id] = now
            return True
        return self._parking.promote(queue_id, now)

    def promote_destination(self, destination: str | None, now: float) -> int:
        """All that wait for it (None: all) are due now; how many were to wait longer."""
        self._suspended.clear()
        return self._parking.promote_tag(tag_of(destination) if destination is not None else None, now)
