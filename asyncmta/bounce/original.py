"""The message that a report is about, as far as it goes back: whole, or its header section.

Promises: no more of it is read than goes back; what cannot be read is left out, for the sender must be told all the
same. Never: what of it is returned (`bouncer`), or in which form (`dsn`).

RFC 3461 4.3 and 6.2.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, nullcontext

from asyncmta.mail.envelope import ContentUnavailable, ReadContent
from asyncmta.mail.headers import header_section
from asyncmta.mail.wire import unstuff
from asyncmta.spool.ledger import Entry

MAX_HEADERS = 128 << 10  # octets of its header section that are returned


async def read_original(entry: Entry, read_content: ReadContent, *, full: bool) -> bytes:
    """Its octets, dots unstuffed: whole when `full`, else its header section; nothing where they cannot be read."""
    try:
        parts = read_content(entry.queue_id)
        if isinstance(parts, tuple):
            wire = b"".join(parts) if full else _beginning(parts)
        else:
            wire = await _read(parts, full)
    except ContentUnavailable:
        return b""
    content = unstuff(wire) if entry.content.dotted else wire
    return content if full else _headers(content)


def _beginning(parts: tuple[bytes, ...]) -> bytes:
    """As many parts as hold the header section; mostly that is one, and nothing is copied."""
    wire = parts[0] if parts else b""
    for part in parts[1:]:
        if _holds_headers(wire):
            break
        wire += part
    return wire


async def _read(parts: AsyncIterator[bytes], full: bool) -> bytes:
    """The same of chunks that have to be read; all of them when `full`."""
    wire = b""
    async with aclosing(parts) if isinstance(parts, AsyncGenerator) else nullcontext():
        async for part in parts:
            wire += part
            if not full and _holds_headers(wire):
                break
    return wire


def _holds_headers(wire: bytes) -> bool:
    return len(wire) >= MAX_HEADERS or b"\r\n\r\n" in wire


def _headers(content: bytes) -> bytes:
    """Its header section, cut behind a line where it is too long."""
    section = header_section(content)
    if len(section) <= MAX_HEADERS:
        return section
    return section[: section.rfind(b"\r\n", 0, MAX_HEADERS) + 2]
