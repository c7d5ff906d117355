"""The part of the store that is about messages that wait: parked as rows, read back when somebody needs them whole.

Promises: nothing that happens to a message while it is being read back is lost; what is damaged is set aside, listed,
and keeps its segment; all others go on. Never: who is to be parked, or when one is due.

Seed D-53.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from heapq import merge

from asyncmta.mail.envelope import ContentUnavailable, QueueId, format_queue_id
from asyncmta.spool.content import ContentCache, ContentFiles
from asyncmta.spool.fold import Fold
from asyncmta.spool.ledger import Entry, Ledger
from asyncmta.spool.opening import Opened, Places
from asyncmta.spool.parked import Parked
from asyncmta.spool.recall import Recaller, Unreadable
from asyncmta.spool.recovery import Damage
from asyncmta.spool.repair import OnEvent
from asyncmta.system.disk import Disk


class Recalling:
    """The base of `Store`, which has all that is named here."""

    _disk: Disk
    _places: Places
    _pool: ThreadPoolExecutor
    _cache: ContentCache
    _content: ContentFiles
    _ledger: Ledger
    _fold: Fold
    _opened: Opened | None
    _on_event: OnEvent

    def park(self, queue_id: QueueId, mark: int = 0) -> bool:
        """It waits: keep of it only what is needed to read it back. False when that cannot be; then it stays as it is.
        What is noted about it later is applied all the same."""
        if not self._ledger.park(queue_id, mark):
            return False
        self.forget_content(queue_id)
        return True

    def forget_content(self, queue_id: QueueId) -> None:
        """The first attempt has ended: from now on its content is read from the disk."""
        self._cache.drop(queue_id)

    def parked(self, queue_id: QueueId) -> Parked | None:
        return self._ledger.parked(queue_id)

    def whole_ids(self) -> list[QueueId]:
        """Of the messages that are not parked, in the order in which they came."""
        return [entry.queue_id for entry in self._ledger]

    def all_parked(self) -> Iterator[Parked]:
        """In the order of their ids; they may come and go meanwhile."""
        return iter(self._ledger.all_parked)

    def ids(self, before: QueueId | None = None) -> Iterator[QueueId]:
        """Of all messages, or of those before that one, the newest first; they may come and go meanwhile."""
        return self._ledger.ids(before)

    def entries(self) -> Iterator[Entry]:
        """All that are queued, in the order of their ids; those that are parked are read back one by one, and blocking:
        `peek_many` is for who has no time."""
        whole = sorted(entry.queue_id for entry in self._ledger)
        for queue_id in merge(whole, self._ledger.all_parked.ascending()):
            entry = self.peek(queue_id)
            if entry is not None:
                yield entry

    def peek(self, queue_id: QueueId) -> Entry | None:
        """The message as it stands; one that is parked is read back, blocking, and stays parked."""
        entry = self._ledger.get(queue_id)
        parked = self._ledger.parked(queue_id) if entry is None else None
        if parked is None:
            return entry
        (result,) = self._read((parked,))
        if isinstance(result, Entry):
            return result
        self._give_up(parked, result)
        return None

    async def peek_many(self, queue_ids: Sequence[QueueId]) -> list[Entry | None]:
        """The same for many, not blocking; None for what is not queued or cannot be read."""
        read = await self._read_back(queue_ids, unpark=False)
        found = ((read.get(each), self._ledger.get(each)) for each in queue_ids)
        return [there or (result if isinstance(result, Entry) else None) for result, there in found]

    async def _stream(self, queue_id: QueueId) -> AsyncIterator[bytes]:
        while True:
            (entry,) = await self.peek_many((queue_id,))
            if entry is None:
                raise ContentUnavailable(f"no message {format_queue_id(queue_id)}")
            place = (entry.segment, entry.offset)
            try:
                async for chunk in self._content.stream(entry):
                    yield chunk
                return
            except ContentUnavailable:
                if entry.large or self._ledger.place(queue_id) in {None, place}:
                    raise  # else it was carried away under our eyes

    async def recall(self, queue_id: QueueId) -> Entry | None:
        """Like `entry`, but one that is parked is whole again. Raises Unreadable when it cannot be read now; None also
        for one that is damaged: it is listed."""
        (found,) = await self.recall_many((queue_id,))
        if isinstance(found, Unreadable):
            raise found
        return found

    async def recall_many(self, queue_ids: Sequence[QueueId]) -> list[Entry | Unreadable | None]:
        """The same for many, in the same order."""
        read = await self._read_back(queue_ids, unpark=True)
        return [self._ledger.get(each) or read.get(each) for each in queue_ids]

    async def _read_back(self, queue_ids: Iterable[QueueId], *, unpark: bool) -> dict[QueueId, Entry | Unreadable]:
        rows = (self._ledger.parked(queue_id) for queue_id in queue_ids)
        wanted = [row for row in rows if row is not None]
        wanted.sort(key=_place)
        found: dict[QueueId, Entry | Unreadable] = {}
        while wanted:
            results = await asyncio.get_running_loop().run_in_executor(self._pool, self._read, wanted)
            changed = []
            for parked, result in zip(wanted, results, strict=True):
                now = self._ledger.parked(parked.queue_id)
                if now is None:  # it is whole again, or gone
                    continue
                if now != parked:  # something was recorded of it, or its record moved, while we read
                    changed.append(now)
                elif isinstance(result, Entry):
                    found[parked.queue_id] = result
                    if unpark:
                        self._ledger.unpark(result)
                elif result.place is None:
                    found[parked.queue_id] = result
                else:
                    self._give_up(parked, result)
            wanted = changed
        return found

    def _read(self, wanted: Iterable[Parked]) -> list[Entry | Unreadable]:
        """Usually in a thread."""
        assert self._opened is not None
        results: list[Entry | Unreadable] = []
        with Recaller(self._disk, self._places.journal, self._opened.journal) as recaller:
            for parked in wanted:
                try:
                    results.append(recaller.entry(parked))
                except Unreadable as error:
                    results.append(error)
        return results

    def _give_up(self, parked: Parked, error: Unreadable) -> None:
        """Set it aside, if that is for good. Its segment is kept, for the next start to look at."""
        if error.place is None:
            return
        assert self._opened is not None
        segment, offset = error.place
        self._fold.set_aside(parked)
        self._opened.reading.damages.append(Damage(segment, offset, 0, error.reason, parked.queue_id))
        facts = {"queue_id": parked.queue_id, "error": error.reason, "segment": segment, "offset": offset}
        self._on_event("message_damaged", facts)


def _place(parked: Parked) -> tuple[int, int]:
    return parked.segment, parked.offset
