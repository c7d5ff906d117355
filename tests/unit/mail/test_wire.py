"""mail/wire: dots, line ends, line lengths, digests."""

from __future__ import annotations

from hashlib import blake2b

import pytest

from asyncmta.mail.wire import (
    DIGEST_SIZE,
    HELD,
    LINE_LIMIT,
    WORTH_LETTING_GO,
    Unstuffer,
    clean_line_ends,
    crlf,
    digest,
    is_dotted,
    longest_line_ok,
    stuff,
    unstuff,
)

PAIRS = [
    (b"", b""),
    (b"a\r\n", b"a\r\n"),
    (b".\r\n", b"..\r\n"),
    (b"..\r\n", b"...\r\n"),
    (b"a\r\n.\r\n", b"a\r\n..\r\n"),
    (b"a\r\n.\r\n.\r\n..b\r\n", b"a\r\n..\r\n..\r\n...b\r\n"),
    (b"a.b\r\n", b"a.b\r\n"),
    (b"\r\n\r\n.\r\n", b"\r\n\r\n..\r\n"),
]


@pytest.mark.parametrize(("content", "wire"), PAIRS)
def test_stuffing_doubles_the_dots_that_begin_lines(content: bytes, wire: bytes) -> None:
    assert stuff(content) == wire
    assert unstuff(wire) == content
    assert is_dotted(wire) == (content != wire)


@pytest.mark.parametrize("wire", [wire for _, wire in PAIRS])
def test_unstuffer_gives_the_same_octet_by_octet(wire: bytes) -> None:
    unstuffer = Unstuffer()
    assert b"".join(unstuffer.feed(wire[at : at + 1]) for at in range(len(wire))) == unstuff(wire)
    assert unstuffer.feed(b"") == b""


def test_a_chunk_without_dots_is_not_copied() -> None:
    chunk = b"some text\r\nand more\r\n"
    assert unstuff(chunk) is chunk
    assert Unstuffer().feed(chunk) is chunk
    assert stuff(chunk) is chunk
    assert crlf(chunk) is chunk


def test_only_crlf_begins_a_line_for_a_dot() -> None:
    assert stuff(b"a\n.\r\n") == b"a\n.\r\n"
    assert unstuff(b"a\n..\r\n") == b"a\n..\r\n"


@pytest.mark.parametrize(
    "chunk", [b"", b"a", b"a\r\n", b"\r\n\r\n", b"\r\na\x85\x0b\x0c\x1c\r\n", b"\xff\r\n", "\u2028\r\n".encode()]
)
def test_clean_line_ends(chunk: bytes) -> None:
    assert clean_line_ends(chunk)


@pytest.mark.parametrize(
    "chunk",
    [b"\r", b"\n", b"a\nb\r\n", b"a\rb\r\n", b"\n\r", b"\r\r\n", b"\r\n\n", b"\r\n\r", b"\rx\n", b"a\r\nb\rc\nd\r\n"],
)
def test_bare_cr_and_lf_are_seen(chunk: bytes) -> None:
    assert not clean_line_ends(chunk)


@pytest.mark.parametrize(
    ("content", "normal"),
    [
        (b"", b""),
        (b"a", b"a\r\n"),
        (b"a\n", b"a\r\n"),
        (b"a\rb\nc\r\nd", b"a\r\nb\r\nc\r\nd\r\n"),
        (b"\r\r\n\n", b"\r\n\r\n\r\n"),
        (b"\n", b"\r\n"),
        (b"a\r\nb", b"a\r\nb\r\n"),
    ],
)
def test_our_own_content_gets_crlf(content: bytes, normal: bytes) -> None:
    assert crlf(content) == normal


def test_line_limit_counts_the_line_end() -> None:
    line = b"x" * (LINE_LIMIT - 2) + b"\r\n"
    assert longest_line_ok(line * 3)
    assert longest_line_ok(b"short\r\n" * 500 + line + b"\r\n" * 500)
    assert not longest_line_ok(line + b"x" + line + line)
    assert not longest_line_ok(b"y" * (LINE_LIMIT + 1))
    assert longest_line_ok(b"ab\r\n", 4)
    assert not longest_line_ok(b"abc\r\n", 4)
    assert longest_line_ok(b"")


@pytest.mark.parametrize(("content", "wire"), PAIRS)
def test_digest_is_that_of_the_content(content: bytes, wire: bytes) -> None:
    expected = blake2b(content, digest_size=DIGEST_SIZE).digest()
    parts = [wire[at : at + 3] for at in range(0, len(wire), 3)]
    assert digest(parts, True) == expected
    if content == wire:
        assert digest(parts, False) == expected


@pytest.mark.parametrize("size", [0, 1, HELD, HELD + 1, 2 * HELD + 1, WORTH_LETTING_GO - 1, WORTH_LETTING_GO, 100_000])
def test_digest_of_content_of_any_size(size: int) -> None:
    content = bytes(number * 7 % 256 for number in range(size))
    expected = blake2b(content + b"\r\n", digest_size=DIGEST_SIZE).digest()
    assert digest((content, b"\r\n"), False) == expected
