"""One scripted life of a spool, written down as it goes: what was answered, what was only asked, what must hold after.

Accepts small and large mail, delivers, defers, bounces, rotates, drops segments, stops and starts again. A test cuts
the power or breaks the disk at one of its steps, opens what is left, and calls `Book.check`.
"""

from __future__ import annotations

import asyncio

from asyncmta.mail.envelope import QueueId
from asyncmta.spool.compaction import AFTER
from asyncmta.spool.records import INLINE_LIMIT, Accepted, Attempted, Held, Reported
from asyncmta.spool.store import JournalFailed, Recovery, SpoolSettings, Store
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk
from tests.unit.spool.spoolkit import LATER, NEVER, OK, Witness, content_of, envelope, make_store, read_all, settled

SETTINGS = SpoolSettings(min_free_space=0, min_free_inodes=0, reserve_size=0, segment_size=2500)
LARGE = b"Subject: large\r\n" + b"0123456789abcde\r\n" * (INLINE_LIMIT // 16)


class Book:
    """What the world outside knows of the spool."""

    def __init__(self) -> None:
        self.asked: dict[QueueId, bytes] = {}  # handed to the store, answered or not
        self.answered: set[QueueId] = set()  # a 250 was given
        self.finished: set[QueueId] = set()  # every recipient settled, and we were told that this is durable
        self.maybe_finished: set[QueueId] = set()
        self.bounced: list[tuple[QueueId, QueueId]] = []  # message, its DSN; asked for
        self.witness = Witness()
        self.answers_after_failed_sync = 0

    async def check(self, disk: FakeDisk) -> None:
        """Whatever happened: what was answered is there and whole, what is there was asked for, nothing is half."""
        store, recovery = await reopen(disk)
        there = {entry.queue_id: entry for entry in store.entries() if not entry.is_closed}
        assert recovery.damaged == 0, store.damaged()
        assert there.keys() <= self.asked.keys()
        assert not there.keys() & self.finished
        assert self.answered - self.maybe_finished <= there.keys()
        for queue_id in there:
            assert await read_all(store, queue_id) == self.asked[queue_id]
        for original, dsn in self.bounced:
            entry = store.entry(original)
            assert entry is None or not entry.failed()  # never failed without the report that goes with it
            if dsn not in there and dsn not in self.maybe_finished:
                assert original in there
            if dsn in there:
                assert original not in there
        assert store.next_queue_id() > max(self.asked, default=0)
        await store.close()
        again, second = await reopen(disk)
        assert {entry.queue_id for entry in again.entries() if not entry.is_closed} == there.keys()
        assert (second.damaged, second.torn) == (0, 0)
        await again.close()


async def reopen(disk: FakeDisk) -> tuple[Store, Recovery]:
    store = make_store(disk, settings=SETTINGS)
    return store, await store.open()


class Life:
    """Drives one store. `alive` False: the power is gone, or the journal has failed for good."""

    def __init__(self, disk: FakeDisk, book: Book) -> None:
        self.disk = disk
        self.book = book

    async def open(self) -> None:
        self.store = make_store(self.disk, settings=SETTINGS, witness=self.book.witness)
        await self.store.open()

    def message(self, wire: bytes, recipients: int = 1) -> Accepted:
        queue_id = self.store.next_queue_id()
        self.book.asked[queue_id] = wire
        return Accepted(queue_id, 1.0, envelope(recipients), content_of(wire), "c", None, False, (wire[:5], wire[5:]))

    def _answer(self, queue_id: QueueId) -> None:
        self.book.answered.add(queue_id)
        self.book.answers_after_failed_sync += bool(self.book.witness.poisoned)

    async def accept(self, wire: bytes, recipients: int = 1) -> QueueId:
        record = self.message(wire, recipients)
        await self.store.commit(record)
        self._answer(record.queue_id)
        return record.queue_id

    async def accept_together(self, *wires: bytes) -> list[QueueId]:
        """In one batch, or in a few."""
        records = [self.message(wire) for wire in wires]
        failures: list[JournalFailed] = []

        def answer(record: Accepted, failure: JournalFailed | None) -> None:
            if failure is None:
                self._answer(record.queue_id)
            else:
                failures.append(failure)

        for record in records:
            self.store.submit((record,), lambda failure, record=record: answer(record, failure))  # type: ignore[misc]
        await self.store.flush()
        if failures:
            raise failures[0]
        return [record.queue_id for record in records]

    async def accept_large(self, wire: bytes) -> QueueId:
        queue_id = self.store.next_queue_id()
        self.book.asked[queue_id] = wire
        large = self.store.begin_large(queue_id)
        for at in range(0, len(wire), 100_000):
            large.write(wire[at : at + 100_000])
        content = await large.finish()
        await self.store.commit(Accepted(queue_id, 1.0, envelope(), content, "c", None, True))
        self._answer(queue_id)
        return queue_id

    async def deliver(self, *queue_ids: QueueId) -> None:
        for queue_id in queue_ids:
            entry = self.store.entry(queue_id)
            assert entry is not None
            self.book.maybe_finished.add(queue_id)
            self.store.note(Attempted(queue_id, 2.0, dict.fromkeys(entry.pending(), OK)))
        await self.store.flush()
        self.book.finished.update(queue_ids)

    async def bounce(self, queue_id: QueueId) -> QueueId:
        """One recipient delivered, one failed; the report and the failure in one commit."""
        dsn = self.message(b"Subject: failed\r\n\r\nsorry\r\n")
        self.book.bounced.append((queue_id, dsn.queue_id))
        self.book.maybe_finished.add(queue_id)
        outcomes = Attempted(queue_id, 2.0, {0: OK, 1: NEVER})
        await self.store.commit(outcomes, dsn, Reported(queue_id, 2.0, (1,), dsn.queue_id))
        self._answer(dsn.queue_id)
        self.book.finished.add(queue_id)
        return dsn.queue_id


class Compacting(Life):
    """A life whose clock goes on, so that the spool looks for what it could compact."""

    async def open(self) -> None:
        self.clock = FakeClock()
        witness = self.book.witness
        self.store = make_store(self.disk, settings=SETTINGS, witness=witness, clock=self.clock)
        await self.store.open()

    async def compact(self) -> None:
        compactor = self.store._compactor
        await settled(self.store)
        for _ in range(60):
            self.clock.advance(AFTER)
            if compactor._task is not None:
                await asyncio.wait([compactor._task], timeout=0.002)
            if self.book.witness.poisoned or (compactor._task is None and compactor._timer is None):
                break
        await settled(self.store)


async def live(disk: FakeDisk, book: Book) -> None:
    """The script. Ends early with whatever the disk does to it."""
    life = Life(disk, book)
    await life.open()
    try:
        await _first_half(life)
        await settled(life.store)
    finally:
        await life.store.close()
    await life.open()
    try:
        await life.accept(b"Subject: after the restart\r\n")
        await life.deliver(*[entry.queue_id for entry in life.store.entries() if not entry.is_closed])
        await settled(life.store)
        await life.accept(b"Subject: the last\r\n")
    finally:
        await life.store.close()


async def _first_half(life: Life) -> None:
    store = life.store
    first = await life.accept(b"Subject: first\r\n\r\n" + b"one\r\n" * 50)
    two = await life.accept(b"Subject: for two\r\n\r\n..\r\n", recipients=2)
    large = await life.accept_large(LARGE)
    store.note(Attempted(two, 1.5, {1: LATER}))
    three = await life.accept_together(*[b"Subject: together\r\n" + b"%d\r\n" % at * 99 for at in range(3)])
    await life.deliver(first, three[0])
    dsn = await life.bounce(two)
    await life.deliver(large)
    await store.commit(Held(three[1], 2.0))
    await life.accept_together(*[b"Subject: more\r\n" + b"%d\r\n" % at * 300 for at in range(3)])
    await life.deliver(dsn, three[2])
