"""Batches by a thread that needs no lock, and by a Python thread: the same octets, the same answers."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmta.mail.envelope import QueueId
from asyncmta.spool import segment
from asyncmta.spool.batch import Batch
from asyncmta.spool.records import Retired
from asyncmta.spool.tail import ROOM_PARTS, Position, Tail
from asyncmta.spool.writer import Writer
from asyncmta.system.appending import Buffer
from asyncmta.system.disk import PosixDisk
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk
from tests.unit.spool.spoolkit import JOURNAL, accepted

FRESH = Position(journal=JOURNAL, highest=0, number=0, end=0, chain=bytes(16), sequence=1)
SEGMENT = 1 << 20
Task = tuple[int, Sequence[Buffer], int, bool]


class Held:
    """An appender on a disk of the tests, whose tasks are done when a test says so, or at once."""

    def __init__(self, disk: WithAppender) -> None:
        self._disk = disk
        self._event = os.eventfd(0, os.EFD_NONBLOCK)
        self._done: tuple[OSError | None, bool, float] | None = None
        self.seconds = 0.0
        self.task: Task | None = None
        self.tasks: list[Task] = []
        self.waits = False
        self.write_error: OSError | None = None
        self.sync_error: OSError | None = None
        self.is_closed = False

    def fileno(self) -> int:
        return self._event

    def start(self, file: int, buffers: Sequence[Buffer], offset: int, sync: bool) -> None:
        if self.task is not None or self._done is not None:
            raise RuntimeError("busy")
        self.task = file, buffers, offset, sync
        self.tasks.append(self.task)
        if not self.waits:
            self.do()

    def do(self) -> None:
        assert self.task is not None
        (file, buffers, offset, sync), self.task = self.task, None
        error, in_sync = self.write_error, False
        if error is None:
            self._disk.writev(file, buffers, offset)
            if sync and self.sync_error is not None:
                error, in_sync = self.sync_error, True
            elif sync:
                self._disk.fdatasync(file)
        self.write_error = self.sync_error = None
        self._done = error, in_sync, self.seconds
        os.eventfd_write(self._event, 1)

    def result(self) -> tuple[OSError | None, bool, float] | None:
        if self._done is not None:
            os.eventfd_read(self._event)
        done, self._done = self._done, None
        return done

    def close(self) -> None:
        self.is_closed = True
        os.close(self._event)


class WithAppender(FakeDisk):
    def __init__(self) -> None:
        super().__init__()
        self.held = Held(self)

    def appender(self) -> Held:  # type: ignore[override]
        return self.held


class Scene:
    def __init__(self, disk: FakeDisk) -> None:
        self.disk = disk
        disk.make_directories("journal")
        self.clock = FakeClock()
        self.tail = Tail(
            disk=disk, directory="journal", after=FRESH, segment_size=SEGMENT, boot=lambda: 1, now=self.clock.now
        )
        self.tail.begin()
        self.ended: asyncio.Queue[Batch] = asyncio.Queue()
        self.full = 0
        self.is_lost = False
        self.writer = Writer(
            tail=self.tail,
            clock=self.clock,
            on_written=self.ended.put_nowait,
            on_full=self.on_full,
            is_lost=lambda: self.is_lost,
        )
        self._next = 1

    def on_full(self) -> None:
        self.full += 1

    def batch(self, *sizes: int, fresh: bool = False) -> Batch:
        """A message of each size, or for 0 the end of one."""
        batch = Batch()
        for size in sizes:
            number, self._next = QueueId(self._next), self._next + 1
            batch.add([accepted(number, b"x" * size) if size else Retired(number)], None)
        batch.fresh = fresh
        return batch

    async def write(self, batch: Batch) -> Batch:
        self.writer.write(batch)
        ended = await self.ended.get()
        assert ended is batch
        return ended

    def segments(self) -> dict[str, bytes]:
        def content(path: str) -> bytes:
            file = self.disk.open(path)
            try:
                return self.disk.read_at(file, self.disk.size(file), 0)
            finally:
                self.disk.close(file)

        return {name: content(f"journal/{name}") for name in self.disk.list("journal")}


class OnHeld(Scene):
    disk: WithAppender

    def __init__(self) -> None:
        super().__init__(WithAppender())
        self.held = self.disk.held


@pytest.fixture
async def scene() -> AsyncIterator[OnHeld]:
    scene = OnHeld()
    yield scene
    scene.held.waits = False
    if scene.held.task is not None:
        scene.held.do()
    if not scene.held.is_closed:
        await scene.writer.close()


async def all_written(scene: Scene, script: Sequence[tuple[Sequence[int], bool]]) -> dict[str, bytes]:
    for sizes, fresh in script:
        batch = await scene.write(scene.batch(*sizes, fresh=fresh))
        assert batch.failure is None
        assert batch.written is not None
        assert len(batch.written.offsets) == len(sizes)
    assert await scene.writer.close() is None
    return scene.segments()


SIZES = st.lists(st.sampled_from([0, 0, 10, 4000, 20_000, 300_000]), min_size=1, max_size=5)


@given(st.lists(st.tuples(SIZES, st.integers(0, 9).map(lambda number: number == 0)), max_size=8))
def test_both_ways_write_the_same(script: list[tuple[list[int], bool]]) -> None:
    async def both() -> None:
        one, other = OnHeld(), Scene(FakeDisk())
        assert await all_written(one, script) == await all_written(other, script)
        assert one.held.tasks or not script or script[0][1]

    asyncio.run(both())


async def test_the_loop_goes_on_while_it_is_written(scene: OnHeld) -> None:
    scene.held.waits = True
    batch = scene.batch(100)
    scene.writer.write(batch)
    await asyncio.sleep(0)
    assert scene.ended.empty()
    assert batch.written is None
    scene.held.do()
    assert await scene.ended.get() is batch
    assert batch.written is not None
    assert batch.written.offsets == [segment.HEADER_SIZE]
    assert scene.held.tasks[0][3]  # with a sync


async def test_a_loop_that_is_late_makes_no_slow_disk(scene: OnHeld) -> None:
    scene.held.seconds = 0.25
    batch = scene.batch(100)
    scene.writer.write(batch)
    scene.clock.advance(60)
    await scene.ended.get()
    assert batch.seconds == 0.25


async def test_a_new_segment_is_for_the_thread(scene: OnHeld) -> None:
    await scene.write(scene.batch(100))
    batch = await scene.write(scene.batch(100, fresh=True))
    assert batch.written is not None
    assert batch.written.segment == 2
    assert len(scene.held.tasks) == 1
    await scene.write(scene.batch(100))
    assert len(scene.held.tasks) == 2


async def test_a_batch_that_does_not_fit_is_for_the_thread(scene: OnHeld) -> None:
    await scene.write(scene.batch(SEGMENT // 2))
    batch = await scene.write(scene.batch(SEGMENT // 2))
    assert batch.written is not None
    assert batch.written.segment == 2
    assert len(scene.held.tasks) == 1


async def test_says_who_writes(scene: OnHeld) -> None:
    assert scene.writer.kind == "compiled"
    other = Scene(FakeDisk())
    assert other.writer.kind == "python"
    await other.writer.close()


async def test_a_batch_of_nothing(scene: OnHeld) -> None:
    batch = await scene.write(scene.batch())
    assert (batch.written, batch.failure, scene.held.tasks) == (None, None, [])


async def test_a_write_that_failed_is_undone_and_the_journal_goes_on(scene: OnHeld) -> None:
    await scene.write(scene.batch(100))
    end = scene.segments()["0000000001.seg"]
    scene.held.write_error = OSError(errno.ENOSPC, "full")
    batch = await scene.write(scene.batch(200))
    assert batch.written is None
    assert batch.failure is not None
    assert (batch.failure.full, batch.failure.final, scene.full) == (True, False, 1)
    assert scene.segments()["0000000001.seg"] == end
    again = await scene.write(scene.batch(200))
    assert again.written is not None
    assert (again.written.segment, again.written.offsets) == (2, [segment.HEADER_SIZE])


async def test_a_write_that_failed_in_the_middle_is_cut_off(scene: OnHeld) -> None:
    await scene.write(scene.batch(100))
    end = scene.segments()["0000000001.seg"]
    scene.held.waits = True
    scene.held.write_error = OSError(errno.EIO, "broken")
    scene.writer.write(scene.batch(200))
    assert scene.held.task is not None
    file, buffers, offset, _ = scene.held.task
    scene.disk.writev(file, buffers[:1], offset)
    scene.held.do()
    batch = await scene.ended.get()
    assert batch.failure is not None
    assert scene.segments()["0000000001.seg"] == end


async def test_a_sync_that_failed_is_final(scene: OnHeld) -> None:
    scene.held.sync_error = OSError(errno.EIO, "broken")
    batch = await scene.write(scene.batch(200))
    assert batch.written is None
    assert batch.failure is not None
    assert batch.failure.final
    assert "broken" in str(batch.failure)
    scene.is_lost = True
    before = scene.segments()
    assert await scene.writer.close() is None
    assert scene.segments() == before  # nothing is written any more, no footer either


async def until_room_is_asked_for(scene: OnHeld) -> None:
    """Returns when the appender has room to make, and waits with it."""
    while not any(not sync for _, _, _, sync in scene.held.tasks):
        scene.held.waits = False
        scene.writer.write(scene.batch(100))
        scene.held.waits = True
        await scene.ended.get()


async def test_the_next_batch_waits_for_the_room(scene: OnHeld) -> None:
    await until_room_is_asked_for(scene)
    _, (zeros,), offset, _ = scene.held.tasks[-1]
    batch = scene.batch(100)
    scene.writer.write(batch)
    await asyncio.sleep(0)
    assert scene.held.task == scene.held.tasks[-1]
    scene.held.do()
    scene.held.waits = False
    assert await scene.ended.get() is batch
    octets = scene.segments()["0000000001.seg"]
    assert len(octets) == offset + len(zeros) == offset + SEGMENT // ROOM_PARTS
    assert batch.written is not None
    assert octets[batch.written.end :].count(0) == len(octets) - batch.written.end


async def test_a_new_segment_waits_for_the_room(scene: OnHeld) -> None:
    await until_room_is_asked_for(scene)
    batch = scene.batch(100, fresh=True)
    scene.writer.write(batch)
    await asyncio.sleep(0)
    assert scene.disk.list("journal") == ["0000000001.seg"]
    scene.held.do()
    assert await scene.ended.get() is batch
    assert batch.written is not None
    assert batch.written.segment == 2


async def test_the_end_waits_for_the_room(scene: OnHeld) -> None:
    await until_room_is_asked_for(scene)
    closing = asyncio.ensure_future(scene.writer.close())
    await asyncio.sleep(0)
    assert not closing.done()
    scene.held.do()
    assert await closing is None
    assert scene.held.is_closed
    findings = list(segment.scan(scene.segments()["0000000001.seg"], scene.tail._place))
    assert isinstance(findings[-1], segment.Seal)


async def test_room_that_cannot_be_made_is_not_asked_for_again(scene: OnHeld) -> None:
    await until_room_is_asked_for(scene)
    count = len(scene.held.tasks)
    scene.held.write_error = OSError(errno.ENOSPC, "full")
    scene.held.do()
    scene.held.waits = False
    for _ in range(200):
        assert (await scene.write(scene.batch(100))).failure is None
    assert all(sync for _, _, _, sync in scene.held.tasks[count:])
    assert scene.full == 0


async def test_an_appender_that_takes_nothing_leaves_it_to_the_thread(scene: OnHeld) -> None:
    def refuse(*_: object) -> None:
        raise MemoryError

    scene.held.start = refuse  # type: ignore[method-assign]
    batch = await scene.write(scene.batch(100))
    assert batch.written is not None


async def test_an_event_without_a_result_is_nothing(scene: OnHeld) -> None:
    scene.held.waits = True
    scene.writer.write(scene.batch(100))
    os.eventfd_write(scene.held.fileno(), 1)
    await asyncio.sleep(0)
    os.eventfd_read(scene.held.fileno())
    assert scene.ended.empty()
    scene.held.do()
    assert (await scene.ended.get()).written is not None


async def turns(is_there: Callable[[], object]) -> None:
    """Enough of them for somebody who does not wait."""
    for _ in range(200):
        if is_there():
            return
        await asyncio.sleep(0)
        os.sched_yield()


@pytest.mark.parametrize("is_lost", [True, False])
async def test_the_end_waits_for_the_batch_that_is_being_written(scene: OnHeld, is_lost: bool) -> None:
    """Else its file would be closed under it, and it would go on in whatever has that descriptor next."""
    scene.held.waits = True
    batch = scene.batch(100)
    scene.writer.write(batch)
    scene.is_lost = is_lost
    closing = asyncio.ensure_future(scene.writer.close())
    await turns(closing.done)
    assert not closing.done()
    scene.held.do()
    assert await closing is None
    assert scene.ended.get_nowait() is batch
    assert batch.written is not None


async def test_the_end_waits_for_a_batch_that_waited_for_the_room(scene: OnHeld) -> None:
    await until_room_is_asked_for(scene)
    batch = scene.batch(100)
    scene.writer.write(batch)
    scene.is_lost = True
    closing = asyncio.ensure_future(scene.writer.close())
    await asyncio.sleep(0)
    scene.held.do()
    await turns(lambda: scene.held.task)
    await turns(closing.done)
    assert not closing.done()
    scene.held.do()
    assert await closing is None
    assert scene.ended.get_nowait() is batch


async def test_the_end_waits_for_a_batch_that_fails(scene: OnHeld) -> None:
    scene.held.waits = True
    scene.held.write_error = OSError(errno.ENOSPC, "full")
    batch = scene.batch(100)
    scene.writer.write(batch)
    closing = asyncio.ensure_future(scene.writer.close())
    await asyncio.sleep(0)
    scene.held.do()
    assert await closing is None
    assert scene.ended.get_nowait() is batch
    assert batch.failure is not None
    assert scene.full == 1


async def test_nothing_is_begun_behind_the_end(scene: OnHeld) -> None:
    """The footer is being written where this batch would go."""
    await scene.write(scene.batch(100))
    closing = asyncio.ensure_future(scene.writer.close())
    await asyncio.sleep(0)
    scene.writer.write(scene.batch(100))
    assert await closing is None
    assert scene.ended.empty()
    assert len(scene.held.tasks) == 1


async def test_nothing_is_begun_behind_an_end_that_waits_for_the_room(scene: OnHeld) -> None:
    await until_room_is_asked_for(scene)
    count = len(scene.held.tasks)
    closing = asyncio.ensure_future(scene.writer.close())
    await asyncio.sleep(0)
    scene.writer.write(scene.batch(100))
    scene.held.do()
    assert await closing is None
    assert scene.ended.empty()
    assert len(scene.held.tasks) == count


async def test_an_end_that_nobody_waits_for_any_more_keeps_no_batch_waiting(scene: OnHeld) -> None:
    await until_room_is_asked_for(scene)
    batch = scene.batch(100)
    scene.writer.write(batch)
    closing = asyncio.ensure_future(scene.writer.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.sleep(0)
    scene.held.waits = False
    scene.held.do()
    assert await scene.ended.get() is batch
    assert batch.written is not None


async def gives_one_back_as_lost(scene: OnHeld) -> None:
    batch = await scene.write(scene.batch(100))
    assert batch.written is None
    assert batch.failure is not None
    assert batch.failure.final
    scene.is_lost = True


def broken(*_: object) -> None:
    raise MemoryError("no more of it")


async def test_a_batch_that_cannot_be_settled_is_given_back(scene: OnHeld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene.tail, "settle", broken)
    await gives_one_back_as_lost(scene)


async def test_a_batch_of_which_nobody_says_how_it_went_may_not_be_durable(
    scene: OnHeld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def result() -> None:
        os.eventfd_read(scene.held.fileno())
        raise MemoryError("no more of it")

    monkeypatch.setattr(scene.held, "result", result)
    await gives_one_back_as_lost(scene)


async def test_room_for_which_there_is_no_memory_is_done_without(
    scene: OnHeld, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = scene.held.start

    def refuse(file: int, buffers: Sequence[Buffer], offset: int, sync: bool) -> None:
        if not sync:
            raise MemoryError("no more of it")
        start(file, buffers, offset, sync)

    monkeypatch.setattr(scene.held, "start", refuse)
    for _ in range(200):
        assert (await scene.write(scene.batch(100))).failure is None
    monkeypatch.setattr(scene.held, "start", start)
    for _ in range(200):
        assert (await scene.write(scene.batch(100))).failure is None
    assert all(sync for _, _, _, sync in scene.held.tasks)


def events() -> int:
    """The eventfds of this process."""
    names = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return sum("eventfd" in os.readlink(name) for name in names if os.path.lexists(name))


async def test_an_end_leaves_no_descriptor(tmp_path: Path) -> None:
    """Nor waits for the garbage to be collected: some hundred Mtas may live in one process, one after the other."""
    tail = Tail(disk=PosixDisk(), directory=str(tmp_path), after=FRESH, segment_size=SEGMENT, boot=int, now=float)
    before = events()
    gc.disable()
    try:
        writer = Writer(tail=tail, clock=FakeClock(), on_written=vars, on_full=dict, is_lost=bool)
        writer.itself = writer  # type: ignore[attr-defined]  # a circle, as of the journal and its writer
        assert await writer.close() is None
        del writer
        while events() > before:  # its thread may be ending just now
            os.sched_yield()
    finally:
        gc.enable()


async def test_the_last_thread_that_is_to_be_had_is_the_one_that_can_do_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    asked: list[FakeDisk] = []
    monkeypatch.setattr(threading.Thread, "start", none_left)
    monkeypatch.setattr(WithAppender, "appender", asked.append)
    with pytest.raises(RuntimeError, match="can't start"):
        OnHeld()
    assert asked == []
