"""Reports under way: what failed in a pass, from the end of the pass until its report is durable.

Promises: one report for each message and pass, committed together with the failures it tells of; a few at a time, so
that a domain that is gone does not start a hundred thousand tasks; what could not be committed stays here and is tried
again. What a crash loses here was never recorded as failed, so it is attempted again. Never: the report's octets or
records (`bounce/`), or a decision about who has failed (`settle`).

Seeds Q-09 to Q-12; architecture.md 6, steps 13 to 15.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping

from asyncmta.bounce.bouncer import Bouncer, BounceRecords
from asyncmta.mail.envelope import QueueId
from asyncmta.mail.outcome import Cause, Failed
from asyncmta.scheduling.means import Means
from asyncmta.spool.ledger import Entry
from asyncmta.spool.store import JournalFailed
from asyncmta.system.clock import Timer

WORKERS = 32  # group commit joins what they commit
AGAIN_AFTER = 60.0

OnReported = Callable[[Entry, QueueId | None], None]
"""Told when a report is durable: the message, and its DSN's queue id if there is one."""


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
        self._open: Counter[QueueId] = Counter()
        self._waiting: deque[tuple[Entry, Mapping[int, Failed] | None]] = deque()  # None: it is late
        self._unwritten: list[tuple[Entry, Mapping[int, Failed] | None]] = []
        self._workers: set[asyncio.Task[None]] = set()
        self._timer: Timer | None = None
        self._is_stopped = False

    def __contains__(self, queue_id: QueueId) -> bool:
        """Is there a failure of this message whose report is not durable?"""
        return queue_id in self._open

    @property
    def is_idle(self) -> bool:
        """Nothing under way, and nothing that could not be written."""
        return not self._open

    @property
    def is_working(self) -> bool:
        return bool(self._workers)

    def add(self, entry: Entry, failures: Mapping[int, Failed]) -> None:
        """These have failed: report them soon."""
        self._open[entry.queue_id] += 1
        self._waiting.append((entry, failures))
        self._employ()

    def add_delay(self, entry: Entry) -> None:
        """It is late, and its sender wants to know: tell him soon of whoever is pending."""
        self._open[entry.queue_id] += 1
        self._waiting.append((entry, None))
        self._employ()

    async def report(self, entry: Entry, failures: Mapping[int, Failed]) -> None:
        """Report now, and return when it is durable. JournalFailed, and what the bouncer may raise, comes through."""
        self._open[entry.queue_id] += 1
        try:
            dsn = await self._commit(entry, failures)
        finally:
            self._close(entry.queue_id)
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

    async def _commit(self, entry: Entry, failures: Mapping[int, Failed]) -> QueueId | None:
        if len(entry.envelope.recipients) > 1 or any(each.cause is Cause.EXPIRED for each in failures.values()):
            await self._store.flush()  # the report tells what was noted a moment ago, and may not be applied yet
        entry = self._store.entry(entry.queue_id) or entry
        bounce = await self._bouncer.report(entry, failures, self._clock.now())
        await self._write(entry, bounce)
        sender = entry.envelope.reverse_path
        self._maillog.bounced(queue_id=entry.queue_id, dsn=bounce.dsn, reverse_path=sender, recipients=len(failures))
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

    async def _commit_delay(self, entry: Entry) -> QueueId | None:
        await self._store.flush()
        entry = self._store.entry(entry.queue_id) or entry
        if entry.is_closed or entry.warned:
            return None
        bounce = await self._bouncer.report_delay(entry, self._clock.now())
        await self._write(entry, bounce)
        if bounce.dsn is not None:
            self._maillog.note("info", "delay_reported", queue_id=entry.queue_id, dsn=bounce.dsn)
        return bounce.dsn

    def _close(self, queue_id: QueueId) -> None:
        self._open[queue_id] -= 1
        if not self._open[queue_id]:
            del self._open[queue_id]

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
            entry, failures = self._waiting.popleft()
            try:
                dsn = await (self._commit(entry, failures) if failures is not None else self._commit_delay(entry))
            except Exception as error:  # JournalFailed, or a bug of ours: either way nobody may be forgotten
                self._maillog.note("error", "report_failed", queue_id=entry.queue_id, error=error)
                self._unwritten.append((entry, failures))
                if self._timer is None:
                    self._timer = self._clock.call_at(self._clock.monotonic() + AGAIN_AFTER, self._again)
            else:
                self._close(entry.queue_id)
                self._on_reported(entry, dsn)

    def _again(self) -> None:
        self._timer = None
        self._waiting.extend(self._unwritten)
        self._unwritten.clear()
        for _ in range(min(len(self._waiting), WORKERS)):
            self._employ()
