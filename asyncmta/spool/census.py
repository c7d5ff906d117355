"""Which segments are still needed: how many messages live in each, and from when on the oldest may go.

Promises: a segment is given up only when nothing lives in it nor in any older one: dropping one in the middle would
keep an `Accepted` and lose the record that says it was delivered. Never: files, records.

reliability.md 5.5; docs/journal-format.md 6.
"""

from __future__ import annotations


class Census:
    """`oldest` is the oldest segment that is needed; `tail` the one that is written to, which always is."""

    def __init__(self, oldest: int, tail: int) -> None:
        self.oldest = oldest
        self.tail = tail
        self._living: dict[int, int] = {}

    def enter(self, segment: int, count: int = 1) -> None:
        self._living[segment] = self._living.get(segment, 0) + count

    def leave(self, segment: int) -> bool:
        """A message of this segment is gone; was it the last one there?"""
        self._living[segment] -= 1
        if self._living[segment]:
            return False
        del self._living[segment]
        return True

    def advance(self) -> bool:
        """Move `oldest` on over what is not needed any more; has it moved?"""
        before = self.oldest
        self.oldest = max(before, min((self.tail, *self._living)))
        return self.oldest > before
