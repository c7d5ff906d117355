from __future__ import annotations

import asyncio
import errno
import random
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard
from msgspec.structs import replace

from asyncmta.mail.envelope import Content, ContentUnavailable, QueueId, format_queue_id
from asyncmta.mail.wire import digest, stuff, unstuff
from asyncmta.spool import chunks, framing
from asyncmta.spool.compression import pack
from asyncmta.spool.content import ContentCache, ContentFiles, LargeReader, read_inline
from asyncmta.spool.failures import JournalFailed
from asyncmta.spool.large import KEEPING_UP
from asyncmta.spool.ledger import Entry
from asyncmta.spool.records import Record
from asyncmta.testing.disk import FakeDisk
from tests.unit.spool.spoolkit import JOURNAL, Image, accepted, content_of, envelope

FIVE = QueueId(5)
PATH = f"content/{format_queue_id(FIVE)}"
SEGMENT = "journal/0000000001.seg"
SEED = chunks.seed(JOURNAL, FIVE)


class Scene:
    """Content files on a fake disk, with a real pool of one thread."""

    def __init__(self) -> None:
        self.disk = FakeDisk()
        self.disk.make_directories("content")
        self.disk.make_directories("journal")
        self.pool = ThreadPoolExecutor(1)
        self.poisoned: list[JournalFailed] = []
        self.is_scarce = False
        self.files = ContentFiles(
            disk=self.disk,
            directory="content",
            segments="journal",
            journal=JOURNAL,
            pool=self.pool,
            is_scarce=lambda: self.is_scarce,
            on_poisoned=self.poisoned.append,
        )

    def entry(self, content: Content) -> Entry:
        record = accepted(5)
        return Entry.of(type(record)(FIVE, 1.0, envelope(), content, "", None, True), 1, 128)

    async def stored(self, wire: bytes) -> Entry:
        large = self.files.begin(FIVE)
        large.write(wire)
        return self.entry(await large.finish())

    async def idle(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self.pool, lambda: None)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    scene.pool.shutdown()


def noise(size: int) -> bytes:
    """What cannot be packed."""
    return random.Random(size).randbytes(size)


