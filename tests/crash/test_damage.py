"""Every prefix of a spool's journal, flipped bits, and blocks that were zeroed, swapped or doubled: what can be read is
read, what is read is true, and what is missing is named."""

from __future__ import annotations

import random
from contextlib import suppress
from functools import cache

import pytest

from asyncmta.mail.envelope import ContentUnavailable, QueueId
from asyncmta.spool.carrying import Load, laden
from asyncmta.spool.compression import pack
from asyncmta.spool.opening import ReadOnlySpool, read_only
from asyncmta.spool.records import INLINE_LIMIT, Accepted
from asyncmta.spool.recovery import SpoolRefused
from asyncmta.spool.segment import HEADER_SIZE
from asyncmta.testing.disk import FakeDisk, PowerCut
from tests.crash.scripted import Book, Life, reopen


class Spool:
    """A stopped spool of several segments, and what is in it."""

    def __init__(self) -> None:
        self.disk = FakeDisk()
        self.book = Book()
        self.packed: list[QueueId] = []

    async def fill(self) -> Spool:
        life = Life(self.disk, self.book)
        await life.open()
        for number in range(12):
            queue_id = await life.accept(b"Subject: %d\r\n" % number + b"%d\r\n" % number * 100, recipients=2)
            if number % 4 == 3:
                await life.deliver(queue_id)
            if number % 4 == 1:
                await self.carry_packed(life, await life.accept(b"Subject: packed\r\n" + b"%d\r\n" % number * 300))
        await life.accept_together(*[b"Subject: more\r\n" + b"%d\r\n" % number * 40 for number in range(6)])
        self.disk = self.disk.kill()  # no footer: the last segment is one that a crash left
        with suppress(PowerCut):
            await life.store.close()
        return self

    async def carry_packed(self, life: Life, queue_id: QueueId) -> None:
        """As compaction does it."""
        entry, packed = life.store.entry(queue_id), pack(self.book.asked[queue_id])
        assert entry is not None
        assert packed is not None
        await life.store.commit(laden(entry, Load((packed,), packed=True)))
        self.packed.append(queue_id)

    @property
    def segments(self) -> dict[str, bytes]:
        return {path: octets for path, octets in self.disk.tree().items() if path.endswith(".seg")}

    @property
    def last(self) -> str:
        return max(self.segments)


@pytest.fixture
async def spool() -> Spool:
    return await Spool().fill()


def look(disk: FakeDisk, book: Book) -> tuple[ReadOnlySpool, set[QueueId]]:
    """Read it, and see that every octet that is given out is one that was accepted."""
    found = read_only(disk, "spool")
    readable = set()
    for entry in found.entries():
        try:
            octets = b"".join(found.content(entry.queue_id))
        except ContentUnavailable:
            continue
        assert octets == book.asked[entry.queue_id]
        readable.add(entry.queue_id)
    return found, readable


@pytest.mark.slow
async def test_every_prefix_of_the_last_segment(spool: Spool) -> None:
    octets = spool.segments[spool.last]
    _, everything = look(spool.disk, spool.book)
    before: set[QueueId] = set()
    for size in range(HEADER_SIZE, len(octets) + 1):
        spool.disk.put(spool.last, octets[:size])
        found, readable = look(spool.disk, spool.book)
        assert found.damaged() == []
        assert before - spool.book.finished <= readable <= everything | spool.book.finished
        before = readable
    assert before == everything


@cache
def places(seed: int, size: int, count: int) -> list[int]:
    return random.Random(seed).sample(range(size), count)


