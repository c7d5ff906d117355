"""Recipients out of a header section."""

from __future__ import annotations

import pytest

from asyncmta.cli.recipients import Unreadable, fields, take


def test_resent_fields_count_alone_where_there_are_any():
    content = b"Resent-To: a@x\nTo: b@x\nBcc: c@x\nResent-Bcc: d@x\n\nbody\n"
    named, kept = take(content)
    assert named == ["a@x", "d@x"]
    assert kept == b"Resent-To: a@x\nTo: b@x\nBcc: c@x\n\nbody\n"


def test_folding_groups_comments_and_quotes():
    content = b'To: "Doe, Jane"\r\n <jane@x>, list: b@x, c@x;, (comment) d@x\r\nCC: jane@x\r\n\r\nTo: no@x\r\n'
    named, kept = take(content)
    assert named == ["jane@x", "b@x", "c@x", "d@x"]
    assert kept == content


@pytest.mark.parametrize(
    ("content", "names", "end"),
    [
        (b"", [], 0),
        (b"\n", [], 0),
        (b"no header here\nTo: a@x\n", [], 0),
        (b" folded first\nTo: a@x\n", [], 0),
        (b"A: b\nC : d", ["a", "c"], 10),
        (b"A: b\nbroken\nC: d\n", ["a"], 5),
    ],
)
def test_where_the_header_section_ends(content, names, end):
    found, at = fields(content)
    assert ([name for name, _ in found], at) == (names, end)


def test_only_bcc_is_taken_out_and_nothing_else_changes():
    content = b"Bcc: a@x,\n\tb@x\nSubject: \xff\xfe\nBCC: c@x\n\n.\nbody without end"
    named, kept = take(content)
    assert named == ["a@x", "b@x", "c@x"]
    assert kept == b"Subject: \xff\xfe\n\n.\nbody without end"


def test_what_cannot_be_read_is_not_left_out():
    with pytest.raises(Unreadable, match="nested"):
        take(b"To: a@x\nCc: " + b"(" * 20_000 + b"\n\nbody\n")
