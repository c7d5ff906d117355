"""inbound/chunks: octets counted; the same content as by DATA, whatever the chunks."""

from __future__ import annotations

import pytest

from asyncmta.inbound.chunks import ChunkReader, RefusedChunk
from asyncmta.inbound.content import Rules, Shape, Violation
from asyncmta.mail import replies


def reader(**rules: int | bool) -> ChunkReader:
    return ChunkReader(Rules(**{"size_limit": 1 << 20, "inline_limit": 1 << 20, **rules}))  # type: ignore[arg-type]


def read(*chunks: bytes, **rules: int | bool) -> ChunkReader:
    """Chunk after chunk; the last one ends the message."""
    content = reader(**rules)
    for number, chunk in enumerate(chunks, 1):
        content.begin(len(chunk), is_last=number == len(chunks))
        assert content.is_over == (not chunk)
        if chunk:
            assert content.feed(chunk) == len(chunk)
        assert content.is_over
    return content


def test_exactly_the_octets_of_the_chunk_are_taken() -> None:
    content = reader()
    content.begin(5, is_last=False)
    assert content.feed(b"BDAT 5\r\nab", 8) == -1
    assert not content.is_over
    assert content.feed(b"c\r\nNOOP\r\n") == 3
    content.begin(2, is_last=True)
    assert content.feed(b"BDAT 2\r\n\r\nNOOP\r\n", 8) == 10
    assert b"".join(content.take()) == b"abc\r\n\r\n"
    assert content.shape == Shape(7, 7, False, False)


def test_dots_are_doubled_as_it_is_kept() -> None:
    content = read(b".\r", b"\n.", b".\r\n", b"a.\r\n")
    assert b"".join(content.take()) == b"..\r\n...\r\na.\r\n"
    assert content.shape == Shape(size=11, wire_size=13, dotted=True, eight_bit=False)


@pytest.mark.parametrize("chunks", [(b"a: b",), (b"a: b", b""), (b"a: ", b"b"), (b"a: b\r\n", b"")])
def test_text_gets_the_line_end_that_it_lacks(chunks: tuple[bytes, ...]) -> None:
    content = read(*chunks)
    assert b"".join(content.take()) == b"a: b\r\n"
    assert content.violation is None


def test_a_message_of_nothing_gets_nothing() -> None:
    assert read(b"").shape == Shape(0, 0, False, False)


def test_binary_content_is_kept_octet_for_octet() -> None:
    octets = b"a: b\r\n\r\n.\r\n.\n\0\r\xff.." + b"x" * 2000
    content = read(octets[:9], octets[9:], binary=True)
    assert b"".join(content.take()) == octets
    assert content.shape == Shape(len(octets), len(octets), False, True, binary=True)
    assert content.violation is None


def test_a_chunk_above_the_limit_is_known_at_once_and_read_to_its_end() -> None:
    content = reader(size_limit=10)
    content.begin(6, is_last=False)
    content.feed(b".234\r\n")
    assert content.violation is None
    content.begin(5, is_last=True)
    assert content.violation is Violation.TOO_BIG
    assert content.take() == []
    assert content.feed(b"123") == -1
    assert content.feed(b"45NOOP") == 2
    assert content.take() == []


def test_the_limit_counts_without_stuffing() -> None:
    assert read(b".\r\n" * 10, size_limit=30).violation is None
    assert read(b".\r\n" * 10, size_limit=29).violation is Violation.TOO_BIG


def test_large_content_is_to_be_taken_away() -> None:
    content = reader(inline_limit=100)
    content.begin(90, is_last=False)
    content.feed(b"x" * 88 + b"\r\n")
    assert not content.is_large
    content.begin(12, is_last=True)
    content.feed(b"y" * 12)
    assert content.is_large
    assert content.take() == [b"x" * 88 + b"\r\n", b"y" * 12, b"\r\n"]


@pytest.mark.parametrize("chunk", [b"a\nb\r\n", b"a\rb\r\n", b"a\0b\r\n", b"x" * 999 + b"\r\n", b"a\r"])
def test_what_data_refuses_is_refused_in_chunks(chunk: bytes) -> None:
    for at in range(0, len(chunk), max(1, len(chunk) // 7)):
        content = read(chunk[:at], chunk[at:])
        assert content.violation is not None
        assert content.take() == []


def test_a_refused_chunk_is_counted() -> None:
    chunk = RefusedChunk(10, replies.NEED_MAIL)
    assert chunk.feed(b"BDAT 10\r\n12345", 9) == -1
    assert not chunk.is_over
    assert chunk.feed(b"67890NOOP\r\n") == 5
    assert chunk.is_over
    assert RefusedChunk(0, replies.NEED_MAIL).is_over
