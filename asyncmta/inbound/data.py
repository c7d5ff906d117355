"""The content after DATA, read sans-IO: octets in; parts of the wire form, or what is wrong with it, out.

Searches the buffer and never makes lines. Promises: only CR LF . CR LF ends content (the start counts as behind a
CR LF), so that no input makes one message into two; the result is the same at every split; nothing is unstuffed or
otherwise changed; content that is refused is read to its real end in constant memory; at most `inline_limit` octets
and one chunk are kept before `is_large` says that they have to be taken away.

RFC 5321 2.3.8 (line ends), 4.1.1.4 (DATA), 4.5.2 (transparency), 4.5.3.1.6 (line length); RFC 1870 (SIZE).
"""

from __future__ import annotations

from enum import IntEnum
from io import IncrementalNewlineDecoder

from msgspec import Struct

from asyncmta.mail.wire import LINE_LIMIT

_END = b"\r\n.\r\n"
_DOT = ord(".")
_LINE_FEED = ord("\n")
_CARRIAGE_RETURN = ord("\r")
_MAX_PARTS = 128


class Violation(IntEnum):
    """Why content is refused. The lowest number wins, whatever came first, so that the split does not matter."""

    TOO_BIG = 1
    BARE_LINE_END = 2
    NUL = 3
    LONG_LINE = 4


class Shape(Struct, frozen=True, gc=False):
    """What is known of content when it has ended: octets with dots unstuffed, octets as kept, and its two flags."""

    size: int
    wire_size: int
    dotted: bool
    eight_bit: bool


class ContentReader:
    """One content. `feed` it until it says where the next command begins; then look at `violation`."""

    __slots__ = (
        "_accept_long_lines",
        "_before",
        "_dots",
        "_inline_limit",
        "_line",
        "_line_dotted",
        "_line_ends",
        "_parts",
        "_size_limit",
        "_unwanted",
        "eight_bit",
        "violation",
        "wire_size",
    )

    def __init__(self, size_limit: int, *, inline_limit: int, accept_long_lines: bool = False) -> None:
        self._size_limit = size_limit
        self._inline_limit = inline_limit
        self._accept_long_lines = accept_long_lines
        self._parts: list[bytes] = []
        # The last two octets that were taken, then what is held back because it may belong to the end of the content.
        self._before = b"\r\n"
        self._dots = 0
        self._line = 0  # octets of the unfinished line
        self._line_dotted = False
        # Notes in one C pass which line ends it has seen, also across chunks (mail/wire.py says why not translate).
        self._line_ends = IncrementalNewlineDecoder(None, translate=False)
        self._unwanted = False
        self.eight_bit = False
        self.violation: Violation | None = None
        self.wire_size = 0

    @property
    def is_large(self) -> bool:
        """More than `inline_limit` octets came and are wanted: take them away now, and at every chunk from here on."""
        return self.wire_size > self._inline_limit and self.violation is None and not self._unwanted

    @property
    def shape(self) -> Shape:
        return Shape(self.wire_size - self._dots, self.wire_size, self._dots > 0, self.eight_bit)

    def take(self) -> list[bytes]:
        """The parts that have come since the last call, and forget them."""
        parts, self._parts = self._parts, []
        return parts

    def drop(self) -> None:
        """Nobody wants this content any more: read it to its end and keep nothing."""
        self._unwanted = True
        self._parts.clear()

    def feed(self, data: bytes, at: int = 0) -> int:
        """Take the octets from `at` on. Where the next command begins in `data`, or -1: the content goes on."""
        before = self._before
        edge = before + data[at : at + len(_END)]
        found = edge.find(_END)
        if found >= 0:  # the end begins in what came earlier, or at the very start
            self._add(edge[2 : found + 2], 0)
            return at + found + len(_END) - len(before)
        # In most mail the first line that begins with a dot is the end: one search finds both.
        found = data.find(b"\r\n.", at)
        has_dots = found >= 0 and data[found + 3 : found + 5] != b"\r\n"
        if has_dots:
            found = data.find(_END, found)
        piece = data[at : found + 2] if found >= 0 else data[at:]
        held = before[2:]
        if held:
            piece = held + piece
        if found < 0:
            window = (before[:2] + piece[-4:])[-4:]
            hold = 2 if window == b"\r\n.\r" else 1 if window.endswith(b"\r\n.") else 0
            if hold:
                piece, held = piece[:-hold], piece[-hold:]
            else:
                held = b""
        self._add(piece, piece.count(b"\r\n.") if has_dots else 0)
        self._before = (before[:2] + piece[-2:])[-2:] + held
        return found + len(_END) if found >= 0 else -1

    def _add(self, piece: bytes, dots: int) -> None:
        """One more piece of content, of which `dots` lines inside it begin with a dot."""
        if not piece:
            return
        before = self._before
        if before.startswith(b"\r\n"):
            dots += piece[0] == _DOT
        elif before[1] == _CARRIAGE_RETURN:
            dots += piece.startswith(b"\n.")
        self._dots += dots
        self.wire_size += len(piece)
        if self.violation is Violation.TOO_BIG:
            return
        if self.wire_size - self._dots > self._size_limit:
            self._violate(Violation.TOO_BIG)
            return
        self._inspect(piece)
        if self.violation is None and not self._unwanted:
            self._parts.append(piece)
            if len(self._parts) > _MAX_PARTS:  # a client that sends octet by octet costs no more than its octets
                self._parts = [b"".join(self._parts)]

    def _violate(self, violation: Violation) -> None:
        if self.violation is None or violation < self.violation:
            self.violation = violation
        self._parts.clear()

    def _inspect(self, piece: bytes) -> None:
        if self.violation is not Violation.BARE_LINE_END:
            line_ends = self._line_ends
            line_ends.decode(piece.decode("latin-1"))
            if line_ends.newlines not in (None, "\r\n"):
                self._violate(Violation.BARE_LINE_END)
        if b"\0" in piece:
            self._violate(Violation.NUL)
        if not (self._accept_long_lines or self._lines_fit(piece)):
            self._violate(Violation.LONG_LINE)
        if not piece.isascii():
            self.eight_bit = True

    def _lines_fit(self, piece: bytes) -> bool:
        """Has every line that ends here at most 1,000 octets, CR LF included and a stuffed dot not? And remember
        how long the last one is so far. Hops from line end to line end near the limit."""
        end = len(piece)
        if not self._line:
            self._line_dotted = piece[0] == _DOT
        at = piece.find(b"\n") + 1
        self._line += at or end
        fits = self._line <= LINE_LIMIT + self._line_dotted
        if not at:
            return fits
        while end - at > LINE_LIMIT:
            line_end = piece.rfind(b"\n", at, at + LINE_LIMIT)
            if line_end < 0:
                line_end = at + LINE_LIMIT
                if piece[at] != _DOT or piece[line_end] != _LINE_FEED:
                    fits = False
                    break
            at = line_end + 1
        last = piece.rfind(b"\n") + 1
        self._line = end - last
        self._line_dotted = piece[last : last + 1] == b"."
        return fits