@pytest.mark.slow
async def test_flipped_bits(spool: Spool) -> None:
    """At most one message is lost by one bit, and never in silence."""
    _, everything = look(spool.disk, spool.book)
    images = spool.segments
    for path, octets in images.items():
        for bit in places(7, 8 * len(octets), 150):
            flipped = bytearray(octets)
            flipped[bit // 8] ^= 1 << bit % 8
            spool.disk.put(path, bytes(flipped))
            found, readable = look(spool.disk, spool.book)
            lost = everything - readable
            in_last_batch = path == spool.last and found.torn
            assert len(lost) <= (6 if in_last_batch else 1)
            listed = {entry.queue_id for entry in found.entries()}
            assert not lost or found.damaged() or found.torn or lost <= listed  # its content then fails its check
        spool.disk.put(path, octets)


@pytest.mark.slow
async def test_every_flipped_bit_of_packed_content(spool: Spool) -> None:
    """Its message is lost to a delivery and no other is; nothing else is ever given out in its place."""
    _, everything = look(spool.disk, spool.book)
    assert set(spool.packed) <= everything
    found = read_only(spool.disk, "spool")
    entry = found.entry(spool.packed[0])
    packed = pack(spool.book.asked[spool.packed[0]])
    assert entry is not None
    assert packed is not None
    path = f"spool/journal/{entry.segment:010d}.seg"
    octets = spool.disk.get(path)
    start = octets.index(packed, entry.offset)
    for bit in range(8 * start, 8 * (start + len(packed))):
        flipped = bytearray(octets)
        flipped[bit // 8] ^= 1 << bit % 8
        spool.disk.put(path, bytes(flipped))
        assert look(spool.disk, spool.book)[1] == everything - {spool.packed[0]}


@pytest.mark.slow
@pytest.mark.parametrize("block", [512, 4096])
async def test_blocks_zeroed_swapped_doubled_or_stale(spool: Spool, block: int) -> None:
    images = spool.segments
    chance = random.Random(block)
    for _ in range(150):
        paths = sorted(images)
        changed = {path: bytearray(octets) for path, octets in images.items()}
        a, b = chance.choice(paths), chance.choice(paths)
        at = chance.randrange(0, len(changed[a]), block)
        other = chance.randrange(0, len(changed[b]), block)
        size = min(block, len(changed[a]) - at, len(changed[b]) - other)
        kind = chance.choice(("zero", "double", "swap"))
        piece, there = bytes(changed[a][at : at + size]), bytes(changed[b][other : other + size])
        changed[a][at : at + size] = bytes(size) if kind == "zero" else there
        if kind == "swap":
            changed[b][other : other + size] = piece
        for path, octets in changed.items():
            spool.disk.put(path, bytes(octets))
        look(spool.disk, spool.book)
    for path, octets in images.items():
        spool.disk.put(path, octets)


@pytest.mark.slow
async def test_a_damaged_spool_opens_names_the_damage_every_time_and_takes_mail(spool: Spool) -> None:
    path = sorted(spool.segments)[1]
    octets = bytearray(spool.segments[path])
    octets[HEADER_SIZE + 60] ^= 4
    spool.disk.put(path, bytes(octets))
    _, readable = look(spool.disk, spool.book)
    for _ in range(3):
        store, recovery = await reopen(spool.disk)
        assert recovery.damaged == 1
        assert {entry.queue_id for entry in store.entries() if not entry.is_closed} == readable
        await store.close()
    assert spool.disk.get(path) == bytes(octets)
    assert len(spool.disk.list("spool/quarantine")) == 1
    life = Life(spool.disk, spool.book)
    await life.open()
    queue_id = await life.accept(b"Subject: still here\r\n")
    await life.store.close()
    assert queue_id in look(spool.disk, spool.book)[1]


@pytest.mark.slow
async def test_octets_of_strangers_in_the_place_of_a_segment(spool: Spool) -> None:
    chance = random.Random(5)
    images = spool.segments
    for size in (0, 1, 127, 128, 129, 5000):
        for path, octets in images.items():
            spool.disk.put(path, chance.randbytes(size))
            look(spool.disk, spool.book)
            spool.disk.put(path, octets)
    for path in images:
        spool.disk.put(path, chance.randbytes(5000))
    lock = spool.disk.get("spool/lock")
    spool.disk.put("spool/lock", b"pid 0000000001\n")
    with pytest.raises(SpoolRefused):
        look(spool.disk, spool.book)
    spool.disk.put("spool/lock", lock)
    assert look(spool.disk, spool.book)[1] == set()


@pytest.mark.slow
async def test_mail_that_looks_like_a_journal_is_mail() -> None:
    """A stranger sends us our own octets, at every alignment; then the last batch is torn."""
    spool = await Spool().fill()
    store, _ = await reopen(spool.disk)
    await store.close()
    life = Life(spool.disk, spool.book)
    await life.open()
    inner = b"".join(spool.segments.values())[: INLINE_LIMIT - 100]
    answered = [await life.accept(b"x" * pad + inner + b"\r\n") for pad in range(8)]
    torn: Accepted = life.message(b"Subject: torn\r\n" + inner + b"\r\n")
    await life.store.commit(torn)
    disk = spool.disk.kill()
    path = max(path for path in disk.tree() if path.endswith(".seg"))
    octets = disk.get(path)
    for cut in (1, 81, 100, 5000, len(inner)):
        disk.put(path, octets[:-cut])
        found, readable = look(disk, spool.book)
        assert found.damaged() == []
        assert found.torn > 0
        assert set(answered) <= readable
        assert torn.queue_id not in readable
