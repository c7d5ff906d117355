"""The live fold: durable batches are applied to the ledger in the order of the journal, and answered.

Promises: nothing is applied before its sync; after each commit its caller is told, and one caller's bug does not reach
the others. Draws the consequences that are the spool's own: a closed message is retired, its cached content dropped,
its large file removed once that is durable, and segments in which nothing lives any more are given up. Never: the disk.

docs/journal-format.md 4 and 6.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from asyncmta.spool.census import Census
from asyncmta.spool.content import ContentCache, ContentFiles
from asyncmta.spool.journal import Batch, Journal, JournalFailed, OnDurable
from asyncmta.spool.ledger import Entry, IllegalTransition, Ledger
from asyncmta.spool.parked import Parked
from asyncmta.spool.records import Accepted, Carried, Checkpoint, Record, Retired
from asyncmta.spool.repair import OnEvent
from asyncmta.spool.space import FreeSpace

OWN_NOTES_WAIT = 1.0
"""Seconds that the spool's own notes wait for a batch to ride with: nobody is in a hurry for them."""


OnApplied = Callable[[Record, Entry | Parked], None]
"""Hears of each record that is durable, with its message as it is then. It may not raise."""

SLOW = 1.0  # seconds for a batch to be written and synced, from which on it is said
FAST = 0.25  # and below which the disk is as it should be


