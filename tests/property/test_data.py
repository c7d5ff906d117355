"""inbound/data: one content at every split, stuffing and unstuffing inverse, and never two messages out of one."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from asyncmta.inbound.content import Rules, Violation
from asyncmta.inbound.data import ContentReader
from asyncmta.mail.wire import stuff, unstuff

END = b"\r\n.\r\n"
LETTERS = b"\r\n.\x00x"
LIMIT = 2000

pieces_of_text = st.sampled_from(
    [b"\r\n", b"\r", b"\n", b".", b"..", b"\0", b"x", b"x" * 400, b"\xff", b"\r\n.", b"\r\n.\r"]
)
streams = st.lists(pieces_of_text, max_size=30).map(b"".join)


def model(stream: bytes) -> tuple[bytes, int, Violation | None, bytes] | None:
    """What RFC 5321 says, in the slowest way: wire form, size, what is wrong, the rest; None: it has not ended."""
    whole = b"\r\n" + stream
    end = whole.find(END)
    if end < 0:
        return None
    wire = whole[2 : end + 2]
    content = unstuff(wire)
    violation = None
    if len(content) > LIMIT:
        violation = Violation.TOO_BIG
    elif b"\r" in content.replace(b"\r\n", b"") or b"\n" in content.replace(b"\r\n", b""):
        violation = Violation.BARE_LINE_END
    elif b"\0" in content:
        violation = Violation.NUL
    elif any(len(line) > 998 for line in content.split(b"\r\n")):
        violation = Violation.LONG_LINE
    return wire, len(content), violation, whole[end + len(END) :]


def read(chunks: list[bytes], inline_limit: int = 1 << 20) -> tuple[bytes, int, Violation | None, bytes] | None:
    reader = ContentReader(Rules(size_limit=LIMIT, inline_limit=inline_limit))
    taken = b""
    for number, chunk in enumerate(chunks):
        end = reader.feed(chunk)
        if reader.is_large or end >= 0:
            taken += b"".join(reader.take())
        if end >= 0:
            shape = reader.shape
            if shape.size <= LIMIT:  # above it they are not counted any more
                assert shape.dotted == (shape.size != shape.wire_size)
            return taken, shape.size, reader.violation, chunk[end:] + b"".join(chunks[number + 1 :])
    return None


def check(stream: bytes, chunks: list[bytes], **options: int) -> None:
    expected, found = model(stream), read(chunks, **options)
    assert (expected is None) == (found is None), stream
    if expected is not None and found is not None:
        assert found[2:] == expected[2:], stream
        assert found[1] == expected[1], stream
        if expected[2] is None:
            assert found[0] == expected[0], stream


def test_every_short_string_around_the_end_at_every_split() -> None:
    """All 3,905 strings over CR, LF, dot, NUL, x up to length 5, before the true end and a pipelined command."""
    for size in range(6):
        for letters in itertools.product(LETTERS, repeat=size):
            stream = b"ab" + bytes(letters) + END + b"MAIL FROM:<>\r\n"
            last = 2 + size + len(END)
            check(stream, [stream])
            check(stream, [stream[at : at + 1] for at in range(len(stream))])
            for at in range(1, last):
                check(stream, [stream[:at], stream[at:]])


def test_every_short_string_at_the_very_start() -> None:
    for size in range(6):
        for letters in itertools.product(LETTERS, repeat=size):
            stream = bytes(letters) + END
            check(stream, [stream])
            check(stream, [stream[at : at + 1] for at in range(len(stream))])


@given(streams, st.lists(st.integers(0, 400), max_size=6), st.sampled_from([0, 5, 1 << 20]))
@settings(max_examples=300)
def test_the_result_is_that_of_the_model_at_every_split(stream: bytes, cuts: list[int], inline_limit: int) -> None:
    stream += END
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    chunks = [stream[a:b] for a, b in itertools.pairwise(places)]
    check(stream, chunks, inline_limit=inline_limit)


@given(st.lists(st.binary(max_size=20).filter(lambda line: not {0, 10, 13} & set(line)), max_size=10))
def test_what_is_stuffed_comes_through(lines: list[bytes]) -> None:
    content = b"".join(line + b"\r\n" for line in lines)
    found = read([stuff(content) + b".\r\n"])
    assert found is not None
    assert unstuff(found[0]) == content
    assert found[1] == len(content)
