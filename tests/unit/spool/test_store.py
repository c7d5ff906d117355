from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial

import pytest

from asyncmta.mail.envelope import Content, ContentUnavailable, QueueId, format_queue_id
from asyncmta.mail.outcome import Outcome
from asyncmta.mail.replies import LOCAL_ERROR, STORAGE_FULL
from asyncmta.spool import segment
from asyncmta.spool.ledger import Entry
from asyncmta.spool.queue_ids import MAX_BOOT
from asyncmta.spool.records import (
    INLINE_LIMIT,
    Accepted,
    Attempted,
    Held,
    Record,
    Released,
    Removed,
    Reported,
    Retired,
    Warned,
)
from asyncmta.spool.store import JournalFailed, Recovery, SpoolSettings, Store, read_only
from asyncmta.system.disk import Locked
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk, PowerCut
from tests.unit.spool.spoolkit import (
    LATER,
    NEVER,
    OK,
    SMALL,
    Witness,
    content_of,
    envelope,
    make_store,
    read_all,
    settled,
)


class Scene:
    """A store on a fake disk that can be killed, cut off, and opened again."""

    def __init__(self, settings: SpoolSettings = SMALL) -> None:
        self.disk = FakeDisk()
        self.settings = settings
        self.clock = FakeClock()
        self.witness = Witness()
        self.recovery: Recovery | None = None

    async def open(self) -> Store:
        self.store = make_store(self.disk, settings=self.settings, clock=self.clock, witness=self.witness)
        self.recovery = await self.store.open()
        return self.store

    async def again(self, *, power: bool = False) -> Store:
        """A new life: after kill -9, or after a power cut that leaves nothing that was not synced."""
        self.disk = self.disk.crash() if power else self.disk.kill()
        with suppress(PowerCut):
            await self.store.close()
        return await self.open()

    def message(self, wire: bytes = b"Subject: x\r\n\r\nhello\r\n", recipients: int = 1) -> Accepted:
        queue_id = self.store.next_queue_id()
        parts = (wire[:9], wire[9:])
        return Accepted(queue_id, 1000.5, envelope(recipients), content_of(wire), "c", None, False, parts)

    async def accept(self, wire: bytes = b"Subject: x\r\n\r\nhello\r\n", recipients: int = 1) -> QueueId:
        record = self.message(wire, recipients)
        await self.store.commit(record)
        return record.queue_id

    async def accept_large(self, wire: bytes) -> QueueId:
        queue_id = self.store.next_queue_id()
        large = self.store.begin_large(queue_id)
        large.write(wire)
        content = await large.finish()
        await self.store.commit(Accepted(queue_id, 1.0, envelope(), content, "c", None, True))
        return queue_id

    async def deliver(self, *queue_ids: QueueId, outcome: Outcome = OK) -> None:
        for queue_id in queue_ids:
            self.store.note(Attempted(queue_id, 2.0, {0: outcome}))
        await settled(self.store)

    def size(self) -> int:
        return sum(len(octets) for path, octets in self.disk.tree().items() if "/journal/" in path)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    await scene.open()
    yield scene
    await scene.store.close()


LARGE = b"Subject: large\r\n" + b"x" * (INLINE_LIMIT + 5) + b"\r\n"


# -- what is answered is there --------------------------------------------------------------------------------------


async def test_what_was_committed_survives_a_power_cut(scene: Scene) -> None:
    small = await scene.accept()
    large = await scene.accept_large(LARGE)
    store = await scene.again(power=True)
    assert [entry.queue_id for entry in store.entries()] == [small, large]
    assert await read_all(store, small) == b"Subject: x\r\n\r\nhello\r\n"
    assert await read_all(store, large) == LARGE
    assert scene.recovery is not None
    assert (scene.recovery.messages, scene.recovery.damaged, scene.recovery.torn) == (2, 0, 0)


async def test_memory_is_never_ahead_of_the_disk(scene: Scene) -> None:
    record = scene.message()
    order: list[str] = []
    scene.store.submit((record,), lambda failure: order.append(f"durable {failure}"))
    order.append("submitted")
    assert scene.store.entry(record.queue_id) is None
    await scene.store.flush()
    assert order == ["submitted", "durable None"]
    assert scene.store.entry(record.queue_id) is not None


