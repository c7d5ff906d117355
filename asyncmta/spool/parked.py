"""A message that waits, as a row of numbers: where its records stand, and the same fold of records as in full.

What the row does not say (envelope, content facts, last replies) is read back from those places when it is due
(`recall`). Promises: `fold` comes to the state that `Entry` comes to, and refuses what it refuses; a row stands for
the entry it was made of until the journal says otherwise. Never: files, time.

docs/journal-format.md 4; seed D-53.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from asyncmta.mail.envelope import Envelope, QueueId, format_queue_id
from asyncmta.mail.outcome import Deferred, Delivered, Failed, is_unreached
from asyncmta.spool.records import Attempted, Carried, Held, Record, Released, Removed, Reported, Warned

MOST_RECIPIENTS = 16
_MOST_ATTEMPTS = (1 << 16) - 1
_MOST_OFFSET = (1 << 32) - 1

LARGE, WARNED, HELD, REMOVED, UNREACHED = 1, 2, 4, 8, 16

Place = tuple[int, int]
"""Segment and offset of a record."""

NEVER: Place = (0, 0)


class IllegalTransition(Exception):
    """The record does not follow from what came before it: a bug of ours, or damage. Nothing was changed."""

    def __init__(self, queue_id: QueueId, reason: str) -> None:
        super().__init__(f"{format_queue_id(queue_id)}: {reason}")
        self.queue_id = queue_id


class Parked(Struct, frozen=True, gc=False):
    """`segment` and `offset` are those of its `Accepted` or `Carried`; `tried_...` those of the record with its last
    replies (segment 0: none) and its time. `pending`, `failed` and `reported` have a bit for each recipient. `mark` is
    for whoever parked it."""

    queue_id: QueueId
    segment: int
    offset: int
    accepted_at: float
    tried_segment: int
    tried_offset: int
    tried_at: float
    attempts: int
    pending: int
    failed: int
    reported: int
    flags: int
    mark: int

    @property
    def large(self) -> bool:
        return bool(self.flags & LARGE)

    @property
    def held(self) -> bool:
        return bool(self.flags & HELD)

    @property
    def unreached(self) -> bool:
        """Was nobody reached when it was tried last? It may be that of a recipient who is not pending any more."""
        return bool(self.flags & UNREACHED)

    @property
    def removed(self) -> bool:
        return bool(self.flags & REMOVED)

    @property
    def is_closed(self) -> bool:
        return not (self.pending or self.failed) or self.removed

    def at(self, place: Place, tried: Place | None) -> Parked:
        """The same in another place; `tried`: also of the record with its last replies."""
        moved = replace(self, segment=place[0], offset=place[1])
        return replace(moved, tried_segment=tried[0], tried_offset=tried[1]) if tried is not None else moved

    @property
    def fits(self) -> bool:
        """Can a row of the table hold it?"""
        return self.attempts < _MOST_ATTEMPTS and max(self.offset, self.tried_offset, self.segment) <= _MOST_OFFSET


class Parkable(Struct, eq=False, gc=False):
    """What of an entry is about its being parked. `tried` is the place of the one record that has all of its last
    replies (None: they are from several)."""

    queue_id: QueueId
    accepted_at: float
    envelope: Envelope
    large: bool
    segment: int
    offset: int
    attempts: int
    last: dict[int, tuple[float, Deferred]]
    tried: Place | None
    held: bool
    warned: bool
    removed: bool
    # Sets of ordinals are ints, a bit for each: for the usual one recipient that costs no object at all.
    _pending: int
    _reported: int
    _failed: dict[int, Failed]
    _owed: dict[int, tuple[float, Delivered]] | None  # rare: no object for the others

    def owed(self) -> dict[int, tuple[float, Delivered]]:
        """The recipients that are delivered, and when, whose sender is still to be told so."""
        return dict(self._owed or ())

    def parked(self, mark: int) -> Parked | None:
        """As a row; None when a row cannot say all of it."""
        if self.tried is None or len(self.envelope.recipients) > MOST_RECIPIENTS or self.owed():
            return None
        flags = self.large * LARGE | self.warned * WARNED | self.held * HELD | self.removed * REMOVED
        flags |= any(is_unreached(said) for _, said in self.last.values()) * UNREACHED
        return Parked(
            self.queue_id,
            self.segment,
            self.offset,
            self.accepted_at,
            *self.tried,
            max((at for at, _ in self.last.values()), default=0.0),
            self.attempts,
            self._pending,
            _bits(self._failed),
            self._reported,
            flags,
            mark,
        )

    def agrees(self, parked: Parked) -> bool:
        """Would it be parked as this row? What is of the last attempt aside, which a row keeps for longer."""
        mine = self.parked(parked.mark)
        kept = parked.flags & UNREACHED
        return mine is not None and parked == replace(
            mine, tried_at=parked.tried_at, flags=mine.flags & ~UNREACHED | kept
        )

    def resume(self, tried: Attempted | Carried | None, parked: Parked) -> None:
        """Made of its first record again, it becomes what `parked` was made of; `tried`: the record with its last
        replies. Raises IllegalTransition when the records cannot have led there."""
        last: dict[int, tuple[float, Deferred]] = {}
        failed: dict[int, Failed] = {}
        if isinstance(tried, Carried):
            last.update(tried.last)
            failed.update(tried.failed)
        elif tried is not None:
            for ordinal, outcome in tried.outcomes.items():
                if isinstance(outcome, Deferred):
                    last[ordinal] = (tried.at, outcome)
                elif isinstance(outcome, Failed):
                    failed[ordinal] = outcome
        every = (1 << len(self.envelope.recipients)) - 1
        self.last = {at: said for at, said in last.items() if parked.pending >> at & 1}
        self._failed = {at: said for at, said in failed.items() if parked.failed >> at & 1}
        if _bits(self._failed) != parked.failed or (parked.pending | parked.failed | parked.reported) & ~every:
            raise IllegalTransition(parked.queue_id, "its records are not those that it was parked with")
        self._pending, self._reported = parked.pending, parked.reported
        self.attempts = parked.attempts
        self.tried = (parked.tried_segment, parked.tried_offset)
        self.warned = bool(parked.flags & WARNED)
        self.held, self.removed = parked.held, parked.removed


def fold(parked: Parked, record: Record, segment: int, offset: int) -> Parked | None:
    """What the record makes of it; None when a row cannot say that, as it has replies of more than one record, or there
    is a delivery to be told of. Not for the records with which a message begins and ends. Raises IllegalTransition."""
    if isinstance(record, Attempted):
        return _attempted(parked, record, segment, offset)
    if isinstance(record, Reported):
        told = sum(1 << ordinal for ordinal in set(record.ordinals) if 0 <= ordinal < MOST_RECIPIENTS)
        if told & ~parked.failed or any(not 0 <= ordinal < MOST_RECIPIENTS for ordinal in record.ordinals):
            raise IllegalTransition(parked.queue_id, "a report about a recipient that has not failed, and is not owed")
        return replace(parked, failed=parked.failed ^ told, reported=parked.reported | told)
    if parked.is_closed:
        raise IllegalTransition(parked.queue_id, f"{type(record).__name__.lower()} after it was closed")
    if isinstance(record, Warned):
        return replace(parked, flags=parked.flags | WARNED)
    if isinstance(record, Held | Released):
        return replace(parked, flags=parked.flags & ~HELD | (HELD if isinstance(record, Held) else 0))
    assert isinstance(record, Removed)
    return replace(parked, flags=parked.flags | REMOVED)


def _attempted(parked: Parked, record: Attempted, segment: int, offset: int) -> Parked | None:
    pending, failed = parked.pending, 0
    has_replies = False
    for ordinal, outcome in record.outcomes.items():
        bit = 1 << ordinal if 0 <= ordinal < MOST_RECIPIENTS else 0
        if not parked.pending & bit:
            raise IllegalTransition(parked.queue_id, f"an attempt at recipient {ordinal}, which is not pending")
        if type(outcome) is Deferred:
            has_replies = True
            continue
        pending ^= bit
        if type(outcome) is not Delivered:
            has_replies = True
            failed |= bit
        elif outcome.owed:  # a row does not tell of whom there is something to be told
            return None
    if not has_replies:
        return replace(parked, pending=pending, attempts=parked.attempts + 1)
    covered = sum(1 << ordinal for ordinal in record.outcomes)
    if parked.tried_segment and (parked.failed or parked.pending & ~covered):
        return None
    return replace(
        parked,
        pending=pending,
        failed=failed,
        attempts=parked.attempts + 1,
        flags=parked.flags & ~UNREACHED | any(map(is_unreached, record.outcomes.values())) * UNREACHED,
        tried_segment=segment,
        tried_offset=offset,
        tried_at=record.at,
    )


def _bits(ordinals: Iterable[int]) -> int:
    return sum(1 << ordinal for ordinal in ordinals)
