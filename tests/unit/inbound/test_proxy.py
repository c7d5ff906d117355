"""inbound/proxy: where a PROXY header ends."""

from __future__ import annotations

import pytest

from asyncmta.inbound.proxy import MAX_HEADER, NONE, NOT_YET, Octets, header_length

V1 = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n"
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V2 = SIGNATURE + b"\x21\x11\x00\x0c" + b"\xc0\x00\x02\x01\xc0\x00\x02\x02\x00\x01\x00\x19"


@pytest.mark.parametrize("header", [V1, V2])
def test_every_prefix_waits_and_nothing_behind_is_counted(header: bytes) -> None:
    for size in range(1, len(header)):
        assert header_length(header[:size]) == NOT_YET
    assert header_length(header) == len(header)
    assert header_length(header + b"EHLO x\r\n") == len(header)


@pytest.mark.parametrize("octets", [b"EHLO x\r\n", b"PROXI", b"\r\nQUIT", b"PROXY " + b"x" * 101, b"G"])
def test_what_is_no_header(octets: bytes) -> None:
    assert header_length(octets) == NONE


def test_a_header_is_bounded() -> None:
    assert header_length(b"PROXY " + b"x" * 100) == NOT_YET
    assert header_length(SIGNATURE + b"\x21\x11" + (MAX_HEADER - 16).to_bytes(2, "big")) == NOT_YET
    assert header_length(SIGNATURE + b"\x21\x11" + (MAX_HEADER - 15).to_bytes(2, "big")) == NONE


async def test_a_reader_over_octets_never_waits() -> None:
    reader = Octets(b"abcdef\ngh")
    assert await reader.readexactly(2) == b"ab"
    assert await reader.readuntil() == b"cdef\n"
    assert await reader.read(5) == b"gh"
    assert await reader.read(5) == b""
