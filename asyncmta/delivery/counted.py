"""Content for BDAT: without the doubled dots of its wire form, and exactly as long as is announced.

Promises: not one octet more or less, whatever was recorded, since the peer reads on with commands: `ContentUnavailable`
instead. Never: sockets, files.

RFC 3030 2.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from asyncmta.mail.envelope import Content, ContentUnavailable
from asyncmta.mail.wire import Unstuffer, unstuff

Octets = tuple[bytes, ...] | AsyncIterator[bytes]


def counted(content: Octets, facts: Content) -> Octets:
    """The content of this wire form. What is in memory is counted at once, the rest as it comes."""
    if not isinstance(content, tuple):
        return _as_it_comes(content, facts)
    if facts.dotted:
        content = (unstuff(b"".join(content)),)
    if sum(map(len, content)) != facts.size:
        raise ContentUnavailable("it is not as long as it was")
    return content


async def _as_it_comes(chunks: AsyncIterator[bytes], facts: Content) -> AsyncIterator[bytes]:
    left = facts.size
    unstuffer = Unstuffer() if facts.dotted else None
    try:
        async for chunk in chunks:
            plain = chunk if unstuffer is None else unstuffer.feed(chunk)
            left -= len(plain)
            if left < 0:
                break
            yield plain
        if left:
            raise ContentUnavailable("it is not as long as it was")
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
