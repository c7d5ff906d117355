"""inbound/data: where content ends, and what is wrong with it."""

from __future__ import annotations

import pytest

from asyncmta.inbound.content import Rules, Shape, Violation
from asyncmta.inbound.data import ContentReader


def read(*chunks: bytes, limit: int = 1 << 20, inline: int = 1 << 20, long_lines: bool = False) -> ContentReader:
    """Feed all chunks; only the last one may end the content, with nothing behind it."""
    reader = ContentReader(Rules(size_limit=limit, inline_limit=inline, accept_long_lines=long_lines))
    for chunk in chunks[:-1]:
        assert reader.feed(chunk) == -1
    assert reader.feed(chunks[-1]) == len(chunks[-1])
    return reader


def test_content_is_kept_in_wire_form_and_measured_without_its_stuffing() -> None:
    reader = read(b"a: b\r\n\r\n..\r\n...x\r\n.\r\n")
    assert reader.shape == Shape(size=16, wire_size=18, dotted=True, eight_bit=False)
    assert reader.take() == [b"a: b\r\n\r\n..\r\n...x\r\n"]
    assert reader.take() == []


def test_a_content_may_begin_with_its_end() -> None:
    reader = read(b".\r\n")
    assert reader.shape == Shape(0, 0, False, False)
    assert reader.take() == []


@pytest.mark.parametrize(
    ("chunks", "position"),
    [
        ((b"a\r\n.\r\nNOOP\r\n",), 6),
        ((b"a\r\n", b".\r\nNOOP\r\n"), 3),
        ((b"a\r\n.", b"\r\nNOOP\r\n"), 2),
        ((b"a\r\n.\r", b"\nNOOP\r\n"), 1),
        ((b"a\r", b"\n.\r\nNOOP\r\n"), 4),
        ((b".", b"\r\nNOOP\r\n"), 2),
    ],
)
def test_says_where_the_next_command_begins(chunks: tuple[bytes, ...], position: int) -> None:
    reader = ContentReader(Rules(size_limit=100, inline_limit=100))
    assert [reader.feed(chunk) for chunk in chunks] == [*[-1] * (len(chunks) - 1), position]


def test_reads_from_the_middle_of_a_chunk() -> None:
    reader = ContentReader(Rules(size_limit=100, inline_limit=100))
    assert reader.feed(b"DATA\r\nx: y\r\n.\r\nQUIT\r\n", 6) == 15
    assert reader.take() == [b"x: y\r\n"]
    reader = ContentReader(Rules(size_limit=100, inline_limit=100))
    assert reader.feed(b"DATA\r\nx: y\r\n", 6) == -1
    assert reader.take() == [b"x: y\r\n"]


def test_what_looks_like_the_end_and_is_none_is_not_lost() -> None:
    assert b"".join(read(b"a\r\n.", b".b\r\n.", b"x\r\n.", b"\r\n").take()) == b"a\r\n..b\r\n.x\r\n"


@pytest.mark.parametrize("bare", [b"\n", b"\r", b"x\rx\n", b"\n\r", b"\r\r\n", b"\r\n\n"])
def test_bare_line_ends_are_noticed_wherever_the_chunks_end(bare: bytes) -> None:
    content = b"ab" + bare + b"cd\r\n.\r\n"
    for at in range(1, len(content)):
        assert read(content[:at], content[at:]).violation is Violation.BARE_LINE_END
    assert read(content).violation is Violation.BARE_LINE_END


def test_nul() -> None:
    assert read(b"a\0b\r\n.\r\n").violation is Violation.NUL


@pytest.mark.parametrize("cut", [0, 1, 500, 999, 1000, 1001])
def test_lines_up_to_a_thousand_octets_with_their_end(cut: int) -> None:
    for prefix in (b"", b"first\r\n", b"x" * 998 + b"\r\n"):
        for line, fits in (
            (b"x" * 998, True),
            (b"x" * 999, False),
            (b"." + b"x" * 998, True),
            (b"." + b"x" * 999, False),
            (b"x" * 3000, False),
        ):
            for suffix in (b"", b"last\r\n", b"." + b"y" * 998 + b"\r\n"):
                content = prefix + line + b"\r\n" + suffix + b".\r\n"
                chunks = [chunk for chunk in (content[:cut], content[cut:]) if chunk]
                assert (read(*chunks).violation is None) == fits
                assert read(*chunks, long_lines=True).violation is None


def test_a_line_may_not_grow_chunk_by_chunk() -> None:
    assert read(b"x" * 600, b"x" * 600, b"\r\n.\r\n").violation is Violation.LONG_LINE
    assert read(b"x" * 600, b"x" * 398, b"\r\n.\r\n").violation is None
    assert read(b".", b"." + b"x" * 600, b"x" * 397, b"\r\n.\r\n").violation is None


def test_the_limit_counts_without_stuffing() -> None:
    assert read(b"..\r\n" * 10 + b".\r\n", limit=30).violation is None
    assert read(b"..\r\n" * 10 + b".\r\n", limit=29).violation is Violation.TOO_BIG


def test_above_the_limit_nothing_is_kept_and_the_end_is_found() -> None:
    reader = ContentReader(Rules(size_limit=1000, inline_limit=500))
    for _ in range(1000):
        assert reader.feed(b"x" * 70 + b"\r\n") == -1
    assert reader.violation is Violation.TOO_BIG
    assert reader.take() == []
    assert not reader.is_large
    assert reader.feed(b"bare\nline\0end\r\n.\r\n") == 18
    assert reader.violation is Violation.TOO_BIG


def test_the_gravest_violation_counts_in_whatever_order_they_come() -> None:
    assert read(b"a\0\r\n", b"b\nc\r\n.\r\n").violation is Violation.BARE_LINE_END
    assert read(b"b\nc\r\n", b"a\0\r\n.\r\n").violation is Violation.BARE_LINE_END
    assert read(b"x" * 1200 + b"\r\n", b"a\0\r\n.\r\n").violation is Violation.NUL


def test_large_content_is_to_be_taken_away_chunk_by_chunk() -> None:
    reader = ContentReader(Rules(size_limit=10_000, inline_limit=100))
    assert reader.feed(b"x" * 60 + b"\r\n") == -1
    assert not reader.is_large
    assert reader.feed(b"y" * 60 + b"\r\n") == -1
    assert reader.is_large
    assert reader.take() == [b"x" * 60 + b"\r\n", b"y" * 60 + b"\r\n"]
    assert reader.feed(b"z\r\n.\r\n") == 6
    assert reader.is_large
    assert reader.take() == [b"z\r\n"]


def test_content_that_nobody_wants_is_read_and_not_kept() -> None:
    reader = ContentReader(Rules(size_limit=10_000, inline_limit=10))
    reader.feed(b"x" * 60 + b"\r\n")
    reader.drop()
    assert not reader.is_large
    assert reader.feed(b"more\r\n.\r\n") == 9
    assert reader.take() == []
    assert reader.violation is None


def test_octet_by_octet_costs_no_more_than_the_octets() -> None:
    reader = ContentReader(Rules(size_limit=10_000, inline_limit=10_000))
    for octet in b"x" * 500:
        reader.feed(bytes([octet]))
    assert len(reader.take()) < 200


def test_eight_bit_content_is_marked() -> None:
    assert read(b"\xc3\xa9\r\n.\r\n").shape.eight_bit
    assert not read(b"e\r\n.\r\n").shape.eight_bit
