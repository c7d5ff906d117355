"""The scrub: a slow background reader that finds what has decayed on the disk before anybody needs it.

Once a day each sealed segment and each file of large content is verified, past the page cache, in small steps in a
thread, at a few MiB a second. Promises: what is found is said; a message that memory or the rest of its octets can
restore is written again, as compaction does; one that cannot be restored is set aside before it is delivered, and its
segment stays; a healthy journal is not reported, whatever is written, dropped or carried meanwhile. Never: the tail, a
message about which a record is under way, a decision of more than one look.

docs/journal-format.md 6.2; reliability.md O1, J18.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from typing import TypeVar

from asyncmta.mail.envelope import ContentUnavailable, QueueId, format_queue_id
from asyncmta.spool.carrying import shrunk
from asyncmta.spool.content import ContentCache
from asyncmta.spool.facts import SpoolSettings
from asyncmta.spool.failures import may_pass
from asyncmta.spool.findings import Broken, rescued
from asyncmta.spool.fold import Fold
from asyncmta.spool.journal import Journal, JournalFailed, resolve
from asyncmta.spool.ledger import Entry
from asyncmta.spool.parked import Parked
from asyncmta.spool.recall import Messages, Unreadable
from asyncmta.spool.recovery import Damage, SpoolRefused
from asyncmta.spool.repair import OnEvent
from asyncmta.spool.sealed import Look, Sealed, SealedReader
from asyncmta.system.clock import Clock, Timer

PAUSE = 0.02  # seconds between two steps, at least
AGAIN_AFTER = 60.0  # seconds until a step that found the machine short of something is tried again
REPAIRED, SET_ASIDE, COUNTED = "repaired", "set aside", "counted"
_TRIES = 3

T = TypeVar("T")


class Scrubber:
    """`rounds`, `found` and `repaired` count. `damages`: what is set aside goes there."""

    def __init__(
        self, *, fold: Fold, messages: Messages, journal: Journal, reader: SealedReader, cache: ContentCache,
        pool: Executor, clock: Clock,
        settings: SpoolSettings, damages: list[Damage], on_event: OnEvent,
    ) -> None:  # fmt: skip
        self._fold = fold
        self._messages = messages
        self._ledger = fold.ledger
        self._census = fold.census
        self._journal = journal
        self._reader = reader
        self._cache = cache
        self._pool = pool
        self._clock = clock
        self._settings = settings
        self._damages = damages
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._timer: Timer | None = None
        self._task: asyncio.Task[None] | None = None
        self._known: set[tuple[int, int]] = set()  # segment and offset of what was said already
        self._is_closed = False
        self.rounds = self.found = self.repaired = 0

    def start(self) -> None:
        self._set_timer(self._settings.scrub_after)

    async def close(self) -> None:
        """Stop where it is."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def facts(self) -> dict[str, int]:
        return {"scrub_rounds": self.rounds, "scrub_found": self.found, "scrub_repaired": self.repaired}

    def _set_timer(self, seconds: float) -> None:
        if self._settings.scrub_interval and not self._is_closed:
            self._timer = self._clock.call_at(self._clock.monotonic() + seconds, self._begin)

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._round())
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if task.cancelled():
            return
        failure = task.exception()
        if failure is not None:
            self._loop.call_exception_handler({"message": "the scrub failed", "exception": failure})
        if self._journal.failure is None:
            self._set_timer(self._settings.scrub_interval)

    # -- one round ---------------------------------------------------------------------------------------------------

    async def _round(self) -> None:
        try:
            for sealed in await self._list():
                await self._read(sealed)
            for queue_id in await self._with_large():
                await self._read_large(queue_id)
        except JournalFailed:  # it is closed, or takes nothing any more: there is nobody to repair for
            return
        self._known = {place for place in self._known if place[0] >= self._census.oldest}
        self.rounds += 1

    async def _list(self) -> list[Sealed]:
        for _ in range(_TRIES):  # again when one was dropped under our eyes
            found = await self._patiently(self._reader.segments, self._census.tail)
            if found is not None:
                return found
        return []

    async def _read(self, sealed: Sealed) -> None:
        look: Look | None = Look(0)
        while look is not None and not look.is_last and sealed.number >= self._census.oldest:
            look = await self._step(self._reader.look, sealed, look.at, look.window)
            if look is not None and look.broken and sealed.number >= self._census.oldest:
                await self._judge(sealed.number, look)

    async def _read_large(self, queue_id: QueueId) -> None:
        (found,) = await self._messages.peek_many((queue_id,))
        if found is None:
            return
        reader = self._reader.large(found)
        try:
            while self._ledger.place(queue_id) is not None:
                look = await self._step(self._reader.chunk, reader, found)
                if look is None or look.is_last:
                    return
        except ContentUnavailable as error:
            entry = await self._recall(queue_id)
            if entry is None:
                return
            place = (entry.segment, entry.offset)
            damage = Damage(*place, 0, f"content/{format_queue_id(queue_id)}: {error}", queue_id)
            if await self._is_quiet(entry) and self._is_open(entry):
                self._set_aside(entry, damage)
                self._say(place, queue_id, SET_ASIDE)

    async def _step(self, look: Callable[..., Look], *about: object) -> Look | None:
        """One look, and the pause behind it."""
        began = self._clock.monotonic()
        seen = await self._patiently(look, *about)
        if seen is not None:
            now = self._clock.monotonic()
            await self._clock.sleep_until(max(began + seen.size / self._settings.scrub_rate, now + PAUSE))
        return seen

    async def _patiently(self, job: Callable[..., T], *about: object) -> T | None:
        """In a thread, and again later if the machine is short of something. None: what it was about is not there."""
        while self._journal.failure is None:
            try:
                return await self._loop.run_in_executor(self._pool, job, *about)
            except FileNotFoundError:
                return None
            except (OSError, SpoolRefused) as error:
                if not may_pass(error):
                    self._on_event("scrub_failed", {"error": str(error)})
                    return None
            await self._clock.sleep_until(self._clock.monotonic() + AGAIN_AFTER)
        raise self._journal.failure

    # -- what is done about a finding ----------------------------------------------------------------------------------

    async def _judge(self, number: int, look: Look) -> None:
        here = await self._residents(number)
        for record in look.broken:
            place = (number, record.start)
            if place in self._known:
                continue
            ids = [queue_id for queue_id, offset in here if record.start <= offset < record.end]
            if not ids and record.queue_id is not None and self._ledger.place(record.queue_id) is not None:
                ids = [record.queue_id]  # something that became of it
            ends: dict[QueueId, str | None] = {}
            for queue_id in ids:
                ends[queue_id] = await self._make_well(queue_id, number, record, look.octets)
            if None not in ends.values():
                self._known.add(place)
            for whose, became in ends.items() if ends else [(record.queue_id, COUNTED)]:
                if became is not None:
                    self._say(place, whose, became)

    async def _make_well(self, queue_id: QueueId, number: int, record: Broken, octets: bytes) -> str | None:
        """See `_mend`; one that is parked is read back first."""
        if self._ledger.place(queue_id) is None:
            return COUNTED
        entry = await self._recall(queue_id)
        if entry is not None:
            return await self._mend(entry, number, record, octets)
        row = self._ledger.parked(queue_id)
        if row is not None and row.segment == number and record.start <= row.offset < record.end:
            self._set_aside(row, Damage(number, record.start, record.end, "its record cannot be read", queue_id))
        return SET_ASIDE if self._ledger.place(queue_id) is None else None

    async def _recall(self, queue_id: QueueId) -> Entry | None:
        """None: it has gone, is set aside, or cannot be read for the moment."""
        for _ in range(_TRIES):
            with suppress(Unreadable):
                return await self._messages.recall(queue_id)
            await self._clock.sleep_until(self._clock.monotonic() + AGAIN_AFTER)
        return None

    async def _mend(self, entry: Entry, number: int, record: Broken, octets: bytes) -> str | None:
        """What became of a message one of whose records is broken. None: nothing could be done now."""
        while self._is_open(entry):
            place = (entry.segment, entry.offset)
            is_home = entry.segment == number and record.start <= entry.offset < record.end
            if not is_home and place > (number, record.start):
                break  # all of it was carried since
            parts = await self._content_of(entry, (record, octets) if is_home else None)
            if not await self._is_quiet(entry):
                return None
            if place != (entry.segment, entry.offset) or not self._is_open(entry):
                continue  # carried away, or ended, meanwhile
            if parts is None and not is_home:
                return COUNTED  # its content has a finding of its own
            if parts is None:
                reason = "the content has decayed on the disk"
                self._set_aside(entry, Damage(number, record.start, record.end, reason, entry.queue_id))
                return SET_ASIDE
            try:
                await self._write(entry, parts)
            except JournalFailed as failure:
                if failure.final:
                    raise
                return None
            return REPAIRED
        return COUNTED

    async def _content_of(self, entry: Entry, home: tuple[Broken, bytes] | None) -> tuple[bytes, ...] | None:
        """From memory, or from what is left of its record, or from the disk, which may have just stumbled."""
        if entry.large:
            return ()
        if (parts := self._cache.get(entry.queue_id)) is not None:
            return parts
        if home is not None and (spared := rescued(home[1], home[0], entry.content)) is not None:
            return (spared,)
        content = await self._patiently(self._reader.again, entry)
        return (content,) if content is not None else None

    async def _is_quiet(self, entry: Entry) -> bool:
        """Is nothing about it under way? What is is waited for: a state that is already old must not be carried."""
        for _ in range(_TRIES):
            if entry.queue_id not in self._journal.in_flight():
                return True
            with suppress(JournalFailed):
                await self._journal.flush()
        return False

    async def _write(self, entry: Entry, parts: tuple[bytes, ...]) -> None:
        durable: asyncio.Future[None] = self._loop.create_future()
        self._journal.submit((shrunk(entry.carried(parts)),), partial(resolve, durable))
        await durable
        self.repaired += 1

    def _set_aside(self, entry: Entry | Parked, damage: Damage) -> None:
        self._fold.set_aside(entry)
        self._damages.append(damage)

    def _say(self, place: tuple[int, int], queue_id: QueueId | None, became: str) -> None:
        self.found += 1
        facts: dict[str, object] = {"segment": place[0], "offset": place[1], "became": became}
        if queue_id is not None:
            facts["queue_id"] = format_queue_id(queue_id)
        self._on_event("scrub_found", facts)

    def _is_open(self, entry: Entry) -> bool:
        return self._ledger.get(entry.queue_id) is entry and not entry.is_closed

    async def _residents(self, number: int) -> list[tuple[QueueId, int]]:
        """Who lives in this segment, and at which offset; a million are not looked through in one go."""
        found: list[tuple[QueueId, int]] = []
        for queue_ids in self._ledger.below(number + 1):
            places = ((queue_id, self._ledger.place(queue_id)) for queue_id in queue_ids)
            found += [(queue_id, at[1]) for queue_id, at in places if at is not None and at[0] == number]
            await asyncio.sleep(0)
        return found

    async def _with_large(self) -> list[QueueId]:
        found: list[QueueId] = []
        for queue_ids in self._ledger.below(self._census.tail + 1):
            rows = (self._ledger.get(queue_id) or self._ledger.parked(queue_id) for queue_id in queue_ids)
            found += [row.queue_id for row in rows if row is not None and row.large]
            await asyncio.sleep(0)
        return found
