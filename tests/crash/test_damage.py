"""Damage that a spool goes on with: it opens, names it every time, takes mail, and what looks like a journal is mail.

Every prefix, flipped bits and shuffled blocks are in test_lab_damage.py.
"""

from __future__ import annotations

import random

import pytest

from asyncmta.mail.envelope import QueueId
from asyncmta.spool.compression import pack
from asyncmta.spool.opening import ReadOnlySpool
from asyncmta.spool.records import INLINE_LIMIT, Accepted
from asyncmta.spool.recovery import SpoolRefused
from asyncmta.spool.segment import HEADER_SIZE
from asyncmta.testing.disk import FakeDisk
from tests.crash.lab import damage
from tests.crash.lab.damage import Spool
from tests.crash.scripted import Book, Life, reopen


@pytest.fixture
async def spool() -> Spool:
    return await Spool().fill()


def look(disk: FakeDisk, book: Book) -> tuple[ReadOnlySpool, set[QueueId]]:
    """Read it, and see that every octet that is given out is one that was accepted."""
    seen = damage.look(disk, book)
    assert seen.altered == []
    return seen.found, seen.readable


@pytest.mark.slow
async def test_every_flipped_bit_of_packed_content() -> None:
    """Its message is lost to a delivery and no other is; nothing else is ever given out in its place."""
    spool = await Spool().fill_and_compact()
    found, everything = look(spool.disk, spool.book)
    assert set(spool.carried) <= everything
    entry = found.entry(spool.carried[0])
    packed = pack(spool.book.asked[spool.carried[0]])
    assert entry is not None
    assert packed is not None
    path = f"spool/journal/{entry.segment:010d}.seg"
    octets = spool.disk.get(path)
    start = octets.index(packed, entry.offset)
    for bit in range(8 * start, 8 * (start + len(packed))):
        flipped = bytearray(octets)
        flipped[bit // 8] ^= 1 << bit % 8
        spool.disk.put(path, bytes(flipped))
        assert look(spool.disk, spool.book)[1] == everything - {spool.carried[0]}


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