async def test_a_commit_is_applied_before_its_caller_is_told_and_the_next_after(scene: Scene) -> None:
    first, second = scene.message(), scene.message()
    seen: list[tuple[bool, bool]] = []

    def look(_: JournalFailed | None) -> None:
        known = [scene.store.entry(one.queue_id) is not None for one in (first, second)]
        seen.append((known[0], known[1]))

    scene.store.note(Held(first.queue_id, 1.0))  # keeps the writer from starting at once: nothing is due yet
    scene.store.submit((first,), look)
    scene.store.submit((second,), look)
    await scene.store.flush()
    assert seen == [(True, False), (True, True)]


async def test_the_state_is_the_same_after_a_restart(scene: Scene) -> None:
    store = scene.store
    queue_id = await scene.accept(recipients=5)
    store.note(Attempted(queue_id, 2.0, {0: OK, 1: LATER, 2: NEVER}))
    await store.commit(Attempted(queue_id, 3.0, {3: NEVER}), Reported(queue_id, 3.0, (3,), QueueId(77)))
    await store.commit(Held(queue_id, 4.0), Warned(queue_id, 4.0, (1,), None))
    await store.commit(Released(queue_id, 4.0), Held(queue_id, 5.0))
    before = store.entry(queue_id)
    assert before is not None
    state = before.carried()
    store = await scene.again()
    after = store.entry(queue_id)
    assert after is not None
    assert after.carried() == state
    assert after is await store.recall(queue_id)


async def test_ids_never_repeat_over_restarts(scene: Scene) -> None:
    store = scene.store
    ids = [store.next_queue_id() for _ in range(100)]
    for power in (False, True, False):
        store = await scene.again(power=power)
        ids += [store.next_queue_id() for _ in range(100)]
    assert len(set(ids)) == 400
    assert ids == sorted(ids)
    assert {f"{one >> 56:06x}" for one in ids} == {store.journal_tag}


async def test_a_counter_that_runs_over_goes_on_in_the_next_boot_number(scene: Scene) -> None:
    store = scene.store
    assert scene.recovery is not None
    boot = scene.recovery.boot
    store._ids._next += (1 << 36) - 5
    store._journal.renew()
    await scene.accept()
    header = segment.decode_header(scene.disk.get("spool/journal/0000000002.seg"))
    assert header is not None
    assert header.boot == boot + 1
    ids = [store.next_queue_id() for _ in range(20)]
    store = await scene.again(power=True)
    assert store.next_queue_id() > max(ids)


async def test_ids_that_are_used_up_end_the_journal(scene: Scene) -> None:
    scene.store._ids._next |= MAX_BOOT - 1 << 36 | 1 << 35
    scene.store._journal.renew()
    with pytest.raises(JournalFailed) as caught:
        await scene.accept()
    assert caught.value.final


async def test_a_second_store_is_told_who_holds_the_spool(scene: Scene) -> None:
    with pytest.raises(Locked):
        await make_store(scene.disk).open()
    await make_store(scene.disk).close()  # never opened: nothing to close


# -- content --------------------------------------------------------------------------------------------------------


async def test_fresh_content_is_the_very_parts_and_later_it_is_read(scene: Scene) -> None:
    record = scene.message(b"Subject: x\r\n.dot\r\n")
    await scene.store.commit(record)
    assert scene.store.read_content(record.queue_id) is record.parts
    scene.store.forget_content(record.queue_id)
    assert not isinstance(scene.store.read_content(record.queue_id), tuple)
    assert await read_all(scene.store, record.queue_id) == b"Subject: x\r\n.dot\r\n"


async def test_content_of_nobody_and_content_that_is_damaged(scene: Scene) -> None:
    with pytest.raises(ContentUnavailable):
        await read_all(scene.store, QueueId(5))
    queue_id = await scene.accept(b"Subject: x\r\n" + b"y" * 500 + b"\r\n")
    scene.store.forget_content(queue_id)
    path = "spool/journal/0000000001.seg"
    scene.disk.put(path, scene.disk.get(path).replace(b"yyyy", b"yyzy", 1))
    with pytest.raises(ContentUnavailable):
        await read_all(scene.store, queue_id)


