"""Who is kept off the agenda, by an operator or by a route, and the operator's commands about it.

Promises: `hold`, `release` and `remove` return when what they say is durable; an attempt that runs ends first and is
recorded like any other; when the journal refuses, everything is as it was before; who stops waiting for a command
stops it only as long as nothing of it was handed to the journal, which memory follows from then on. Only messages with
a recipient that the scheduler still has are touched, since the ledger may be behind it by what was noted a moment ago.
Never: a change of what a route says, or an attempt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Protocol

from asyncmta.mail.envelope import QueueId
from asyncmta.mail.outcome import Cause, Failed, Scope
from asyncmta.mail.reply import reply
from asyncmta.scheduling.means import Means
from asyncmta.scheduling.reports import Reports
from asyncmta.scheduling.waiting import Waiting
from asyncmta.spool.ledger import Entry
from asyncmta.spool.records import Held, Record, Released, Removed

CHUNK = 500  # messages in one commit

REMOVED = Failed(Cause.POLICY, reply(554, "5.7.1", "Removed from the queue by the postmaster"), Scope.MESSAGE)


class Owner(Protocol):
    """What is needed of the scheduler."""

    def put(self, entry: Entry, ordinals: Sequence[int]) -> None:
        """Lay these recipients out on the agenda, due now; those that a route holds are kept back again."""
        ...

    def removed(self, queue_id: QueueId, by: str) -> None:
        """The message is out of the queue."""
        ...

    async def loaded(self) -> None:
        """Return when everything that the start has found is laid out, or parked."""
        ...

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when it holds; it is asked whenever an attempt has ended."""
        ...