class Fold:
    """A tail with more than `renew_above`
    octets in which nothing lives is replaced, so that a drained journal is small. `on_shift` is called when a segment
    was begun or messages have gone, that is when compaction may be worth it."""

    def __init__(
        self, *, ledger: Ledger, census: Census, cache: ContentCache, space: FreeSpace,
        renew_above: int, on_event: OnEvent,
    ) -> None:  # fmt: skip
        self.ledger = ledger
        self.census = census
        self._cache = cache
        self._space = space
        self._dropped = census.oldest
        self.renew_above = renew_above
        self._on_event = on_event
        self._is_slow = False
        self._has_shifted = False
        self._closed: list[Record] = []  # by the batch that is being applied
        self.on_shift: Callable[[], None] = _nothing
        self.on_applied: OnApplied | None = None

    def start(self, journal: Journal, content: ContentFiles) -> None:
        """Take up what recovery left: the messages in the ledger, and those among them that are closed."""
        self._journal = journal
        self._content = content
        for entry in self.ledger:
            self.census.enter(entry.segment)
        parked = self.ledger.all_parked
        for segment, count in parked.by_segment().items():
            self.census.enter(segment, count)
        closed = [Retired(entry.queue_id) for entry in self.ledger if entry.is_closed]
        closed += map(Retired, parked.closed())
        if closed:
            journal.note(closed, OWN_NOTES_WAIT)
        self.give_up_segments()

    def on_batch(self, batch: Batch) -> None:
        """The journal's `on_batch`."""
        written = batch.written
        if batch.failure is not None:
            self._on_failed(batch, batch.failure)
            return
        if written is None:  # nothing to write: somebody waited for what was before
            for _, on_durable in batch.steps:
                self._answer(on_durable, None)
            return
        self._space.spend(batch.size)
        if batch.seconds >= SLOW or self._is_slow:
            self._watch_pace(batch)
        segment, places = written.segment, zip(written.offsets, batch.drafts, strict=True)
        apply = self._apply
        for records, on_durable in batch.steps:
            outcome = None
            for record in records:
                offset, draft = next(places)
                try:
                    apply(record, segment, offset, draft.size)
                except IllegalTransition as error:  # a bug of ours: nothing was changed, and it must be seen
                    outcome = JournalFailed(f"illegal transition: {error}")
                    self._on_event("illegal_transition", {"queue_id": error.queue_id, "error": str(error)})
                except Exception as bug:  # memory may not be what the disk says any more: nothing new is taken
                    outcome = self._break(bug)
            if on_durable is not None:
                self._answer(on_durable, outcome)
        if self._closed:
            closed, self._closed = self._closed, []
            self._journal.note(closed, OWN_NOTES_WAIT)
        self.census.grown(segment, written.end)
        if segment != self.census.tail:
            self.census.tail = segment
            self._has_shifted = True
            self.give_up_segments()
        if not self.ledger and written.end > self.renew_above:
            self._journal.renew()
        if self._has_shifted:
            self._has_shifted = False
            self.on_shift()

    def _watch_pace(self, batch: Batch) -> None:
        """A disk that has become slow is told of once, until it is fast again."""
        was_slow, self._is_slow = self._is_slow, batch.seconds >= (FAST if self._is_slow else SLOW)
        if self._is_slow and not was_slow:
            facts: dict[str, object] = {"seconds": round(batch.seconds, 3), "records": len(batch.drafts)}
            self._on_event("slow_sync", facts | {"octets": batch.size})

    def _break(self, bug: Exception) -> JournalFailed:
        """Others of the batch are answered as they deserve, and this process has to end."""
        self._tell("a record could not be applied", bug)
        failure = JournalFailed(f"a record could not be applied: {bug!r}", final=True)
        self._journal.poison(failure)
        return failure

    def _on_failed(self, batch: Batch, failure: JournalFailed) -> None:
        if failure.full:
            self._space.found_full()
        for records, on_durable in batch.steps:
            if not failure.final:  # else it may be on the disk all the same, and the next start knows
                for record in records:
                    if isinstance(record, Accepted) and record.large:
                        self._content.remove(record.queue_id)
            self._answer(on_durable, failure)

    def _answer(self, on_durable: OnDurable | None, failure: JournalFailed | None) -> None:
        if on_durable is None:
            return
        try:
            on_durable(failure)
        except Exception as error:  # one caller's bug must not keep the answer from the others of the batch
            self._tell("an on_durable callback failed", error)

    def _tell(self, what: str, bug: Exception) -> None:
        asyncio.get_running_loop().call_exception_handler({"message": what, "exception": bug})

    def _apply(self, record: Record | Checkpoint, segment: int, offset: int, size: int) -> None:
        kind = type(record)
        if kind is Checkpoint:
            first, self._dropped = self._dropped, record.oldest  # type: ignore[union-attr]
            self._journal.drop_segments(first, self._dropped)
            return
        if kind is Carried:
            self._move(record, segment, offset, size)  # type: ignore[arg-type]
            return
        entry = self.ledger.apply(record, segment, offset)  # type: ignore[arg-type]
        if entry is None:
            return
        if self.on_applied is not None:
            self.on_applied(record, entry)  # type: ignore[arg-type]
        if kind is Accepted:
            self.census.arrive(segment, size)
            if not entry.large:
                self._cache.put(record.queue_id, record.parts, record.content.wire_size)  # type: ignore[union-attr]
        elif kind is Retired:
            if entry.large:
                self._content.remove(entry.queue_id)
            self._has_shifted = True
            if self.census.leave(entry.segment):
                self.give_up_segments()
        elif entry.is_closed:
            self._cache.drop(entry.queue_id)
            self._closed.append(Retired(entry.queue_id))

    def _move(self, record: Carried, segment: int, offset: int, size: int) -> None:
        known = self.ledger.get(record.queue_id) or self.ledger.parked(record.queue_id)
        before = known.segment if known is not None else None
        self.ledger.apply(record, segment, offset)
        self.census.arrive(segment, size)
        if before is not None and self.census.leave(before):
            self.give_up_segments()

    def set_aside(self, entry: Entry | Parked) -> None:
        """It has turned out to be damaged: out of the ledger with it; its octets stay while this process does."""
        self.census.pin(entry.segment)
        self.census.leave(entry.segment)
        self.ledger.discard(entry.queue_id)
        self._cache.drop(entry.queue_id)

    def give_up_segments(self) -> None:
        """If nothing lives in the oldest segments any more, say so; when that is durable they are dropped."""
        if self.census.advance():
            self._journal.note((Checkpoint(self.census.oldest),), OWN_NOTES_WAIT)


def _nothing() -> None:
    """Nobody wants to know."""