async def test_cached_content_is_bounded() -> None:
    scene = Scene(SpoolSettings(min_free_space=0, min_free_inodes=0, reserve_size=0, cache_size=50))
    store = await scene.open()
    first = await scene.accept(b"Subject: first, and then some\r\n")
    second = await scene.accept(b"Subject: second, and then some\r\n")
    assert isinstance(store.read_content(second), tuple)
    assert not isinstance(store.read_content(first), tuple)
    assert await read_all(store, first) == b"Subject: first, and then some\r\n"
    await store.close()


async def test_large_content_goes_when_its_message_is_retired_and_not_before(scene: Scene) -> None:
    queue_id = await scene.accept_large(LARGE)
    path = f"spool/content/{format_queue_id(queue_id)}"
    await scene.deliver(queue_id, outcome=LATER)
    assert scene.disk.exists(path)
    await scene.deliver(queue_id)
    await scene.store.close()
    assert not scene.disk.exists(path)
    assert scene.store.entry(queue_id) is None


async def test_large_content_without_a_record_is_removed_at_the_next_start(scene: Scene) -> None:
    large = scene.store.begin_large(scene.store.next_queue_id())
    large.write(LARGE)
    await large.finish()
    await scene.again()
    assert scene.disk.list("spool/content") == []
    assert scene.recovery is not None
    assert scene.recovery.orphans == 1


async def test_large_content_of_a_commit_that_failed_is_removed(scene: Scene) -> None:
    queue_id = scene.store.next_queue_id()
    large = scene.store.begin_large(queue_id)
    large.write(LARGE)
    content = await large.finish()
    scene.disk.fail_at(1, errno.ENOSPC, only=["writev"])
    with pytest.raises(JournalFailed) as caught:
        await scene.store.commit(Accepted(queue_id, 1.0, envelope(), content, "c", None, True))
    assert caught.value.full
    await scene.store.close()
    assert scene.disk.list("spool/content") == []


# -- messages that are done -----------------------------------------------------------------------------------------


async def test_a_message_that_is_done_is_retired_by_the_store(scene: Scene) -> None:
    delivered, bounced, removed = [await scene.accept() for _ in range(3)]
    await scene.deliver(delivered)
    await scene.deliver(bounced, outcome=NEVER)
    assert scene.store.entry(bounced) is not None
    await scene.store.commit(Reported(bounced, 3.0, (0,), None))
    await scene.store.commit(Removed(removed, 3.0, "root"))
    await settled(scene.store)
    assert list(scene.store.entries()) == []
    assert not isinstance(scene.store.read_content(delivered), tuple)
    await scene.again(power=True)
    assert list(scene.store.entries()) == []


async def test_a_message_that_was_done_but_not_retired_is_retired_at_start(scene: Scene) -> None:
    queue_id = await scene.accept()
    scene.store.note(Attempted(queue_id, 2.0, {0: OK}))
    await scene.store.flush()
    assert scene.store.entry(queue_id) is not None
    store = await scene.again(power=True)
    assert scene.recovery is not None
    assert scene.recovery.messages == 0
    await settled(store)
    assert store.entry(queue_id) is None


async def test_a_drained_journal_shrinks(scene: Scene) -> None:
    ids = [await scene.accept(b"x" * 5000 + b"\r\n") for _ in range(10)]
    assert scene.size() > 50_000
    await scene.deliver(*ids)
    await scene.again()
    await settled(scene.store)
    assert scene.disk.list("spool/journal") == ["0000000002.seg"]
    assert scene.size() < 1000


async def test_a_running_journal_shrinks_too_and_drops_only_the_oldest() -> None:
    scene = Scene(SpoolSettings(min_free_space=0, min_free_inodes=0, reserve_size=0, segment_size=20_000))
    store = await scene.open()
    first = await scene.accept()
    ids = [await scene.accept(b"x" * 5000 + b"\r\n") for _ in range(20)]
    assert len(scene.disk.list("spool/journal")) > 5
    before = scene.disk.list("spool/journal")
    await scene.deliver(*ids)
    assert scene.disk.list("spool/journal")[: len(before)] == before  # the first message still lives in the oldest
    await scene.deliver(first)
    await settled(store)
    assert len(scene.disk.list("spool/journal")) == 1
    assert scene.size() < 2000
    queue_id = await scene.accept()
    store = await scene.again(power=True)
    assert [entry.queue_id for entry in store.entries()] == [queue_id]
    assert scene.recovery is not None
    assert scene.recovery.damaged == 0
    await store.close()


