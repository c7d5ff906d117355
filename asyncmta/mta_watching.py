"""Who hears of what becomes of mail, from the settings: webhooks, traces, the suppression list that grows by itself.

A part of the composition root. Promises: where nobody is to hear, nothing stands in the way of the journal. Never: a
decision.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import BinaryIO

from asyncmta.config import Settings
from asyncmta.counted_log import CountedLog
from asyncmta.mail.envelope import QueueId
from asyncmta.mail.failure_words import classify
from asyncmta.mail.outcome import Failed
from asyncmta.mail.transport import Transport
from asyncmta.mta_doors import build_keeper
from asyncmta.mta_telemetry import Telemetry, build_telemetry
from asyncmta.spool.ledger import Entry
from asyncmta.spool.parked import Parked
from asyncmta.spool.records import Accepted, Attempted, Record, Reported
from asyncmta.spool.store import Store
from asyncmta.suppression.keeper import Keeper
from asyncmta.system.clock import Clock
from asyncmta.system.disk import Disk
from asyncmta.webhooks.events import About, Refusal
from asyncmta.webhooks.looking_back import missed
from asyncmta.webhooks.outbox import Outbox
from asyncmta.webhooks.serving import Endpoint
from asyncmta.webhooks.signing import key_of
from asyncmta.webhooks.webhooks import Webhooks

MOST_PARKED = 100_000
READ_AT_ONCE = 500
FOLDER = "webhooks"  # of the spool: events that are still to be told


class Watching:
    """`webhooks`, `telemetry`: None where there are none. `counts`: failures are counted for the suppression list."""

    def __init__(
        self,
        *,
        keeper: Keeper,
        webhooks: Webhooks | None,
        telemetry: Telemetry | None,
        counts: bool,
        maillog: CountedLog,
    ) -> None:
        self.keeper = keeper
        self.webhooks = webhooks
        self.telemetry = telemetry
        self._counts = counts
        self._maillog = maillog
        self._store: Store | None = None
        self._parked: list[Record] = []  # of messages that have to be recalled first
        self._recalling: asyncio.Task[None] | None = None
        self._has_missed = False

    async def look_back(self) -> None:
        """Before the spool is opened."""
        if self.webhooks is not None:
            await self.webhooks.look_back()

    async def open(self, store: Store) -> None:
        """Before anything happens to mail."""
        self._store = store
        await self.keeper.open()
        if self.telemetry is not None:
            self.telemetry.open()
        if self.webhooks is not None:
            await self.webhooks.open()
            if self.webhooks.wants_refusals:
                tell = self.webhooks.tell_refused
                self._maillog.on_refused = lambda *said: tell(Refusal(*said))
        if self.webhooks is not None or self._counts:
            store.watch(self._applied)

    async def close(self) -> None:
        """When the store is closed, and nothing more becomes durable."""
        await self.keeper.close()
        if self.webhooks is not None:
            if self._recalling is not None:
                await self._recalling
            store, missed = self._store, bool(self._parked) or self._has_missed
            await self.webhooks.close(clean=store is not None and not missed and not store.facts().is_poisoned)

        if self.telemetry is not None:
            await self.telemetry.close()

    def take_up(self, queue_id: QueueId, traceparent: str) -> None:
        """Somebody who traces hands this message in."""
        if self.telemetry is not None:
            self.telemetry.tracer.take_up(queue_id, traceparent)

    def traced(self, transport: Transport) -> Transport:
        """The transport, of whose deliveries traces tell where they are wanted."""
        return transport if self.telemetry is None else self.telemetry.traced(transport)

    def _applied(self, record: Record, entry: Entry | Parked) -> None:
        try:
            if isinstance(entry, Parked):  # it was deferred, and waits as a row of numbers
                self._applied_to_parked(record)
                return
            if self.webhooks is not None and isinstance(record, Attempted | Accepted | Reported):
                self.webhooks.tell(record, About(entry.envelope, entry.accepted_at))
            if self._counts and isinstance(record, Attempted):
                self._count(record, entry)
        except Exception as error:  # a bug in here may not reach the journal
            self._maillog.note("error", "watching_failed", error=error, queue_id=record.queue_id)

    def _applied_to_parked(self, record: Record) -> None:
        if self.webhooks is None or not isinstance(record, Attempted | Reported):
            return
        if len(self._parked) >= MOST_PARKED:
            self._has_missed = True  # the next start looks back
            return
        self._parked.append(record)
        if self._recalling is None:
            self._recalling = asyncio.get_running_loop().create_task(self._recall())

    async def _recall(self) -> None:
        assert self.webhooks is not None
        assert self._store is not None
        try:
            while self._parked:
                records = self._parked[:READ_AT_ONCE]
                entries = await self._store.peek_many([record.queue_id for record in records])
                del self._parked[: len(records)]
                for record, entry in zip(records, entries, strict=True):
                    if entry is not None:
                        self.webhooks.tell(record, About(entry.envelope, entry.accepted_at))
        except Exception as error:
            self._has_missed = True
            self._maillog.note("error", "watching_failed", error=error)
        finally:
            self._recalling = None

    def _count(self, record: Attempted, entry: Entry) -> None:
        for ordinal, outcome in record.outcomes.items():
            if isinstance(outcome, Failed):
                recipient = entry.envelope.recipients[ordinal].address
                self.keeper.failed(recipient, classify(outcome.reply, outcome.cause), record.at)


def build_log(settings: Settings, *, clock: Clock, stream: BinaryIO | None) -> CountedLog:
    log = settings.log
    return CountedLog(clock=clock, stream=stream, format=log.format, level=log.level, addresses=log.addresses)


def build_watching(settings: Settings, *, disk: Disk, clock: Clock, maillog: CountedLog) -> Watching:
    webhooks = None
    if settings.webhooks:
        from asyncmta.webhooks.posting import Posting  # noqa: PLC0415 - aiohttp takes long to import

        webhooks = Webhooks(
            endpoints=[
                Endpoint(
                    url=table.url,
                    key=key_of(table.secret),
                    kinds=frozenset(table.events),
                    batch=table.batch,
                    timeout=table.timeout,
                )
                for table in settings.webhooks
            ],
            outbox=Outbox(disk=disk, directory=f"{settings.spool}/{FOLDER}"),
            posts=Posting(),
            clock=clock,
            maillog=maillog,
            missed=partial(missed, disk, settings.spool),
        )
    return Watching(
        keeper=build_keeper(settings, clock=clock, maillog=maillog),
        webhooks=webhooks,
        telemetry=build_telemetry(settings, clock=clock, maillog=maillog),
        counts=bool(settings.suppression.automatic),
        maillog=maillog,
    )
