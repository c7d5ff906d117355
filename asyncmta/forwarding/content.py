"""The content of a message that is to be copied: read once where it is small, for each copy where it is large.

Promises: memory is bounded by what may stand in the journal, whatever the size; the octets of a copy are those of its
original behind the fields on top; what cannot be read is ContentUnavailable, before anything names a copy of it.
Never: the journal.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import Protocol, Self

from msgspec import Struct

from asyncmta.mail.envelope import Consignment, Content, QueueId, ReadContent
from asyncmta.mail.headers import header_section
from asyncmta.mail.wire import digest

MOST_SECTION = 1 << 20  # octets of a header section that are looked at for a loop


class Large(Protocol):
    """`spool`'s way in for content above INLINE_LIMIT. `room` waits while much of it is still in memory."""

    def write(self, octets: bytes) -> None: ...

    async def room(self) -> None: ...

    async def finish(self) -> Content: ...

    def abort(self) -> None: ...


class Original(Struct, frozen=True):
    """Content to copy. `section`: its header section, or as much of that as is looked at; `parts` None: it is large."""

    queue_id: QueueId
    facts: Content
    section: bytes
    parts: tuple[bytes, ...] | None
    read_content: ReadContent

    @classmethod
    async def read(cls, consignment: Consignment, read_content: ReadContent, most: int) -> Self:
        """Up to `most` octets are kept in memory. Raises ContentUnavailable."""
        source = read_content(consignment.queue_id)
        parts: tuple[bytes, ...] | None = None
        if isinstance(source, tuple):
            parts = source
        elif consignment.content.wire_size <= most:
            parts = tuple([chunk async for chunk in source])
        if parts is not None:
            return cls(consignment.queue_id, consignment.content, header_section(b"".join(parts)), parts, read_content)
        assert not isinstance(source, tuple)
        return cls(consignment.queue_id, consignment.content, await _section(source), None, read_content)

    async def write(self, top: bytes, large: Large) -> Content:
        """A copy of its own file."""
        large.write(top)
        source = self.read_content(self.queue_id)
        if isinstance(source, tuple):
            for part in source:
                large.write(part)
            return await large.finish()
        async with _closing(source):
            async for chunk in source:
                large.write(chunk)
                await large.room()
        return await large.finish()


def copied(of: Content, top: bytes, parts: tuple[bytes, ...]) -> Content:
    """The facts of a copy: `parts` are `top` and the octets of the original."""
    size = len(top)
    eight_bit = of.eight_bit or not top.isascii()
    return Content(of.size + size, digest(parts, of.dotted), of.dotted, of.wire_size + size, eight_bit)


async def _section(source: AsyncIterator[bytes]) -> bytes:
    found = b""
    async with _closing(source):
        async for chunk in source:
            found += chunk
            if b"\r\n\r\n" in found or len(found) > MOST_SECTION:
                break
    return header_section(found)


def _closing(source: AsyncIterator[bytes]) -> AbstractAsyncContextManager[object]:
    return aclosing(source) if isinstance(source, AsyncGenerator) else nullcontext()