async def test_a_message_that_is_carried_lets_its_old_segment_go() -> None:
    scene = Scene(SpoolSettings(min_free_space=0, min_free_inodes=0, reserve_size=0, segment_size=8_000))
    store = await scene.open()
    wire = b"Subject: carried\r\n" + b"x" * 5000 + b"\r\n"
    kept = await scene.accept(wire, recipients=2)
    await store.commit(Attempted(kept, 2.0, {0: OK, 1: LATER}))
    await scene.deliver(await scene.accept(wire))
    before = store.entry(kept)
    assert before is not None
    await store.commit(before.carried((wire,)))
    after = store.entry(kept)
    assert after is not None
    assert after.carried() == before.carried()
    await settled(store)
    assert scene.disk.list("spool/journal") == [f"{after.segment:010d}.seg"]
    store = await scene.again(power=True)
    assert await read_all(store, kept) == wire
    await store.commit(after.carried((wire,)))  # twice does no harm
    await settled(store)
    store = await scene.again(power=True)
    assert [entry.carried() for entry in store.entries()] == [before.carried()]
    await store.close()


async def test_a_carried_message_that_was_not_known_is_known_then(scene: Scene) -> None:
    queue_id = await scene.accept()
    entry = scene.store.entry(queue_id)
    assert entry is not None
    state = entry.carried((b"Subject: x\r\n\r\nhello\r\n",))
    await scene.deliver(queue_id)
    assert scene.store.entry(queue_id) is None
    await scene.store.commit(state)
    assert scene.store.entry(queue_id) is not None


async def test_segments_that_come_back_after_they_were_dropped_are_recognised() -> None:
    scene = Scene(SpoolSettings(min_free_space=0, min_free_inodes=0, reserve_size=0, segment_size=8_000))
    await scene.open()
    images: dict[str, bytes] = {}
    for _ in range(6):
        queue_id = await scene.accept(b"x" * 5000 + b"\r\n")
        await scene.deliver(queue_id)
        images |= {path: octets for path, octets in scene.disk.tree().items() if path.endswith(".seg")}
    kept = await scene.accept()
    await scene.store.close()
    gone = sorted(set(images) - set(scene.disk.tree()))
    assert len(gone) > 3
    for path in gone[::2]:
        scene.disk.put(path, images[path])
    store = await scene.open()
    assert [entry.queue_id for entry in store.entries()] == [kept]
    assert store.damaged() == ()
    assert not set(gone) & set(scene.disk.tree())
    assert scene.witness.names.count("segment_returned") == len(gone[::2])
    await store.close()


# -- when things go wrong -------------------------------------------------------------------------------------------


async def test_a_torn_tail_is_told_and_cut(scene: Scene) -> None:
    kept = await scene.accept()
    await scene.accept()
    scene.disk = scene.disk.kill()
    path = "spool/journal/0000000001.seg"
    file = scene.disk.open(path, write=True)
    scene.disk.truncate(file, len(scene.disk.get(path)) - 3)
    with suppress(PowerCut):
        await scene.store.close()
    store = await scene.open()
    assert [entry.queue_id for entry in store.entries()] == [kept]
    assert scene.recovery is not None
    assert scene.recovery.torn > 0
    assert "torn_tail" in scene.witness.names
    assert [name for name in scene.disk.list("spool/quarantine") if name.endswith(".torn")]


async def test_damage_is_told_at_every_start_and_its_message_keeps_its_segment(scene: Scene) -> None:
    lost = await scene.accept(recipients=1)
    scene.store._journal.note([Retired(lost)])  # illegal: it is open; replay sets it aside
    await scene.store.flush()
    assert "illegal_transition" in scene.witness.names
    kept = await scene.accept()
    for _ in range(2):
        store = await scene.again()
        assert [damage.queue_id for damage in store.damaged()] == [lost]
        assert [entry.queue_id for entry in store.entries()] == [kept]
    await scene.deliver(kept)
    await settled(scene.store)
    assert "0000000001.seg" in scene.disk.list("spool/journal")


async def test_an_illegal_commit_is_a_failure_for_its_caller_alone(scene: Scene) -> None:
    queue_id = await scene.accept()
    answers: list[JournalFailed | None] = []
    scene.store.submit((Attempted(queue_id, 2.0, {7: OK}),), answers.append)
    scene.store.submit((Held(queue_id, 2.0),), answers.append)
    await scene.store.flush()
    assert isinstance(answers[0], JournalFailed)
    assert not answers[0].final
    assert answers[1] is None


