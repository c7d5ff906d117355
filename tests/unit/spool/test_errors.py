"""Each error that a disk has a name for: what the client hears, and whether the journal goes on (J05 to J09, F6)."""

from __future__ import annotations

import errno

import pytest

from asyncmta.mail.envelope import QueueId
from asyncmta.mail.replies import LOCAL_ERROR, STORAGE_FULL
from asyncmta.mail.reply import Reply
from asyncmta.spool.records import Accepted, Attempted
from asyncmta.spool.store import JournalFailed, SpoolSettings, Store
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk
from tests.unit.spool.spoolkit import LATER, OK, Witness, content_of, envelope, make_store, settled

SETTINGS = SpoolSettings(min_free_space=0, min_free_inodes=0, segment_size=4000)
WIRE = b"Subject: x\r\n" + b"y" * 1500 + b"\r\n"


class Scene:
    def __init__(self) -> None:
        self.disk, self.clock, self.witness = FakeDisk(), FakeClock(), Witness()
        self.store: Store = make_store(self.disk, settings=SETTINGS, clock=self.clock, witness=self.witness)

    async def accept(self) -> QueueId:
        queue_id = self.store.next_queue_id()
        await self.store.commit(Accepted(queue_id, 1.0, envelope(), content_of(WIRE), "c", None, False, (WIRE,)))
        return queue_id

    async def goes_on(self) -> None:
        """Mail comes in, outcomes are kept, and all of it is there after a power cut."""
        self.disk.heal()
        self.clock.advance(1.1)
        self.store.refusal()  # whoever asks has the room measured again
        await settled(self.store)
        assert self.store.refusal() is None
        queue_id = await self.accept()
        self.store.note(Attempted(queue_id, 2.0, {0: LATER}))
        await settled(self.store)
        there = {entry.queue_id: entry.attempts for entry in self.store.entries()}
        await self.store.close()
        self.disk = self.disk.crash()
        self.store = make_store(self.disk, settings=SETTINGS)
        assert (await self.store.open()).damaged == 0
        assert {entry.queue_id: entry.attempts for entry in self.store.entries()} == there
        assert there[queue_id] == 1


PASSING = [
    (errno.ENOSPC, STORAGE_FULL),
    (errno.EDQUOT, STORAGE_FULL),
    (errno.EMFILE, None),
    (errno.ENFILE, None),
    (errno.ENOMEM, None),
    (errno.EINTR, None),
]


@pytest.mark.parametrize(("error", "refusal"), PASSING)
@pytest.mark.parametrize("operation", ["writev", "create"])
async def test_what_passes_is_refused_and_forgotten(error: int, refusal: Reply | None, operation: str) -> None:
    scene = Scene()
    await scene.store.open()
    first = await scene.accept()
    await scene.accept()  # the next one needs a new segment
    scene.disk.fail_at(1, error, for_good=True, only=[operation])
    scene.store.note(Attempted(first, 2.0, {0: OK}))
    with pytest.raises(JournalFailed) as caught:
        await scene.accept()
    assert not caught.value.final
    assert caught.value.full == (refusal is STORAGE_FULL)
    assert scene.store.refusal() is refusal
    assert scene.witness.poisoned == []
    await scene.goes_on()
    assert scene.store.entry(first) is None  # the outcome that found no room was kept
    await scene.store.close()


@pytest.mark.parametrize("error", [errno.EIO, errno.EROFS])
async def test_one_write_that_fails_is_a_new_segment(error: int) -> None:
    scene = Scene()
    await scene.store.open()
    await scene.accept()
    scene.disk.fail_at(1, error, only=["writev"])
    with pytest.raises(JournalFailed) as caught:
        await scene.accept()
    assert not caught.value.final
    assert scene.witness.poisoned == []
    await scene.goes_on()
    await scene.store.close()


@pytest.mark.parametrize("error", [errno.EIO, errno.EROFS])
async def test_a_disk_that_takes_nothing_any_more_is_final(error: int) -> None:
    scene = Scene()
    await scene.store.open()
    kept = await scene.accept()
    scene.disk.fail_at(1, error, for_good=True)
    with pytest.raises(JournalFailed) as caught:
        await scene.accept()
    assert caught.value.final
    assert len(scene.witness.poisoned) == 1
    assert scene.store.refusal() is LOCAL_ERROR
    await scene.store.close()
    scene.disk.heal()
    store = make_store(scene.disk.kill(), settings=SETTINGS)
    await store.open()
    assert [entry.queue_id for entry in store.entries()] == [kept]
    await store.close()


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("operation", ["fdatasync", "fsync"])
async def test_a_sync_that_fails_is_final_whatever_it_says(error: int, operation: str) -> None:
    scene = Scene()
    await scene.store.open()
    await scene.accept()
    await scene.accept()
    scene.disk.fail_at(1, error, only=[operation])
    with pytest.raises(JournalFailed) as caught:
        await scene.accept()
    assert caught.value.final
    assert len(scene.witness.poisoned) == 1
    with pytest.raises(JournalFailed):
        await scene.accept()
    await scene.store.close()
