"""Reports under way: what there is to tell of a message, from the end of the pass until its report is durable.

Promises: one report for each message and pass, committed together with the failures it tells of, and with the end of
what was owed for deliveries; never two about one message at a time; a few messages at a time, so that a domain that is
gone does not start a hundred thousand tasks; what could not be committed stays here and is tried again. What a crash
loses here was never recorded as failed, so it is attempted again, or is still owed. Never: the report's octets or
records (`bounce/`), or a decision about who has failed (`settle`).

Seeds Q-09 to Q-12; architecture.md 6, steps 13 to 15.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping

from asyncmta.bounce.bouncer import Bouncer, BounceRecords
from asyncmta.mail.envelope import QueueId
from asyncmta.mail.outcome import Cause, Delivered, Failed
from asyncmta.scheduling.means import Means
from asyncmta.spool.ledger import Entry
from asyncmta.spool.store import JournalFailed
from asyncmta.system.clock import Timer

WORKERS = 32  # group commit joins what they commit
AGAIN_AFTER = 60.0

OnReported = Callable[[Entry, QueueId | None], None]
"""Told when a report is durable: the message, and its DSN's queue id if there is one."""


class Case:
    """What of one message is to be told. `late_until`: that it is late, and until when it will be tried; None: no."""

    __slots__ = ("entry", "failures", "late_until", "owes")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.failures: dict[int, Failed] = {}
        self.owes = False
        self.late_until: float | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.failures or self.owes) and self.late_until is None

    def take(self) -> Case:
        """What is told next: failures and deliveries together, or else that it is late."""
        taken = Case(self.entry)
        if self.failures or self.owes:
            taken.failures, taken.owes = self.failures, self.owes
            self.failures, self.owes = {}, False
        else:
            taken.late_until, self.late_until = self.late_until, None
        return taken

    def put_back(self, taken: Case) -> None:
        self.failures = taken.failures | self.failures
        self.owes |= taken.owes
        self.late_until = taken.late_until if self.late_until is None else self.late_until