async def test_a_bug_of_the_fold_leaves_nobody_without_an_answer_and_nothing_new_is_taken(scene: Scene) -> None:
    """Memory may not be what the disk says any more, so the process has to end."""
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    ids = [await scene.accept() for _ in range(3)]
    apply = scene.store._ledger.apply

    def buggy(record: Record, segment: int = 0, offset: int = 0) -> Entry | None:
        if record.queue_id == ids[1]:
            raise KeyError(segment)
        return apply(record, segment, offset)

    scene.store._ledger.apply = buggy  # type: ignore[method-assign]
    answers: dict[QueueId, JournalFailed | None] = {}
    for queue_id in ids:
        scene.store.submit((Held(queue_id, 2.0),), partial(answers.__setitem__, queue_id))
    with suppress(JournalFailed):
        await scene.store.flush()
    await asyncio.sleep(0)
    broken = answers.pop(ids[1])
    assert broken is not None
    assert broken.final
    assert answers == {ids[0]: None, ids[2]: None}
    assert [type(context["exception"]) for context in told] == [KeyError]
    assert [str(failure) for failure in scene.witness.poisoned] == [str(broken)]
    with pytest.raises(JournalFailed):
        await scene.accept()
    store = await scene.again()
    assert [entry.held for entry in store.entries()] == [True] * 3  # and all of it was durable


async def test_a_callers_bug_does_not_reach_the_others(scene: Scene) -> None:
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    answers: list[JournalFailed | None] = []

    def bug(_: JournalFailed | None) -> None:
        raise ZeroDivisionError

    scene.store.submit((scene.message(),), bug)
    scene.store.submit((scene.message(),), answers.append)
    await scene.store.flush()
    assert answers == [None]
    assert isinstance(told[0]["exception"], ZeroDivisionError)


async def test_a_failed_sync_is_final(scene: Scene) -> None:
    queue_id = await scene.accept()
    scene.disk.fail_at(1, errno.EIO, only=["fdatasync"])
    with pytest.raises(JournalFailed) as caught:
        await scene.accept()
    assert caught.value.final
    assert scene.witness.poisoned == [caught.value]
    assert scene.store.refusal() is LOCAL_ERROR
    with pytest.raises(JournalFailed):
        await scene.accept()
    scene.store.note(Attempted(queue_id, 2.0, {0: OK}))
    with pytest.raises(JournalFailed):
        await scene.store.flush()
    entry = scene.store.entry(queue_id)
    assert entry is not None
    assert entry.pending() == (0,)
    store = await scene.again(power=True)
    assert [entry.queue_id for entry in store.entries()] == [queue_id]


async def test_a_failed_sync_of_large_content_is_final_too(scene: Scene) -> None:
    large = scene.store.begin_large(scene.store.next_queue_id())
    large.write(LARGE)
    scene.disk.fail_at(1, errno.EIO, only=["fsync"])
    with pytest.raises(JournalFailed):
        await large.finish()
    assert len(scene.witness.poisoned) == 1
    assert scene.store.refusal() is LOCAL_ERROR


async def test_a_full_disk_refuses_new_mail_and_forgets_no_outcome(scene: Scene) -> None:
    queue_id = await scene.accept()
    assert scene.store.refusal() is None
    scene.disk.fail_at(1, errno.ENOSPC, for_good=True, only=["writev", "create"])
    scene.store.note(Attempted(queue_id, 2.0, {0: OK}))
    with pytest.raises(JournalFailed) as caught:
        await scene.accept()
    assert caught.value.full
    assert scene.store.refusal() is STORAGE_FULL
    assert scene.witness.poisoned == []
    scene.disk.heal()
    scene.clock.advance(1.5)
    assert scene.store.refusal() is STORAGE_FULL  # but it is being looked into
    await settled(scene.store)
    assert scene.store.refusal() is None
    assert scene.store.entry(queue_id) is None  # delivered, and retired
    store = await scene.again(power=True)
    assert list(store.entries()) == []


