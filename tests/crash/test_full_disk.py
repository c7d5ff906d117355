"""A disk that fills up and is drained again, over and over: only passing refusals, nothing lost, input comes back."""

from __future__ import annotations

import errno
import random
from collections.abc import Sequence

import pytest

from asyncmta.mail.envelope import QueueId
from asyncmta.spool.records import INLINE_LIMIT, Accepted, Attempted
from asyncmta.spool.store import JournalFailed, SpoolSettings, Store
from asyncmta.system.disk import Buffer
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk
from tests.unit.spool.spoolkit import OK, Witness, content_of, envelope, make_store, read_all, settled

SETTINGS = SpoolSettings(min_free_space=30_000, min_free_inodes=0, segment_size=50_000, reserve_size=40_000)


def noise(size: int) -> bytes:
    """What takes all its room on the disk, since it cannot be packed."""
    return random.Random(size).randbytes(size)


class SmallDisk(FakeDisk):
    """It holds so many octets, and counts."""

    capacity = 400_000

    def used(self) -> int:
        return sum(map(len, self.tree().values()))

    def free_space(self, path: str) -> tuple[int, int]:
        super().free_space(path)
        return max(0, self.capacity - self.used()), 1000

    def writev(self, file: int, buffers: Sequence[Buffer], offset: int) -> int:
        if self.used() + sum(map(len, buffers)) > self.capacity:
            raise OSError(errno.ENOSPC, "no space left")
        return super().writev(file, buffers, offset)


class Scene:
    def __init__(self) -> None:
        self.disk, self.clock, self.witness = SmallDisk(), FakeClock(), Witness()
        self.answered: dict[QueueId, bytes] = {}

    async def open(self) -> Store:
        self.store = make_store(self.disk, settings=SETTINGS, clock=self.clock, witness=self.witness)
        await self.store.open()
        return self.store

    async def accept(self, wire: bytes) -> None:
        queue_id = self.store.next_queue_id()
        if len(wire) > INLINE_LIMIT:
            large = self.store.begin_large(queue_id)
            large.write(wire)
            record = Accepted(queue_id, 1.0, envelope(), await large.finish(), "c", None, True)
        else:
            record = Accepted(queue_id, 1.0, envelope(), content_of(wire), "c", None, False, (wire,))
        await self.store.commit(record)
        self.answered[queue_id] = wire

    async def fill(self, *, asks: bool) -> int:
        """Send until it is refused; `asks`: at MAIL, as the listener does, else only when nothing fits any more."""
        before = len(self.answered)
        while not (asks and self.store.refusal(5000)):
            try:
                await self.accept(b"%d\r\n" % len(self.answered) * 1500)
            except JournalFailed as failure:
                refused = failure
                break
        else:
            return len(self.answered) - before
        assert (refused.full, refused.final) == (True, False)
        return len(self.answered) - before

    async def drain(self) -> None:
        for queue_id, wire in self.answered.items():
            assert await read_all(self.store, queue_id) == wire
            self.store.note(Attempted(queue_id, 2.0, {0: OK}))
        self.answered.clear()
        for _ in range(4):
            self.clock.advance(1.0)
            await settled(self.store)
        assert not list(self.store.entries())

    async def until_it_takes_mail(self) -> None:
        for _ in range(10):
            if self.store.refusal() is None:
                return
            self.clock.advance(1.0)
            await settled(self.store)
        pytest.fail("input did not return")


@pytest.mark.slow
@pytest.mark.parametrize("asks", [True, False])
async def test_full_and_empty_over_and_over(asks: bool) -> None:
    scene = Scene()
    await scene.open()
    for _ in range(30):
        assert await scene.fill(asks=asks) > 20
        await scene.drain()
        assert scene.disk.used() < 60_000
        await scene.until_it_takes_mail()
    assert scene.witness.poisoned == []
    await scene.store.close()


@pytest.mark.slow
async def test_it_starts_on_a_full_disk_and_heals() -> None:
    scene = Scene()
    await scene.open()
    for crowded in (False, True, False, True):
        assert await scene.fill(asks=crowded) > 20
        if crowded:
            scene.disk.capacity = scene.disk.used()  # somebody else takes the rest: there is only the reserve
        kept = {path: octets for path, octets in scene.disk.tree().items() if path != "spool/lock"}
        await scene.store.close()
        disk = SmallDisk()
        disk.capacity = scene.disk.capacity
        for path, octets in kept.items():
            disk.put(path, octets)
        for name in ("content", "quarantine"):
            disk.make_directories(f"spool/{name}")
        scene.disk = disk
        await scene.open()
        assert {entry.queue_id for entry in scene.store.entries()} == scene.answered.keys()
        await scene.drain()
        disk.capacity = SmallDisk.capacity
        await scene.until_it_takes_mail()
    assert scene.witness.poisoned == []
    await scene.store.close()


@pytest.mark.slow
async def test_large_content_that_does_not_fit() -> None:
    scene = Scene()
    store = await scene.open()
    await scene.accept(b"small\r\n")
    with pytest.raises(JournalFailed) as caught:
        await scene.accept(noise(500_000) + b"\r\n")
    assert caught.value.full
    await scene.until_it_takes_mail()
    await scene.accept(noise(INLINE_LIMIT) + b"more than inline\r\n")
    await scene.drain()
    assert scene.witness.poisoned == []
    await store.close()
    assert scene.disk.list("spool/content") == []
