"""mail/wire: stuffing and unstuffing are inverse at every split, line ends are judged as their definition says."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from asyncmta.mail.wire import (
    Normaliser,
    Stuffer,
    Unstuffer,
    clean_line_ends,
    crlf,
    digest,
    is_dotted,
    longest_line_ok,
    stuff,
    unstuff,
)

pieces = st.sampled_from(
    [b".", b"\r\n", b"\r", b"\n", b"a", b"..", b"\r\n.", b"\r\n.\r\n", b"bc", b"\xff", b"\0", b"\x85"]
)
octets = st.lists(pieces, max_size=30).map(b"".join)
contents = st.lists(st.sampled_from([b"", b".", b"..", b"a", b".b", b"c.d", b"\xe9"]), max_size=20).map(
    lambda lines: b"".join(line + b"\r\n" for line in lines)
)
BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


@settings(deadline=None, max_examples=max(400, settings.default.max_examples))
@given(octets)
def test_unstuff_undoes_stuff(content: bytes) -> None:
    assert unstuff(stuff(content)) == content
    assert is_dotted(stuff(content)) == (stuff(content) != content)


@settings(deadline=None, max_examples=max(300, settings.default.max_examples))
@given(contents)
def test_no_content_holds_its_own_end(content: bytes) -> None:
    wire = stuff(content)
    assert b"\r\n.\r\n" not in b"\r\n" + wire
    assert (wire + b".\r\n").find(b"\r\n.\r\n" if wire else b".\r\n") == max(0, len(wire) - 2)


@settings(deadline=None, max_examples=max(400, settings.default.max_examples))
@given(octets, st.lists(st.integers(0, 80), max_size=8))
def test_unstuffer_is_equal_at_every_split(wire: bytes, cuts: list[int]) -> None:
    places = sorted(cut for cut in cuts if cut < len(wire))
    unstuffer = Unstuffer()
    chunks = [wire[start:end] for start, end in zip([0, *places], [*places, len(wire)], strict=True)]
    assert b"".join(map(unstuffer.feed, chunks)) == unstuff(wire)
    for cut in range(len(wire)):
        unstuffer = Unstuffer()
        assert unstuffer.feed(wire[:cut]) + unstuffer.feed(wire[cut:]) == unstuff(wire)


@settings(deadline=None, max_examples=max(400, settings.default.max_examples))
@given(octets, st.lists(st.integers(0, 80), max_size=8))
def test_stuffer_and_normaliser_are_equal_at_every_split(content: bytes, cuts: list[int]) -> None:
    places = sorted(cut for cut in cuts if cut < len(content))
    chunks = [content[start:end] for start, end in zip([0, *places], [*places, len(content)], strict=True)]
    stuffer, normaliser = Stuffer(), Normaliser()
    assert b"".join(map(stuffer.feed, chunks)) == stuff(content)
    assert stuffer.ends_a_line == (content[-2:] in (b"", b"\r\n"))
    normal = b"".join(map(normaliser.feed, chunks))
    assert normal == BARE.sub(b"\r\n", content)
    for cut in range(len(content)):
        stuffer, normaliser = Stuffer(), Normaliser()
        assert stuffer.feed(content[:cut]) + stuffer.feed(content[cut:]) == stuff(content)
        assert normaliser.feed(content[:cut]) + normaliser.feed(content[cut:]) == normal


@settings(deadline=None, max_examples=max(400, settings.default.max_examples))
@given(octets)
def test_clean_line_ends_means_no_bare_one(chunk: bytes) -> None:
    assert clean_line_ends(chunk) == (BARE.search(chunk) is None)


@settings(deadline=None, max_examples=max(400, settings.default.max_examples))
@given(octets)
def test_crlf_is_clean_and_keeps_everything_else(content: bytes) -> None:
    normal = crlf(content)
    assert clean_line_ends(normal)
    assert normal.endswith(b"\r\n") or not normal
    assert crlf(normal) is normal
    lines = re.split(rb"\r\n|\r|\n", content)
    assert normal.split(b"\r\n")[:-1] == (lines if lines[-1] else lines[:-1])


@settings(deadline=None, max_examples=max(300, settings.default.max_examples))
@given(st.lists(st.integers(0, 12), max_size=30), st.integers(3, 12), st.booleans())
def test_longest_line_is_found(lengths: list[int], limit: int, ended: bool) -> None:
    lines = [b"x" * length for length in lengths]
    body = b"\r\n".join(lines) + (b"\r\n" if ended else b"")
    assert longest_line_ok(body, limit) == all(len(line) <= limit for line in body.splitlines(keepends=True))


@settings(deadline=None, max_examples=max(200, settings.default.max_examples))
@given(octets, st.integers(1, 9))
def test_digest_does_not_depend_on_the_parts(content: bytes, size: int) -> None:
    wire = stuff(content)
    parts = [wire[at : at + size] for at in range(0, len(wire), size)]
    assert digest(parts, True) == digest([content], False)
    assert (digest([wire], False) == digest([content], False)) == (not is_dotted(wire))