async def test_what_a_full_disk_has_left_is_for_outcomes_and_reports_not_for_new_mail() -> None:
    scene = Scene(SpoolSettings(min_free_space=0, min_free_inodes=0, reserve_size=5000))
    store = await scene.open()
    assert len(scene.disk.get("spool/reserve")) == 5000
    queue_id = await scene.accept()
    large = store.begin_large(store.next_queue_id())
    large.write(LARGE)
    content = await large.finish()
    scene.disk.fail_at(1, errno.ENOSPC, only=["writev"])
    with pytest.raises(JournalFailed):
        await scene.accept()
    assert not scene.disk.exists("spool/reserve")
    for record in (scene.message(), Accepted(QueueId(large._writer._index), 1.0, envelope(), content, "", None, True)):
        with pytest.raises(JournalFailed) as caught:
            await store.commit(record)
        assert (caught.value.full, caught.value.final) == (True, False)
    held = scene.message()
    with pytest.raises(JournalFailed):
        await store.commit(held, Held(held.queue_id, 2.0))  # new mail as well
    dsn = scene.message()
    await store.commit(Attempted(queue_id, 2.0, {0: NEVER}), dsn, Reported(queue_id, 2.0, (0,), dsn.queue_id))
    await store.commit(Held(dsn.queue_id, 2.0))
    assert [entry.queue_id for entry in store.entries() if not entry.is_closed] == [dsn.queue_id]
    scene.clock.advance(1.5)
    assert store.refusal() is STORAGE_FULL
    await settled(store)
    assert store.refusal() is None
    assert scene.disk.exists("spool/reserve")
    await scene.accept()
    await store.close()


async def test_too_little_space_refuses_before_anything_was_sent() -> None:
    scene = Scene(SpoolSettings(min_free_space=1000, min_free_inodes=10, reserve_size=0))
    scene.disk.free = (1200, 100)
    store = await scene.open()
    assert store.refusal() is None
    assert store.refusal(500) is STORAGE_FULL
    await store.close()


async def test_a_store_that_cannot_open_can_be_tried_again() -> None:
    scene = Scene()
    scene.disk.fail_at(1, errno.EACCES, only=["mkdir"])
    with pytest.raises(PermissionError):
        await scene.open()
    store = await scene.open()
    assert store.damaged() == ()
    await store.close()


async def test_a_seal_that_fails_is_an_event() -> None:
    scene = Scene()
    store = await scene.open()
    scene.disk.fail_at(1, errno.EIO, only=["fdatasync"])
    await store.close()
    assert scene.witness.names == ["close_failed"]


async def test_who_stops_waiting_does_not_stop_the_commit(scene: Scene) -> None:
    record = scene.message()
    task = asyncio.ensure_future(scene.store.commit(record))
    await asyncio.sleep(0)
    task.cancel()
    await scene.store.flush()
    assert scene.store.entry(record.queue_id) is not None


async def test_after_a_stop_the_tools_read_what_was_there(scene: Scene) -> None:
    queue_id = await scene.accept()
    await scene.store.close()
    spool = read_only(scene.disk, "spool")
    assert [entry.queue_id for entry in spool.entries()] == [queue_id]
    assert spool.torn == 0


async def test_a_thousand_recipients(scene: Scene) -> None:
    queue_id = await scene.accept(recipients=1000)
    outcomes: dict[int, Outcome] = dict.fromkeys(range(0, 1000, 2), OK)
    await scene.store.commit(Attempted(queue_id, 2.0, outcomes))
    await scene.again()
    entry = scene.store.entry(queue_id)
    assert entry is not None
    assert entry.pending() == tuple(range(1, 1000, 2))


def test_content_is_what_the_envelope_room_says() -> None:
    assert content_of(b"..x\r\n") == Content(4, content_of(b"..x\r\n").digest, True, 5)


async def test_a_disk_that_has_become_slow_is_told_of_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    takes, sync = 0.0, scene.disk.fdatasync

    def slow(file: int) -> None:
        sync(file)
        scene.clock._monotonic += takes

    monkeypatch.setattr(scene.disk, "fdatasync", slow)
    told = []
    for takes in (0.5, 1.5, 1.5, 0.5, 0.1, 0.5, 2.0):  # noqa: B007 - `slow` reads it
        await scene.accept()
        told.append(scene.witness.names.count("slow_sync"))
    assert told == [0, 1, 1, 1, 1, 1, 2]
