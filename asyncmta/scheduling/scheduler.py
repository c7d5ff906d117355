"""The room's door: what is new is tried at once or laid out on the agenda; what people ask and say about the queue.

Promises: a message that can be tried at once is handed over within `add`, by plain calls, without a task, timer or
heap; a restart with a full queue neither stops the loop nor starts a stampede. Nothing that is lost here is lost: the
ledger has it. Never: DNS, sockets, content, a stored due time.

Seeds Q-16, D-58, D-62, P-60, P-67, W-180; architecture.md 6 (steps 7 and 8), 7.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import methodcaller

from asyncmta.bounce.bouncer import Bouncer
from asyncmta.mail.envelope import QueueId
from asyncmta.mail.replies import BUSY
from asyncmta.mail.reply import Reply
from asyncmta.mail.transport import Done, Transport
from asyncmta.maillog import MailLog
from asyncmta.routing import Routing
from asyncmta.scheduling.agenda import Agenda
from asyncmta.scheduling.attempts import LOCAL, Attempts
from asyncmta.scheduling.held import HeldBack
from asyncmta.scheduling.listing import Listing
from asyncmta.scheduling.loading import Loading
from asyncmta.scheduling.means import Conditions, Means, SchedulerSettings
from asyncmta.scheduling.promotion import promote
from asyncmta.scheduling.pump import Pump
from asyncmta.scheduling.replanning import HOLD, Goes, Replanning
from asyncmta.scheduling.reports import Reports
from asyncmta.scheduling.settle import lead_of, plan, wait_for_release
from asyncmta.scheduling.snapshot import QueueRow
from asyncmta.scheduling.task import Lane, Task
from asyncmta.scheduling.waiting import Waiting
from asyncmta.spool.ledger import Entry
from asyncmta.spool.store import Store
from asyncmta.system.clock import Clock

__all__ = ["HOLD", "Done", "QueueRow", "Scheduler", "SchedulerSettings", "Transport"]

ROUNDING = 1e-6  # seconds; Unix time in a float is good to a quarter of that
_ONLY = (0,)
IS_LOCAL = methodcaller("startswith", LOCAL)
_FRESH, _BOUNCE = Lane.FRESH, Lane.BOUNCE


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
        self._destination: Goes = routing.destination
        self._maillog = maillog
        self._settings = settings
        self._agenda = Agenda(share=settings.share, quantum=settings.quantum, head_starts=settings.head_starts)
        self._means = means = Means(clock=clock, store=store, maillog=maillog, agenda=self._agenda)
        self._conditions = Conditions()
        self.until = self._conditions.until
        self._reports = Reports(means, bouncer=bouncer, on_reported=self._reported, on_change=self._conditions.look)
        self._waiting = Waiting(means, schedule=settings.retry, owner=self)
        self._held = self.held = held = HeldBack(means, reports=self._reports, waiting=self._waiting, owner=self)
        self.hold, self.release, self.remove = held.hold, held.release, held.remove  # when it is durable
        self._replanning = Replanning(means, held=self._held, destinations=self._destinations, put=self.put)
        self._attempts = Attempts(
            means,
            transport=transport,
            settings=settings,
            held=self._held,
            reports=self._reports,
            lay_out=self._replanning.lay_out,
            on_change=self._changed,
        )
        listing = Listing(
            means,
            held=self._held,
            attempts=self._attempts,
            waiting=self._waiting,
            destinations=self._destinations,
            to_wall=self._to_wall,
        )
        self.view, self.rows, self.newest, self.standing = listing.view, listing.rows, listing.newest, listing.standing
        self._pump = Pump(
            means,
            deliver=self._attempts.deliver,
            waiting=self._waiting,
            in_hand=settings.in_hand,
            quantum=settings.quantum,
            on_change=self._conditions.look,
        )
        self.pause, self.resume = self._pump.pause, self._pump.resume  # attempts; what is in hand goes on
        self._loader: asyncio.Task[None] | None = None
        self._is_open = False

    # -- coming and going -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """From now on `add` is heard; and what the ledger holds is loaded, some of it in each turn of the loop."""
        self._is_open = True
        self._pump.open()
        loading = Loading(
            self._means,
            held=self._held,
            reports=self._reports,
            schedule=self._settings.retry,
            put=lambda entry, ordinals, delays: self.put(entry, ordinals, delays=delays),
            wake=self._pump.wake,
        )
        # Who comes from now on is not among them; whoever takes it says `add`.
        queue_ids = self._store.whole_ids()
        self._loader = asyncio.create_task(loading.load(queue_ids), name="scheduler.load")
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
        await self._waiting.close()
        if self._loader is not None:
            self._loader.cancel()
            await asyncio.gather(self._loader, return_exceptions=True)
        end = self._clock.monotonic() + grace
        timer = self._clock.call_at(end, self._conditions.look)
        await self.until(lambda: self._is_quiet or self._clock.monotonic() >= end)
        timer.cancel()
        await asyncio.gather(self._held.stop(), self._reports.stop(), self._attempts.stop())

    @property
    def _is_quiet(self) -> bool:
        return self._attempts.is_idle and not self._reports.is_working

    def add(self, queue_id: QueueId) -> None:
        """It has just become ours: try it now, or as soon as there is room."""
        entry = self._store.entry(queue_id)
        if entry is None or not self._is_open:
            return
        if entry.held:  # it was accepted so, by a rule
            self._held.restore(entry)
            return
        envelope = entry.envelope
        recipients = envelope.recipients
        if len(recipients) == 1 and envelope.timing is None:  # the way of most messages
            sender = envelope.reverse_path
            destination = self._destination(recipients[0].address, sender)
            if destination == HOLD:
                self._held.keep(queue_id, _ONLY)
                return
            lane = _BOUNCE if sender is None else _FRESH
            task = Task(queue_id, destination, _ONLY, lane, self._clock.monotonic())
            agenda = self._agenda
            has_room = self._pump.is_open and agenda.in_hand < self._settings.in_hand
            if has_room and agenda.begin(task):
                self._attempts.deliver(entry, (task,))
                return
        if queue_id not in self._agenda and queue_id not in self._held:
            self.put(entry, entry.pending())
            self._pump.run()
            if wait_for_release(entry, self._clock.now()):
                self._store.forget_content(queue_id)
                self._waiting.park(entry)

    def put(
        self,
        entry: Entry,
        ordinals: Sequence[int],
        *,
        delays: Iterator[float] | None = None,
        due: float | None = None,
    ) -> None:
        """Lay these recipients out on the agenda: all due now (or when they are to be released), or at `due`; or, with
        `delays`, when the retry schedule says so, and those that are overdue after the next of the delays."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        destination_of, schedule = self._destinations(entry), self._settings.retry
        lead, release = lead_of(entry), wait_for_release(entry, now)
        for part in plan(entry, ordinals, destination_of=destination_of, is_local=IS_LOCAL, schedule=schedule, now=now):
            if part.destination == HOLD:
                self._held.keep(entry.queue_id, part.ordinals)
                continue
            lane, wait = Lane.RETRY, max(0.0, due - monotonic) if due is not None else release
            if part.due is None:
                lane = _FRESH if entry.envelope.reverse_path is not None else _BOUNCE
                lane = Lane.SCHEDULED if release else lane
            elif delays is not None:
                wait = part.due - now if part.due > now else next(delays)
            self._agenda.add(Task(entry.queue_id, part.destination, part.ordinals, lane, monotonic + wait, lead))
        self._pump.wake()

    def _destinations(self, entry: Entry) -> Callable[[int], str]:
        """The destination of each ordinal, as the routes of today say."""
        recipients, sender, destination = entry.envelope.recipients, entry.envelope.reverse_path, self._destination
        return lambda ordinal: destination(recipients[ordinal].address, sender)

    def _changed(self, due: float | None) -> None:
        """An attempt has ended; somebody is due again then."""
        if due is not None:
            self._pump.set_timer(due)
        if self._agenda.has_ready or self._waiting.overdue:
            self._pump.wake()
        self._conditions.look()

    def _reported(self, entry: Entry, dsn: QueueId | None) -> None:
        if dsn is not None:
            self.add(dsn)
        self._attempts.close(entry)

    # -- what others ask --------------------------------------------------------------------------------------------

    def pressure(self) -> Reply | None:
        """The reply to new mail while output has fallen far behind; None: let it come."""
        return BUSY if self._agenda.overdue + self._waiting.overdue > self._settings.high_water else None

    @property
    def is_idle(self) -> bool:
        """Nothing due, nothing in hand, no report under way."""
        agenda = self._agenda
        if self._is_loading or agenda.in_hand or agenda.overdue or self._waiting.overdue or not self._reports.is_idle:
            return False
        due = self._pump.next_due()
        return due is None or due > self._clock.monotonic()

    async def wait_idle(self) -> None:
        await self.until(lambda: self.is_idle)

    def next_due(self) -> float | None:
        """When the next recipient is due, in Unix seconds, if any waits; it may be past. Never a digit too early, so
        that whoever moves a clock there finds it due."""
        due = self._pump.next_due()
        return None if due is None else self._to_wall(due) + ROUNDING

    def _to_wall(self, due: float) -> float:
        return self._clock.now() + due - self._clock.monotonic()

    # -- what operators say -----------------------------------------------------------------------------------------

    def retry(self, queue_ids: Iterable[QueueId] | None = None, *, destination: str | None = None) -> int:
        """See `promote`."""
        promoted = promote(self._agenda, self._waiting, self._clock.monotonic(), queue_ids, destination)
        self._pump.wake()
        return promoted

    async def replan(self, goes: Callable[[], Goes], swap: Callable[[], None] = lambda: None) -> int:
        """Put in force what `swap` does, and what `goes` has to say then of where a recipient goes; for how many
        messages that wait it is news."""

        def change() -> None:
            swap()
            self._destination = goes()
            self._waiting.forget_names()

        await self.loaded()
        return await self._replanning.run(self._pump, change)

    def adopt(self, bouncer: Bouncer, settings: SchedulerSettings) -> None:
        """New settings, but how much is in hand, and how that is shared, stays."""
        self._settings = settings
        self._reports.adopt(bouncer)
        self._attempts.adopt(settings)
        self._waiting.adopt(settings.retry)

    async def loaded(self) -> None:
        """Return when everything that the start has found is laid out, or parked."""
        await self.until(lambda: not self._is_loading)

    def lay_out(self, entry: Entry, due: float | None) -> None:
        """Said by `Waiting`: it is in memory again."""
        if self._held.stops(entry.queue_id):
            self._held.keep(entry.queue_id, entry.pending())
        elif not entry.is_closed:
            self.put(entry, entry.pending(), due=due)

    def look(self) -> None:
        """Said by `Waiting`."""
        self._pump.wake()
        self._conditions.look()

    def removed(self, queue_id: QueueId, by: str) -> None:
        """Said by `HeldBack`."""
        self._maillog.note("info", "removed", queue_id=queue_id, by=by)
        self._conditions.look()
