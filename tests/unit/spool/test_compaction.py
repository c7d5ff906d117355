from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from asyncmta.mail.envelope import ContentUnavailable, QueueId
from asyncmta.mail.replies import STORAGE_FULL
from asyncmta.spool.carrying import NOBODY, shrunk
from asyncmta.spool.compaction import AFTER, AFTER_FAILURE, STEP_MESSAGES
from asyncmta.spool.ledger import Entry
from asyncmta.spool.records import INLINE_LIMIT, Accepted, Attempted, Carried, Removed, Reported
from asyncmta.spool.store import JournalFailed, Recovery, SpoolSettings, Store
from asyncmta.system.disk import PosixDisk
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk, PowerCut
from tests.unit.spool.spoolkit import (
    LATER,
    NEVER,
    OK,
    OWED,
    Witness,
    content_of,
    envelope,
    make_store,
    read_all,
    settled,
)


class Scene:
    """A store on a fake disk whose clock moves when the test says so. `parks`: what stays is parked as a row."""

    def __init__(self, disk: FakeDisk | None = None, segment_size: int = 20_000, parks: bool = False) -> None:
        self.parks = parks
        self.disk = disk or FakeDisk()
        self.settings = SpoolSettings(min_free_space=0, min_free_inodes=0, segment_size=segment_size)
        self.clock = FakeClock()
        self.witness = Witness()
        self.recovery: Recovery | None = None
        self.wires: dict[QueueId, bytes] = {}

    async def open(self) -> Store:
        self.store = make_store(self.disk, settings=self.settings, clock=self.clock, witness=self.witness)
        self.recovery = await self.store.open()
        return self.store

    async def again(self, *, power: bool = True) -> Store:
        self.disk = self.disk.crash() if power else self.disk.kill()
        with suppress(PowerCut):
            await self.store.close()
        return await self.open()

    async def accept(self, size: int = 1000, recipients: int = 1) -> QueueId:
        queue_id = self.store.next_queue_id()
        wire = b"Subject: %d\r\n\r\n" % queue_id + b"x" * size + b"\r\n"
        self.wires[queue_id] = wire
        await self.store.commit(
            Accepted(queue_id, 1.0, envelope(recipients), content_of(wire), "c", None, False, (wire,))
        )
        self.store.forget_content(queue_id)
        return queue_id

    async def deliver(self, *queue_ids: QueueId) -> None:
        for queue_id in queue_ids:
            self.store.note(Attempted(queue_id, 2.0, {0: OK}))
        await settled(self.store)

    async def compact(self) -> None:
        """Let it do whatever it wants to."""
        compactor = self.store._compactor
        await settled(self.store)
        for _ in range(400):
            self.clock.advance(AFTER)
            await asyncio.sleep(0.001 if compactor._task is not None else 0)
            if compactor._task is None and compactor._timer is None:
                break
        await settled(self.store)

    def segments(self) -> list[str]:
        return self.disk.list("spool/journal")

    def size(self) -> int:
        return sum(len(octets) for path, octets in self.disk.tree().items() if "/journal/" in path)

    async def mostly_delivered(self, count: int = 100, keep: int = 20) -> list[QueueId]:
        """Many segments; every `keep`-th message is still there."""
        ids = [await self.accept() for _ in range(count)]
        await self.deliver(*[queue_id for at, queue_id in enumerate(ids) if at % keep])
        if self.parks:
            assert all(self.store.park(queue_id, 4) for queue_id in ids[::keep])
        return ids[::keep]

    def state(self, queue_id: QueueId) -> Carried:
        entry = self.store.peek(queue_id)
        assert entry is not None
        return entry.carried()

    async def has(self, *queue_ids: QueueId) -> None:
        assert sorted(entry.queue_id for entry in self.store.entries() if not entry.is_closed) == sorted(queue_ids)
        for queue_id in queue_ids:
            assert await read_all(self.store, queue_id) == self.wires[queue_id]


@pytest.fixture(params=[False, True], ids=["whole", "parked"])
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    scene = Scene(parks=request.param)
    await scene.open()
    yield scene
    with suppress(PowerCut):
        await scene.store.close()


