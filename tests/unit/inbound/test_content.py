"""inbound/content: the rules of content that do not depend on how it came."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from asyncmta.inbound.content import HEADER_LIMIT, Rules, Violation
from asyncmta.inbound.data import ContentReader
from asyncmta.inbound.taking import VIOLATIONS


def read(*chunks: bytes, **rules: Any) -> ContentReader:
    reader = ContentReader(Rules(**{"size_limit": 1 << 24, "inline_limit": 1 << 24, **rules}))
    for chunk in chunks:
        reader.feed(chunk)
    return reader


def test_every_violation_has_its_reply() -> None:
    assert set(VIOLATIONS) == set(Violation)
    assert {reply.code for reply in VIOLATIONS.values()} == {550, 552}


@pytest.mark.parametrize("ending", [b"\r\n", b"\r\nbody\r\n", b""])
def test_a_header_section_may_be_as_large_as_its_limit(ending: bytes) -> None:
    for size, fits in ((20, True), (21, False)):
        content = b"a: " + b"x" * (size - 5) + b"\r\n" + ending + b".\r\n"
        for one, two in itertools.combinations(range(len(content)), 2):
            chunks = (content[:one], content[one:two], content[two:])
            violation = read(*chunks, header_limit=20).violation
            if ending or fits:
                assert (violation is None) == fits, chunks
        assert read(content).violation is None


def test_a_body_has_no_such_limit() -> None:
    assert read(b"\r\n" + b"x\r\n" * 100 + b".\r\n", header_limit=20).violation is None
    assert read(b"a: b\r\n\r\n", b"x\r\n" * 100, b".\r\n", header_limit=20).violation is None


def test_content_that_is_all_header_is_measured_as_it_comes() -> None:
    reader = read(*[b"a: b\r\n"] * 10, header_limit=20)
    assert reader.violation is Violation.HEADER_TOO_BIG
    assert reader.take() == []
    assert read(b"a: b\n", b"a: b\r\n" * 10, header_limit=20).violation is Violation.BARE_LINE_END


@pytest.mark.parametrize("first", [b"no field", b"x" * 1000, b"\xff"])
def test_content_that_does_not_begin_with_a_field_is_all_body(first: bytes) -> None:
    content = first + b"\r\na: b" * 1000 + b"\r\n.\r\n"
    for at in (0, 1, len(first) - 1, len(first), len(first) + 1, 1100):
        assert read(content[:at], content[at:], header_limit=2000, accept_long_lines=True).violation is None
    content = b"a:" + content
    for at in (0, 1, 2, 3, len(first) - 1, len(first), len(first) + 1, 1100):
        violation = read(content[:at], content[at:], header_limit=2000, accept_long_lines=True).violation
        assert violation is Violation.HEADER_TOO_BIG


def test_the_limit_is_a_mebibyte() -> None:
    line = b"a: " + b"x" * 59 + b"\r\n"
    assert HEADER_LIMIT % len(line) == 0
    section = line * (HEADER_LIMIT // len(line))
    assert read(section + b"\r\n.\r\n").violation is None
    assert read(section + line + b"\r\n.\r\n").violation is Violation.HEADER_TOO_BIG


def test_normalised_content_is_kept_with_line_ends_of_ours() -> None:
    reader = read(b"a\n.b\r", b"\n..c\r", b".\rd\n", b"\r\n.\r\n", normalises=True)
    assert b"".join(reader.take()) == b"a\r\n..b\r\n..c\r\n..\r\nd\r\n\r\n"
    assert reader.violation is None
    assert reader.shape.size == reader.shape.wire_size - 3
