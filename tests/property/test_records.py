"""The journal as octets: what is written comes back, a prefix is exactly the batches that fit, no flip is missed."""

from __future__ import annotations

import random
from functools import cache

from hypothesis import assume, example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from asyncmta.mail.envelope import QueueId
from asyncmta.spool import chunks, framing, segment
from asyncmta.spool.codec import Undecodable, decode, encode
from asyncmta.spool.compression import LIMIT, pack, unpack
from asyncmta.spool.ledger import Entry
from asyncmta.spool.records import Accepted, Carried, Checkpoint, Record, Retired
from asyncmta.spool.segment import Batch, Damaged, Finding, Seal, Torn
from tests.unit.spool.spoolkit import JOURNAL, LATER, OK, Image, accepted, attempted, records

HERE = framing.place(JOURNAL, 1)
SECTOR = 512


def bare(record: Record | Checkpoint) -> Record | Checkpoint:
    """The record as it is read back: its content stays where it is."""
    if isinstance(record, Accepted | Carried):
        fields = {name: getattr(record, name) for name in record.__struct_fields__}
        return type(record)(**{**fields, "parts": ()})
    return record


def scan(octets: bytes, end: int | None = None) -> list[Finding]:
    return list(segment.scan(octets, HERE, end=end))


def written(octets: bytes, batch: Batch | Damaged) -> list[Record | Checkpoint]:
    return [
        decode(frame.kind, frame.queue_id, octets[frame.metadata_offset :][: frame.metadata_size], flags=frame.flags)
        for frame in batch.frames
    ]


@given(records)
def test_decode_undoes_encode(record: Record | Checkpoint) -> None:
    draft = encode(record)
    assert draft.size % 8 == 0
    metadata = draft.metadata[: draft.metadata_size]
    assert decode(draft.kind, draft.queue_id, metadata, flags=draft.flags) == bare(record)
    assert decode(draft.kind, draft.queue_id, memoryview(metadata), flags=draft.flags) == bare(record)


@given(st.binary(max_size=3000), st.integers(1, 300))
@example(bytes(LIMIT), 1)
def test_unpack_undoes_pack(octets: bytes, times: int) -> None:
    plain = octets * times
    packed = pack(plain)
    if packed is not None:
        assert unpack(packed, len(plain)) == plain
        assert len(packed) < len(plain)


@given(st.binary(max_size=300), st.integers(256, 3000), st.booleans())
def test_any_octets_unpack_to_the_recorded_size_or_not_at_all(octets: bytes, size: int, headed: bool) -> None:
    head = b"\x28\xb5\x2f\xfd\x60" + (size - 256).to_bytes(2, "little")
    plain = unpack(head + octets if headed else octets, size)
    assert plain is None or len(plain) == size


