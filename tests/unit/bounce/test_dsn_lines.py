"""bounce/dsn_lines: folding, display names, other letters in header fields."""

from __future__ import annotations

from email.header import decode_header, make_header

import pytest

from asyncmta.bounce.dsn_lines import paragraphs, phrase, shortened, unstructured, wrapped


def test_words_are_folded_and_long_ones_broken() -> None:
    assert wrapped("") == []
    assert wrapped("a b", "  ") == ["  a b"]
    assert wrapped("x" * 241 + " y", "", " ") == ["x" * 240, " x y"]
    assert wrapped("a\0b\tc") == ["a?b c"]


def test_empty_lines_part_paragraphs() -> None:
    assert paragraphs("one\ntwo\n \n\nthree\n\n") == ["one two", "", "three"]
    assert paragraphs(" \n\n ") == []


def test_shortened() -> None:
    assert shortened("a \r\n b", 10) == "a ?? b"
    assert shortened("x" * 11, 10) == "x" * 7 + "..."


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("Mail Delivery System", "Mail Delivery System"),
        ('Mail, "Inc."', '"Mail, \\"Inc.\\""'),
        ("a\r\nX: y", '"a??X: y"'),
    ],
)
def test_display_names_are_quoted(text: str, field: str) -> None:
    assert phrase(text) == field


@pytest.mark.parametrize("text", ["Größe", "=?no?q?word?=", "用户" * 40])
def test_other_letters_are_encoded_and_decode_to_themselves(text: str) -> None:
    for field in (phrase(text), unstructured(text)):
        assert field.isascii()
        assert all(len(line) < 78 for line in field.split("\r\n"))
        assert str(make_header(decode_header(field.replace("\r\n", "")))) == text
    assert unstructured("plain, text") == "plain, text"
