"""The spool's door: `submit` makes records durable, then applies them to the ledger, and only then tells.

Promises: what memory shows is never ahead of the disk; records are applied in the order of the journal, on the loop; a
queue id is never given twice; content is checked before it is given out; a drained spool shrinks. Never: when or where
a message goes, and no log line: facts go out by return values and `on_event`.

docs/journal-format.md; reliability.md section 5.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from asyncmta.mail.envelope import QueueId
from asyncmta.mail.replies import LOCAL_ERROR
from asyncmta.mail.reply import Reply
from asyncmta.spool.carrying import Carrier
from asyncmta.spool.census import Census
from asyncmta.spool.compaction import Compactor
from asyncmta.spool.content import ContentCache, ContentFiles
from asyncmta.spool.facts import DOUBTFUL_OPTIONS, Recovery, SpoolSettings, StoreFacts, doubt, summed
from asyncmta.spool.fold import Fold, OnApplied
from asyncmta.spool.journal import Journal, JournalFailed, OnDurable, resolve
from asyncmta.spool.large import LargeContent
from asyncmta.spool.ledger import Entry, ParkAs
from asyncmta.spool.opening import Opened, Places, ReadOnlySpool, open_spool, read_only
from asyncmta.spool.recalling import Recalling
from asyncmta.spool.records import Accepted, Record, is_new_mail
from asyncmta.spool.recovery import Damage, SpoolRefused
from asyncmta.spool.repair import OnEvent
from asyncmta.spool.scrub import Scrubber
from asyncmta.spool.sealed import SealedReader
from asyncmta.spool.segment import HEADER_SIZE
from asyncmta.spool.space import FreeSpace, Reserve
from asyncmta.spool.tail import Tail
from asyncmta.system.clock import Clock
from asyncmta.system.disk import Disk

__all__ = [
    "Damage",
    "JournalFailed",
    "ReadOnlySpool",
    "Recovery",
    "SpoolRefused",
    "SpoolSettings",
    "Store",
    "read_only",
]

LEAST_RENEWAL = 1024
"""A new segment is not worth less; and it must be more than the checkpoints at its own begin, or there is no end."""


class Store(Recalling):
    """One for each spool directory. All methods are for the loop; `open` first, `close` last."""

    def __init__(
        self,
        *,
        disk: Disk,
        directory: str,
        clock: Clock,
        settings: SpoolSettings,
        on_poisoned: Callable[[JournalFailed], None],
        on_event: OnEvent,
    ) -> None:
        self._disk = disk
        self._places = Places(directory)
        self._clock = clock
        self._settings = settings
        self._on_poisoned = on_poisoned
        self._on_event = on_event
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="spool")
        self._cache = ContentCache(settings.cache_size)
        self._reserve = Reserve(disk=disk, path=self._places.reserve, size=settings.reserve_size)
        self._space = FreeSpace(
            disk=disk,
            path=directory,
            clock=clock,
            reserve=self._reserve,
            minimum=settings.min_free_space,
            minimum_inodes=settings.min_free_inodes,
        )
        self._opened: Opened | None = None
        self._stands_on = ("unknown", "")
        self._is_closed = False

    async def open(self, park_as: ParkAs | None = None) -> Recovery:
        """Lock, read, repair, begin a new segment. Raises OSError (`Locked`), SpoolRefused, JournalFailed. `park_as`:
        park all that waits, each with the mark that this gives it, in a thread; else nothing is parked."""
        loop = asyncio.get_running_loop()
        began = self._clock.monotonic()
        events: list[tuple[str, dict[str, object]]] = []
        try:
            opened = await loop.run_in_executor(self._pool, self._open, park_as, lambda *event: events.append(event))
        except BaseException:
            self._pool.shutdown(wait=False)
            raise
        finally:
            for name, facts in events:
                self._on_event(name, facts)
        reading, ledger = opened.reading, opened.ledger
        self._opened, self._ledger = opened, ledger
        self._start(opened)
        torn, file_system = reading.torn, self._disk.file_system(self._places.root)
        options = self._disk.mount_options(self._places.root) & DOUBTFUL_OPTIONS
        self._stands_on = (file_system, doubt(file_system, options))
        if self._stands_on[1]:
            why = {"file_system": file_system, "options": ",".join(sorted(options)), "reason": self._stands_on[1]}
            self._on_event("file_system_doubtful", {**why})
        return Recovery(
            messages=len(ledger) - sum(entry.is_closed for entry in ledger) - len(ledger.all_parked.closed()),
            records=reading.records,
            segments=len(reading.segments),
            skipped=ledger.skipped,
            torn=torn[2] - torn[1] if torn is not None else 0,
            damaged=len(reading.damages),
            orphans=opened.orphans,
            seconds=self._clock.monotonic() - began,
            file_system=file_system,
            sync_seconds=opened.sync_seconds,
            writer=self._journal.written_by,
            journal=opened.journal.hex(),
            boot=reading.boot + 1,
        )

    def _start(self, opened: Opened) -> None:
        self._ids = opened.ids
        census = Census(opened.tail.oldest, opened.tail.number)
        for segment in (*opened.reading.aside.values(), *opened.pinned):
            census.pin(segment)
        for file in opened.reading.segments:
            census.grown(file.number, file.size)
            census.found(file.number, *opened.reading.entered.get(file.number, (0, 0)))
        census.grown(opened.tail.number, HEADER_SIZE)
        self._fold = Fold(
            ledger=opened.ledger,
            census=census,
            cache=self._cache,
            space=self._space,
            renew_above=max(self._settings.segment_size // 16, LEAST_RENEWAL),
            on_event=self._on_event,
        )
        self._journal = Journal(
            tail=opened.tail,
            clock=self._clock,
            on_batch=self._fold.on_batch,
            on_poisoned=self._on_poisoned,
            on_full=self._space.give_up_reserve,
        )
        self._content = ContentFiles(
            disk=self._disk,
            directory=self._places.content,
            segments=self._places.journal,
            journal=opened.journal,
            pool=self._pool,
            is_scarce=lambda: self._space.is_scarce,
            on_poisoned=self._journal.poison,
        )
        self._fold.start(self._journal, self._content)
        self._compactor = Compactor(
            fold=self._fold,
            journal=self._journal,
            carrier=Carrier(
                disk=self._disk, directory=self._places.journal, journal=opened.journal, reserve=self._reserve
            ),
            peek=self.peek_many,
            pool=self._pool,
            clock=self._clock,
            on_event=self._on_event,
        )
        self._fold.on_shift = self._compactor.stir
        self._compactor.stir()
        self._scrubber = Scrubber(
            fold=self._fold, messages=self, journal=self._journal, cache=self._cache, pool=self._pool,
            clock=self._clock, reader=SealedReader(self._disk, self._places, opened.journal), settings=self._settings,
            damages=opened.reading.damages, on_event=self._on_event,
        )  # fmt: skip
        self._scrubber.start()

    def _open(self, park_as: ParkAs | None, on_event: OnEvent) -> Opened:
        """In a thread."""
        opened = open_spool(
            disk=self._disk,
            directory=self._places.root,
            make_tail=partial(Tail, segment_size=self._settings.segment_size, now=self._clock.now),
            park_as=park_as,
            on_event=on_event,
            on_full=self._space.give_up_reserve,
        )
        self._space.measure()
        return opened

    def watch(self, on_applied: OnApplied) -> None:
        """From now on it hears of each record that is durable. After `open`."""
        self._fold.on_applied = on_applied

    def next_queue_id(self) -> QueueId:
        return self._ids.next()

    @property
    def journal_tag(self) -> str:
        """Six hexadecimal digits, the tag in all queue ids of this journal."""
        return self._ids.tag

    def submit(self, records: Sequence[Record], on_durable: OnDurable) -> None:
        """All of the records become durable and are applied, or none; then `on_durable` is called, on the loop."""
        if self._space.is_scarce and self._is_new_mail(records):
            asyncio.get_running_loop().call_soon(on_durable, JournalFailed("the disk is full", full=True))
            return
        self._journal.submit(records, on_durable)

    async def commit(self, *records: Record) -> None:
        """The same for somebody who waits; raises JournalFailed. Who stops waiting does not stop the commit."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.submit(records, partial(resolve, done))
        await done

    def _is_new_mail(self, records: Sequence[Record]) -> bool:
        """And not a report that ends a message: what giving up the reserve made free is not for new mail."""
        is_new = is_new_mail(records)
        for record in records:
            if is_new and isinstance(record, Accepted) and record.large:
                self._content.remove(record.queue_id)
        return is_new

    def note(self, *records: Record) -> None:
        """The same for nobody: it rides with the next batch, soon. Lost only with the process."""
        self._journal.note(records)

    async def flush(self) -> None:
        """Return when all that was submitted or noted before is durable and applied; raises JournalFailed."""
        await self._journal.flush()

    def refusal(self, size: int = 0) -> Reply | None:
        """What to answer to somebody who wants to send us that much; None: go ahead."""
        if self._journal.failure is not None:
            return LOCAL_ERROR
        return self._space.refusal(size, self._journal.run)

    def entry(self, queue_id: QueueId) -> Entry | None:
        """None also for one that is parked: see `Recalling`."""
        return self._ledger.get(queue_id)

    def damaged(self) -> Sequence[Damage]:
        """What could not be read, at start or since."""
        assert self._opened is not None
        return tuple(self._opened.reading.damages)

    def facts(self) -> StoreFacts:
        """How it is; cheap enough for every second, but not for every message."""
        return summed(
            self._journal.meter,
            self._fold.census.facts(),
            is_poisoned=self._journal.failure is not None,
            messages=len(self._ledger),
            damages=len(self.damaged()),
            skipped=self._ledger.skipped,
            compactions=self._compactor.runs,
            carried=self._compactor.carried,
            freed=self._compactor.freed,
            reserve=self._reserve.size if self._reserve.is_held else 0,
            is_reserve_given_up=not self._reserve.is_held,
            oldest=self._ledger.ages.oldest(),
            free_space=self._space.free[0],
            free_inodes=self._space.free[1],
            file_system=self._stands_on[0],
            is_doubtful=bool(self._stands_on[1]),
            **self._scrubber.facts(),
        )

    def read_content(self, queue_id: QueueId) -> tuple[bytes, ...] | AsyncIterator[bytes]:
        """See `mail.envelope.ReadContent`."""
        parts = self._cache.get(queue_id)
        return parts if parts is not None else self._stream(queue_id)

    def read_back(self, record: Accepted) -> AsyncIterator[bytes]:
        """Large content that is finished and not committed yet, checked like any other."""
        return self._content.stream(Entry.of(record, 0, 0))

    def begin_large(self, queue_id: QueueId, *, binary: bool = False) -> LargeContent:
        return self._content.begin(queue_id, binary=binary)

    async def close(self) -> None:
        """Write what is waiting, seal the journal, unlock. A second time it does nothing."""
        if self._opened is None or self._is_closed:
            return
        self._is_closed = True
        await self._compactor.close()
        await self._scrubber.close()
        failure = await self._journal.close()
        if failure is not None:
            self._on_event("close_failed", {"error": str(failure)})
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)
        with suppress(OSError):  # the lock is gone with its descriptor, whatever close says
            self._disk.close(self._opened.lock)
