"""The scrub under a running store: what decays is found, and repaired or set aside; what is well is left alone."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from asyncmta.mail.envelope import ContentUnavailable, QueueId
from asyncmta.spool import sealed
from asyncmta.spool.records import Accepted, Attempted, Held
from asyncmta.spool.scrub import AGAIN_AFTER
from asyncmta.spool.store import SpoolSettings, Store
from asyncmta.system.disk import PosixDisk
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk, PowerCut
from tests.unit.spool.spoolkit import LATER, OK, Witness, content_of, envelope, make_store, read_all, settled

DAY = 86_400.0


class Scene:
    """A store with small segments, whose clock moves when the test says so."""

    def __init__(self, segment_size: int = 20_000, *, parks: bool = False, **settings: float) -> None:
        self.parks = parks
        self.disk = FakeDisk()
        self.clock = FakeClock()
        self.witness = Witness()
        self.wires: dict[QueueId, bytes] = {}
        self.settings = SpoolSettings(
            min_free_space=0, min_free_inodes=0, reserve_size=0, segment_size=segment_size, **settings
        )

    async def open(self) -> Store:
        self.store = make_store(self.disk, settings=self.settings, clock=self.clock, witness=self.witness)
        await self.store.open()
        return self.store

    async def again(self) -> Store:
        self.disk = self.disk.crash()
        with suppress(PowerCut):
            await self.store.close()
        return await self.open()

    async def accept(self, size: int = 1000, *, cached: bool = False) -> QueueId:
        queue_id = self.store.next_queue_id()
        wire = b"Subject: %d\r\n\r\n" % queue_id + b"x" * size + b"\r\n"
        self.wires[queue_id] = wire
        await self.store.commit(Accepted(queue_id, 1.0, envelope(), content_of(wire), "c", None, False, (wire,)))
        if not cached:
            self.store.forget_content(queue_id)
        return queue_id

    async def accept_large(self, size: int = 700_000) -> QueueId:
        queue_id = self.store.next_queue_id()
        wire = b"Subject: large\r\n\r\n" + b"y" * size + b"\r\n"
        self.wires[queue_id] = wire
        large = self.store.begin_large(queue_id)
        large.write(wire)
        content = await large.finish()
        await self.store.commit(Accepted(queue_id, 1.0, envelope(), content, "c", None, True, ()))
        return queue_id

    async def filled(self, count: int = 60) -> list[QueueId]:
        """Several sealed segments, in which everything lives."""
        ids = [await self.accept() for _ in range(count)]
        if self.parks:
            assert all(self.store.park(queue_id, 4) for queue_id in ids)
        return ids

    async def scrub(self, rounds: int = 1, seconds: float = DAY) -> None:
        """Until it has come round so often."""
        wanted = self.store.facts().scrub_rounds + rounds
        async with asyncio.timeout(20):
            for _ in range(round(seconds)):
                if self.store.facts().scrub_rounds >= wanted:
                    break
                self.clock.advance(60.0)
                await asyncio.sleep(0.001 if self.store._scrubber._task is not None else 0)
        assert self.store.facts().scrub_rounds >= wanted
        await settled(self.store)

    def path(self, number: int) -> str:
        return f"spool/journal/{number:010d}.seg"

    def flip(self, path: str, *offsets: int) -> None:
        octets = bytearray(self.disk.get(path))
        for offset in offsets:
            octets[offset] ^= 4
        self.disk.put(path, bytes(octets))

    def flip_content(self, queue_id: QueueId, back: int = 10) -> tuple[int, int]:
        """An octet of its content; where its record stands."""
        place = self.store._ledger.place(queue_id)
        assert place is not None
        at = self.disk.get(self.path(place[0])).index(self.wires[queue_id])
        self.flip(self.path(place[0]), at + len(self.wires[queue_id]) - back)
        return place

    @property
    def said(self) -> list[dict[str, object]]:
        return [facts for name, facts in self.witness.events if name.startswith("scrub")]


@pytest.fixture(params=[False, True], ids=["whole", "parked"])
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    scene = Scene(parks=request.param)
    await scene.open()
    yield scene
    with suppress(PowerCut):
        await scene.store.close()


# -- what is well -----------------------------------------------------------------------------------------------------


async def test_nothing_is_said_about_a_healthy_journal(scene: Scene) -> None:
    ids = [*await scene.filled(), await scene.accept_large()]
    await scene.scrub(rounds=2)
    facts = scene.store.facts()
    assert (scene.said, facts.scrub_found, facts.damages) == ([], 0, 0)
    for queue_id in ids:
        assert await read_all(scene.store, queue_id) == scene.wires[queue_id]


async def test_nor_while_mail_comes_and_goes_and_segments_are_carried_and_dropped() -> None:
    scene = Scene(scrub_interval=60.0, scrub_after=1.0)
    store = await scene.open()
    waiting: list[QueueId] = []
    for number in range(240):
        waiting.append(await scene.accept(cached=number % 3 == 0))
        if number % 20 == 0:
            waiting.append(await scene.accept_large(300_000))
        if len(waiting) > 30:
            for queue_id in [each for at, each in enumerate(waiting) if at % 10]:
                store.note(Attempted(queue_id, 2.0, {0: OK}))
            waiting = waiting[::10]
        scene.clock.advance(1.0)
        await asyncio.sleep(0.001)
    await scene.scrub()
    facts = store.facts()
    assert scene.said == []
    assert facts.scrub_rounds > 2
    assert facts.compactions > 0
    for queue_id in waiting:
        assert await read_all(store, queue_id) == scene.wires[queue_id]
    await store.close()


async def test_a_batch_larger_than_a_look_is_whole() -> None:
    scene = Scene(segment_size=6 << 20)
    store = await scene.open()
    wire = b"Subject: many\r\n\r\n" + b"x" * 200_000 + b"\r\n"
    ids = [store.next_queue_id() for _ in range(12)]
    await store.commit(*[Accepted(each, 1.0, envelope(), content_of(wire), "c", None, False, (wire,)) for each in ids])
    scene.wires = dict.fromkeys(ids, wire)
    await scene.again()
    read = scene.disk.steps
    await scene.scrub()
    assert scene.said == []
    assert scene.disk.steps > read + 3 * 5  # open, read, close and so on: in several looks
    scene.flip_content(ids[7])
    await scene.scrub()
    assert [facts["became"] for facts in scene.said] == ["set aside"]
    await scene.store.close()


# -- what is broken ---------------------------------------------------------------------------------------------------


async def test_a_message_whose_content_decayed_is_set_aside_before_it_is_delivered(scene: Scene) -> None:
    ids = await scene.filled()
    victim = ids[7]
    segment, offset = scene.flip_content(victim)
    await scene.scrub()
    store = scene.store
    name = scene.said[0]["queue_id"]
    assert scene.said == [{"segment": segment, "offset": offset, "became": "set aside", "queue_id": name}]
    assert [(each.segment, each.start, each.queue_id) for each in store.damaged()] == [(segment, offset, victim)]
    assert store.entry(victim) is None
    with pytest.raises(ContentUnavailable):
        await read_all(store, victim)
    facts = store.facts()
    assert (facts.scrub_found, facts.scrub_repaired, facts.damages, facts.messages) == (1, 0, 1, len(ids) - 1)
    for queue_id in set(ids) - {victim}:
        assert await read_all(store, queue_id) == scene.wires[queue_id]


async def test_its_segment_stays_when_all_others_of_it_have_gone(scene: Scene) -> None:
    ids = await scene.filled()
    segment, _ = scene.flip_content(ids[7])
    await scene.scrub()
    for queue_id in set(ids) - {ids[7]}:
        scene.store.note(Attempted(queue_id, 2.0, {0: OK}))
    await settled(scene.store)
    for _ in range(100):
        scene.clock.advance(2.0)
        await asyncio.sleep(0)
    await settled(scene.store)
    assert scene.disk.exists(scene.path(segment))
    assert scene.wires[ids[7]][:200] in scene.disk.get(scene.path(segment))


async def test_it_is_found_again_after_a_restart_and_said_once_in_a_life(scene: Scene) -> None:
    ids = await scene.filled()
    scene.flip_content(ids[7])
    await scene.scrub(rounds=3)
    assert len(scene.said) == 1
    await scene.again()
    assert scene.store.entry(ids[7]) is not None  # content of sealed segments is not read at start
    await scene.scrub()
    assert scene.store.entry(ids[7]) is None
    assert [facts["became"] for facts in scene.said] == ["set aside", "set aside"]


async def test_a_message_that_is_still_in_memory_is_written_again() -> None:
    scene = Scene()
    await scene.open()
    ids = [await scene.accept(cached=True) for _ in range(60)]
    scene.store.note(Attempted(ids[7], 5.0, {0: LATER}))
    await settled(scene.store)
    segment, _ = scene.flip_content(ids[7])
    await scene.scrub()
    assert [facts["became"] for facts in scene.said] == ["repaired"]
    assert scene.store.facts().scrub_repaired == 1
    store = await scene.again()
    entry = store.entry(ids[7])
    assert entry is not None
    assert entry.segment > segment
    assert (entry.attempts, entry.last) == (1, {0: (5.0, LATER)})
    for queue_id in ids:
        assert await read_all(store, queue_id) == scene.wires[queue_id]
    assert [each.queue_id for each in store.damaged()] == []
    await store.close()


@pytest.mark.parametrize("place", [4, 60], ids=["header", "metadata"])
async def test_a_record_whose_head_decayed_is_written_again_with_the_content_that_its_digest_proves(
    scene: Scene, place: int
) -> None:
    ids = await scene.filled()
    home = scene.store._ledger.place(ids[7])
    assert home is not None
    scene.flip(scene.path(home[0]), home[1] + place)
    await scene.scrub()
    # Of one that is parked memory has only numbers: the envelope is gone.
    assert [facts["became"] for facts in scene.said] == ["set aside" if scene.parks else "repaired"]
    assert "queue_id" in scene.said[0]
    if scene.parks:
        assert [damage.queue_id for damage in scene.store.damaged()] == [ids[7]]
        return
    await scene.again()
    assert scene.store.entry(ids[7]) is not None
    assert await read_all(scene.store, ids[7]) == scene.wires[ids[7]]


async def test_a_lost_outcome_is_written_again_from_the_ledger(scene: Scene) -> None:
    """Without it the next start would not know of the attempt."""
    ids = await scene.filled(10)
    await scene.store.commit(Attempted(ids[3], 7.0, {0: LATER}))
    segment = scene.store._fold.census.tail
    octets = scene.disk.get(scene.path(segment))
    text = octets.rindex(b"busy")  # of the reply
    await scene.filled(40)
    scene.flip(scene.path(segment), text)
    await scene.scrub()
    assert [facts["became"] for facts in scene.said] == ["repaired"]
    await scene.again()
    entry = scene.store.entry(ids[3])
    assert entry is not None
    # Of one that is parked memory has the number of attempts, and not what was said at them.
    assert (entry.attempts, entry.last) == (1, {} if scene.parks else {0: (7.0, LATER)})
    assert await read_all(scene.store, ids[3]) == scene.wires[ids[3]]


async def test_what_is_written_again_is_not_what_a_later_record_made_old(scene: Scene) -> None:
    ids = await scene.filled()
    entry = scene.store.peek(ids[7])
    assert entry is not None
    segment, _ = scene.flip_content(ids[7])
    scene.store._journal.submit([entry.carried((scene.wires[ids[7]],))], lambda failure: None)  # as compaction does
    await settled(scene.store)
    await scene.scrub()
    assert [(facts["segment"], facts["became"]) for facts in scene.said] == [(segment, "counted")]
    assert await read_all(scene.store, ids[7]) == scene.wires[ids[7]]


async def test_a_message_that_is_carried_away_while_it_is_looked_into_is_left_alone(scene: Scene) -> None:
    ids = await scene.filled()
    scene.flip_content(ids[7])
    quiet = scene.store._scrubber._is_quiet

    async def carried_meanwhile(about):  # type: ignore[no-untyped-def]
        scene.store._journal.submit([about.carried((scene.wires[ids[7]],))], lambda failure: None)
        return await quiet(about)

    scene.store._scrubber._is_quiet = carried_meanwhile  # type: ignore[method-assign]
    await scene.scrub()
    assert scene.store.damaged() == ()
    assert scene.store.entry(ids[7]) is not None
    assert await read_all(scene.store, ids[7]) == scene.wires[ids[7]]


async def test_a_repair_that_finds_no_room_is_made_the_next_time() -> None:
    scene = Scene()
    await scene.open()
    ids = [await scene.accept(cached=True) for _ in range(60)]
    scene.flip_content(ids[7])
    scene.disk.fail_at(1, errno.ENOSPC, for_good=True, only=("writev",))
    await scene.scrub()
    assert scene.said == []
    assert scene.store.entry(ids[7]) is not None
    scene.disk.heal()
    await scene.scrub()
    assert [facts["became"] for facts in scene.said] == ["repaired"]
    await scene.store.close()


async def test_the_record_of_a_large_message_is_written_again(scene: Scene) -> None:
    large = await scene.accept_large()
    entry = scene.store.entry(large)
    assert entry is not None
    await scene.filled(30)
    scene.flip(scene.path(entry.segment), entry.offset + 50)
    await scene.scrub()
    assert [facts["became"] for facts in scene.said] == ["repaired"]
    await scene.again()
    assert await read_all(scene.store, large) == scene.wires[large]


async def test_a_bug_is_told_and_the_next_round_comes(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    bug = ValueError("a bug")
    reader = scene.store._scrubber._reader

    def fail(tail: int) -> list[sealed.Sealed]:
        monkeypatch.undo()
        raise bug

    monkeypatch.setattr(reader, "segments", fail)
    await scene.scrub()
    assert told == [bug]


async def test_a_message_that_is_done_is_counted_and_no_more(scene: Scene) -> None:
    ids = await scene.filled()
    segment, offset = scene.flip_content(ids[7])
    await scene.store.commit(Attempted(ids[7], 2.0, {0: OK}))
    await settled(scene.store)
    await scene.scrub(rounds=2)
    assert [(facts["segment"], facts["offset"], facts["became"]) for facts in scene.said] == [
        (segment, offset, "counted")
    ]
    facts = scene.store.facts()
    assert (facts.scrub_found, facts.damages, facts.messages) == (1, 0, len(ids) - 1)


async def test_a_header_of_a_segment_and_a_commit_are_counted(scene: Scene) -> None:
    await scene.filled()
    scene.flip(scene.path(1), 20)
    octets = scene.disk.get(scene.path(2))
    scene.flip(scene.path(2), octets.index(b"\x89commit\n") + 30)
    await scene.scrub(rounds=2)
    assert [(facts["segment"], facts["became"]) for facts in scene.said] == [(1, "counted"), (2, "counted")]
    assert scene.store.facts().messages == 60


async def test_a_segment_that_lost_its_end(scene: Scene) -> None:
    ids = await scene.filled()
    octets = scene.disk.get(scene.path(1))
    lost = {each.queue_id for each in scene.store.entries() if each.segment == 1 and each.offset > 2900}
    scene.disk.put(scene.path(1), octets[:4000])
    await scene.scrub()
    assert len(lost) > 5
    assert {each.queue_id for each in scene.store.damaged()} == lost
    assert scene.store.facts().messages == len(ids) - len(lost)


async def test_large_content_that_decayed_is_set_aside(scene: Scene) -> None:
    well, bad, gone = [await scene.accept_large() for _ in range(3)]
    files = sorted(path for path in scene.disk.tree() if path.startswith("spool/content/"))
    scene.flip(files[1], 400_000)
    scene.disk.unlink(files[2])
    await scene.scrub(rounds=2)
    assert [facts["became"] for facts in scene.said] == ["set aside", "set aside"]
    assert {each.queue_id for each in scene.store.damaged()} == {bad, gone}
    assert [each.queue_id for each in scene.store.entries()] == [well]
    assert await read_all(scene.store, well) == scene.wires[well]
    await scene.again()
    assert scene.disk.exists(files[1])  # what is left of it is nobody's orphan


async def test_nothing_is_done_while_a_record_about_it_is_under_way(scene: Scene) -> None:
    """A state that is already old must not be carried, and what is just being delivered not be set aside."""
    ids = [await scene.accept(cached=True) for _ in range(60)]
    scene.flip_content(ids[7])
    quiet = scene.store._scrubber._is_quiet
    seen = []

    async def noted_meanwhile(entry):  # type: ignore[no-untyped-def]
        scene.store.note(Attempted(ids[7], 9.0, {0: LATER}))
        seen.append(ids[7] in scene.store._journal.in_flight())
        return await quiet(entry)

    scene.store._scrubber._is_quiet = noted_meanwhile  # type: ignore[method-assign]
    await scene.scrub()
    assert seen == [True]
    await scene.again()
    entry = scene.store.entry(ids[7])
    assert entry is not None
    assert (entry.attempts, entry.last) == (1, {0: (9.0, LATER)})
    assert await read_all(scene.store, ids[7]) == scene.wires[ids[7]]


async def test_octets_that_the_device_does_not_give_count_as_damage(scene: Scene) -> None:
    ids = await scene.filled()
    scene.disk.fail_at(3, errno.EIO, for_good=True, only=("read_at",))
    await scene.scrub()
    tail = scene.store._fold.census.tail
    places = map(scene.store._ledger.place, scene.store.ids())
    assert {place[0] for place in places if place is not None} == {tail}  # which is not looked at
    assert len(scene.store.damaged()) + scene.store.facts().messages == len(ids)
    scene.disk.heal()
    await scene.again()
    assert scene.store.facts().messages == len(ids)  # and the next start has what the disk gives again


async def test_a_device_that_stumbles_once_costs_nothing(scene: Scene) -> None:
    ids = await scene.filled()
    scene.disk.fail_at(4, errno.EIO, only=("read_at",))
    await scene.scrub()
    assert scene.said == []
    assert scene.store.facts().messages == len(ids)


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
async def test_what_may_pass_is_tried_again_later(scene: Scene, error: int) -> None:
    ids = await scene.filled()
    segment, _ = scene.flip_content(ids[7])
    scene.disk.fail_at(3, error, only=("open",))
    scene.disk.fail_at(9, error, only=("open",))
    before = scene.clock.monotonic()
    await scene.scrub()
    assert [(facts["segment"], facts["became"]) for facts in scene.said] == [(segment, "set aside")]
    assert scene.clock.monotonic() - before > scene.settings.scrub_after + AGAIN_AFTER


# -- how it goes about it ---------------------------------------------------------------------------------------------


async def test_it_reads_no_faster_than_it_is_told_to() -> None:
    scene = Scene(segment_size=1 << 20, scrub_rate=100_000, scrub_after=30.0, scrub_interval=50.0)
    await scene.open()
    for _ in range(60):
        await scene.accept(50_000)
    sizes = [len(scene.disk.get(f"spool/journal/{name}")) for name in scene.disk.list("spool/journal")[:-1]]
    began = scene.clock.monotonic() + 30.0
    scrubber = scene.store._scrubber
    scene.clock.advance(29.9)
    assert scrubber._task is None
    scene.clock.advance(0.1)
    assert scrubber._task is not None
    looks = 0
    while scrubber.rounds == 0:
        steps = scene.disk.steps
        due = scene.clock.next_timer()
        if due is None or due > scene.clock.monotonic():
            await asyncio.sleep(0.005)
            assert scene.disk.steps - steps < 20  # without time passing it does one look and no more
        looks += 1
        scene.clock.advance(0.5)
    elapsed = scene.clock.monotonic() - began
    assert sum(sizes) / 100_000 <= elapsed <= 2 * sum(sizes) / 100_000 + 10
    await scene.store.close()


async def test_it_comes_once_a_day_and_not_at_all_if_told_so() -> None:
    for interval, rounds in ((DAY, 3), (0.0, 0)):
        scene = Scene(scrub_interval=interval)
        await scene.open()
        await scene.filled(40)
        for _ in range(round(3 * DAY / 600)):
            scene.clock.advance(600.0)
            await asyncio.sleep(0.001 if scene.store._scrubber._task is not None else 0)
        assert scene.store.facts().scrub_rounds == rounds
        await scene.store.close()


async def test_it_looks_past_the_page_cache(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    await scene.filled(40)
    await scene.accept_large()
    dropped: list[str] = []
    drop = FakeDisk.drop_cache
    monkeypatch.setattr(FakeDisk, "drop_cache", lambda disk, file: (dropped.append(disk._name(file)), drop(disk, file)))
    await scene.scrub()
    names = [f"spool/journal/{name}" for name in scene.disk.list("spool/journal")[:-1]]
    large = [path for path in scene.disk.tree() if "content/" in path]
    assert set(dropped) == {*names, *large}


async def test_a_poisoned_journal_ends_it_quietly(scene: Scene) -> None:
    await scene.filled()
    scene.flip_content(next(iter(scene.store.entries())).queue_id)
    scene.clock.advance(scene.settings.scrub_after)
    scene.disk.fail_at(1, errno.EIO, for_good=True, only=("fdatasync",))
    with suppress(Exception):
        await scene.accept()
    for _ in range(100):
        scene.clock.advance(60.0)
        await asyncio.sleep(0.001)
    assert scene.witness.poisoned
    assert scene.store._scrubber._task is None
    assert scene.store._scrubber.rounds == 0


async def test_a_store_that_closes_does_not_wait_for_it(scene: Scene) -> None:
    await scene.filled()
    scene.clock.advance(scene.settings.scrub_after)
    await asyncio.sleep(0.005)
    assert scene.store._scrubber._task is not None
    await scene.store.close()
    assert scene.store._scrubber._task is None
    scene.clock.advance(DAY)
    assert scene.store._scrubber._task is None
    assert scene.said == []


async def test_a_segment_dropped_under_its_eyes_is_no_finding(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = await scene.filled()
    look = sealed.SealedReader.look

    def drop_first(self, which, at, window):  # type: ignore[no-untyped-def]
        if which.number == 2 and scene.disk.exists(scene.path(2)):
            scene.disk.unlink(scene.path(2))
        return look(self, which, at, window)

    monkeypatch.setattr(sealed.SealedReader, "look", drop_first)
    await scene.scrub()
    assert scene.said == []
    assert scene.store.facts().messages == len(ids)


async def test_a_bit_flipped_on_a_real_disk_is_found(tmp_path: Path) -> None:
    clock, witness = FakeClock(), Witness()
    settings = SpoolSettings(min_free_space=0, min_free_inodes=0, reserve_size=0, segment_size=20_000)
    store = make_store(PosixDisk(), directory=f"{tmp_path}/spool", settings=settings, clock=clock, witness=witness)
    await store.open()
    ids = []
    for number in range(40):
        wire = b"Subject: %d\r\n\r\n" % number + b"x" * 1000 + b"\r\n"
        ids.append(store.next_queue_id())
        await store.commit(Accepted(ids[-1], 1.0, envelope(), content_of(wire), "c", None, False, (wire,)))
        store.forget_content(ids[-1])
    await store.commit(Held(ids[5], 3.0))
    path = tmp_path / "spool/journal/0000000001.seg"
    octets = bytearray(path.read_bytes())
    octets[octets.index(b"Subject: 5\r\n") + 500] ^= 1
    path.write_bytes(octets)
    for _ in range(200):
        clock.advance(30.0)
        await asyncio.sleep(0.001)
        if store.facts().scrub_rounds:
            break
    assert [facts["became"] for name, facts in witness.events if name == "scrub_found"] == ["set aside"]
    assert [each.queue_id for each in store.damaged()] == [ids[5]]
    await store.close()
