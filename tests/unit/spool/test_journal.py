"""Group commit: the writer thread is held at a gate, so that what is collected meanwhile can be seen."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import AsyncIterator, Sequence
from functools import partial

import pytest

from asyncmta.mail.envelope import QueueId
from asyncmta.spool import journal
from asyncmta.spool.framing import Draft
from asyncmta.spool.journal import Batch, Journal, JournalFailed, resolve
from asyncmta.spool.records import Record, Retired
from asyncmta.spool.tail import Position, Tail, Written
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk
from tests.unit.spool.spoolkit import JOURNAL, accepted

FRESH = Position(journal=JOURNAL, highest=0, number=0, end=0, chain=bytes(16), sequence=1)


class GatedTail(Tail):
    """Each batch waits for the gate, which is open unless a test closes it."""

    def build_gate(self) -> None:
        self.is_closed = False
        self.arrived, self.permits = threading.Semaphore(0), threading.Semaphore(0)
        self.batches: list[list[int]] = []
        self.bug: Exception | None = None

    def open_gate(self) -> None:
        self.is_closed = False
        self.permits.release()

    def write(self, drafts: Sequence[Draft], *, fresh: bool = False) -> Written:
        if self.is_closed:
            self.arrived.release()
            self.permits.acquire()
        self.batches.append([draft.queue_id for draft in drafts])
        if self.bug is not None:
            raise self.bug
        return super().write(drafts, fresh=fresh)


class Scene:
    def __init__(self) -> None:
        self.disk = FakeDisk()
        self.disk.make_directories("journal")
        self.clock = FakeClock()
        self.tail = GatedTail(
            disk=self.disk, directory="journal", after=FRESH, segment_size=1 << 30, boot=lambda: 1, now=self.clock.now
        )
        self.tail.build_gate()
        self.tail.begin()
        self.ended: list[Batch] = []
        self.poisoned: list[JournalFailed] = []
        self.answers: list[tuple[int, JournalFailed | None]] = []
        self.full = 0
        self.journal = Journal(
            tail=self.tail,
            clock=self.clock,
            on_batch=self.on_batch,
            on_poisoned=self.poisoned.append,
            on_full=self.on_full,
        )

    def on_full(self) -> None:
        self.full += 1

    def on_batch(self, batch: Batch) -> None:
        self.ended.append(batch)
        for _, on_durable in batch.steps:
            if on_durable is not None:
                on_durable(batch.failure)

    def submit(self, *numbers: int) -> None:
        records: list[Record] = [Retired(QueueId(number)) for number in numbers]
        self.journal.submit(records, lambda failure: self.answers.append((numbers[0], failure)))

    def note(self, *numbers: int, within: float = journal.NOTE_WAITS) -> None:
        self.journal.note([Retired(QueueId(number)) for number in numbers], within)

    async def until(self, count: int) -> None:
        while len(self.ended) < count:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)

    async def close_gate(self) -> None:
        """Returns when a first batch, number 99, stands at the closed gate."""
        self.tail.is_closed = True
        self.submit(99)
        await asyncio.get_running_loop().run_in_executor(None, self.tail.arrived.acquire)

    async def let_one_pass(self) -> None:
        """Returns when the batch behind it stands at the gate."""
        self.tail.permits.release()
        await asyncio.get_running_loop().run_in_executor(None, self.tail.arrived.acquire)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    scene.tail.open_gate()
    if scene.journal._writer._thread.is_alive():
        await scene.journal.close()


async def test_a_lone_commit_waits_for_nobody(scene: Scene) -> None:
    scene.submit(1)
    await scene.until(1)
    assert scene.answers == [(1, None)]
    assert scene.clock.next_timer() is None


async def test_what_comes_in_one_turn_of_the_loop_is_one_batch(scene: Scene) -> None:
    scene.submit(1)
    scene.submit(2)
    asyncio.get_running_loop().call_soon(scene.submit, 3)
    await scene.until(2)
    assert scene.tail.batches == [[1, 2], [3]]


def come_in_turns(scene: Scene, first: int, last: int) -> None:
    """One now, and one in each turn from the next on."""
    scene.submit(first)
    if first < last:
        asyncio.get_running_loop().call_soon(come_in_turns, scene, first + 1, last)


@pytest.mark.parametrize(("last", "batches"), [(4, [[2, 3, 4]]), (9, [[2, 3, 4, 5, 6, 7], [8, 9]])])
async def test_under_load_a_batch_is_held_while_each_turn_brings_something(
    scene: Scene, last: int, batches: list[list[int]]
) -> None:
    scene.submit(1)
    await scene.until(1)
    scene.submit(2)
    come_in_turns(scene, 3, last)
    await scene.until(1 + len(batches))
    assert scene.tail.batches[1:] == batches


async def test_a_batch_of_many_is_not_held(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "ENOUGH", 3)
    scene.submit(1)
    await scene.until(1)
    scene.submit(2)
    come_in_turns(scene, 3, 5)
    await scene.until(3)
    assert scene.tail.batches[1:] == [[2, 3, 4], [5]]


async def test_long_after_another_a_batch_is_not_held(scene: Scene) -> None:
    scene.submit(1)
    await scene.until(1)
    scene.clock.advance(2 * journal.LOAD)
    scene.submit(2)
    come_in_turns(scene, 3, 4)
    await scene.until(3)
    assert scene.tail.batches[1:] == [[2, 3], [4]]


async def test_who_comes_while_an_answer_is_given_rides_with_the_next_batch(scene: Scene) -> None:
    await scene.close_gate()
    scene.submit(1)
    scene.journal._on_batch = lambda batch: (scene.on_batch(batch), scene.ended[1:] or scene.submit(2))[0]
    scene.tail.open_gate()
    await scene.until(2)
    assert scene.tail.batches == [[99], [1, 2]]


async def test_a_batch_that_was_to_begin_ends_with_the_journal(scene: Scene) -> None:
    scene.submit(1)
    scene.journal.poison(failure := JournalFailed("broken", final=True))
    await scene.until(1)
    assert (scene.answers, scene.tail.batches) == ([(1, failure)], [])


async def test_while_one_batch_is_synced_the_next_collects(scene: Scene) -> None:
    await scene.close_gate()
    for number in range(1, 6):
        scene.submit(number)
    scene.note(7)
    scene.submit(8, 9)
    assert scene.answers == []
    scene.tail.open_gate()
    await scene.until(2)
    assert scene.tail.batches == [[99], [1, 2, 3, 4, 5, 7, 8, 9]]
    assert [number for number, _ in scene.answers] == [99, 1, 2, 3, 4, 5, 8]
    assert scene.clock.next_timer() is None  # the note went along


async def test_the_next_batch_is_under_way_before_the_last_is_answered(scene: Scene) -> None:
    await scene.close_gate()
    scene.submit(1)
    handed_over: list[bool] = []
    scene.journal._on_batch = lambda batch: (handed_over.append(scene.journal._busy), scene.on_batch(batch))[-1]
    scene.tail.open_gate()
    await scene.until(2)
    assert handed_over == [True, False]


async def test_a_note_waits_a_moment_for_company_and_then_goes_alone(scene: Scene) -> None:
    scene.note(1)
    scene.note(2)
    await scene.clock.settle()
    assert scene.tail.batches == []
    scene.clock.advance(journal.NOTE_WAITS)
    await scene.until(1)
    assert scene.tail.batches == [[1, 2]]


async def test_a_note_that_fell_due_during_a_sync_goes_with_the_next_batch(scene: Scene) -> None:
    await scene.close_gate()
    scene.note(1)
    scene.clock.advance(journal.NOTE_WAITS)
    scene.tail.open_gate()
    await scene.until(2)
    assert scene.tail.batches == [[99], [1]]


async def test_an_urgent_note_does_not_wait_behind_a_slow_one(scene: Scene) -> None:
    scene.note(1, within=10.0)
    scene.note(2)
    scene.clock.advance(journal.NOTE_WAITS)
    await scene.until(1)
    assert scene.tail.batches == [[1, 2]]


async def test_a_batch_is_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_BATCH", 100)
    await scene.close_gate()
    for number in range(1, 8):
        scene.submit(number)
    scene.tail.open_gate()
    await scene.until(4)
    assert scene.tail.batches == [[99], [1, 2, 3], [4, 5, 6], [7]]
    assert [number for number, _ in scene.answers] == [99, 1, 2, 3, 4, 5, 6, 7]


async def test_many_notes_do_not_wait_for_the_timer(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_BATCH", 100)
    for number in range(3):
        scene.note(number)
    await scene.until(1)
    assert scene.tail.batches == [[0, 1, 2]]


async def test_a_commit_that_cannot_be_encoded_leaves_nothing_behind(scene: Scene) -> None:
    good = accepted(1)
    bad = type(good)(good.queue_id, good.at, good.envelope, good.content, "", None, False, (b"other",))
    with pytest.raises(ValueError, match="not the content"):
        scene.journal.submit([good, bad], lambda _: None)
    scene.submit(2)
    await scene.until(1)
    assert scene.tail.batches == [[2]]


async def test_flush_waits_for_all_that_was_before(scene: Scene) -> None:
    await scene.journal.flush()
    assert scene.tail.batches == []
    scene.note(1)
    await scene.journal.flush()
    assert scene.tail.batches == [[1]]
    await scene.close_gate()
    flushed = asyncio.ensure_future(scene.journal.flush())
    await scene.clock.settle()
    assert not flushed.done()
    scene.tail.open_gate()
    await flushed
    assert scene.answers == [(99, None)]


async def test_a_renewed_batch_begins_a_segment(scene: Scene) -> None:
    scene.submit(1)
    await scene.until(1)
    scene.journal.renew()
    scene.submit(2)
    await scene.until(2)
    written = [batch.written for batch in scene.ended]
    assert [one.segment for one in written if one is not None] == [1, 2]


async def test_jobs_run_between_batches(scene: Scene) -> None:
    seen: list[int] = []
    await scene.close_gate()
    scene.journal.run(lambda: seen.append(len(scene.tail.batches)))
    scene.tail.open_gate()
    await scene.journal.flush()
    assert seen == [1]


# -- failures -------------------------------------------------------------------------------------------------------


async def test_a_full_disk_fails_the_batch_but_keeps_the_notes_for_the_next(scene: Scene) -> None:
    await scene.close_gate()
    scene.note(1)
    scene.submit(2)
    scene.note(3)
    scene.disk.fail_at(2, errno.ENOSPC, only=["writev"])
    scene.tail.open_gate()
    await scene.until(2)
    assert [(number, failure is not None and failure.full) for number, failure in scene.answers] == [
        (99, False),
        (2, True),
    ]
    assert scene.poisoned == []
    assert scene.full == 1
    scene.submit(4)
    await scene.until(3)
    assert scene.tail.batches[2] == [1, 3, 4]
    assert scene.answers[-1] == (4, None)


async def test_notes_that_found_no_room_are_tried_again_by_themselves(scene: Scene) -> None:
    scene.disk.fail_at(1, errno.ENOSPC, for_good=True, only=["writev", "create"])
    scene.note(1)
    scene.clock.advance(journal.NOTE_WAITS)
    await scene.until(1)
    scene.clock.advance(journal.RETRY_AFTER)
    await scene.until(2)
    scene.disk.heal()
    scene.clock.advance(journal.RETRY_AFTER)
    await scene.until(3)
    assert scene.tail.batches == [[1], [1], [1]]
    assert scene.ended[-1].failure is None


async def test_notes_go_before_what_was_waiting_and_it_is_not_held_up(scene: Scene) -> None:
    await scene.close_gate()
    scene.note(1)
    scene.submit(2)
    scene.disk.fail_at(2, errno.ENOSPC, only=["writev"])
    await scene.let_one_pass()
    scene.submit(3)  # while the batch that fails is at the gate
    scene.tail.open_gate()
    await scene.until(3)
    assert scene.tail.batches == [[99], [1, 2], [1, 3]]


async def test_notes_go_into_the_first_of_the_batches_that_wait(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_BATCH", 10)
    await scene.close_gate()
    scene.note(1)
    scene.submit(2)
    scene.submit(3)
    scene.submit(4)
    scene.disk.fail_at(2, errno.ENOSPC, only=["writev"])
    scene.tail.open_gate()
    await scene.until(4)
    assert scene.tail.batches == [[99], [1, 2], [1, 3], [4]]


async def test_a_failed_sync_is_final_for_all_who_wait_and_all_who_come(scene: Scene) -> None:
    await scene.close_gate()
    scene.submit(1)
    scene.note(2)
    scene.disk.fail_at(1, errno.EIO, only=["fdatasync"])
    scene.tail.open_gate()
    await scene.until(2)
    scene.submit(3)
    scene.note(4)
    await scene.clock.settle()
    assert [number for number, _ in scene.answers] == [99, 1, 3]
    assert {failure for _, failure in scene.answers} == {scene.journal.failure}
    assert scene.journal.failure is not None
    assert scene.journal.failure.final
    assert scene.poisoned == [scene.journal.failure]
    assert scene.tail.batches == [[99]]  # and nothing was tried again
    with pytest.raises(JournalFailed):
        await scene.journal.flush()
    syncs = [name for name, _ in scene.disk.calls].count("fdatasync")
    assert await scene.journal.close() is None
    assert [name for name, _ in scene.disk.calls].count("fdatasync") == syncs


@pytest.mark.parametrize("where", ["write", "close"])
async def test_a_bug_while_closing_is_told_and_nobody_waits_for_ever(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def bug(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(scene.tail, "close", bug)
    if where == "write":
        scene.tail.bug = ZeroDivisionError("a bug")
        scene.note(1)
        assert await scene.journal.close() is None  # it was told before
        assert len(scene.poisoned) == 1
    else:
        failure = await scene.journal.close()
        assert failure is not None
        assert "ZeroDivisionError" in str(failure)


async def test_a_bug_in_a_job_does_not_end_the_writer(scene: Scene) -> None:
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    def bug() -> None:
        raise IndexError

    scene.journal.run(bug)
    scene.submit(1)
    await scene.until(1)
    assert scene.answers == [(1, None)]
    assert isinstance(told[0]["exception"], IndexError)


async def test_a_bug_in_the_writer_is_no_success_either(scene: Scene) -> None:
    scene.tail.bug = ZeroDivisionError("a bug")
    scene.submit(1)
    await scene.until(1)
    (_, failure) = scene.answers[0]
    assert failure is not None
    assert failure.final
    assert "ZeroDivisionError" in str(failure)
    assert scene.poisoned == [failure]


async def test_poisoned_from_outside(scene: Scene) -> None:
    """By a sync of large content."""
    failure = JournalFailed("content", final=True)
    scene.journal.poison(failure)
    scene.journal.poison(JournalFailed("again", final=True))
    assert scene.poisoned == [failure]
    scene.submit(1)
    await scene.clock.settle()
    assert scene.answers == [(1, failure)]


# -- the end --------------------------------------------------------------------------------------------------------


async def test_closing_writes_what_is_waiting_and_seals() -> None:
    scene = Scene()
    scene.note(1)
    assert await scene.journal.close() is None
    assert scene.tail.batches == [[1]]
    assert b"\x89footer\n" in scene.disk.get("journal/0000000001.seg")
    scene.submit(2)
    await scene.clock.settle()
    assert scene.answers[0][1] is not None


async def test_closing_a_full_journal_ends() -> None:
    scene = Scene()
    scene.disk.fail_at(1, errno.ENOSPC, for_good=True, only=["writev", "create"])
    scene.note(1)
    assert await scene.journal.close() is None
    assert scene.ended[0].failure is not None


async def test_who_comes_while_a_full_journal_closes_is_told() -> None:
    """The last who fails hands in another, when `close` has heard already that no room is left."""
    scene = Scene()
    scene.disk.fail_at(1, errno.ENOSPC, for_good=True, only=["writev", "create"])
    scene.note(1)
    closing = asyncio.ensure_future(scene.journal.close())
    await asyncio.sleep(0)
    scene.journal.submit([Retired(QueueId(2))], lambda _: scene.submit(3))
    await closing
    await scene.until(2)
    assert [(number, failure is not None) for number, failure in scene.answers] == [(3, True)]


async def test_who_comes_while_a_full_journal_closes_is_told_when_it_is_poisoned_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene()
    scene.disk.fail_at(1, errno.ENOSPC, for_good=True, only=["writev", "create"])
    gate = threading.Event()
    monkeypatch.setattr(scene.tail, "close", gate.wait)
    scene.note(1)
    closing = asyncio.ensure_future(scene.journal.close())
    await asyncio.sleep(0)
    scene.journal.submit([Retired(QueueId(2))], lambda _: scene.submit(3))
    await scene.until(1)
    for _ in range(10):  # turns until the third stands behind the end
        await asyncio.sleep(0)
    scene.journal.poison(JournalFailed("broken", final=True))
    gate.set()
    await closing
    for _ in range(10):
        await asyncio.sleep(0)
    assert [(number, str(failure)) for number, failure in scene.answers] == [(3, "broken")]


async def test_a_seal_that_cannot_be_synced_is_told() -> None:
    scene = Scene()
    scene.disk.fail_at(1, errno.EIO, only=["fdatasync"])
    failure = await scene.journal.close()
    assert failure is not None
    assert failure.final


async def test_resolve_speaks_only_to_who_still_listens() -> None:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    resolve(done, None)
    resolve(done, JournalFailed("too late"))
    assert done.result() is None
    failed: asyncio.Future[None] = loop.create_future()
    partial(resolve, failed)(JournalFailed("no"))
    with pytest.raises(JournalFailed):
        failed.result()
