"""The wire form of content: CRLF lines, dots doubled at the start of a line, without the final dot, ended by CRLF.

It is how content is kept and relayed, so that neither way needs a pass over it; it is undone only for a Maildir, for
BDAT, for a signature and for people. Promises: `unstuff` undoes `stuff`, in one piece or at any split, and only CR LF
ends a line. Never: a regular expression or a list of lines over a body (python-core.md 2.4 has the measurements).

RFC 5321 2.3.8 (line ends), 4.5.2 (transparency), 4.5.3.1.6 (line length).
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from io import IncrementalNewlineDecoder

LINE_LIMIT = 1000
DIGEST_SIZE = 16
# From 2,048 octets on, hashlib lets go of the interpreter's lock, which costs more than it gives for 4 KiB: beside a
# journal and a log that wait for it, 12 us instead of 4.
HELD = 2047
WORTH_LETTING_GO = 1 << 15


def stuff(content: bytes) -> bytes:
    """Content -> wire form: a dot more before each line that begins with one."""
    wire = content.replace(b"\r\n.", b"\r\n..")
    return b"." + wire if wire.startswith(b".") else wire


def unstuff(wire: bytes) -> bytes:
    """Wire form -> content. The same object when no line begins with a dot."""
    if wire.startswith(b"."):
        wire = wire[1:]
    return wire.replace(b"\r\n.", b"\r\n")


class Unstuffer:
    """`unstuff` for content that comes in chunks, split anywhere, also within CR LF dot."""

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before = b"\r\n"  # the last two octets that came; the content begins as if after a line end

    def feed(self, chunk: bytes) -> bytes:
        """The content of this chunk; nothing is held back."""
        before = self._before
        self._before = chunk[-2:] if len(chunk) > 1 else (before + chunk)[-2:]
        if before.endswith(b"\r") and chunk.startswith(b"\n."):
            chunk = b"\n" + chunk[2:]
        elif before == b"\r\n" and chunk.startswith(b"."):
            chunk = chunk[1:]
        return chunk.replace(b"\r\n.", b"\r\n")


class Stuffer:
    """`stuff` for content that comes in chunks, split anywhere, also within CR LF dot."""

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before = b"\r\n"  # as in `Unstuffer`

    @property
    def ends_a_line(self) -> bool:
        return self._before == b"\r\n"

    def feed(self, chunk: bytes) -> bytes:
        """The wire form of this chunk; nothing is held back."""
        before = self._before
        self._before = chunk[-2:] if len(chunk) > 1 else (before + chunk)[-2:]
        wire = chunk.replace(b"\r\n.", b"\r\n..")
        if before.endswith(b"\r") and chunk.startswith(b"\n."):
            return b"\n." + wire[1:]
        return b"." + wire if before == b"\r\n" and chunk.startswith(b".") else wire


class Normaliser:
    """A bare CR or LF becomes CR LF, in content that comes in chunks, split anywhere, also within a CR LF."""

    __slots__ = ("_after_cr",)

    def __init__(self) -> None:
        self._after_cr = False  # the last chunk ended in a CR, which went out as a whole line end

    def feed(self, chunk: bytes) -> bytes:
        if not chunk:
            return chunk
        ends_in_cr = chunk.endswith(b"\r")
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._after_cr = ends_in_cr
        return _all_crlf(chunk)


def is_dotted(wire: bytes) -> bool:
    """Does some line begin with a dot, so that the wire form differs from the content?"""
    return wire.startswith(b".") or b"\r\n." in wire


def crlf(content: bytes) -> bytes:
    """Any mixture of LF, CR and CRLF -> CRLF, ending in one unless empty: for content that we or our users made."""
    content = _all_crlf(content)
    return content if not content or content.endswith(b"\r\n") else content + b"\r\n"


def _all_crlf(content: bytes) -> bytes:
    if clean_line_ends(content):
        return content
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def clean_line_ends(chunk: bytes) -> bool:
    """Is each CR and each LF part of a CR LF? A chunk must not end between the two: hold its last CR back.

    The decoder notes which line ends it has seen in one pass in C. Comparing what `translate` leaves with so many CR
    LF costs the same, but takes `CR x LF` for clean, which is how a message is smuggled.
    """
    decoder = IncrementalNewlineDecoder(None, translate=False)
    decoder.decode(chunk.decode("latin-1"), final=True)
    seen = decoder.newlines
    return seen is None or seen == "\r\n"


def longest_line_ok(body: bytes, limit: int = LINE_LIMIT) -> bool:
    """Has every line at most `limit` octets, its line end included? Hops from line end to line end near the limit."""
    at, end = 0, len(body)
    while end - at > limit:
        newline = body.rfind(b"\n", at, at + limit)
        if newline < 0:
            return False
        at = newline + 1
    return True


def digest(parts: Iterable[bytes], dotted: bool) -> bytes:
    """BLAKE2b of the content (unstuffed) of these consecutive parts of its wire form."""
    state = blake2b(digest_size=DIGEST_SIZE)
    if dotted:
        unstuffer = Unstuffer()
        for part in parts:
            state.update(unstuffer.feed(part))
    else:
        for part in parts:
            size = len(part)
            if HELD < size < WORTH_LETTING_GO:
                for at in range(0, size, HELD):
                    state.update(part[at : at + HELD])
            else:
                state.update(part)
    return state.digest()
