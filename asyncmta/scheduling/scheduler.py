"""The room's door: what is new is tried at once or laid out on the agenda; what people ask and say about the queue.

Promises: a message that can be tried at once is handed over within `add`, by plain calls, without a task, timer or
heap; a restart with a full queue neither stops the loop nor starts a stampede. Nothing that is lost here is lost: the
ledger has it. Never: DNS, sockets, content, a stored due time.

Seeds Q-16, D-58, D-62, P-60, P-67, W-180; architecture.md 6 (steps 7 and 8), 7.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count

from msgspec import Struct

from asyncmta.bounce.bouncer import Bouncer
from asyncmta.mail.envelope import QueueId
from asyncmta.mail.replies import BUSY
from asyncmta.mail.reply import Reply
from asyncmta.maillog import MailLog
from asyncmta.routing import Routing
from asyncmta.scheduling.agenda import HEAD_STARTS, Agenda
from asyncmta.scheduling.attempts import LOCAL, Attempts
from asyncmta.scheduling.held import HeldBack
from asyncmta.scheduling.means import Conditions, Means
from asyncmta.scheduling.pump import TURN, Pump
from asyncmta.scheduling.reports import Reports
from asyncmta.scheduling.retry import RetrySchedule
from asyncmta.scheduling.settle import plan
from asyncmta.scheduling.snapshot import QueueRow, Standing, row
from asyncmta.scheduling.task import Lane, Task
from asyncmta.scheduling.transport import Done, Transport
from asyncmta.spool.ledger import Entry
from asyncmta.spool.store import Store
from asyncmta.system.clock import Clock

__all__ = ["Done", "QueueRow", "Scheduler", "SchedulerSettings", "Transport"]

SPREAD = 30.0  # seconds over which what is overdue at a start is spread, at most
SPREAD_RATE = 200.0  # how many of those are due in a second, while that is less
ROUNDING = 1e-6  # seconds; Unix time in a float is good to a quarter of that
HOLD = "hold"  # the destination of a route that holds (`routing`)

_ONLY = (0,)
_FRESH, _BOUNCE = Lane.FRESH, Lane.BOUNCE


class SchedulerSettings(Struct, frozen=True, kw_only=True):
    """Limits count recipients. in_hand: at most this many are being tried. share: of one destination. quantum: of one
    message in a turn, when others wait. high_water: when so many are due and not in hand, new mail has to wait."""

    retry: RetrySchedule = RetrySchedule()
    in_hand: int = 20_000
    share: int = 2_000
    quantum: int = 30
    high_water: int = 100_000
    head_starts: tuple[float, float, float] = HEAD_STARTS

    def __post_init__(self) -> None:
        if not 1 <= self.quantum <= self.in_hand:
            raise ValueError("the quantum is at least 1 and at most what may be in hand")
        if self.share < 1 or self.high_water < 1:
            raise ValueError("share and high_water are at least 1")


class Scheduler:
    """One of each `Mta`. All methods are for the loop."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        transport: Transport,
        bouncer: Bouncer,
        routing: Routing,
        maillog: MailLog,
        settings: SchedulerSettings,
    ) -> None:
        self._clock = clock
        self._store = store
        self._routing = routing
        self._maillog = maillog
        self._settings = settings
        self._agenda = Agenda(share=settings.share, quantum=settings.quantum, head_starts=settings.head_starts)
        self._means = means = Means(clock=clock, store=store, maillog=maillog, agenda=self._agenda)
        self._conditions = Conditions()
        self.until = self._conditions.until
        self._reports = Reports(means, bouncer=bouncer, on_reported=self._reported, on_change=self._conditions.look)
        self._held = HeldBack(means, reports=self._reports, owner=self)
        self._attempts = Attempts(
            means,
            transport=transport,
            schedule=settings.retry,
            held=self._held,
            reports=self._reports,
            on_change=self._changed,
        )
        self._pump = Pump(
            means,
            deliver=self._attempts.deliver,
            in_hand=settings.in_hand,
            quantum=settings.quantum,
            on_change=self._conditions.look,
        )
        self._loader: asyncio.Task[None] | None = None
        self._is_open = False

    # -- coming and going -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """From now on `add` is heard; and what the ledger holds is loaded, some of it in each turn of the loop."""
        self._is_open = True
        self._pump.open()
        # Who comes from now on is not among them; whoever takes it says `add`.
        queue_ids = [entry.queue_id for entry in self._store.entries()]
        self._loader = asyncio.create_task(self._load(queue_ids), name="scheduler.load")
        self._loader.add_done_callback(self._loaded)

    def _loaded(self, loader: asyncio.Task[None]) -> None:
        self._means.mourn(loader, "load_failed")
        self._conditions.look()

    @property
    def _is_loading(self) -> bool:
        return self._loader is not None and not self._loader.done()

    async def stop(self, grace: float) -> None:
        """Take nothing more; wait up to `grace` seconds for what is in hand and for its reports."""
        self._is_open = False
        await self._pump.close()
        if self._loader is not None:
            self._loader.cancel()
            await asyncio.gather(self._loader, return_exceptions=True)
        end = self._clock.monotonic() + grace
        timer = self._clock.call_at(end, self._conditions.look)
        await self.until(lambda: self._is_quiet or self._clock.monotonic() >= end)
        timer.cancel()
        await asyncio.gather(self._held.stop(), self._reports.stop())

    @property
    def _is_quiet(self) -> bool:
        return self._attempts.is_idle and not self._reports.is_working

    def add(self, queue_id: QueueId) -> None:
        """It has just become ours: try it now, or as soon as there is room."""
        entry = self._store.entry(queue_id)
        if entry is None or not self._is_open:
            return
        envelope = entry.envelope
        recipients = envelope.recipients
        if len(recipients) == 1:  # the way of most messages
            sender = envelope.reverse_path
            destination = self._routing.destination(recipients[0].address, sender)
            lane = _BOUNCE if sender is None else _FRESH
            task = Task(queue_id, destination, _ONLY, lane, self._clock.monotonic())
            agenda = self._agenda
            if destination != HOLD and agenda.in_hand < self._settings.in_hand and agenda.begin(task):
                self._attempts.deliver(entry, (task,))
                return
        if queue_id not in self._agenda and queue_id not in self._held:
            self.put(entry, entry.pending())
            self._pump.run()

    def put(self, entry: Entry, ordinals: Sequence[int], *, delays: Iterator[float] | None = None) -> None:
        """Lay these recipients out on the agenda: all due now; or, with `delays`, when the retry schedule says so, and
        those that are overdue after the next of the delays."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        destination_of, schedule = self._destinations(entry), self._settings.retry
        for part in plan(
            entry, ordinals, destination_of=destination_of, is_local=_is_local, schedule=schedule, now=now
        ):
            if part.destination == HOLD:
                self._held.keep(entry.queue_id, part.ordinals)
                continue
            lane, wait = Lane.RETRY, 0.0
            if part.due is None:
                lane = _FRESH if entry.envelope.reverse_path is not None else _BOUNCE
            elif delays is not None:
                wait = part.due - now if part.due > now else next(delays)
            self._agenda.add(Task(entry.queue_id, part.destination, part.ordinals, lane, monotonic + wait))
        self._pump.wake()

    def _destinations(self, entry: Entry) -> Callable[[int], str]:
        """The destination of each ordinal, as the routes of today say."""
        recipients, sender, routing = entry.envelope.recipients, entry.envelope.reverse_path, self._routing
        return lambda ordinal: routing.destination(recipients[ordinal].address, sender)

    async def _load(self, queue_ids: Sequence[QueueId]) -> None:
        """What a restart finds. Overdue mail is spread over a while, so that it is no stampede."""
        delays = (number / SPREAD_RATE % SPREAD for number in count())
        for number, queue_id in enumerate(queue_ids):
            if number % TURN == 0:
                await asyncio.sleep(0)
            entry = self._store.entry(queue_id)
            if entry is None or entry.is_closed:
                continue
            if failed := entry.failed():
                self._reports.add(entry, failed)
            if entry.held:
                self._held.restore(entry)
            else:
                self.put(entry, entry.pending(), delays=delays)

    def _changed(self, due: float | None) -> None:
        """An attempt has ended; somebody is due again then."""
        if due is not None:
            self._pump.set_timer(due)
        if self._agenda.has_ready:
            self._pump.wake()
        self._conditions.look()

    def _reported(self, entry: Entry, dsn: QueueId | None) -> None:
        if dsn is not None:
            self.add(dsn)
        self._attempts.close(entry)

    # -- what others ask --------------------------------------------------------------------------------------------

    def pressure(self) -> Reply | None:
        """The reply to new mail while output has fallen far behind; None: let it come."""
        return BUSY if self._agenda.overdue > self._settings.high_water else None

    @property
    def is_idle(self) -> bool:
        """Nothing due, nothing in hand, no report under way."""
        agenda = self._agenda
        if self._is_loading or agenda.in_hand or agenda.overdue or not self._reports.is_idle:
            return False
        due = agenda.next_due()
        return due is None or due > self._clock.monotonic()

    async def wait_idle(self) -> None:
        await self.until(lambda: self.is_idle)

    def next_due(self) -> float | None:
        """When the next recipient is due, in Unix seconds, if any waits; it may be past. Never a digit too early, so
        that whoever moves a clock there finds it due."""
        due = self._agenda.next_due()
        return None if due is None else self._to_wall(due) + ROUNDING

    def _to_wall(self, due: float) -> float:
        return self._clock.now() + due - self._clock.monotonic()

    def view(self, queue_id: QueueId) -> QueueRow | None:
        """How this message stands; None when it is not queued (any more)."""
        entry = self._store.entry(queue_id)
        if entry is None or entry.is_closed:
            return None
        standing = Standing(
            tasks=self._agenda.tasks(queue_id),
            held=self._held.ordinals(queue_id),
            failures=self._attempts.failures(queue_id),
            to_wall=self._to_wall,
            destination_of=self._destinations(entry),
        )
        return row(entry, standing)

    def rows(self) -> Iterator[QueueRow]:
        """All messages, in the order in which they came; some tens of microseconds each."""
        shown = (self.view(queue_id) for queue_id in [entry.queue_id for entry in self._store.entries()])
        return (each for each in shown if each is not None)

    # -- what operators say -----------------------------------------------------------------------------------------

    def retry(self, queue_ids: Iterable[QueueId] | None = None, *, destination: str | None = None) -> int:
        """What waits of these messages, for this destination, or (with neither) at all, is due now. How many messages,
        or for destinations how many tasks, that are."""
        now = self._clock.monotonic()
        if queue_ids is not None:
            promoted = sum(1 for queue_id in queue_ids if self._agenda.promote(queue_id, now))
        else:
            names = [destination] if destination is not None else self._agenda.destinations()
            promoted = sum(self._agenda.promote_destination(name, now) for name in names)
        self._pump.wake()
        return promoted

    async def hold(self, queue_ids: Iterable[QueueId]) -> int:
        """See `HeldBack` for this and the two below: all return when it is durable."""
        await self.until(lambda: not self._is_loading)
        return await self._held.hold(queue_ids)

    async def release(self, queue_ids: Iterable[QueueId]) -> int:
        await self.until(lambda: not self._is_loading)
        return await self._held.release(queue_ids)

    async def remove(self, queue_ids: Iterable[QueueId], *, by: str, bounce: bool = False) -> int:
        await self.until(lambda: not self._is_loading)
        return await self._held.remove(queue_ids, by=by, bounce=bounce)

    def removed(self, queue_id: QueueId, by: str) -> None:
        """Said by `HeldBack`."""
        self._maillog.note("info", "removed", queue_id=queue_id, by=by)
        self._conditions.look()


def _is_local(destination: str) -> bool:
    return destination.startswith(LOCAL)
