"""cli/mailq_table: the form that scripts read."""

from __future__ import annotations

from typing import Any

from asyncmta.cli.mailq_table import lines

DOWN = "451 4.4.1 No answer"


def stamp(at: float) -> str:
    return f"Sun Nov 22 07:10:{at:02.0f}"


def row(queue_id: str, *people: tuple[str, str | None], **more: Any) -> dict[str, Any]:
    found = {"queue_id": queue_id, "state": "deferred", "sender": "me@x.example", "size": 1500, "accepted_at": 7}
    found |= {"reason": None, "recipients": [{"address": who, "last_reply": said} for who, said in people]}
    return found | more


def test_nothing_waits() -> None:
    assert list(lines([], stamp)) == ["Mail queue is empty"]


def test_some_wait() -> None:
    rows = [
        row("0123456789abcdef", ("a@b", DOWN), ("c@d", DOWN), ("e@f", "452 no\x1b[2J")),
        row("0123456789abcdeg", ("a@b", None), state="active", sender=None),
        row("0123456789abcdeh", ("a@b", None), state="held", reason="by an operator"),
    ]
    assert list(lines(rows, stamp)) == [
        "-Queue ID-        --Size-- ----Arrival Time---- -Sender/Recipient-------",
        "0123456789abcdef      1500 Sun Nov 22 07:10:07  me@x.example",
        " " * 55 + "(451 4.4.1 No answer)",
        " " * 49 + "a@b",
        " " * 49 + "c@d",
        "(452 no?[2J)".rjust(76),
        " " * 49 + "e@f",
        "",
        "0123456789abcdeg*     1500 Sun Nov 22 07:10:07  MAILER-DAEMON",
        " " * 49 + "a@b",
        "",
        "0123456789abcdeh!     1500 Sun Nov 22 07:10:07  me@x.example",
        "(by an operator)".rjust(76),
        " " * 49 + "a@b",
        "",
        "-- 4 Kbytes in 3 Requests.",
    ]


def test_one_waits() -> None:
    assert list(lines([row("0123456789abcdef")], stamp))[-1] == "-- 1 Kbytes in 1 Request."