async def test_what_lives_is_carried_and_the_old_segments_go(scene: Scene) -> None:
    kept = await scene.mostly_delivered()
    before = scene.size()
    assert len(scene.segments()) > 5
    await scene.compact()
    assert len(scene.segments()) <= 2
    assert scene.size() < before / 8
    await scene.has(*kept)
    assert scene.store._compactor.carried == len(kept)
    await scene.again()
    assert scene.recovery is not None
    assert (scene.recovery.damaged, scene.recovery.messages) == (0, len(kept))
    await scene.has(*kept)


LETTER = b"Subject: a letter\r\n\r\n" + b"..It has lines, and each of them begins with a dot.\r\n" * 60


async def test_what_is_carried_is_packed_and_read_as_it_came_also_when_it_is_carried_again(scene: Scene) -> None:
    queue_id = scene.store.next_queue_id()
    scene.wires[queue_id] = LETTER
    await scene.store.commit(
        Accepted(queue_id, 1.0, envelope(), content_of(LETTER), "c", None, False, (LETTER[:9], LETTER[9:]))
    )
    places = []
    for _ in range(3):
        await scene.deliver(*[await scene.accept() for _ in range(30)])
        await scene.compact()
        await scene.has(queue_id)
        (entry,) = [entry for entry in scene.store.entries() if entry.queue_id == queue_id]
        places.append((entry.segment, entry.offset))
        await scene.again()
        await scene.has(queue_id)
    assert len(set(places)) == 3
    assert scene.size() < 1500
    assert scene.recovery is not None
    assert scene.recovery.damaged == 0


async def test_packed_content_that_goes_bad_is_unavailable_and_keeps_its_segment(scene: Scene) -> None:
    (queue_id,) = await scene.mostly_delivered(count=30, keep=30)
    await scene.compact()
    place = scene.store._ledger.place(queue_id)
    assert place is not None
    path = f"spool/journal/{place[0]:010d}.seg"
    octets = bytearray(scene.disk.get(path))
    at = octets.index(b"\x28\xb5\x2f\xfd")
    octets[at + 20] ^= 1
    scene.disk.put(path, bytes(octets))
    with pytest.raises(ContentUnavailable):
        await read_all(scene.store, queue_id)
    await scene.deliver(*[await scene.accept() for _ in range(30)])
    await scene.compact()
    assert "content_unreadable" in scene.witness.names
    assert scene.disk.exists(path)


async def test_it_ends(scene: Scene) -> None:
    await scene.mostly_delivered()
    await scene.compact()
    runs, size = scene.store._compactor.runs, scene.size()
    for _ in range(3):
        await scene.accept()
        await scene.compact()
    assert scene.store._compactor.runs == runs == 1
    assert scene.size() - size < 3 * 2000


async def test_a_drained_journal_shrinks_though_few_messages_stay(scene: Scene) -> None:
    kept = await scene.mostly_delivered(count=12, keep=12)
    await scene.compact()
    assert scene.size() < 4000
    await scene.has(*kept)


async def test_a_journal_in_which_much_lives_is_left_alone(scene: Scene) -> None:
    kept = await scene.mostly_delivered(count=60, keep=2)
    before = scene.segments()
    await scene.compact()
    assert scene.segments() == before
    assert scene.store._compactor.runs == 0
    await scene.has(*kept)


async def test_segments_that_many_starts_left_behind_are_joined() -> None:
    scene = Scene(segment_size=1 << 20)
    await scene.open()
    kept = []
    for _ in range(20):
        kept.append(await scene.accept(size=10))
        await scene.store.close()
        await scene.open()
    assert len(scene.segments()) > 20
    await scene.compact()
    assert len(scene.segments()) <= 4
    await scene.has(*kept)
    await scene.store.close()


