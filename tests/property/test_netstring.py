"""Netstrings, in one piece and at every split."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmta.mail.netstring import InvalidNetstring, begin, netstring, take, take_all


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_what_was_made_is_read_back(contents: list[bytes]) -> None:
    octets = b"".join(map(netstring, contents))
    assert take_all(octets) == contents
    at = 0
    for content in contents:
        taken = take(octets, at, 40)
        assert taken is not None
        assert taken[0] == content
        at = taken[1]
    assert at == len(octets)


@given(st.binary(max_size=30), st.binary(max_size=10))
def test_at_every_split_it_is_there_only_when_it_is_whole(content: bytes, behind: bytes) -> None:
    octets = netstring(content)
    for split in range(len(octets)):
        assert take(octets[:split], 0, 30) is None
        if split:
            with pytest.raises(InvalidNetstring):
                take_all(octets[:split])
    assert take(octets + behind, 0, 30) == (content, len(octets))
    assert take(bytearray(b"xy" + octets), 2, 30) == (content, len(octets) + 2)


@given(st.binary(max_size=20))
def test_nothing_else_is_one(octets: bytes) -> None:
    try:
        taken = take(octets, 0, 9)
    except InvalidNetstring:
        return
    if taken is not None:
        content, end = taken
        assert netstring(content) == octets[:end]
    else:  # nothing that has come forbids it
        begun = begin(octets, 0, 9)
        left = b"1:" if not octets else (b":" if begun is None else b"")
        start, length = begin(octets + left, 0, 9) or (0, 0)
        whole = (octets + left).ljust(start + length, b"x") + b","
        assert take(whole, 0, 9) == (whole[start:-1], len(whole))


@pytest.mark.parametrize(
    "octets",
    [
        b":,",
        b"x",
        b"-1:",
        b"00:,",
        b"01:x,",
        b"1:xx",
        b"0:x",
        b"100:",
        b"100",
        b"41:",
        b" 1:x,",
        b"1 :x,",
        "٣:".encode(),
    ],
)
def test_refused_as_soon_as_it_is_seen(octets: bytes) -> None:
    with pytest.raises(InvalidNetstring):
        take(octets, 0, 40)
