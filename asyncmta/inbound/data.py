"""The content after DATA, read sans-IO: octets in, and where the next command begins.

Searches the buffer and never makes lines. Promises: only CR LF . CR LF ends content (the start counts as behind a
CR LF), so that no input makes one message into two, also where line ends are normalised; the result is the same at
every split; nothing is unstuffed or otherwise changed unless the rules normalise; content that is refused is read to
its real end in constant memory. Never: what content may hold (`content`).

RFC 5321 2.3.8 (line ends), 4.1.1.4 (DATA), 4.5.2 (transparency).
"""

from __future__ import annotations

import re

from asyncmta.inbound.content import IncomingContent, Rules
from asyncmta.mail.wire import Stuffer, Unstuffer

_END = b"\r\n.\r\n"
_CARRIAGE_RETURN = ord("\r")
_dotted = re.compile(rb"\r\n\.").search  # nothing but a literal: twice as fast as `bytes.find`, which begins at its end


class ContentReader(IncomingContent):
    """One content. `feed` it until it says where the next command begins; then look at `violation`."""

    __slots__ = ("_unstuffer",)

    _unstuffer: Unstuffer | None

    def __init__(self, rules: Rules) -> None:
        super().__init__(rules)
        # Behind the last two octets that were taken, `_before` has what is held back: it may belong to the end.
        self._unstuffer = None
        if rules.normalises:
            self._unstuffer, self._stuffer = Unstuffer(), Stuffer()

    def feed(self, data: bytes, at: int = 0) -> int:
        """Take the octets from `at` on. Where the next command begins in `data`, or -1: the content goes on."""
        before = self._before
        edge = before + data[at : at + len(_END)]
        found = edge.find(_END)
        if found >= 0:  # the end begins in what came earlier, or at the very start
            self._add(edge[2 : found + 2], 0)
            return at + found + len(_END) - len(before)
        # In most mail the first line that begins with a dot is the end: one search finds both.
        match = _dotted(data, at)
        found = -1 if match is None else match.start()
        has_dots = found >= 0 and data[found + 3 : found + 5] != b"\r\n"
        if has_dots:
            found = data.find(_END, found)
        held = before[2:]
        if found >= 0:
            piece = held + data[at : found + 2]
            self._add(piece, piece.count(b"\r\n.") if has_dots else 0)
            return found + len(_END)
        piece = held + data[at:]
        window = (before[:2] + piece[-4:])[-4:]
        hold = 2 if window == b"\r\n.\r" else 1 if window.endswith(b"\r\n.") else 0
        held = b""
        if hold:
            piece, held = piece[:-hold], piece[-hold:]
        self._add(piece, piece.count(b"\r\n.") if has_dots else 0)
        self._before = (piece[-2:] if len(piece) > 1 else (before[:2] + piece)[-2:]) + held
        return -1

    def _add(self, piece: bytes, dots: int) -> None:
        """One more piece, of which `dots` lines inside it begin with a dot. What a line is was decided above, by CR LF
        alone; a bare line end becomes one only behind the unstuffing, so that none of it can end the content."""
        if self._unstuffer is not None:
            self._add_plain(self._unstuffer.feed(piece))
        elif piece:
            before = self._before
            if before.startswith(b"\r\n"):
                dots += piece.startswith(b".")
            elif before[1] == _CARRIAGE_RETURN:
                dots += piece.startswith(b"\n.")
            self._keep(piece, dots)
