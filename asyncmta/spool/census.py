"""Which segments are still needed: how much lives in each, and from when on the oldest may go.

Promises: a segment is given up only when nothing lives in it nor in any older one: dropping one in the middle would
keep an `Accepted` and lose the record that says it was delivered. Never: files, records.

reliability.md 5.5; docs/journal-format.md 6.
"""

from __future__ import annotations

from asyncmta.spool.compaction_plan import SegmentFacts


class _Tenants:
    """One segment: its octets, the messages that ever came to live there, and those that do."""

    __slots__ = ("entered", "entered_octets", "is_pinned", "living", "octets")

    def __init__(self) -> None:
        self.octets = 0
        self.entered = 0
        self.entered_octets = 0
        self.living = 0
        self.is_pinned = False


class Census:
    """`oldest` is the oldest segment that is needed; `tail` the one that is written to, which always is."""

    def __init__(self, oldest: int, tail: int) -> None:
        self.oldest = oldest
        self.tail = tail
        self._living: dict[int, int] = {}
        self._tenants: dict[int, _Tenants] = {}

    def enter(self, segment: int, count: int = 1) -> None:
        """So many messages live there now."""
        self._living[segment] = self._living.get(segment, 0) + count

    def arrive(self, segment: int, octets: int) -> None:
        """The same for one whose record has just been written."""
        self._living[segment] = self._living.get(segment, 0) + 1
        self.found(segment, 1, octets)

    def leave(self, segment: int) -> bool:
        """A message of this segment is gone; was it the last one there?"""
        self._living[segment] -= 1
        if self._living[segment]:
            return False
        del self._living[segment]
        return True

    def found(self, segment: int, messages: int, octets: int) -> None:
        """So many messages have ever come to live there, and this is what their records take."""
        tenants = self._of(segment)
        tenants.entered += messages
        tenants.entered_octets += octets

    def grown(self, segment: int, octets: int) -> None:
        """The segment is that large."""
        self._of(segment).octets = octets

    def pin(self, segment: int) -> None:
        """Something lives there that cannot be carried: it stays while this process does."""
        self.enter(segment)
        self._of(segment).is_pinned = True

    def _of(self, segment: int) -> _Tenants:
        tenants = self._tenants.get(segment)
        if tenants is None:
            tenants = self._tenants[segment] = _Tenants()
        return tenants

    def advance(self) -> bool:
        """Move `oldest` on over what is not needed any more; has it moved?"""
        before = self.oldest
        self.oldest = max(before, min((self.tail, *self._living)))
        if self.oldest == before:
            return False
        for segment in [segment for segment in self._tenants if segment < self.oldest]:
            del self._tenants[segment]
        return True

    def facts(self) -> list[SegmentFacts]:
        """All segments that are needed, the tail last. What lives in one is known by count; its octets follow from
        what a message there takes on average, so that no message needs to remember its size."""
        return [self._facts(segment, tenants) for segment, tenants in sorted(self._tenants.items())]

    def _facts(self, segment: int, tenants: _Tenants) -> SegmentFacts:
        messages = self._living.get(segment, 0)
        live = tenants.entered_octets * messages // max(tenants.entered, messages, 1)
        return SegmentFacts(segment, tenants.octets, live, messages, tenants.is_pinned)
