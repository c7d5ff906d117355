"""The journal as the event loop sees it: commits are joined into batches, a `Writer` makes them durable.

While one batch is being synced everything that arrives is collected and becomes the next, with all that comes in the
turn of the loop in which it could begin, and under load in a few more while each brings something: the size of a batch
follows the load, whether the disk or the loop is the slower one, and no commit waits for a timer. Promises: one batch
in flight; batches are answered in the order in which they stand in the journal; a failed sync is final. Never: a
future, task or lock for each message; the meaning of records.

reliability.md R5, F6 to F8; python-core.md 4; docs/journal-format.md 6.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from asyncmta.spool.batch import Batch, OnDurable
from asyncmta.spool.codec import encode
from asyncmta.spool.failures import JournalFailed
from asyncmta.spool.meter import BatchMeter
from asyncmta.spool.records import Checkpoint, Record
from asyncmta.spool.tail import Tail
from asyncmta.spool.writer import Writer
from asyncmta.system.clock import Clock, Timer

__all__ = ["Batch", "Journal", "JournalFailed", "OnDurable"]

MAX_BATCH = 8 << 20
"""Octets after which a batch is closed, so that the first in it does not wait for ever (F8)."""
LOAD = 0.005
"""Seconds between two batches within which the second is held a little: for at most MOST_TURNS turns of the loop, as
long as each brings something and there are fewer than ENOUGH commits and notes."""
MOST_TURNS = 4
ENOUGH = 64
NOTE_WAITS = 0.02
"""Seconds that a note waits for a batch to ride with."""
RETRY_AFTER = 1.0
"""Seconds after which notes that found no room are tried again."""


class Journal:
    """All methods are for the loop. `on_batch` is called for each batch that was made durable or failed, `on_poisoned`
    once, when nothing can be written any more; `on_full` in the writer's thread, before a batch that found no room is
    given back."""

    def __init__(
        self,
        *,
        tail: Tail,
        clock: Clock,
        on_batch: Callable[[Batch], None],
        on_poisoned: Callable[[JournalFailed], None],
        on_full: Callable[[], None],
    ) -> None:
        self._tail = tail
        self._clock = clock
        self._on_batch = on_batch
        self._on_poisoned = on_poisoned
        self._loop = asyncio.get_running_loop()
        self._filling = Batch()
        self._waiting: deque[Batch] = deque()
        self._busy = False
        self._turns = self._come = 0
        self._last_ended = -math.inf
        self._writing: Batch | None = None
        self._timer: Timer | None = None
        self._timer_within = 0.0
        self.failure: JournalFailed | None = None
        self.meter = BatchMeter()
        self._writer = Writer(
            tail=tail,
            clock=clock,
            on_written=self._on_written,
            on_full=on_full,
            is_lost=lambda: self.failure is not None,
        )

    def submit(self, records: Sequence[Record], on_durable: OnDurable) -> None:
        """One commit: all of the records become durable, or none. An encoding error is raised here and now."""
        if self.failure is not None:
            self._loop.call_soon(on_durable, self.failure)
            return
        batch = self._filling
        batch.add(records, on_durable)
        batch.urgent = True
        if not self._busy:
            self._begin_soon()
        elif batch.size > MAX_BATCH:
            self._waiting.append(batch)
            self._filling = Batch()

    def note(self, records: Sequence[Record | Checkpoint], within: float = NOTE_WAITS) -> None:
        """The same without anybody who waits: it rides with the next batch, or has its own after `within` seconds."""
        if self.failure is not None:
            return
        batch = self._filling
        batch.add(records, None)
        if batch.size > MAX_BATCH and not batch.urgent:
            self._write_notes()
        elif self._timer is None or within < self._timer_within:
            self._set_timer(within)

    def renew(self) -> None:
        """Have the batch that is being filled begin a new segment."""
        self._filling.fresh = True

    @property
    def written_by(self) -> str:
        """ "compiled": by the thread of C; "python": by one of Python, which waits for the interpreter's lock."""
        return self._writer.kind

    def in_flight(self) -> set[int]:
        """The messages about which something was submitted or noted that is not applied yet."""
        batches = [*self._waiting, self._filling, *([self._writing] if self._writing is not None else [])]
        return {draft.queue_id for batch in batches for draft in batch.drafts}

    def drop_segments(self, first: int, oldest: int) -> None:
        """Unlink those from `first` to before `oldest`: a checkpoint that says so is durable."""
        self.run(partial(self._tail.drop, first, oldest))

    def run(self, job: Callable[[], None]) -> None:
        """Have the writer's thread do something small that does not touch the open segment."""
        self._writer.run(job)

    async def flush(self) -> None:
        """Return when all that was submitted or noted before is durable and applied; raises JournalFailed."""
        if self.failure is None and not self._busy and not self._filling.steps:
            return
        done: asyncio.Future[None] = self._loop.create_future()
        self.submit((), partial(resolve, done))
        await done

    async def close(self) -> JournalFailed | None:
        """Write what is waiting, seal, and end the thread. What went wrong with the seal, if anything did."""
        with suppress(JournalFailed):
            while self._busy or self._filling.steps:  # what is applied may note something more
                await self.flush()
        self._drop_timer()
        failure = await self._writer.close()
        if self._writing is not None:  # it came behind the end, as a full disk has us end with some left
            self._waiting.appendleft(self._writing)
        if self.failure is None or self._waiting:
            self._give_up(self.failure or JournalFailed("the journal is closed", final=True))
        return failure

    def _write_notes(self) -> None:
        self._timer = None
        self._filling.urgent = True
        if not self._busy and self.failure is None:
            self._begin_soon()

    def _set_timer(self, within: float) -> None:
        self._drop_timer()
        self._timer = self._clock.call_at(self._clock.monotonic() + within, self._write_notes)
        self._timer_within = within

    def _drop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin_soon(self) -> None:
        """In the next turn of the loop: what has come in until then rides along, and fewer syncs are paid for."""
        self._busy = True
        self._come = len(self._filling.steps)
        self._turns = MOST_TURNS if self._clock.monotonic() - self._last_ended < LOAD else 0
        self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        if self.failure is not None:
            self._busy = False
            return
        if self._waiting:
            batch = self._waiting.popleft()
        else:
            batch, before = self._filling, self._come
            self._come = len(batch.steps)
            if self._turns and before < self._come < ENOUGH:
                self._turns -= 1
                self._loop.call_soon(self._begin)
                return
            self._filling = Batch()
            self._drop_timer()
        self._writing = batch
        self._writer.write(batch)

    def _on_written(self, batch: Batch) -> None:
        self._busy = False
        self._writing = None
        self._last_ended = self._clock.monotonic()
        failure = batch.failure
        if failure is not None:
            self.meter.failed += 1
            self._on_failed(batch, failure)
        elif self._waiting or self._filling.urgent:
            self._begin_soon()
        if batch.written is not None:
            self.meter.written(seconds=batch.seconds, records=len(batch.drafts), octets=batch.size)
        self._on_batch(batch)

    def _on_failed(self, batch: Batch, failure: JournalFailed) -> None:
        if failure.final:
            self.poison(failure)
            return
        # Outcomes that were noted would be forgotten: they go to the head of the next batch, in their order.
        notes = [step for step in batch.steps if step[1] is None]
        batch.steps = [step for step in batch.steps if step[1] is not None]
        if notes:
            following = self._waiting[0] if self._waiting else self._filling
            drafts = [encode(record) for records, _ in notes for record in records]
            following.drafts[:0] = drafts
            following.steps[:0] = notes
            following.size += sum(draft.size for draft in drafts)
        if self._waiting or self._filling.urgent:
            self._begin_soon()
        elif notes and self._timer is None:
            self._set_timer(RETRY_AFTER)

    def poison(self, failure: JournalFailed) -> None:
        """Nothing is written any more; everybody who waits is told so."""
        if self.failure is None:
            self._give_up(failure)
            self._on_poisoned(failure)

    def _give_up(self, failure: JournalFailed) -> None:
        self.failure = failure
        self._drop_timer()
        lost = [*self._waiting, self._filling]
        self._waiting.clear()
        self._filling = Batch()
        for batch in lost:
            batch.failure = failure
            self._loop.call_soon(self._on_batch, batch)


def resolve(future: asyncio.Future[None], failure: JournalFailed | None) -> None:
    """An `OnDurable` for somebody who waits for a future and may have stopped to."""
    if future.done():
        return
    if failure is None:
        future.set_result(None)
    else:
        future.set_exception(failure)
