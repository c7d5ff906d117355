"""The chunks after BDAT, read sans-IO: octets counted, never searched.

Promises: of each chunk exactly as many octets are taken as were announced, whatever they are and whether or not the
chunk is wanted, so that none of them is ever a command; a message is kept in the same form as one that came by DATA.
Text that does not end in CR LF gets one, since a line of text has an end; binary content is kept octet for octet.
Never: what content may hold (`content`), the reply to a chunk (`taking`).

RFC 3030 2 (CHUNKING), 3 (BINARYMIME).
"""

from __future__ import annotations

from asyncmta.inbound.content import IncomingContent, Rules, Violation
from asyncmta.mail.reply import Reply
from asyncmta.mail.wire import Stuffer


class ChunkReader(IncomingContent):
    """The content of one message that comes in chunks. `begin` each chunk, then `feed` it until it has ended."""

    __slots__ = ("_left", "is_last")

    def __init__(self, rules: Rules) -> None:
        super().__init__(rules)
        self._stuffer = Stuffer()
        self._left = 0
        self.is_last = False

    @property
    def is_over(self) -> bool:
        return not self._left

    def begin(self, size: int, *, is_last: bool) -> None:
        """A chunk of this many octets follows; `is_last`: the message ends with it."""
        self._left = size
        self.is_last = is_last
        if self.shape.size + size > self._rules.size_limit:  # nothing of it need be kept
            self._violate(Violation.TOO_BIG)
        if not size:
            self._chunk_ended()

    def feed(self, data: bytes, at: int = 0) -> int:
        """Take the chunk's octets from `at` on. Where the next command begins in `data`, or -1: there are more."""
        end = at + self._left
        piece = data if not at and end >= len(data) else data[at:end]
        self._left -= len(piece)
        self._add_plain(piece)
        if self._left:
            return -1
        self._chunk_ended()
        return end

    def _chunk_ended(self) -> None:
        if self.is_last and self.wire_size and not (self._rules.binary or self._stuffer.ends_a_line):
            self._add_plain(b"\r\n")


class RefusedChunk:
    """A chunk that nobody wants: its octets are counted and forgotten, then `reply` is said."""

    __slots__ = ("_left", "reply")

    def __init__(self, size: int, reply: Reply) -> None:
        self._left = size
        self.reply = reply

    @property
    def is_over(self) -> bool:
        return not self._left

    def feed(self, data: bytes, at: int = 0) -> int:
        end = at + self._left
        self._left -= min(self._left, len(data) - at)
        return -1 if self._left else end