def lines(size: int) -> bytes:
    return (b"a line of text, and then some more of it\r\n" * (size // 42 + 1))[: size - 2] + b"\r\n"


# -- large content --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 1000, chunks.CHUNK, chunks.CHUNK + 1, 3 * chunks.CHUNK - 5, 1_000_000])
async def test_what_comes_out_is_what_went_in_and_a_power_cut_does_not_matter(scene: Scene, size: int) -> None:
    wire = lines(size)
    large = scene.files.begin(FIVE)
    for at in range(0, size, 50_000):
        large.write(wire[at : at + 50_000])
    content = await large.finish()
    assert content == content_of(wire)
    assert large.unwritten == 0
    assert b"".join([chunk async for chunk in scene.files.stream(scene.entry(content))]) == wire
    reader = LargeReader(scene.disk.crash(), PATH, JOURNAL, scene.entry(content))
    assert b"".join(iter(reader.next, None)) == wire


async def test_dots_and_eight_bits_are_noticed_at_any_split(scene: Scene) -> None:
    content = b".first\r\nplain\r\n.\r\n..two\r\ncaf\xc3\xa9\r\n" * 9000
    wire = stuff(content)
    large = scene.files.begin(FIVE)
    for at in range(0, len(wire), 999):
        large.write(wire[at : at + 999])
    found = await large.finish()
    assert found == Content(len(content), digest((wire,), True), True, len(wire), True)
    read = b"".join([chunk async for chunk in scene.files.stream(scene.entry(found))])
    assert unstuff(read) == content


async def test_empty_content(scene: Scene) -> None:
    content = await scene.files.begin(FIVE).finish()
    assert content.wire_size == 0
    assert [chunk async for chunk in scene.files.stream(scene.entry(content))] == []


async def test_it_is_written_while_it_arrives_and_says_how_much_is_not(scene: Scene) -> None:
    large = scene.files.begin(FIVE)
    large.write(noise(chunks.CHUNK - 1))
    assert large.unwritten == chunks.CHUNK - 1
    assert not scene.disk.exists(PATH)
    large.write(noise(chunks.CHUNK))
    while large.unwritten:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    assert len(scene.disk.get(PATH)) > chunks.CHUNK
    large.abort()
    await scene.idle()
    assert scene.disk.list("content") == []


async def test_it_is_synced_with_its_directory_before_it_is_finished(scene: Scene) -> None:
    await scene.stored(lines(1000))
    names = [name for name, _ in scene.disk.calls]
    assert names[names.index("create") :] == ["create", "writev", "fsync", "sync_directory", "close"]


@pytest.mark.parametrize("operation", ["create", "writev"])
@pytest.mark.parametrize("size", [1000, 3 * chunks.CHUNK])
async def test_a_write_that_fails_is_told_by_finish_and_leaves_no_file(scene: Scene, operation: str, size: int) -> None:
    for error, full in ((errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EIO, False)):
        large = scene.files.begin(FIVE)
        scene.disk.fail_at(1, error, only=[operation])
        for _ in range(3):
            large.write(lines(size // 3))
        with pytest.raises(JournalFailed) as caught:
            await large.finish()
        assert (caught.value.full, caught.value.final) == (full, False)
        assert large.unwritten == 0
        large.write(b"more")
        await scene.idle()
        assert scene.disk.list("content") == []
    assert scene.poisoned == []


async def test_what_room_is_left_on_a_full_disk_is_not_for_new_content(scene: Scene) -> None:
    large = scene.files.begin(FIVE)
    large.write(lines(3 * chunks.CHUNK))
    scene.is_scarce = True
    large.write(lines(1000))
    with pytest.raises(JournalFailed) as caught:
        await large.finish()
    assert caught.value.full
    await scene.idle()
    assert scene.disk.list("content") == []


@pytest.mark.parametrize("operation", ["fsync", "sync_directory"])
async def test_a_sync_that_fails_is_final(scene: Scene, operation: str) -> None:
    large = scene.files.begin(FIVE)
    large.write(lines(1000))
    scene.disk.fail_at(1, errno.EIO, only=[operation])
    with pytest.raises(JournalFailed) as caught:
        await large.finish()
    assert caught.value.final
    assert scene.poisoned == [caught.value]


async def test_an_error_nobody_thought_of_is_no_success(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    large = scene.files.begin(FIVE)

    def broken(*_: object) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr(chunks, "chunk_header", broken)
    large.write(bytes(chunks.CHUNK))
    with pytest.raises(JournalFailed, match="ZeroDivisionError"):
        await large.finish()


async def test_abort_at_any_time(scene: Scene) -> None:
    started = scene.files.begin(FIVE)
    started.write(bytes(2 * chunks.CHUNK))
    started.abort()  # while it is being written
    started.write(b"more")
    for _ in range(3):
        await scene.idle()
        await asyncio.sleep(0)
    assert scene.disk.list("content") == []
    finished = scene.files.begin(FIVE)
    await finished.finish()
    assert scene.disk.exists(PATH)
    finished.abort()
    finished.abort()
    await scene.idle()
    assert scene.disk.list("content") == []


async def test_who_is_cancelled_in_finish_leaves_nothing(scene: Scene) -> None:
    large = scene.files.begin(FIVE)
    large.write(bytes(2 * chunks.CHUNK))
    task = asyncio.ensure_future(large.finish())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(3):
        await scene.idle()
        await asyncio.sleep(0)
    assert scene.disk.list("content") == []


async def test_a_name_that_is_taken_is_not_written_to(scene: Scene) -> None:
    scene.disk.put(PATH, b"somebody else's")
    large = scene.files.begin(FIVE)
    large.write(b"mine\r\n")
    with pytest.raises(JournalFailed):
        await large.finish()


async def test_remove(scene: Scene) -> None:
    await scene.stored(lines(1000))
    scene.files.remove(FIVE)
    await scene.idle()
    assert scene.disk.list("content") == []
    scene.pool.shutdown()
    scene.files.remove(FIVE)  # too late: the next start does it
    scene.files.begin(FIVE).abort()


# -- packed ---------------------------------------------------------------------------------------------------------


async def test_a_chunk_is_packed_where_that_saves_room(scene: Scene) -> None:
    wire = lines(chunks.CHUNK) + noise(chunks.CHUNK) + lines(1000)
    large = scene.files.begin(FIVE)
    for at in range(0, len(wire), 50_000):
        large.write(wire[at : at + 50_000])
        await asyncio.sleep(0)
        if large._job is not None:
            await asyncio.wait([large._job])
    entry = scene.entry(await large.finish())
    octets = scene.disk.get(PATH)
    assert chunks.CHUNK < len(octets) < chunks.CHUNK + 2000
    packed, plain = chunks.read_chunk(SEED, 0, octets[64:]), noise(chunks.CHUNK)
    assert packed is not None
    assert (packed.is_packed, packed.plain_size) == (True, chunks.CHUNK)
    assert plain in octets
    reader = LargeReader(scene.disk, PATH, JOURNAL, entry)
    assert [len(chunk) for chunk in iter(reader.next, None)] == [chunks.CHUNK, chunks.CHUNK, 1000]
    assert b"".join([chunk async for chunk in scene.files.stream(entry)]) == wire


async def test_who_sends_faster_than_we_write_does_not_wait_for_packing(scene: Scene) -> None:
    wire = lines(KEEPING_UP + 1)
    large = scene.files.begin(FIVE)
    large.write(wire)
    entry = scene.entry(await large.finish())
    size = len(scene.disk.get(PATH))
    assert chunks.plain_file_size(chunks.CHUNK) < size < chunks.plain_file_size(len(wire)) - 100_000  # all but the rest
    assert b"".join([chunk async for chunk in scene.files.stream(entry)]) == wire
    scene.disk.unlink(PATH)
    entry = await scene.stored(wire[1:])
    assert len(scene.disk.get(PATH)) < len(wire) // 10
    assert b"".join([chunk async for chunk in scene.files.stream(entry)]) == wire[1:]


async def test_chunks_that_verify_and_do_not_unpack(scene: Scene) -> None:
    """Of the right size and of a wrong one, and one that is a bomb: never sent, and no more read than was recorded."""
    wire = lines(1000)
    entry = await scene.stored(wire)
    header = scene.disk.get(PATH)[: chunks.HEADER_SIZE]
    good = pack(wire)
    assert good is not None
    bomb = zstandard.ZstdCompressor().compress(bytes(100 << 20))[:900]
    for stored, size in ((good, 1001), (good, 999), (good[:-1], 1000), (good + b"x", 1000), (bomb, 1000)):
        framed = chunks.chunk_header(SEED, 0, stored, size) + stored
        assert chunks.read_chunk(SEED, 0, framed) is not None
        scene.disk.put(PATH, header + framed)
        with pytest.raises(ContentUnavailable, match="chunk 0 of the content does not unpack"):
            LargeReader(scene.disk, PATH, JOURNAL, entry).next()
    scene.disk.put(PATH, header + chunks.chunk_header(SEED, 0, good, 1000) + good)
    assert LargeReader(scene.disk, PATH, JOURNAL, entry).next() == wire


# -- damage is found before the last octet is given out -------------------------------------------------------------


async def test_no_flipped_bit_of_a_file_is_ever_given_out(scene: Scene) -> None:
    wire = lines(700)
    entry = await scene.stored(wire)
    octets = scene.disk.get(PATH)
    for bit in range(0, 8 * len(octets), 7):
        flipped = bytearray(octets)
        flipped[bit // 8] ^= 1 << bit % 8
        scene.disk.put(PATH, bytes(flipped))
        with pytest.raises(ContentUnavailable):
            LargeReader(scene.disk, PATH, JOURNAL, entry).next()


async def test_chunks_that_verify_but_are_not_the_content(scene: Scene) -> None:
    """As a whole other file under this name would be: its chunks pass, the digest does not."""
    wire = lines(3 * chunks.CHUNK)
    entry = await scene.stored(wire)
    scene.disk.unlink(PATH)
    await scene.stored(wire[:-3] + b"!\r\n")
    reader = LargeReader(scene.disk, PATH, JOURNAL, entry)
    assert reader.next() == wire[: chunks.CHUNK]
    assert reader.next() == wire[chunks.CHUNK : 2 * chunks.CHUNK]
    with pytest.raises(ContentUnavailable, match="not what was accepted"):
        reader.next()


async def test_a_file_that_is_longer_shorter_or_gone(scene: Scene) -> None:
    wire = lines(chunks.CHUNK + 100)
    entry = await scene.stored(wire)
    octets = scene.disk.get(PATH)
    scene.disk.put(PATH, octets[:-50])
    with pytest.raises(ContentUnavailable, match="chunk 1"):
        assert [chunk async for chunk in scene.files.stream(entry)]
    short = Content(entry.content.size, entry.content.digest, False, chunks.CHUNK - 5)
    scene.disk.put(PATH, octets)
    with pytest.raises(ContentUnavailable, match="not what was accepted"):
        LargeReader(scene.disk, PATH, JOURNAL, scene.entry(short)).next()
    scene.disk.unlink(PATH)
    with pytest.raises(ContentUnavailable, match="cannot read"):
        LargeReader(scene.disk, PATH, JOURNAL, entry).next()


# -- content in the journal -----------------------------------------------------------------------------------------


def packed(wire: bytes, stored: bytes | None = None) -> tuple[FakeDisk, Entry]:
    """A message whose content was packed when it was carried; or what else stands there as if it had been."""
    parts = (stored if stored is not None else pack(wire) or b"",)
    carried = replace(Entry.of(accepted(5, wire), 1, 128).carried(parts), packed=True)
    return inline(wire, record=carried)


def inline(wire: bytes, recipients: int = 1, record: Record | None = None) -> tuple[FakeDisk, Entry]:
    image = Image().add(accepted(4)).add(record or accepted(5, wire, recipients)).add(accepted(6))
    disk = FakeDisk()
    disk.put(SEGMENT, image.octets)
    return disk, Entry.of(accepted(5, wire, recipients), 1, image.layouts[1].offsets[0])


@pytest.mark.parametrize("wire", [b"", b"Subject: x\r\n", b"..dotted\r\n" * 20_000])
def test_content_in_the_journal_is_read_back(wire: bytes) -> None:
    disk, entry = inline(wire)
    assert read_inline(disk, "journal", JOURNAL, entry) == wire


def test_content_behind_a_large_envelope_is_read_back() -> None:
    disk, entry = inline(b"Subject: x\r\n", recipients=1000)
    assert read_inline(disk, "journal", JOURNAL, entry) == b"Subject: x\r\n"


def test_no_flipped_bit_of_a_record_is_ever_given_out() -> None:
    wire = b"Subject: x\r\n\r\nhello\r\n"
    disk, entry = inline(wire)
    octets = disk.get(SEGMENT)
    record = range(8 * entry.offset, 8 * (entry.offset + 40 + 200))
    given = 0
    for bit in record:
        flipped = bytearray(octets)
        flipped[bit // 8] ^= 1 << bit % 8
        disk.put(SEGMENT, bytes(flipped))
        try:
            assert read_inline(disk, "journal", JOURNAL, entry) == wire
            given += 1  # the flip was behind the record
        except ContentUnavailable:
            pass
    assert given < len(record) / 4


def test_packed_content_in_the_journal_is_read_back() -> None:
    wire = lines(5000)
    assert read_inline(*at(packed(wire))) == wire


def test_no_flipped_bit_of_a_packed_record_is_ever_given_out() -> None:
    wire = lines(5000)
    disk, entry = packed(wire)
    octets = disk.get(SEGMENT)
    frame = framing.read_frame(memoryview(octets), entry.offset, framing.place(JOURNAL, 1), check_content=True)
    assert frame is not None
    assert frame.content_size < 200
    for bit in range(8 * entry.offset, 8 * (entry.offset + frame.size)):
        flipped = bytearray(octets)
        flipped[bit // 8] ^= 1 << bit % 8
        disk.put(SEGMENT, bytes(flipped))
        with pytest.raises(ContentUnavailable):
            read_inline(disk, "journal", JOURNAL, entry)


def test_a_packed_record_that_verifies_and_does_not_unpack() -> None:
    wire = lines(5000)
    good = pack(wire)
    assert good is not None
    bomb = zstandard.ZstdCompressor().compress(bytes(100 << 20))[:900]
    for stored in (good[:-1], good + b"x", good + good, wire[:900], bomb, pack(wire + wire) or b""):
        with pytest.raises(ContentUnavailable, match="does not unpack"):
            read_inline(*at(packed(wire, stored)))
    with pytest.raises(ContentUnavailable, match="not what was accepted"):
        read_inline(*at(packed(wire, pack(wire[:-3] + b"!\r\n"))))


def at(found: tuple[FakeDisk, Entry]) -> tuple[FakeDisk, str, bytes, Entry]:
    return found[0], "journal", JOURNAL, found[1]


def test_content_of_another_message_or_with_another_digest_is_not_given_out() -> None:
    disk, entry = inline(b"Subject: x\r\n")
    with pytest.raises(ContentUnavailable, match="damaged"):
        read_inline(disk, "journal", JOURNAL, Entry.of(accepted(6), 1, entry.offset))
    with pytest.raises(ContentUnavailable, match="not what was accepted"):
        read_inline(disk, "journal", JOURNAL, Entry.of(accepted(5, b"Subject: y\r\n"), 1, entry.offset))


def test_a_disk_that_does_not_give_it() -> None:
    disk, entry = inline(b"Subject: x\r\n")
    disk.fail_at(1, errno.EIO, only=["read_at"])
    with pytest.raises(ContentUnavailable, match="cannot read"):
        read_inline(disk, "journal", JOURNAL, entry)


# -- the cache ------------------------------------------------------------------------------------------------------


def test_the_cache_is_bounded_and_the_oldest_goes_first() -> None:
    cache = ContentCache(100)
    for number in range(5):
        cache.put(QueueId(number), (bytes(30),), 30)
    assert [cache.get(QueueId(number)) is not None for number in range(5)] == [False, False, True, True, True]
    assert cache.size == 90
    cache.drop(QueueId(3))
    cache.drop(QueueId(3))
    cache.drop(QueueId(0))
    assert cache.size == 60
    cache.put(QueueId(9), (bytes(101),), 101)
    assert cache.get(QueueId(9)) is None
    assert cache.size == 0
