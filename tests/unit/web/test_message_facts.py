"""The header section of a message as lines, however it is made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmta.web.message_facts import LONGEST, MOST_FIELDS, MOST_OCTETS, Field, heading


def fields(content):
    return [(each.name, each.value) for each in heading(content).fields]


def test_fields_in_their_order_with_their_folds():
    content = b"Received: a\r\n\tby b\r\nSubject: hi\r\nX-Empty:\r\n\r\nFrom: in the body\r\n"
    assert fields(content) == [("Received", "a\n    by b"), ("Subject", "hi"), ("X-Empty", "")]
    assert (heading(content).subject, heading(content).is_cut) == ("hi", False)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", []),
        (b"\r\nbody", []),
        (b" folded at once\r\nA: b\r\n\r\n", [("", "folded at once"), ("A", "b")]),
        (b"no field at all\r\n\r\n", [("", "no field at all")]),
        (b"with space: x\r\n\r\n", [("", "with space: x")]),
        (b": x\r\n\r\n", [("", ": x")]),
        (b"Old : x\r\n\r\n", [("Old", "x")]),
        ("Gr\u00fc\u00df: x\r\n\r\n".encode(), [("", "Gr\u00fc\u00df: x")]),
        (b"A: \xff\x1b\r\n\r\n", [("A", "\\xff\x1b")]),
        (b"A: b\nC: d\n\n", [("A", "b"), ("C", "d")]),
    ],
)
def test_odd_header_sections(content, found):
    assert fields(content) == found


@pytest.mark.parametrize(
    ("value", "subject"),
    [
        (b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Gr\u00fc\u00dfe"),
        (b"=?utf-8?b?4oCuZXhlLg==?= x", "\u202eexe. x"),
        (b"=?x-unknown?q?a?=", "=?x-unknown?q?a?="),
        (b"=?utf-8?b?a?=", "=?utf-8?b?a?="),
        (b"=?utf-8?q?=FF?=", "=?utf-8?q?=FF?="),
        (b"=?utf-8?q?a=0Ab?=", "a b"),
        (b"plain", "plain"),
    ],
)
def test_the_subject_is_read(value, subject):
    assert heading(b"Subject: " + value + b"\r\n\r\n").subject == subject


def test_it_is_bounded():
    assert heading(b"A: b\r\n" * (MOST_FIELDS + 1) + b"\r\n").is_cut
    assert len(heading(b"A: b\r\n" * (MOST_FIELDS + 1) + b"\r\n").fields) == MOST_FIELDS
    (field,) = heading(b"A: " + b"x" * (LONGEST + 1) + b"\r\n\r\n").fields
    assert field == Field("A", "x" * LONGEST + "\u2026")
    long = heading(b"A: " + b"x" * MOST_OCTETS + b"\r\nB: c\r\n\r\n")
    assert long.is_cut
    assert len(long.fields) == 1


@given(st.binary(max_size=300))
def test_whatever_it_is_there_is_an_answer(content):
    found = heading(b"Subject: " + content)
    assert all(len(each.value) <= LONGEST + 1 for each in found.fields)
