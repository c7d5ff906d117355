"""What is in hand: passes over messages, from the transport's `deliver` to what follows from its `done`.

Promises: all consignments of one message that were taken together reach the transport in one call; deliveries and
deferrals are noted at once; failures are kept until none of the message is in hand, and are then reported together, or
a minute after the first of them where the others take longer; so are deliveries of which a sender wants to be told;
whoever is deferred is on the agenda again before the pass ends, unless an operator holds the message. A transport that
raises defers the message. All calls are plain: nothing here waits.

Seeds Q-09 to Q-14, D-64; architecture.md 6, steps 9 to 15.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from asyncmta.mail.envelope import Consignment, QueueId
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Postponed, Recorded, Result, is_unreached
from asyncmta.mail.transport import Transport
from asyncmta.scheduling.held import HeldBack
from asyncmta.scheduling.means import Means, SchedulerSettings
from asyncmta.scheduling.promotion import follow
from asyncmta.scheduling.reports import Reports
from asyncmta.scheduling.settle import (
    INTERNAL,
    Settlement,
    end_of,
    is_to_be_told,
    is_too_late,
    plain,
    settle,
    softened,
)
from asyncmta.scheduling.tags import tag_of
from asyncmta.scheduling.task import Lane, Task
from asyncmta.scheduling.unreached import named
from asyncmta.spool.ledger import Entry
from asyncmta.spool.records import Attempted
from asyncmta.system.clock import Timer
from asyncmta.system.meter import DELAYS, Meter

TOO_LATE = Postponed(0.0, "the time in which its sender wants it delivered is over")
LOCAL = "local:"  # with which the destinations of our own mailboxes begin (`routing`)


class Pass(Struct, eq=False):
    """One message from the first consignment handed out until none of it is in hand. `is_timed`: it is known when what
    there is to tell is told although the pass still runs, which happens once. `owes`: a delivery is to be told of."""

    entry: Entry
    consignments: dict[Consignment, Task] = {}
    failures: dict[int, Failed] = {}
    is_timed: bool = False
    owes: bool = False


class Attempts:
    """The attempts of one scheduler. `on_change`: an attempt has ended; if somebody of it is due again, then when, on
    the agenda's scale. `lay_out`: put recipients of a task that has ended on the agenda, due then."""

    def __init__(
        self,
        means: Means,
        *,
        transport: Transport,
        settings: SchedulerSettings,
        held: HeldBack,
        reports: Reports,
        lay_out: Callable[[Entry, Task, tuple[int, ...], float], None],
        on_change: Callable[[float | None], None],
    ) -> None:
        self._clock = means.clock
        self._store = means.store
        self._maillog = means.maillog
        self._agenda = means.agenda
        self._transport = transport
        self._settings = settings
        self._schedule = settings.retry
        self._held = held
        self._unreached = means.unreached
        self._reports = reports
        self._lay_out = lay_out
        self._waiting = held.waiting
        self._on_change = on_change
        self._passes: dict[QueueId, Pass] = {}
        self._long: deque[tuple[float, Pass]] = deque()  # passes with something to tell, and until when that waits
        self._timer: Timer | None = None
        self.waited = Meter(DELAYS)  # seconds from being accepted to the first attempt

    @property
    def messages(self) -> int:
        """Messages in hand."""
        return len(self._passes)

    def adopt(self, settings: SchedulerSettings) -> None:
        self._settings, self._schedule = settings, settings.retry

    @property
    def is_idle(self) -> bool:
        return not self._passes

    def failures(self, queue_id: QueueId) -> Mapping[int, Failed]:
        """Who has failed in the pass that is under way."""
        here = self._passes.get(queue_id)
        return here.failures if here is not None else {}

    def deliver(self, entry: Entry, tasks: Sequence[Task]) -> None:
        """Consign these tasks of one message, which are in hand, to the transport."""
        queue_id = entry.queue_id
        here = self._passes.get(queue_id)
        if here is None:
            here = self._passes[queue_id] = Pass(entry)
        consignments = []
        for task in tasks:
            consignment = Consignment(
                queue_id,
                task.destination,
                entry.envelope,
                task.ordinals,
                entry.content,
                entry.accepted_at,
                entry.attempts,
            )
            here.consignments[consignment] = task
            consignments.append(consignment)
        now = self._clock.now()
        if not entry.attempts:
            self.waited.add(now - entry.accepted_at)
        if entry.envelope.timing is not None and is_too_late(entry, now):
            for consignment in consignments:
                self.done(consignment, TOO_LATE)
            return
        try:
            self._transport.deliver(consignments, self.done)
        except Exception as error:  # a bug: this message is slowed down by it, and no other
            self._maillog.note("error", "transport_failed", queue_id=queue_id, error=error)
            for consignment in consignments:
                if consignment in here.consignments:
                    self.done(consignment, dict.fromkeys(consignment.ordinals, INTERNAL))

    def done(self, consignment: Consignment, result: Result) -> None:
        """An attempt has ended: draw what follows."""
        queue_id = consignment.queue_id
        here = self._passes.get(queue_id)
        task = here.consignments.pop(consignment, None) if here is not None else None
        if here is None or task is None:
            self._maillog.note("error", "settled_twice", queue_id=queue_id, destination=consignment.destination)
            return
        self._agenda.release(task)
        due, now, entry = None, self._clock.now(), here.entry
        has_followers = bool(self._unreached.hosts) and self._follow(task, result)
        delivered = plain(entry, task.ordinals, result)
        if delivered is None:
            due = self._settle(here, task, result, now)
        else:
            (ordinal,) = task.ordinals
            self._store.note(Attempted(queue_id, now, {ordinal: delivered}))
            recipients, delay = entry.envelope.recipients, now - entry.accepted_at
            recipient = recipients[ordinal].address
            self._maillog.delivered(queue_id=queue_id, recipient=recipient, outcome=delivered, delay=delay)
            if len(recipients) == 1 and queue_id not in self._reports:  # and with him the message is over
                del self._passes[queue_id]
                self._retire(queue_id, delay)
                self._on_change(self._clock.monotonic() if has_followers else None)
                return
        if not here.consignments:
            self._end_pass(here)
        self._on_change(self._clock.monotonic() if has_followers else due)

    def _settle(self, here: Pass, task: Task, result: Result, now: float) -> float | None:
        """When somebody of it is due again, if anybody is."""
        schedule, local, queue_id = self._schedule, task.destination.startswith(LOCAL), task.queue_id
        if self._settings.soft:
            result = softened(result)
        settled = settle(here.entry, task.ordinals, result, schedule=schedule, now=now, local=local)
        if settled.attempted is not None:
            self._store.note(settled.attempted)
        self._say(here.entry, settled, now)
        if settled.failures or settled.owes:
            here.failures.update(settled.failures)
            here.owes |= settled.owes
            if here.consignments and not here.is_timed:
                self._tell_later(here)
        if settled.due is None:
            return None
        if self._held.stops(queue_id):
            self._held.keep(queue_id, settled.deferred)
            return None
        due = self._clock.monotonic() + settled.due - now
        if isinstance(result, Postponed):
            self._waiting.postponed(task.destination, due)
        elif settled.attempted is not None:
            said = settled.attempted.outcomes[settled.deferred[0]]
            if is_unreached(said):
                self._unreached.add((queue_id, tag_of(task.destination)), named(said.place.host, task.destination))
        task.lane = Lane.RETRY
        self._lay_out(here.entry, task, settled.deferred, due)
        return due

    def _follow(self, task: Task, result: Result) -> bool:
        """Some wait until somebody is reached. Was it where one of them goes, and is he due now?"""
        if isinstance(result, Postponed):
            return False
        tag, outcomes = tag_of(task.destination), result.outcomes if isinstance(result, Recorded) else result
        self._unreached.drop((task.queue_id, tag))
        taken = next((each for each in outcomes.values() if isinstance(each, Delivered)), None)
        if taken is None:
            return False
        now, host = self._clock.monotonic(), named(taken.place.host, task.destination)
        return follow(self._unreached, self._agenda, self._waiting, now, tag, host) > 0

    def _end_pass(self, here: Pass) -> None:
        entry = here.entry
        queue_id = entry.queue_id
        del self._passes[queue_id]
        if here.failures or here.owes:
            self._reports.add(entry, here.failures, owes=here.owes)
        is_left = queue_id in self._agenda or queue_id in self._held
        if is_left and is_to_be_told(entry, self._clock.now(), self._settings.warn_after):
            self._reports.add_delay(entry, end_of(entry, self._schedule))
        if queue_id not in self._reports:
            self._close(entry, is_left=is_left)

    def _tell_later(self, here: Pass) -> None:
        """Others of this pass are still in hand: what there is to tell waits for them, but not for long."""
        here.is_timed = True
        if self._settings.report_after:
            self._long.append((self._clock.monotonic() + self._settings.report_after, here))
            if self._timer is None:
                self._timer = self._clock.call_at(self._long[0][0], self._tell_now)

    def _tell_now(self) -> None:
        """The news of those that have waited long enough. Whoever fails later in such a pass waits for its end."""
        self._timer = None
        now = self._clock.monotonic()
        while self._long and self._long[0][0] <= now:
            here = self._long.popleft()[1]
            if self._passes.get(here.entry.queue_id) is here and (here.failures or here.owes):
                failures, here.failures = here.failures, {}
                self._reports.add(here.entry, failures, owes=here.owes)
                here.owes = False
        if self._long:
            self._timer = self._clock.call_at(self._long[0][0], self._tell_now)

    async def stop(self) -> None:
        """What waits to be told is left to the end of its pass, or to the next start."""
        if self._timer is not None:
            self._timer.cancel()

    def close(self, entry: Entry) -> None:
        """A pass has ended, and what failed in it is reported. If nothing is left to be done for the message, say so;
        its octets are the store's business. Else it has to wait, which it does without its content in memory."""
        queue_id = entry.queue_id
        if queue_id in self._passes:  # that was what it had to tell so far
            return
        is_left = queue_id in self._agenda or queue_id in self._held
        if is_left or queue_id not in self._reports:
            self._close(entry, is_left=is_left)

    def _close(self, entry: Entry, *, is_left: bool) -> None:
        queue_id = entry.queue_id
        if is_left:
            self._store.forget_content(queue_id)
            if queue_id not in self._held and queue_id not in self._reports:
                self._waiting.park(entry)
        else:
            self._retire(queue_id, self._clock.now() - entry.accepted_at)

    def _retire(self, queue_id: QueueId, delay: float) -> None:
        self._held.drop(queue_id)
        self._maillog.retired(queue_id=queue_id, delay=delay)

    def _say(self, entry: Entry, settled: Settlement, now: float) -> None:
        """A line of the log for each recipient."""
        queue_id, recipients = entry.queue_id, entry.envelope.recipients
        delay = now - entry.accepted_at
        log = self._maillog
        noted = settled.attempted.outcomes if settled.attempted is not None else {}
        for outcomes in (settled.recorded, noted) if settled.recorded else (noted,):
            for ordinal, outcome in outcomes.items():
                recipient = recipients[ordinal].address
                if isinstance(outcome, Delivered):
                    log.delivered(queue_id=queue_id, recipient=recipient, outcome=outcome, delay=delay)
                elif isinstance(outcome, Deferred) and ordinal not in settled.failures:
                    log.deferred(
                        queue_id=queue_id, recipient=recipient, outcome=outcome, delay=delay, next_due=settled.due
                    )
        for ordinal, failed in settled.failures.items():
            say = log.expired if failed.cause is Cause.EXPIRED else log.failed
            say(queue_id=queue_id, recipient=recipients[ordinal].address, outcome=failed, delay=delay)
