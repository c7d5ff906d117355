"""Tables for terminals of any width."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from asyncmta.cli.fitted_table import LEAST, lines, side_by_side

HEAD = ("id", "state", "sender", "recipient", "last reply")
ROW = (
    "9m8a200020000001",
    "deferred",
    "someone.long@sender.example",
    "other.one@recipient.example",
    "451 4.4.1 no " * 6,
)
PLAIN = ("9m8a200020000002", "ready", "a@b", "c@d", "-")


def plain(rows, width):
    return [line.plain for line in lines(HEAD, rows, width)]


def test_side_by_side_where_there_is_room():
    assert plain([PLAIN], 80) == [
        "id                state  sender  recipient  last reply",
        "9m8a200020000002  ready  a@b     c@d        -",
    ]
    wide = plain([ROW, PLAIN], 120)
    assert len(wide) == 3
    assert wide[1].startswith(
        "9m8a200020000001  deferred  someone.long@sender.example  other.one@recipient.example  451"
    )
    assert wide[1].endswith("…")


def test_what_is_short_is_whole_on_any_terminal():
    assert plain([ROW, PLAIN], 60) == [
        "id                state",
        "    sender  recipient  last reply",
        "9m8a200020000001  deferred",
        "    someone.long@sender.example  other.one@recipient.example",
        f"    {ROW[-1].rstrip()}"[:59] + "…",
        "9m8a200020000002  ready",
        "    a@b  c@d",
    ]


@pytest.mark.parametrize("width", [20, 30, 50, 80, 81, 100, 132, 300])
@pytest.mark.parametrize("text", ["x" * 200, "漢字" * 100, "", "-"])
def test_no_line_is_wider_than_the_terminal(width, text):
    found = plain([ROW, (*PLAIN[:2], text, text, text)], width)
    assert max(map(cell_len, found)) <= width
    assert all(row[0] in "\n".join(found) for row in (ROW, PLAIN))


def test_no_rows_are_heads_alone():
    assert plain([], 80) == ["id  state  sender  recipient  last reply"]
    assert plain([], 10) == ["id  state", "    sende…"]


def test_room_goes_to_who_wants_much():
    assert side_by_side([10, 20, 100], 80) == [10, 20, 46]
    assert side_by_side([10, 60, 100], 80) == [10, 33, 33]
    assert side_by_side([10, 60, 100], 10 + 4 + 2 * LEAST - 1) is None
    assert side_by_side([10, 10, 10], 20) is None
    assert side_by_side([36, 58, 8], 80) == [36, 32, 8]  # what a row is called is whole
    assert side_by_side([60, 58, 8], 80) == [34, 34, 8]