async def test_a_message_goes_with_its_whole_state_and_without_those_who_are_done(scene: Scene) -> None:
    queue_id = await scene.accept(recipients=4)
    store = scene.store
    await store.commit(Attempted(queue_id, 2.0, {0: OK, 1: NEVER, 2: LATER, 3: NEVER}))
    await store.commit(Reported(queue_id, 3.0, (3,), None))
    before = store.entry(queue_id)
    assert before is not None
    state, place = before.carried(), (before.segment, before.offset)
    await scene.deliver(*[await scene.accept() for _ in range(30)])
    await scene.compact()
    entry = store.entry(queue_id)
    assert entry is before  # whoever has it sees where its content stands now
    assert (entry.segment, entry.offset) > place
    assert entry.carried() == shrunk(state) != state
    people = entry.envelope.recipients
    assert [person is NOBODY or person == NOBODY for person in people] == [True, False, False, True]
    assert people[1:3] == state.envelope.recipients[1:3]
    await scene.again()
    after = scene.store.entry(queue_id)
    assert after is not None
    assert after.carried() == shrunk(state)
    await scene.store.commit(Attempted(queue_id, 4.0, {2: OK}))
    await scene.store.commit(Reported(queue_id, 4.0, (1,), None))
    await settled(scene.store)
    assert scene.store.entry(queue_id) is None


async def test_large_content_stays_where_it_is(scene: Scene) -> None:
    queue_id = scene.store.next_queue_id()
    scene.wires[queue_id] = wire = b"Subject: large\r\n" + b"x" * INLINE_LIMIT + b"\r\n"
    large = scene.store.begin_large(queue_id)
    large.write(wire)
    await scene.store.commit(Accepted(queue_id, 1.0, envelope(), await large.finish(), "c", None, True))
    await scene.deliver(*[await scene.accept() for _ in range(30)])
    await scene.compact()
    assert len(scene.segments()) == 1
    await scene.has(queue_id)
    await scene.again()
    await scene.has(queue_id)


async def test_mail_goes_on_meanwhile(scene: Scene) -> None:
    """Messages come, are tried and go at every moment of a run; what happened is what is there afterwards."""
    kept = await scene.mostly_delivered(count=300, keep=4)
    assert scene.store._compactor.runs == 0
    await scene.deliver(*[queue_id for at, queue_id in enumerate(kept) if at % 5])
    kept = kept[::5]
    fresh: list[QueueId] = []
    compactor = scene.store._compactor
    scene.clock.advance(AFTER)
    for at in range(400):
        if at < len(kept) and at % 3 == 0:
            scene.store.note(Attempted(kept[at], 3.0, {0: LATER}))
        if at < len(kept) and at % 3 == 1:
            scene.store.note(Attempted(kept[at], 3.0, {0: OK}))
        if at % 40 == 0:
            fresh.append(await scene.accept())
        scene.clock.advance(0.01)
        await asyncio.sleep(0)
    await scene.compact()
    assert compactor.runs
    assert compactor.carried
    expected = [queue_id for at, queue_id in enumerate(kept) if at % 3 != 1] + fresh
    await scene.has(*expected)
    states = [entry.carried() for entry in scene.store.entries()]
    await scene.again()
    await scene.has(*expected)
    assert {state.queue_id: state for state in states} == {
        entry.queue_id: entry.carried() for entry in scene.store.entries()
    }
    attempts = {entry.queue_id: entry.attempts for entry in scene.store.entries()}
    assert [attempts[queue_id] for queue_id in expected[:4]] == [1, 0, 1, 0]


async def test_what_is_about_to_change_is_not_carried(scene: Scene) -> None:
    """An outcome stands in the journal before the record that would carry the message: it must not be undone."""
    (queue_id,) = await scene.mostly_delivered(count=30, keep=30)
    store = scene.store
    compactor = store._compactor
    read = compactor._carrier.read

    def read_late(entries):  # type: ignore[no-untyped-def]
        asyncio.run_coroutine_threadsafe(outcome(), compactor._loop).result()
        compactor._carrier.read = read  # type: ignore[method-assign]
        return read(entries)

    async def outcome() -> None:
        store.note(Attempted(queue_id, 3.0, {0: OK}))

    compactor._carrier.read = read_late  # type: ignore[method-assign]
    await scene.compact()
    assert store.entry(queue_id) is None
    await scene.again()
    assert list(scene.store.entries()) == []


async def test_many_messages_go_in_several_steps(scene: Scene) -> None:
    count = STEP_MESSAGES + 20
    ids = [await scene.accept(size=1) for _ in range(count)]
    others = [await scene.accept(size=2500) for _ in range(count)]
    await scene.deliver(*others)
    await scene.compact()
    assert scene.store._compactor.carried == count
    await scene.has(*ids)