@given(st.binary(min_size=40, max_size=400), st.data())
def test_any_flipped_bit_of_packed_content_is_found(octets: bytes, data: st.DataObject) -> None:
    """By the record around it and by the chunk around it; without those what is unpacked has its size at least."""
    plain = octets * 40
    packed = pack(plain)
    assume(packed is not None)
    assert packed is not None
    flipped = bytearray(packed)
    bit = data.draw(st.integers(0, 8 * len(packed) - 1))
    flipped[bit // 8] ^= 1 << bit % 8
    found = unpack(bytes(flipped), len(plain))
    assert found is None or len(found) == len(plain)
    seed = chunks.seed(JOURNAL, QueueId(1))
    header = chunks.chunk_header(seed, 0, packed, len(plain))
    assert chunks.read_chunk(seed, 0, header + packed) is not None
    assert chunks.read_chunk(seed, 0, header + bytes(flipped)) is None
    carried = Entry.of(accepted(1, plain), 1, 1).carried((packed,))
    image = Image().add(replace(carried, packed=True)).octets
    assert [type(found) for found in scan(image)] == [Batch]
    assert [type(found) for found in scan(image.replace(packed, bytes(flipped)))] == [Torn]


@given(st.lists(st.lists(records, min_size=1, max_size=3), max_size=3))
def test_batches_come_back_as_they_were_written(batches: list[list[Record | Checkpoint]]) -> None:
    image = Image()
    for batch in batches:
        image.add(*batch)
    octets = image.seal().octets
    findings = scan(octets)
    assert isinstance(findings[-1], Seal)
    assert [written(octets, found) for found in findings if isinstance(found, Batch)] == [
        [bare(record) for record in batch] for batch in batches
    ]
    contents = [
        octets[frame.content_offset :][: frame.content_size]
        for found in findings
        if isinstance(found, Batch)
        for frame in found.frames
    ]
    assert contents == [b"".join(getattr(record, "parts", ())) for batch in batches for record in batch]


@given(st.integers(0, 255), st.binary(max_size=80))
@example(24, b"\x9f")
def test_any_octets_are_a_record_or_undecodable(kind: int, metadata: bytes) -> None:
    try:
        record = decode(kind, 5, metadata)
    except Undecodable:
        return
    assert encode(record).kind == kind


@cache
def sample() -> Image:
    """A small journal with every size of padding, content that spans sectors, and a commit within a sector."""
    image = Image().add(accepted(1))
    image.add(attempted(1, {0: LATER}), accepted(2, b"x" * 700 + b"\r\n"), accepted(3, b".dot\r\n", recipients=3))
    image.add(Retired(QueueId(1)))
    return image.add(accepted(4, b"y" * 1500), attempted(2, {0: OK}))


def test_every_prefix_is_exactly_the_batches_that_fit() -> None:
    image = sample()
    whole = scan(image.octets)
    for size in range(segment.HEADER_SIZE, len(image.octets) + 1):
        fit = [end for end in image.ends if end <= size]
        findings = scan(image.octets[:size])
        assert findings[: len(fit) - 1] == whole[: len(fit) - 1]
        rest = findings[len(fit) - 1 :]
        assert rest == ([] if size == fit[-1] else [Torn(fit[-1], size)])


def test_every_prefix_with_zeros_behind_it_is_the_batches_that_fit() -> None:
    image = sample()
    for size in range(segment.HEADER_SIZE, len(image.octets) + 1, 3):
        fit = [end for end in image.ends if end <= size]
        findings = scan(image.octets[:size] + bytes(len(image.octets) + 100 - size))
        # The last octets of a batch may be zeros themselves: then it fits though it was cut.
        assert len([found for found in findings if isinstance(found, Batch)]) in {len(fit) - 1, len(fit)}
        assert not [found for found in findings if isinstance(found, Damaged)]


@given(st.data())
def test_any_flipped_bit_is_noticed(data: st.DataObject) -> None:
    image = sample()
    bit = data.draw(st.integers(0, 8 * len(image.octets) - 1))
    at = bit // 8
    flipped = bytearray(image.octets)
    flipped[at] ^= 1 << bit % 8
    octets = bytes(flipped)
    if at < segment.HEADER_SIZE:
        assert segment.decode_header(octets) is None
        return
    struck = next(number for number, end in enumerate(image.ends) if at < end) - 1
    whole, findings = scan(image.octets), scan(octets)
    last = len(whole) - 1
    assert findings[:struck] == whole[:struck]
    bad = findings[struck]
    assert (bad.start, bad.end) == (image.ends[struck], image.ends[struck + 1])
    assert isinstance(bad, Torn if struck == last else Damaged)
    assert findings[struck + 1 :] == whole[struck + 1 :]
    # The same in a segment that is known to go on is damage, the last batch too.
    assert isinstance(scan(octets, len(octets))[struck], Damaged)
    if isinstance(bad, Damaged):
        batch = whole[struck]
        assert isinstance(batch, Batch)
        assert set(bad.frames) <= set(batch.frames)
        assert len(bad.frames) >= len(batch.frames) - 1


@given(st.integers(0, 2**32), st.sampled_from(("nothing", "zeros", "an old segment")), st.booleans())
def test_a_tail_whose_sectors_arrived_in_any_subset_is_a_torn_tail(seed: int, behind: str, sized: bool) -> None:
    """The last batch was written and never synced: each sector has it or has what stood there before."""
    image = sample()
    chance = random.Random(seed)
    start, end = image.ends[-2], image.ends[-1]
    old = Image(7).add(*[accepted(9)] * 30).octets
    before = {"nothing": b"", "zeros": bytes(SECTOR), "an old segment": old}[behind]
    disk = bytearray((image.octets[:start] + before[start:]).ljust(end if sized else start, b"\0"))
    arrived = 0
    sectors = range(start // SECTOR, (end - 1) // SECTOR + 1)
    for sector in chance.sample(sectors, len(sectors)):
        if chance.random() < 0.5:
            arrived += 1
            piece = image.octets[sector * SECTOR : (sector + 1) * SECTOR]
            disk = disk.ljust(sector * SECTOR + len(piece), b"\0")
            disk[sector * SECTOR : sector * SECTOR + len(piece)] = piece
    findings, whole = scan(bytes(disk)), scan(image.octets)
    assert findings[:3] == whole[:3]
    if arrived == len(sectors) and len(findings) > 3 and isinstance(findings[3], Batch):
        assert findings[3] == whole[3]
        return
    assert [type(found) for found in findings[3:]] in ([], [Torn])


@given(st.integers(0, 2**32), st.sampled_from((8, 64, 512, 4096)))
def test_blocks_zeroed_swapped_or_doubled_are_never_read_as_something_else(seed: int, block: int) -> None:
    image = sample()
    chance = random.Random(seed)
    disk = bytearray(image.octets)
    for _ in range(chance.randrange(1, 4)):
        a, b = (chance.randrange(segment.HEADER_SIZE, len(disk)) // block * block for _ in "ab")
        a, b = max(a, segment.HEADER_SIZE), max(b, segment.HEADER_SIZE)
        size = min(block, len(disk) - max(a, b))
        disk[a : a + size] = bytes(size) if chance.random() < 0.3 else disk[b : b + size]
    true = {frame for found in scan(image.octets) if isinstance(found, Batch) for frame in found.frames}
    octets = bytes(disk)
    for found in scan(octets):
        if isinstance(found, Batch | Damaged):
            assert set(found.frames) <= true
            for frame in found.frames:
                span = slice(frame.offset, frame.offset + frame.size)
                assert octets[span] == image.octets[span]


@given(st.binary(max_size=3000), st.booleans())
def test_any_octets_can_be_scanned(octets: bytes, sealed: bool) -> None:
    header = Image().octets
    findings = scan(header + octets, len(header) + len(octets) if sealed else None)
    at = segment.HEADER_SIZE
    for found in findings:
        assert found.start == at
        assert found.end > at
        at = found.end
    assert not [found for found in findings if isinstance(found, Batch)]
