from __future__ import annotations

import errno

import pytest

from asyncmta.mail.envelope import QueueId
from asyncmta.spool.facts import doubt
from asyncmta.spool.meter import BatchMeter, Meter
from asyncmta.spool.records import Accepted, Attempted
from asyncmta.spool.store import JournalFailed, SpoolSettings
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk
from tests.unit.spool.spoolkit import OK, Witness, content_of, envelope, make_store, settled


def test_a_meter_counts_by_bounds() -> None:
    meter = Meter((1, 10))
    for value in (0, 1, 2, 10, 11):
        meter.add(value)
    found = meter.read()
    assert (found.bounds, found.counts, found.total, found.count) == ((1, 10), (2, 2, 1), 24, 5)
    meter.add(1)
    assert found.count == 5


def test_batches() -> None:
    meter = BatchMeter()
    meter.written(seconds=0.004, records=3, octets=100)
    meter.written(seconds=9.0, records=6000, octets=50)
    assert meter.octets == 150
    assert meter.seconds.read().counts[3] == meter.seconds.read().counts[-1] == 1
    assert meter.records.read().total == 6003


class SlowDisk(FakeDisk):
    """Each sync takes a while on the clock."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock

    def fdatasync(self, file: int) -> None:
        self.clock._monotonic += 0.02
        super().fdatasync(file)

    def fsync(self, file: int) -> None:
        self.clock._now += 0.015
        super().fsync(file)

    def file_system(self, path: str) -> str:
        return "tmpfs"


class Unflushed(FakeDisk):
    def mount_options(self, path: str) -> frozenset[str]:
        return frozenset({"rw", "relatime", "nobarrier"})


async def test_a_mount_that_does_not_flush_the_device_is_said() -> None:
    witness = Witness()
    store = make_store(Unflushed(), settings=SpoolSettings(min_free_space=0), witness=witness)
    await store.open()
    told = {"file_system": "fake", "options": "nobarrier", "reason": "mounted so, it may lose what was synced"}
    assert witness.events == [("file_system_doubtful", told)]
    assert store.facts().is_doubtful
    await store.close()


def test_what_is_doubtful_about_a_file_system() -> None:
    assert doubt("ext4", frozenset({"rw", "relatime"})) == doubt("xfs") == ""
    assert "mount a volume" in doubt("overlay")
    assert "use a local disk" in doubt("nfs4")
    assert "use a local disk" in doubt("fuse.sshfs")
    assert "mounted so" in doubt("ext4", frozenset({"ro"}))


def message(queue_id: QueueId, wire: bytes) -> Accepted:
    return Accepted(queue_id, 1.0, envelope(), content_of(wire), "c", None, False, (wire,))


async def test_a_store_says_how_it_is_and_on_what_it_stands() -> None:
    clock, witness = FakeClock(), Witness()
    disk = SlowDisk(clock)
    settings = SpoolSettings(min_free_space=0, min_free_inodes=0)
    store = make_store(disk, settings=settings, clock=clock, witness=witness)
    recovery = await store.open()
    assert (recovery.file_system, round(recovery.sync_seconds, 3)) == ("tmpfs", 0.03)
    told = {"file_system": "tmpfs", "options": "", "reason": doubt("tmpfs")}
    assert witness.events == [("file_system_doubtful", told)]
    assert (store.facts().file_system, store.facts().is_doubtful) == ("tmpfs", True)
    before = store.facts()
    assert (before.messages, before.live, before.segments, before.sync_seconds.count) == (0, 0, 1, 0)
    ids = [store.next_queue_id() for _ in range(4)]
    for queue_id in ids:
        await store.commit(message(queue_id, b"x" * 10_000 + b"\r\n"))
    for queue_id in ids[1:]:
        store.note(Attempted(queue_id, 2.0, {0: OK}))
    await settled(store)
    facts = store.facts()
    assert facts.sync_seconds.count == facts.batch_records.count >= 5
    assert facts.sync_seconds.total == pytest.approx(0.02 * facts.sync_seconds.count)
    assert facts.batch_records.total >= 10
    assert facts.batch_octets > 40_000
    assert 10_000 < facts.live < 10_500
    assert 30_000 < facts.dead < 32_000
    assert (facts.messages, facts.is_poisoned, facts.damages, facts.carried) == (1, False, 0, 0)
    assert facts.reserve > 0
    disk.fail_at(1, errno.EIO, only=["fdatasync"])
    with pytest.raises(JournalFailed):
        await store.commit(message(store.next_queue_id(), b"x\r\n"))
    assert (store.facts().is_poisoned, store.facts().failed_batches) == (True, 1)
    await store.close()
