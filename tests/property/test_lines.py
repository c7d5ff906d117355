"""inbound/lines: the short way for plain lines says what the long one would."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from asyncmta.inbound.lines import MAX_AUTH_LINE, MAX_LINE, as_text, judged

words = st.sampled_from(
    [b"MAIL FROM:<a@example.org>", b"AUTH ", b" ", b"\r", b"\0", b"\x16", b"\x7f", b"\xff", "\u00e9\u2028\x85".encode()]
)
lines = st.lists(words | st.binary(max_size=3), max_size=6).map(b"".join)


@given(line=lines, end=st.sampled_from([b"\r", b"", b" \r", b"\r\r"]))
@example(line=b"x" * (MAX_LINE - 2), end=b"\r")
@example(line=b"x" * (MAX_LINE - 1), end=b"\r")
@example(line=b"AUTH " + b"x" * (MAX_AUTH_LINE - 7), end=b"\r")
@example(line=b"AUTH " + b"x" * (MAX_AUTH_LINE - 6), end=b"\r")
def test_both_ways_say_the_same(line: bytes, end: bytes) -> None:
    assert as_text(line + end) == judged(line + end)
