"""policy/verdict: what may go into a header line, and how it is written."""

from __future__ import annotations

import pytest

from asyncmta.mail import replies
from asyncmta.policy.verdict import Handling, Peer, Verdict, header_line, tag_text


@pytest.mark.parametrize("text", ["X-Greylist: delayed", "Received-SPF: pass (x)", "X:", "X:y"])
def test_header_lines(text: str) -> None:
    assert header_line(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no colon",
        ": x",
        "X Y: z",
        "X: a\r\nY: b",
        "X: a\n b",
        "X: é",
        "received: x",
        "X-Asyncmta-Tag: x",
        "X: " + "y" * 901,
    ],
)
def test_what_is_no_header_line_for_others_to_add(text: str) -> None:
    assert header_line(text) is None


def test_tags() -> None:
    assert tag_text("listed 5") == "listed 5"
    assert [tag_text(text) for text in ("", "é", "a\nb", "x" * 201)] == [None] * 4


def test_what_goes_on_top() -> None:
    handling = Handling(peer=Peer(ip=""), tags=("one", "two"), lines=("X-A: b",))
    assert handling.header == b"X-A: b\r\nX-Asyncmta-Tag: one\r\nX-Asyncmta-Tag: two\r\n"
    assert Handling(peer=Peer(ip="")).header == b""


def test_only_two_actions_refuse() -> None:
    assert Verdict("reject", replies.RELAY_DENIED).refuses is replies.RELAY_DENIED
    assert Verdict("defer", replies.BUSY).refuses is replies.BUSY
    assert Verdict("hold", replies.BUSY).refuses is None
