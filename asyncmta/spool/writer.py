"""Who makes batches durable, one at a time, while the loop goes on.

Where the machine has an `Appender`, it writes and syncs what goes behind the open segment, and the loop only plans and
settles: a Python thread would wait for the interpreter's lock after each call of the kernel. The thread of Python does
what is seldom (a new segment, what follows from an error, dropping segments, the end), and everything where there is no
appender. Promises: one task at a time, whoever does it; a batch comes back with `written` or `failure`, never neither.
Never: which records share a batch, or who waits for them.

reliability.md R5, F1, F6, F7; docs/decisions.md.
"""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any

from asyncmta.spool.batch import Batch
from asyncmta.spool.failures import JournalFailed
from asyncmta.spool.framing import Layout
from asyncmta.spool.tail import Tail
from asyncmta.system.clock import Clock


class Writer:
    """Methods are for the loop; those that begin with `_on_thread` for the thread. `on_written` is called on the loop;
    `on_full` in the thread, before a batch that found no room is given back; `is_lost` says at the end whether a sync
    has failed, so that nothing may be written any more."""

    def __init__(
        self,
        *,
        tail: Tail,
        clock: Clock,
        on_written: Callable[[Batch], None],
        on_full: Callable[[], None],
        is_lost: Callable[[], bool],
    ) -> None:
        self._tail = tail
        self._clock = clock
        self._on_written = on_written
        self._on_full = on_full
        self._is_lost = is_lost
        self._loop = asyncio.get_running_loop()
        self._appending: tuple[Batch, Layout] | None = None
        self._makes_room = False
        self._delayed: Batch | None = None  # until the room is made
        self._is_closing = False
        self._rested: asyncio.Future[None] | None = None
        self._jobs: SimpleQueue[Batch | Callable[[], None] | None] = SimpleQueue()
        self._ended: asyncio.Future[JournalFailed | None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._on_thread, name="journal", daemon=True)
        self._thread.start()  # first: without the other it can do all
        self._appender = tail.appender()
        if self._appender is not None:
            self._loop.add_reader(self._appender.fileno(), self._on_appended)

    @property
    def kind(self) -> str:
        return "compiled" if self._appender is not None else "python"

    def write(self, batch: Batch) -> None:
        """The next one after that which `on_written` was called for. Behind `close` it is not written."""
        if self._is_closing:
            return  # the thread may be sealing at this moment, where this would go
        if self._makes_room:
            self._delayed = batch
        else:
            self._begin(batch)

    def run(self, job: Callable[[], None]) -> None:
        """Have the thread do something small that does not touch the open segment."""
        self._jobs.put(job)

    async def close(self) -> JournalFailed | None:
        """Give back the batch that is being written, seal, and end the thread. What went wrong, if anything did."""
        self._is_closing = True
        while self._appending is not None or self._makes_room:  # else the file would be closed under the appender
            self._rested = self._loop.create_future()
            await self._rested
        self._jobs.put(None)
        await self._ended
        self._thread.join()
        if self._appender is not None:
            self._loop.remove_reader(self._appender.fileno())
            self._appender.close()
            self._appender = None  # its descriptor would stay until somebody collects the garbage
        return self._ended.result()

    def _begin(self, batch: Batch) -> None:
        if not self._append(batch):
            self._jobs.put(batch)

    # -- by the appender ----------------------------------------------------------------------------------------------

    def _append(self, batch: Batch) -> bool:
        """False: it is for the thread."""
        if self._appender is None or batch.fresh or not batch.drafts:
            return False
        try:
            plan = self._tail.plan(batch.drafts)
            if plan is None or plan.layout is None:
                return False
            self._appender.start(plan.file, plan.buffers, plan.offset, True)
        except Exception:  # whatever it is, the thread meets it as well, and says so
            return False
        self._appending = batch, plan.layout
        return True

    def _on_appended(self) -> None:
        assert self._appender is not None
        try:
            ended = self._appender.result()
        except Exception as bug:  # then nobody knows what is on the disk
            ended = OSError(errno.EIO, f"the writer failed: {bug!r}"), True, 0.0
        if ended is None:
            return
        try:
            if self._appending is None:
                self._on_room(ended[0])
            else:
                self._on_batch(*ended)
        finally:
            if self._rested is not None and not self._rested.done():
                self._rested.set_result(None)

    def _on_batch(self, error: OSError | None, in_sync: bool, seconds: float) -> None:
        assert self._appending is not None
        (batch, layout), self._appending = self._appending, None
        if error is not None:
            batch.error = error, in_sync
            self._jobs.put(batch)
            return
        batch.seconds = seconds
        try:
            batch.written = self._tail.settle(layout)
        except Exception as bug:  # nothing can go behind it, and nobody may wait for ever
            batch.failure = JournalFailed(f"the writer failed: {bug!r}", final=True)
        else:
            self._make_room(batch.size)
        self._on_written(batch)

    def _make_room(self, batch: int) -> None:
        """What goes wrong here is no batch's business."""
        assert self._appender is not None
        try:
            room = self._tail.plan_room(batch) if not self._is_closing else None
            if room is not None:
                self._appender.start(room.file, room.buffers, room.offset, False)
                self._makes_room = True
        except Exception:
            self._tail.do_without_room()

    def _on_room(self, error: OSError | None) -> None:
        self._makes_room = False
        if error is not None:
            self._tail.do_without_room()
        batch, self._delayed = self._delayed, None
        if batch is not None:
            self._begin(batch)

    # -- in the thread ------------------------------------------------------------------------------------------------

    def _on_thread(self) -> None:
        """It touches nothing that belongs to the loop but the batch it was given, and nothing of the tail once that is
        given back and there is an appender."""
        while (job := self._jobs.get()) is not None:
            if not isinstance(job, Batch):
                self._on_thread_run(job)
                continue
            self._on_thread_write(job)
            self._tell(self._on_written, job)
            if job.failure is None and self._appender is None:
                self._on_thread_run(partial(self._tail.make_room, job.size))
        self._tell(self._ended.set_result, self._on_thread_close())

    def _on_thread_write(self, batch: Batch) -> None:
        try:
            if batch.error is not None:
                error, in_sync = batch.error
                self._tail.fail(error, in_sync=in_sync)
            if batch.drafts:
                began = self._clock.monotonic()
                batch.written = self._tail.write(batch.drafts, fresh=batch.fresh)
                batch.seconds = self._clock.monotonic() - began
        except JournalFailed as failure:
            if failure.full:
                self._on_full()
            batch.failure = failure
        except Exception as bug:  # whatever it is, nobody may be told that this batch is durable
            batch.failure = JournalFailed(f"the writer failed: {bug!r}", final=True)

    def _on_thread_close(self) -> JournalFailed | None:
        try:
            if self._is_lost():
                self._tail.abandon()
            else:
                self._tail.close()
        except JournalFailed as failure:
            return failure
        except Exception as bug:  # who closes must not wait for ever
            return JournalFailed(f"the writer failed: {bug!r}", final=True)
        return None

    def _on_thread_run(self, job: Callable[[], None]) -> None:
        try:
            job()
        except Exception as bug:  # the thread lives on: everybody waits for it
            self._tell(self._loop.call_exception_handler, {"message": "a job of the spool failed", "exception": bug})

    def _tell(self, callback: Callable[[Any], None], argument: object) -> None:
        with suppress(RuntimeError):  # the loop was closed over our head: the process is ending
            self._loop.call_soon_threadsafe(callback, argument)