async def test_large_steps_are_cut_by_their_octets(scene: Scene) -> None:
    ids = [await scene.accept(size=INLINE_LIMIT - 100) for _ in range(9)]
    others = [await scene.accept(size=INLINE_LIMIT - 100) for _ in range(30)]
    await scene.deliver(*others)
    await scene.compact()
    await scene.has(*ids)
    assert scene.store._compactor.carried == 9


async def test_a_message_that_an_operator_removed_is_not_carried(scene: Scene) -> None:
    first, second = await scene.mostly_delivered(count=40, keep=20)
    scene.store.note(Removed(second, 3.0, "op"))
    await scene.compact()
    await scene.has(first)


@pytest.mark.slow
@pytest.mark.parametrize("keep", [0, 7])
async def test_twenty_thousand_messages_that_are_gone_take_no_room(tmp_path: Path, keep: int) -> None:
    """K5, on the real disk: less than three segments when all is delivered, or all but a few."""
    directory, clock = str(tmp_path / "spool"), FakeClock()
    settings = SpoolSettings(min_free_space=0, min_free_inodes=0, segment_size=4 << 20)
    store = make_store(PosixDisk(), directory=directory, settings=settings, clock=clock)
    await store.open()
    wire = b"Subject: x\r\n" + b"y" * 1000 + b"\r\n"
    content = content_of(wire)
    ids = [store.next_queue_id() for _ in range(20_000)]
    for at, queue_id in enumerate(ids):
        record = Accepted(queue_id, 1.0, envelope(), content, "c", None, False, (wire,))
        store.submit((record,), lambda failure: None)
        if at % 500 == 0:
            await store.flush()
    await store.flush()
    assert len(list((tmp_path / "spool" / "journal").iterdir())) > 5
    kept = ids[:: len(ids) // keep][:keep] if keep else []
    for queue_id in ids:
        store.forget_content(queue_id)
        if queue_id not in kept:
            store.note(Attempted(queue_id, 2.0, {0: OK}))
    for _ in range(20):
        await settled(store)
        clock.advance(AFTER)
        await asyncio.sleep(0.005)
    left = list((tmp_path / "spool" / "journal").iterdir())
    assert len(left) < 3
    assert sum(path.stat().st_size for path in left) < 100_000
    assert [entry.queue_id for entry in store.entries()] == kept
    for queue_id in kept:
        assert await read_all(store, queue_id) == wire
    await store.close()


# -- what can go wrong ----------------------------------------------------------------------------------------------


class Forgetful(FakeDisk):
    """Once `is_lying`, the device does not keep what is written to the journal: the cache shows it until dropped."""

    is_lying = False

    def drop_cache(self, file: int) -> None:
        super().drop_cache(file)
        node = self._open[file][0]
        if self.is_lying and self._name(file).endswith(".seg"):
            node.seen[-200:-100] = bytes(100)  # type: ignore[union-attr]


@pytest.mark.parametrize("tried", [False, True])
@pytest.mark.parametrize("parks", [False, True])
async def test_what_the_device_does_not_give_back_keeps_its_source(parks: bool, tried: bool) -> None:
    disk = Forgetful()
    scene = Scene(disk, parks=parks)
    await scene.open()
    kept = await scene.mostly_delivered(count=60, keep=60)
    if tried:
        await scene.store.commit(Attempted(kept[0], 3.0, {0: LATER}))
    state = scene.state(kept[0])
    before = scene.segments()
    disk.is_lying = True
    await scene.compact()
    disk.is_lying = False
    assert scene.witness.names == ["compaction_failed"]
    assert scene.segments()[: len(before)] == before
    await scene.has(*kept)  # its content is read where it was good
    assert scene.state(kept[0]) == state
    assert (scene.store.parked(kept[0]) is not None) is parks
    if not parks:
        assert scene.store.park(kept[0]), "its last replies, too, are read where they were good"
        assert scene.state(kept[0]) == state
    await scene.compact()
    assert scene.store._compactor.carried == 0
    await scene.deliver(*kept)
    assert scene.store.entry(kept[0]) is None
    await scene.store.close()


async def test_content_that_cannot_be_read_stays_where_it_is_and_nothing_is_dropped(scene: Scene) -> None:
    first, second = await scene.mostly_delivered(count=60, keep=30)
    place = scene.store._ledger.place(second)
    assert place is not None
    path = f"spool/journal/{place[0]:010d}.seg"
    octets = bytearray(scene.disk.get(path))
    at = octets.index(scene.wires[second])
    octets[at + 50] ^= 1
    scene.disk.put(path, bytes(octets))
    await scene.compact()
    assert "content_unreadable" in scene.witness.names
    assert path.rpartition("/")[2] in scene.segments()
    assert scene.segments()[0] == path.rpartition("/")[2]  # what was older has gone
    assert await read_all(scene.store, first) == scene.wires[first]


async def test_without_room_nothing_is_begun_and_with_it_it_goes_on(scene: Scene) -> None:
    kept = await scene.mostly_delivered()
    before = scene.segments()
    scene.disk.free = (1000, 1000)
    scene.store._reserve.give_up()
    scene.clock.advance(AFTER)
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert scene.witness.names == ["compaction_waits"]
    assert scene.segments() == before
    scene.disk.free = (1 << 40, 1000)
    scene.clock.advance(AFTER_FAILURE)
    await scene.compact()
    assert len(scene.segments()) < len(before)
    await scene.has(*kept)


async def test_the_reserve_is_given_up_for_it(scene: Scene) -> None:
    await scene.mostly_delivered()
    before = scene.segments()
    assert scene.store._reserve.is_held
    scene.disk.free = (200_000, 1000)  # less than must be left alone
    assert scene.store.refusal() is None
    await scene.compact()
    assert len(scene.segments()) < len(before)
    assert not scene.store._reserve.is_held
    assert scene.store.refusal() is STORAGE_FULL
    scene.disk.free = (1 << 40, 1000)
    scene.clock.advance(2.0)
    assert scene.store.refusal() is STORAGE_FULL
    await settled(scene.store)
    assert scene.store.refusal() is None


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
async def test_a_step_that_cannot_be_written_is_tried_again_later(scene: Scene, error: int) -> None:
    kept = await scene.mostly_delivered()
    await settled(scene.store)
    scene.disk.fail_at(1, error, only=["writev"])
    scene.clock.advance(AFTER)
    for _ in range(200):
        await asyncio.sleep(0.001)
        if "compaction_waits" in scene.witness.names:
            break
    scene.disk.heal()
    await scene.has(*kept)
    scene.clock.advance(AFTER_FAILURE)
    await scene.compact()
    assert len(scene.segments()) <= 3
    await scene.has(*kept)
    assert scene.witness.poisoned == []


async def test_a_sync_that_fails_meanwhile_is_final(scene: Scene) -> None:
    kept = await scene.mostly_delivered()
    await settled(scene.store)
    before = scene.segments()
    scene.disk.fail_at(1, errno.EIO, only=["fdatasync"])
    scene.clock.advance(AFTER)
    for _ in range(200):
        await asyncio.sleep(0.001)
        if scene.witness.poisoned:
            break
    assert len(scene.witness.poisoned) == 1
    with pytest.raises(JournalFailed):
        await scene.accept()
    assert scene.segments()[: len(before)] == before
    await scene.again(power=False)
    await scene.has(*kept)


async def test_a_store_that_is_closed_in_the_middle_is_whole(scene: Scene) -> None:
    kept = await scene.mostly_delivered(count=400, keep=50)
    await settled(scene.store)
    scene.clock.advance(AFTER)
    for _ in range(3):
        await asyncio.sleep(0)
    assert scene.store._compactor._task is not None
    await scene.store.close()
    await scene.open()
    await scene.has(*kept)
    await scene.compact()
    await scene.has(*kept)


async def test_a_bug_in_it_keeps_the_sources_and_is_told(scene: Scene) -> None:
    kept = await scene.mostly_delivered()
    before = scene.segments()
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    compactor = scene.store._compactor
    compactor._carrier.differing = lambda _: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    await scene.compact()
    assert [type(context["exception"]) for context in told] == [ZeroDivisionError]
    assert scene.segments()[: len(before)] == before
    await scene.accept()
    await scene.again()
    assert scene.recovery is not None
    assert (scene.recovery.damaged, scene.recovery.messages) == (0, len(kept) + 1)


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
@pytest.mark.parametrize("job", ["read", "differing"])
async def test_what_may_pass_delays_it_and_the_sources_stay_meanwhile(scene: Scene, job: str, error: int) -> None:
    kept = await scene.mostly_delivered()
    before = scene.segments()
    carrier = scene.store._compactor._carrier
    work, tries = getattr(carrier, job), []

    def short_of_something(about: object) -> object:
        tries.append(scene.clock.monotonic())
        if len(tries) < 3:
            scene.disk.fail_at(1, error, only=("open",))
        return work(about)

    setattr(carrier, job, short_of_something)
    for _ in range(60):  # less than a minute
        scene.clock.advance(AFTER / 2)
        await asyncio.sleep(0.001)
    assert len(tries) == 1
    assert scene.segments()[: len(before)] == before
    for _ in range(300):
        scene.clock.advance(AFTER)
        await asyncio.sleep(0.001)
    await scene.compact()
    assert tries[1] - tries[0] >= AFTER_FAILURE
    assert tries[2] - tries[1] >= AFTER_FAILURE
    assert scene.witness.names == ["compaction_waits"] * 2
    assert len(scene.segments()) <= 2
    await scene.has(*kept)
    assert scene.store.facts().damages == 0


async def test_content_of_a_parked_one_is_read_while_it_is_carried_away() -> None:
    """The same of a row, which is read back before its content is."""
    scene = Scene(parks=True)
    await scene.open()
    (queue_id,) = await scene.mostly_delivered(count=30, keep=30)
    before = scene.store._ledger.place(queue_id)
    stream, reads = scene.store._content.stream, 0

    async def late_stream(entry: Entry) -> AsyncIterator[bytes]:
        nonlocal reads
        reads += 1
        if reads == 1:
            await scene.compact()
            assert (entry.segment, entry.offset) == before != scene.store._ledger.place(queue_id)
        async for chunk in stream(entry):
            yield chunk

    scene.store._content.stream = late_stream  # type: ignore[method-assign]
    assert await read_all(scene.store, queue_id) == scene.wires[queue_id]
    assert reads == 2
    await scene.store.close()


async def test_content_is_read_while_its_message_is_carried_away() -> None:
    """Somebody has begun to read it where it stood, and there it is no more."""
    scene = Scene()
    await scene.open()
    (queue_id,) = await scene.mostly_delivered(count=30, keep=30)
    entry = scene.store.entry(queue_id)
    assert entry is not None
    old = (entry.segment, entry.offset)
    await scene.compact()
    new = (entry.segment, entry.offset)
    assert new > old
    entry.segment, entry.offset = old
    disk_open = scene.disk.open

    def move_and_open(path: str, *, write: bool = False) -> int:
        entry.segment, entry.offset = new
        return disk_open(path, write=write)

    scene.disk.open = move_and_open  # type: ignore[method-assign]
    assert await read_all(scene.store, queue_id) == scene.wires[queue_id]
    await scene.store.close()


async def test_old_segments_that_come_back_are_recognised(scene: Scene) -> None:
    kept = await scene.mostly_delivered()
    old = {path: octets for path, octets in scene.disk.tree().items() if path.endswith(".seg")}
    await scene.compact()
    await scene.deliver(kept[0])
    await scene.store.close()
    for path, octets in old.items():
        if not scene.disk.exists(path):
            scene.disk.put(path, octets)
    await scene.open()
    await scene.has(*kept[1:])
    assert "segment_returned" in scene.witness.names
    assert scene.recovery is not None
    assert scene.recovery.damaged == 0


def test_nobody_done_nothing_changed() -> None:
    wire = b"x\r\n"
    record = Accepted(QueueId(1), 1.0, envelope(2), content_of(wire), "c", None, False, (wire,))
    carried = Entry.of(record, 1, 1).carried()
    assert shrunk(carried) is carried
    half = msgspec.structs.replace(carried, states=b"\x00\x01")
    assert shrunk(half).envelope.recipients == (record.envelope.recipients[0], NOBODY)
    owed = msgspec.structs.replace(carried, states=b"\x01\x01", owed={1: (1.0, OWED)})
    assert shrunk(owed).envelope.recipients == (NOBODY, record.envelope.recipients[1])
