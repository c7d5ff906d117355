"""Content to copy: in memory, in pieces, too large for memory, gone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from asyncmta.forwarding.content import MOST_SECTION, Original, copied
from asyncmta.mail.envelope import Consignment, Content, ContentUnavailable, Envelope, QueueId

WIRE = b"Subject: x\r\nTo: y\r\n\r\nbody\r\n"


class File:
    """Large content, as the store takes it."""

    def __init__(self) -> None:
        self.octets = b""
        self.waits = 0

    def write(self, octets: bytes) -> None:
        self.octets += octets

    async def room(self) -> None:
        self.waits += 1

    async def finish(self) -> Content:
        return Content(len(self.octets), b"", False, len(self.octets))

    def abort(self) -> None:
        self.octets = b""


class Reader:
    """An iterator that is no generator."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = iter(chunks)

    def __aiter__(self) -> Reader:
        return self

    async def __anext__(self) -> bytes:
        for chunk in self._chunks:
            return chunk
        raise StopAsyncIteration


async def generate(chunks: list[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def gone() -> AsyncIterator[bytes]:
    yield WIRE[:3]
    raise ContentUnavailable("gone")


def pieces(wire: bytes, size: int = 5) -> list[bytes]:
    return [wire[at : at + size] for at in range(0, len(wire), size)]


async def read(source: Callable[[], object], size: int = len(WIRE), most: int = 1000) -> Original:
    consignment = Consignment(QueueId(1), "", Envelope(None, ()), (), Content(size, b"", False, size), 0.0)
    return await Original.read(consignment, lambda _: source(), most)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("source", [lambda: (WIRE[:4], WIRE[4:]), lambda: generate(pieces(WIRE))])
async def test_what_is_small_is_read_once(source: Callable[[], object]) -> None:
    original = await read(source)
    assert original.parts is not None
    assert b"".join(original.parts) == WIRE
    assert original.section == b"Subject: x\r\nTo: y\r\n"


@pytest.mark.parametrize("source", [lambda: generate(pieces(WIRE)), lambda: Reader(pieces(WIRE))])
async def test_what_is_large_is_streamed_into_each_copy(source: Callable[[], object]) -> None:
    original = await read(source, most=10)
    assert original.parts is None
    assert original.section == b"Subject: x\r\nTo: y\r\n"
    file = File()
    content = await original.write(b"Top: z\r\n", file)
    assert file.octets == b"Top: z\r\n" + WIRE
    assert content.size == len(file.octets)
    assert file.waits == len(pieces(WIRE))


async def test_what_is_in_memory_can_be_written_too() -> None:
    file = File()
    await (await read(lambda: (WIRE,))).write(b"Top: z\r\n", file)
    assert file.octets == b"Top: z\r\n" + WIRE


async def test_a_header_section_without_end_is_not_read_to_its_end() -> None:
    line = b"X: " + b"x" * 70 + b"\r\n"
    original = await read(lambda: generate([line * 1000] * 40), size=1 << 25, most=10)
    assert MOST_SECTION <= len(original.section) < MOST_SECTION + 80_000


async def test_a_header_section_that_is_all_there_is() -> None:
    assert (await read(lambda: generate([b"X: y\r\n"]), most=1)).section == b"X: y\r\n"


async def test_what_is_gone_is_said_so() -> None:
    with pytest.raises(ContentUnavailable):
        await read(gone)
    original = await read(lambda: generate(pieces(WIRE)), most=10)
    with pytest.raises(ContentUnavailable):
        await Original(original.queue_id, original.facts, b"", None, lambda _: gone()).write(b"", File())


def test_the_facts_of_a_copy() -> None:
    of = Content(10, b"", True, 12, False)
    facts = copied(of, "Töp".encode(), ("Töp".encode(), b"..", b"x"))
    assert (facts.size, facts.wire_size, facts.dotted, facts.eight_bit) == (14, 16, True, True)
    assert not copied(of, b"Top", (b"Top",)).eight_bit
    assert len(facts.digest) == 16