class Reports:
    """One scheduler's reports. It owns its tasks; `stop` ends them. `on_change`: something has ended, well or not."""

    def __init__(
        self,
        means: Means,
        *,
        bouncer: Bouncer,
        on_reported: OnReported,
        on_change: Callable[[], None],
    ) -> None:
        self._means = means
        self._clock = means.clock
        self._store = means.store
        self._maillog = means.maillog
        self._bouncer = bouncer
        self._on_reported = on_reported
        self._on_change = on_change
        self._cases: dict[QueueId, Case] = {}
        self._commands: Counter[QueueId] = Counter()
        self._waiting: deque[Case] = deque()
        self._unwritten: list[Case] = []
        self._workers: set[asyncio.Task[None]] = set()
        self._timer: Timer | None = None
        self._is_stopped = False

    def adopt(self, bouncer: Bouncer) -> None:
        """Who writes from now on."""
        self._bouncer = bouncer

    def __contains__(self, queue_id: QueueId) -> bool:
        """Is there something to be told of this message that is not durable?"""
        return queue_id in self._cases or queue_id in self._commands

    @property
    def is_idle(self) -> bool:
        """Nothing under way, and nothing that could not be written."""
        return not (self._cases or self._commands)

    @property
    def is_working(self) -> bool:
        return bool(self._workers)

    def add(self, entry: Entry, failures: Mapping[int, Failed], *, owes: bool = False) -> None:
        """These have failed: report them soon; `owes`: and whatever the ledger says is owed by then."""
        case = self._case(entry)
        case.failures |= failures
        case.owes |= owes

    def add_delay(self, entry: Entry, until: float) -> None:
        """It is late, and its sender is to know: tell him soon of whoever is pending, and is tried until then."""
        self._case(entry).late_until = until

    async def report(self, entry: Entry, failures: Mapping[int, Failed]) -> None:
        """Report now, and return when it is durable. JournalFailed, and what the bouncer may raise, comes through."""
        queue_id = entry.queue_id
        self._commands[queue_id] += 1
        try:
            dsn = await self._commit(entry, failures)
        finally:
            self._commands[queue_id] -= 1
            if not self._commands[queue_id]:
                del self._commands[queue_id]
        self._on_reported(entry, dsn)

    async def stop(self) -> None:
        """What is not durable yet is left to the next start."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()
        workers = tuple(self._workers)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    def _case(self, entry: Entry) -> Case:
        """That of this message. One that is new is taken up soon; one that is at work, when that is done."""
        case = self._cases.get(entry.queue_id)
        if case is None:
            case = self._cases[entry.queue_id] = Case(entry)
            self._waiting.append(case)
            self._employ()
        case.entry = entry
        return case

    async def _tell(self, case: Case) -> QueueId | None:
        if case.late_until is not None:
            return await self._commit_delay(case.entry, case.late_until)
        return await self._commit(case.entry, case.failures, owes=case.owes)

    async def _commit(self, entry: Entry, failures: Mapping[int, Failed], *, owes: bool = False) -> QueueId | None:
        is_expired = any(each.cause is Cause.EXPIRED for each in failures.values())
        if owes or is_expired or len(entry.envelope.recipients) > 1:
            await self._store.flush()  # the report tells what was noted a moment ago, and may not be applied yet
        entry = self._store.entry(entry.queue_id) or entry
        outcomes: dict[int, Failed | Delivered] = dict(failures)
        if owes:
            outcomes |= {ordinal: delivered for ordinal, (_, delivered) in entry.owed().items()}
        if not outcomes:
            return None
        bounce = await self._bouncer.report(entry, outcomes, self._clock.now())
        await self._write(entry, bounce)
        self._maillog.bounced(
            queue_id=entry.queue_id,
            dsn=bounce.dsn,
            reverse_path=entry.envelope.reverse_path,
            recipients=len(outcomes),
            actions=bounce.actions,
            reason=bounce.reason,
        )
        return bounce.dsn

    async def _write(self, entry: Entry, bounce: BounceRecords) -> None:
        try:
            await self._store.commit(*bounce.records)
        except JournalFailed as error:
            if bounce.dsn is None or self._store.entry(bounce.dsn) is None:
                raise
            # It is durable, and the ledger refused a part of it: a bug, but no reason to send a report every minute.
            # (Or it was only late, and has just been delivered.)
            self._maillog.note("critical", "report_refused", queue_id=entry.queue_id, error=error)

    async def _commit_delay(self, entry: Entry, until: float) -> QueueId | None:
        await self._store.flush()
        entry = self._store.entry(entry.queue_id) or entry
        if entry.is_closed or entry.warned:
            return None
        bounce = await self._bouncer.report_delay(entry, self._clock.now(), until)
        await self._write(entry, bounce)
        if bounce.dsn is not None:
            self._maillog.note("info", "delay_reported", queue_id=entry.queue_id, dsn=bounce.dsn)
        return bounce.dsn

    def _employ(self) -> None:
        if not self._is_stopped and len(self._workers) < WORKERS:
            worker = asyncio.create_task(self._work(), name="reports")
            self._workers.add(worker)
            worker.add_done_callback(self._leave)

    def _leave(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        self._means.mourn(worker, "reports_failed")
        self._on_change()

    async def _work(self) -> None:
        while self._waiting:
            case = self._waiting.popleft()
            taken = case.take()
            try:
                dsn = await self._tell(taken)
            except Exception as error:  # JournalFailed, or a bug of ours: either way nobody may be forgotten
                self._maillog.note("error", "report_failed", queue_id=case.entry.queue_id, error=error)
                case.put_back(taken)
                self._unwritten.append(case)
                if self._timer is None:
                    self._timer = self._clock.call_at(self._clock.monotonic() + AGAIN_AFTER, self._again)
                continue
            if case.is_empty:
                del self._cases[case.entry.queue_id]
            else:
                self._waiting.append(case)
            self._on_reported(case.entry, dsn)

    def _again(self) -> None:
        self._timer = None
        self._waiting.extend(self._unwritten)
        self._unwritten.clear()
        for _ in range(min(len(self._waiting), WORKERS)):
            self._employ()
