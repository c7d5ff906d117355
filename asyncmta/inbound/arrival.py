"""A message that is too large for memory, between its first octets and its dot: what intake gives to a session for it.

Never: a commit; `finish` hands that back to intake.

RFC 5321 6.1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asyncmta.inbound.content import Shape
from asyncmta.inbound.inspection import Done
from asyncmta.inbound.session import ClientFacts
from asyncmta.spool.large import LargeContent
from asyncmta.spool.records import Accepted


class LargeMessage:
    """A message whose content is on its way to a file. `finish` or `abort` ends it."""

    __slots__ = ("_finish", "content", "facts", "record")

    def __init__(
        self,
        *,
        finish: Callable[[LargeMessage, Done], None],
        record: Accepted,
        facts: ClientFacts,
        content: LargeContent,
    ) -> None:
        self._finish = finish
        self.record = record  # its content is not known yet
        self.facts = facts
        self.content = content

    @property
    def unwritten(self) -> int:
        """Octets that are still in memory."""
        return self.content.unwritten

    def write(self, parts: Sequence[bytes]) -> None:
        for part in parts:
            self.content.write(part)

    def finish(self, done: Done, _shape: Shape | None = None) -> None:  # the file knows it too
        self._finish(self, done)

    def abort(self) -> None:
        self.content.abort()