class HeldBack:
    """The recipients of one scheduler that are pending, and neither on the agenda nor in hand."""

    def __init__(self, means: Means, *, reports: Reports, waiting: Waiting, owner: Owner) -> None:
        self._clock = means.clock
        self._store = means.store
        self._agenda = means.agenda
        self._reports = reports
        self.waiting = waiting
        self._owner = owner
        self._ordinals: dict[QueueId, set[int]] = {}
        self._stopped: set[QueueId] = set()  # by an operator: nothing of them goes on the agenda
        self._busy: set[QueueId] = set()  # those that a command is at work on
        self._commands: set[asyncio.Task[int]] = set()
        self._revocable: set[asyncio.Task[int] | None] = set()  # the commands that wait, with nothing handed in
        self._is_stopping = False

    @property
    def messages(self) -> int:
        """How many, but for some whose last recipient has just been let go."""
        return len(self._ordinals)

    def __contains__(self, queue_id: QueueId) -> bool:
        """Is any recipient of this message kept back?"""
        return bool(self._ordinals.get(queue_id))

    @property
    def stopped(self) -> int:
        """How many messages an operator holds."""
        return len(self._stopped)

    def ordinals(self, queue_id: QueueId) -> set[int]:
        return self._ordinals.get(queue_id, set())

    def stops(self, queue_id: QueueId) -> bool:
        """May nothing of this message be put on the agenda?"""
        return queue_id in self._stopped

    def keep(self, queue_id: QueueId, ordinals: Iterable[int]) -> None:
        """These recipients do not go on the agenda: a route or an operator holds them."""
        self._ordinals.setdefault(queue_id, set()).update(ordinals)

    def take_back(self, queue_id: QueueId, ordinals: Iterable[int]) -> None:
        """A route holds these no more; whoever says so lays them out."""
        self._ordinals.get(queue_id, set()).difference_update(ordinals)

    def restore(self, entry: Entry) -> None:
        """The ledger says that an operator holds it."""
        self._stopped.add(entry.queue_id)
        self.keep(entry.queue_id, entry.pending())

    def drop(self, queue_id: QueueId) -> None:
        """It has ended with nobody kept back."""
        self._stopped.discard(queue_id)
        self._ordinals.pop(queue_id, None)

    async def hold(self, queue_ids: Iterable[QueueId]) -> int:
        """Nothing more of them is tried until they are released; how many that are new."""
        await self._owner.loaded()
        return await self._carry_out(self._hold(queue_ids))

    async def release(self, queue_ids: Iterable[QueueId]) -> int:
        """They are due now, where the routes of today say; those that a route holds stay held."""
        await self._owner.loaded()
        return await self._carry_out(self._release(queue_ids))

    async def remove(self, queue_ids: Iterable[QueueId], *, by: str, bounce: bool = False) -> int:
        """Out of the queue with them; how many they were. `bounce`: their senders are told that they have failed."""
        await self._owner.loaded()
        return await self._carry_out(self._remove_all(queue_ids, by, bounce))

    async def stop(self) -> None:
        """What waits is given up; what is in the hands of the journal comes to its end."""
        self._is_stopping = True
        for command in self._commands:
            self._revoke(command)
        await asyncio.gather(*self._commands, return_exceptions=True)

    async def _carry_out(self, command: Coroutine[None, None, int]) -> int:
        task = asyncio.create_task(command, name="held.command")
        self._commands.add(task)
        task.add_done_callback(self._commands.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._revoke(task)
            raise

    def _revoke(self, command: asyncio.Task[int]) -> None:
        if command in self._revocable:
            command.cancel()

    def _chunks(self, queue_ids: Iterable[QueueId]) -> Iterator[list[QueueId]]:
        """Each once, a commit's worth at a time."""
        wanted = iter(dict.fromkeys(queue_ids))
        while not self._is_stopping and (chunk := list(islice(wanted, CHUNK))):
            yield chunk

    async def _hold(self, queue_ids: Iterable[QueueId]) -> int:
        count = 0
        for chunk in self._chunks(queue_ids):
            await self.waiting.fetch(chunk)
            with self._at_work(each for each in chunk if not self.stops(each) and self._is_here(each)) as chosen:
                self._stop(chosen)
                now = self._clock.now()
                await self._commit([Held(each, now) for each in chosen], undo=chosen)
                count += len(chosen)
        return count

    async def _release(self, queue_ids: Iterable[QueueId]) -> int:
        count = 0
        for chunk in self._chunks(queue_ids):
            with self._at_work(each for each in chunk if self.stops(each) or each in self) as chosen:
                now = self._clock.now()
                here = [each for each in chosen if self.stops(each) and self._is_here(each)]  # else it is ending
                await self._commit([Released(each, now) for each in here])
                self._let_go(chosen)
                count += len(chosen)
        return count

    async def _remove_all(self, queue_ids: Iterable[QueueId], by: str, bounce: bool) -> int:
        count = 0
        for chunk in self._chunks(queue_ids):
            await self.waiting.fetch(chunk)
            with self._at_work(each for each in chunk if self._is_here(each)) as chosen:
                count += await self._remove(chosen, by, bounce)
        return count

    async def _remove(self, queue_ids: Sequence[QueueId], by: str, bounce: bool) -> int:
        undo = [each for each in queue_ids if not self.stops(each)]
        self._stop(queue_ids)
        command = asyncio.current_task()
        self._revocable.add(command)
        try:
            await self._owner.until(partial(self._are_out_of_hand, queue_ids))
        except BaseException:
            self._let_go(undo)
            raise
        finally:
            self._revocable.discard(command)
        left = [each for each in queue_ids if each in self]  # the last attempts may have settled the others
        if bounce:
            await self._fail(left, undo)
        else:
            now = self._clock.now()
            await self._commit([Removed(each, now, by) for each in left], undo=undo)
        for queue_id in left:
            self.drop(queue_id)
            self._owner.removed(queue_id, by)
        return len(left)

    async def _fail(self, queue_ids: Sequence[QueueId], undo: Sequence[QueueId]) -> None:
        for at, queue_id in enumerate(queue_ids):
            entry = self._store.entry(queue_id)
            try:
                if entry is not None:  # else the store has set it aside as damaged
                    await self._reports.report(entry, dict.fromkeys(self.ordinals(queue_id), REMOVED))
            except BaseException:
                self._let_go([each for each in queue_ids[at:] if each in undo])
                raise
            self.drop(queue_id)

    async def _commit(self, records: Sequence[Record], *, undo: Sequence[QueueId] = ()) -> None:
        try:
            if records:
                await self._store.commit(*records)
        except BaseException:
            self._let_go(undo)
            raise

    def _is_here(self, queue_id: QueueId) -> bool:
        return queue_id in self._agenda or queue_id in self

    def _are_out_of_hand(self, queue_ids: Sequence[QueueId]) -> bool:
        return not any(queue_id in self._agenda for queue_id in queue_ids)

    def _stop(self, queue_ids: Sequence[QueueId]) -> None:
        for queue_id in queue_ids:
            self._stopped.add(queue_id)
            self.keep(queue_id, [ordinal for task in self._agenda.remove(queue_id) for ordinal in task.ordinals])

    def _let_go(self, queue_ids: Sequence[QueueId]) -> None:
        for queue_id in queue_ids:
            ordinals = sorted(self.ordinals(queue_id))
            self.drop(queue_id)
            entry = self._store.entry(queue_id)
            if entry is not None and ordinals:
                self._owner.put(entry, ordinals)

    @contextmanager
    def _at_work(self, queue_ids: Iterable[QueueId]) -> Iterator[list[QueueId]]:
        """Those that no other command is at work on; and none will be, within."""
        chosen = [each for each in queue_ids if each not in self._busy]
        self._busy.update(chosen)
        try:
            yield chosen
        finally:
            self._busy.difference_update(chosen)
