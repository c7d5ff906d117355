"""Content on its way in: measured, looked at, and kept as parts of the wire form, whichever command brings it.

What content may hold is one table, `Violation`; `taking` has the reply to each. Promises: content that is refused is
never kept, only counted; the result is the same at every split; at most `inline_limit` octets and one chunk are kept
before `is_large` says that they have to be taken away; nothing is changed but what `Rules.normalises` names, and
nothing at all in binary content. Never: where content ends (`data`, `chunks`), what is said to the client.

RFC 5321 2.3.8 (line ends), 4.5.2 (transparency), 4.5.3.1.6 (line length); RFC 1870 (SIZE); RFC 3030 3 (binary).
"""

from __future__ import annotations

from enum import IntEnum
from io import IncrementalNewlineDecoder

from msgspec import Struct

from asyncmta.mail.wire import LINE_LIMIT, Normaliser, Stuffer

HEADER_LIMIT = 1 << 20
_DOT = ord(".")
_LINE_FEED = ord("\n")
_MAX_PARTS = 128


class Violation(IntEnum):
    """Why content is refused. The lowest number wins, whatever came first, so that the split does not matter. (Eight
    bits without BODY=8BITMIME are none: content is marked as such and goes on as what it is.)"""

    TOO_BIG = 1
    BARE_LINE_END = 2
    NUL = 3
    LONG_LINE = 4
    HEADER_TOO_BIG = 5


class Rules(Struct, frozen=True, kw_only=True, gc=False):
    """What holds for one content. `normalises`: a bare CR or LF becomes a line end instead of a refusal. `binary`:
    octets, no lines (BODY=BINARYMIME)."""

    size_limit: int
    inline_limit: int
    header_limit: int = HEADER_LIMIT
    accept_long_lines: bool = False
    normalises: bool = False
    binary: bool = False


class Shape(Struct, frozen=True, gc=False):
    """What is known of content when it has ended: octets with dots unstuffed, octets as kept, and its flags."""

    size: int
    wire_size: int
    dotted: bool
    eight_bit: bool
    binary: bool = False


class IncomingContent:
    """One content. Who knows where it ends brings its octets: `_keep` with dots doubled, `_add_plain` without."""

    __slots__ = (
        "_before",
        "_dots",
        "_header",
        "_line",
        "_line_dotted",
        "_line_ends",
        "_normaliser",
        "_parts",
        "_rules",
        "_stuffer",
        "_tail",
        "_unwanted",
        "eight_bit",
        "violation",
        "wire_size",
    )

    _stuffer: Stuffer  # of whoever brings octets to `_add_plain`

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._parts: list[bytes] = []
        self._before = b"\r\n"  # the last two octets that came in wire form
        self._normaliser = Normaliser() if rules.normalises and not rules.binary else None
        self._dots = 0
        self._line = 0  # octets of the unfinished line
        self._line_dotted = False
        self._header = 0  # octets of the header section so far; -1 when it has ended
        self._tail = b"\r\n"  # the last octets of the unfinished header section; all of it until a line is whole
        # Notes in one C pass which line ends it has seen, also across chunks (mail/wire.py says why not translate).
        self._line_ends = IncrementalNewlineDecoder(None, translate=False)
        self._unwanted = False
        self.eight_bit = False
        self.violation: Violation | None = None
        self.wire_size = 0

    @property
    def is_large(self) -> bool:
        """More than `inline_limit` octets came and are wanted: take them away now, and at every chunk from here on."""
        return self.wire_size > self._rules.inline_limit and self.violation is None and not self._unwanted

    @property
    def held(self) -> int:
        """Octets in memory."""
        is_kept = self.wire_size <= self._rules.inline_limit and self.violation is None and not self._unwanted
        return self.wire_size if is_kept else 0

    @property
    def shape(self) -> Shape:
        dots = self._dots
        return Shape(self.wire_size - dots, self.wire_size, dots > 0, self.eight_bit, self._rules.binary)

    def take(self) -> list[bytes]:
        """The parts that have come since the last call, and forget them."""
        parts, self._parts = self._parts, []
        return parts

    def drop(self) -> None:
        """Nobody wants this content any more: read it to its end and keep nothing."""
        self._unwanted = True
        self._parts.clear()

    def _add_plain(self, piece: bytes) -> None:
        """One more piece as it is, dots not doubled."""
        if self._normaliser is not None:
            piece = self._normaliser.feed(piece)
        wire = piece if self._rules.binary else self._stuffer.feed(piece)
        if wire:
            self._keep(wire, len(wire) - len(piece))

    def _keep(self, piece: bytes, dots: int) -> None:
        """One more piece in wire form, with `dots` octets that are only there for its sake."""
        self._dots += dots
        self.wire_size += len(piece)
        if self.violation is Violation.TOO_BIG:
            return
        rules = self._rules
        if self.wire_size - self._dots > rules.size_limit:
            self._violate(Violation.TOO_BIG)
            return
        text = piece.decode("latin-1")  # knows at once whether it is ASCII, too
        if not rules.binary:
            if self.violation is not Violation.BARE_LINE_END:
                line_ends = self._line_ends
                line_ends.decode(text)
                if line_ends.newlines not in (None, "\r\n"):
                    self._violate(Violation.BARE_LINE_END)
            if b"\0" in piece:
                self._violate(Violation.NUL)
            if not (rules.accept_long_lines or self._lines_fit(piece)):
                self._violate(Violation.LONG_LINE)
        if self._header >= 0:
            self._measure_header(piece)
        if not text.isascii():
            self.eight_bit = True
        if self.violation is None and not self._unwanted:
            self._parts.append(piece)
            if len(self._parts) > _MAX_PARTS:  # a client that sends octet by octet costs no more than its octets
                self._parts = [b"".join(self._parts)]

    def _violate(self, violation: Violation) -> None:
        if self.violation is None or violation < self.violation:
            self.violation = violation
        self._parts.clear()

    def _measure_header(self, piece: bytes) -> None:
        """Has the header section ended, and within its limit? It ends with the first empty line, if there is one; and
        content whose first line is no field has none."""
        limit = self._rules.header_limit  # the line end put in front stands for that of the last field
        if not self._header and self._tail == b"\r\n":  # nothing came before it, and mostly all of the section is here
            colon = piece.find(b":", 0, LINE_LIMIT)
            found = piece.find(b"\r\n\r\n")
            if 0 <= colon < piece.find(b"\n") and 0 <= found <= limit - 2:
                self._header = -1
                self._tail = b""
                return
        window = self._tail + piece
        if not self._header:
            first = window[2 : 2 + LINE_LIMIT]
            line, end, _ = first.partition(b"\n")
            if not end and len(first) < LINE_LIMIT:
                self._tail = window
                return
            if b":" not in line and line != b"\r":
                self._header = -1
                self._tail = b""
                return
        found = window.find(b"\r\n\r\n")
        if found >= 0:
            if self._header + found > limit:
                self._violate(Violation.HEADER_TOO_BIG)
            self._header = -1
            self._tail = b""
            return
        self._tail = window[-3:]
        self._header += len(window) - len(self._tail)
        if self._header > limit:
            self._violate(Violation.HEADER_TOO_BIG)
            self._header = -1

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
