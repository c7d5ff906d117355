"""The suppression list of a running MTA: the file, the table in memory, and what is added by itself.

Promises: who is told that an entry was added or taken away is told after that is durable and counts; a change by
somebody else (`asyncmta suppress`) counts within some seconds; a file that cannot be read leaves the list as it was,
with a line of the log. Never: the loop waits for the disk; what is done with mail (`inbound`, `delivery/exit_door`).
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol

from asyncmta.mail.address import Address
from asyncmta.mail.failure_class import FailureClass
from asyncmta.suppression.counting import Automatic, Counting
from asyncmta.suppression.entries import (
    InvalidSuppression,
    Suppression,
    Suppressions,
    key_of,
    read,
    with_entries,
    without,
)
from asyncmta.system.clock import Clock
from asyncmta.system.file_state import FileState, file_state
from asyncmta.system.rewriting import rewrite

LOOK = 2.0  # seconds between two looks at the file
LARGEST = 256 << 20  # octets; more is not this file


class Notes(Protocol):
    """What is asked of the log."""

    def note(self, level: str, event: str, /, *, error: BaseException | None = None, **facts: object) -> None: ...


class Keeper:
    """One for an Mta. `open` first, `close` last; between them `of` may be asked at any time."""

    def __init__(self, *, path: str, clock: Clock, maillog: Notes, automatic: Automatic | None = None) -> None:
        self._path = path
        self._clock = clock
        self._maillog = maillog
        self._automatic = automatic if automatic is not None else Automatic()
        self._counting = Counting(self._automatic)
        self._table = Suppressions()
        self._state: FileState = ()
        self._fault = ""
        self._look_at = clock.monotonic()
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Raises OSError for a list that is there and cannot be read: to write to those on it is no way to begin."""
        await self.load()

    async def close(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)

    # -- asking ------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._table)

    def of(self, address: Address) -> Suppression | None:
        """What stands against an address now. Never waits: a file that has changed counts for the next who ask."""
        if self._clock.monotonic() >= self._look_at:
            self._look_at = self._clock.monotonic() + LOOK
            self._run(self._look())
        return self._table.of(address, self._clock.now()) if self._table else None

    def get(self, key: str) -> Suppression | None:
        """The entry under just this key, also one that is over."""
        return self._table.get(key)

    def entries(self) -> list[Suppression]:
        """By address, also those that are over."""
        return list(self._table)

    # -- changing ----------------------------------------------------------------------------------------------------

    async def add(self, entries: Iterable[Suppression]) -> None:
        """Raises OSError and InvalidSuppression."""
        added, now = tuple(entries), self._clock.now()
        await self._change(lambda octets: with_entries(octets, added, now))

    async def remove(self, keys: Iterable[str]) -> int:
        """How many there were. Raises as above."""
        wanted = tuple(keys)
        await self.load()
        count = sum(self.get(key) is not None for key in wanted)
        if count:
            await self._change(lambda octets: without(octets, wanted))
        return count

    def failed(self, address: Address, kind: FailureClass, at: float) -> None:
        """Mail to it has failed for good; that may be once too often."""
        automatic = self._automatic
        if kind.value not in automatic.classes or self.of(address) is not None:
            return
        key = key_of(address)
        if not self._counting.failed(key, at):
            return
        expires = at + automatic.expires if automatic.expires else 0.0
        one = Suppression(key, f"automatic: {kind.value}", at, expires)
        self._run(self._add_by_itself(one, address))

    async def _add_by_itself(self, one: Suppression, address: Address) -> None:
        try:
            await self.add((one,))
        except (OSError, InvalidSuppression) as error:
            self._maillog.note("error", "suppression_failed", recipient=address, reason=str(error))
        else:
            self._maillog.note("info", "suppression_added", recipient=address, reason=one.reason)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- the file ----------------------------------------------------------------------------------------------------

    async def _change(self, edit: Callable[[bytes], bytes]) -> None:
        async with self._turn:
            await asyncio.to_thread(rewrite, self._path, edit)
        await self.load()

    async def load(self) -> None:
        """Read it now, if it can be: raises OSError."""
        async with self._turn:
            state, octets = await asyncio.to_thread(_read, self._path)
            found = await asyncio.to_thread(read, octets)
            self._table = Suppressions(found.entries)
            self._state = state
            self._tell(f"lines that cannot be read: {list(found.faults[:10])}" if found.faults else "")

    async def _look(self) -> None:
        try:
            if await asyncio.to_thread(file_state, self._path) != self._state:
                await self.load()
        except OSError as error:
            self._tell(error.strerror or type(error).__name__)

    def _tell(self, fault: str) -> None:
        """Once, and once when it is over."""
        if fault == self._fault:
            return
        self._fault = fault
        if fault:
            self._maillog.note("error", "suppressions_unreadable", file=self._path, reason=fault)
        else:
            self._maillog.note("info", "suppressions_readable", file=self._path)


def _read(path: str) -> tuple[FileState, bytes]:
    """In a thread. What was before the look is its state, so that a change between the two is seen next time."""
    state = file_state(path)
    try:
        with open(path, "rb") as stream:
            octets = stream.read(LARGEST + 1)
    except FileNotFoundError:
        return state, b""
    if len(octets) > LARGEST:
        raise OSError(errno.EFBIG, f"larger than {LARGEST >> 20} MiB", path)
    return state, octets
