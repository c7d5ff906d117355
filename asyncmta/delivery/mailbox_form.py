"""Content in wire form -> as it stands in a Maildir: lines end in LF, dots are unstuffed.

Of binary content the header section has such lines, and the body stands there octet for octet, since it has no lines
that anybody knows of. Promises: the same in one piece or at any split. Never: files.

RFC 5321 4.5.2 (transparency), RFC 3030 3 (binary content).
"""

from __future__ import annotations

from collections.abc import Iterable

from asyncmta.mail import wire

_END_OF_HEADER = b"\r\n\r\n"


def lf(octets: bytes) -> bytes:
    return octets.replace(b"\r\n", b"\n")


def mailbox_form(parts: Iterable[bytes], dotted: bool, binary: bool = False) -> bytes:
    """`dotted`, `binary`: as the message's `Content` and `Envelope` have it."""
    octets = b"".join(parts)
    if not binary:
        return lf(wire.unstuff(octets) if dotted else octets)
    section, end, body = octets.partition(_END_OF_HEADER)
    return lf(section + end) + body


class MailboxForm:
    """`mailbox_form` for content that comes in chunks, split anywhere."""

    def __init__(self, dotted: bool, binary: bool = False) -> None:
        self._unstuffer = wire.Unstuffer() if dotted else None
        self._is_header = binary  # of binary content, and so to be looked at
        self._is_body = False
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        if self._is_body:
            return chunk
        if self._is_header:
            return self._feed_header(chunk)
        if self._unstuffer is not None:
            chunk = self._unstuffer.feed(chunk)
        chunk = self._held + chunk
        self._held = b"\r" if chunk.endswith(b"\r") else b""
        return lf(chunk[:-1] if self._held else chunk)

    def _feed_header(self, chunk: bytes) -> bytes:
        section, end, body = (self._held + chunk).partition(_END_OF_HEADER)
        if end:
            self._is_body, self._held = True, b""
            return lf(section + end) + body
        keep = len(section) - len(_END_OF_HEADER) + 1
        if section[keep - 1 : keep] == b"\r":  # a line end is not to be torn
            keep -= 1
        keep = max(0, keep)
        self._held = section[keep:]
        return lf(section[:keep])

    def end(self) -> bytes:
        """What was held back."""
        return lf(self._held)
