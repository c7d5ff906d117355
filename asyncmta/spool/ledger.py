"""The ledger: the state of every queued message as a fold over records, used live and at replay alike.

Promises: `apply` is the only way in; a record either is applied whole or raises `IllegalTransition` and changes
nothing; each recipient is in exactly one state. The table is docs/journal-format.md 4. A record about a message that
is not known (its segment was dropped) or that an operator has removed is skipped and counted. A message that waits may
be parked as a row of numbers (`parked`) and be unparked again. Never: time, files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import merge

from asyncmta.mail.envelope import QueueId
from asyncmta.spool.ages import Ages
from asyncmta.spool.entry import Entry
from asyncmta.spool.lot import ParkedMessages, Thaw
from asyncmta.spool.parked import IllegalTransition, Parked, Place
from asyncmta.spool.records import (
    DELIVERED,
    FAILED,
    Accepted,
    Attempted,
    Carried,
    Held,
    Record,
    Released,
    Removed,
    Reported,
    Retired,
    Warned,
)

__all__ = ["Entry", "IllegalTransition", "Ledger", "ParkAs"]


ParkAs = Callable[[Entry], int]
_SLICE = 1024


class Ledger:
    """All messages that are queued, and those that were set aside. `park_as`: while it is set, whoever comes is parked
    at once with the mark that it gives; `thaw` reads a parked one back, when a record comes that a row cannot take."""

    def __init__(self) -> None:
        self._entries: dict[QueueId, Entry] = {}
        self._parked = ParkedMessages()
        self.ages = Ages()
        self.park_as: ParkAs | None = None
        self.thaw: Callable[[Parked], Entry] | None = None
        self.skipped = 0

    def __len__(self) -> int:
        return len(self._entries) + len(self._parked)

    def __iter__(self) -> Iterator[Entry]:
        """Those that are not parked."""
        return iter(self._entries.values())

    def get(self, queue_id: QueueId) -> Entry | None:
        """None also for one that is parked."""
        return self._entries.get(queue_id)

    # -- those that are parked ---------------------------------------------------------------------------------------

    def parked(self, queue_id: QueueId) -> Parked | None:
        return self._parked.get(queue_id)

    @property
    def all_parked(self) -> ParkedMessages:
        return self._parked

    def ids(self, before: QueueId | None = None) -> Iterator[QueueId]:
        """All, parked or not, the newest first; they may come and go meanwhile."""
        whole = sorted((each for each in self._entries if before is None or each < before), reverse=True)
        return merge(whole, self._parked.descending(before), reverse=True)

    def park(self, queue_id: QueueId, mark: int) -> bool:
        """Make a row of it; False when that cannot be, or there is no such message. The entry is stale from then on."""
        entry = self._entries.get(queue_id)
        parked = entry.parked(mark) if entry is not None else None
        if parked is None or not self._parked.put(parked):
            return False
        del self._entries[queue_id]
        return True

    def unpark(self, entry: Entry) -> None:
        """It has been read back, and nothing has happened to it since."""
        if self._parked.pop(entry.queue_id) is not None:
            self._entries[entry.queue_id] = entry

    def below(self, segment: int) -> Iterator[list[QueueId]]:
        """Those that live in older segments and are open, in lists of limited length, some of them empty. They may come
        and go between two lists; one that is there all the time is in some list, perhaps in two."""
        everybody = list(self._entries)
        for at in range(0, len(everybody), _SLICE):
            entries = (self._entries.get(queue_id) for queue_id in everybody[at : at + _SLICE])
            yield [
                each.queue_id for each in entries if each is not None and each.segment < segment and not each.is_closed
            ]
        yield from self._parked.below(segment)

    def place(self, queue_id: QueueId) -> Place | None:
        """Where the record with its content stands."""
        known = self._entries.get(queue_id) or self._parked.get(queue_id)
        return (known.segment, known.offset) if known is not None else None

    def is_current(self, entry: Entry) -> bool:
        """Is this the message as it stands: itself, or what its row was read back as?"""
        known = self._entries.get(entry.queue_id)
        parked = self._parked.get(entry.queue_id) if known is None else None
        return known is entry if parked is None else entry.agrees(parked)

    def put_back(self, queue_id: QueueId, place: Place, tried: Place | None) -> Place | None:
        """It was carried, and what was written is not what is there: these were the places of its records before. Where
        it stood now; None when it is not known any more."""
        now = self.place(queue_id)
        entry, parked = self._entries.get(queue_id), self._parked.get(queue_id)
        if entry is not None:
            entry.segment, entry.offset = place
            entry.tried = tried if entry.tried == now else entry.tried
        elif parked is not None:
            assert tried is not None, "a row names the record with its last replies"
            has_new = (parked.tried_segment, parked.tried_offset) == now
            self._parked.put(parked.at(place, tried if has_new else None))
        return now

    # -- changes -----------------------------------------------------------------------------------------------------

    def discard(self, queue_id: QueueId) -> Entry | Parked | None:
        """Take a message out without a record: it is being set aside as damaged."""
        gone = self._parked.pop(queue_id) or self._entries.pop(queue_id, None)
        if gone is not None:
            self.ages.leave(gone.accepted_at)
        return gone

    def apply(self, record: Record, segment: int = 0, offset: int = 0) -> Entry | Parked | None:
        """Fold one record in that stands there. The message it was about, also when it has just been retired; None
        when the record was skipped. Raises IllegalTransition."""
        queue_id = record.queue_id
        kind = type(record)
        entry = self._entries.get(queue_id)
        if kind is Accepted or kind is Carried:
            return self._enter(record, entry, segment, offset)  # type: ignore[arg-type]
        if entry is None:
            return self._apply_parked(record, segment, offset)
        if entry.removed and kind is not Retired:
            self.skipped += 1
            return None
        if kind is Retired:
            if not entry.is_closed:
                raise IllegalTransition(queue_id, "retired while it is open")
            del self._entries[queue_id]
            self.ages.leave(entry.accepted_at)
        elif kind is Attempted:
            entry.attempt(record, (segment, offset))  # type: ignore[arg-type]
        else:
            _rarely(entry, record)
        return entry

    def _apply_parked(self, record: Record, segment: int, offset: int) -> Entry | Parked | None:
        applied = self._parked.apply(record, segment, offset)
        if applied is None:
            self.skipped += 1
        if not isinstance(applied, Thaw):
            if applied is not None and type(record) is Retired:
                self.ages.leave(applied.accepted_at)
            return applied
        assert self.thaw is not None, "who parks can thaw"
        self.unpark(self.thaw(applied.parked))
        return self.apply(record, segment, offset)

    def _enter(self, record: Accepted | Carried, known: Entry | None, segment: int, offset: int) -> Entry:
        parked = self._parked.get(record.queue_id) if known is None else None
        if isinstance(record, Accepted):
            if known is not None or parked is not None:
                raise IllegalTransition(record.queue_id, "accepted twice")
            entry = Entry.of(record, segment, offset)
        else:
            recipients = len(record.envelope.recipients)
            failed = {at for at, state in enumerate(record.states) if state == FAILED}
            delivered = {at for at, state in enumerate(record.states) if state == DELIVERED}
            if len(record.states) != recipients or record.failed.keys() != failed or record.owed.keys() - delivered:
                raise IllegalTransition(record.queue_id, "carried with states that do not fit its recipients")
            entry = known if known is not None else Entry.of(record, segment, offset)
            # One that is known stays the same object: whoever holds it must see where its content stands now.
            entry.envelope, entry.segment, entry.offset = record.envelope, segment, offset
            entry.restore(record)
        self._entries[record.queue_id] = entry
        if known is None and parked is None:
            self.ages.enter(entry.accepted_at)
        if self.park_as is not None:
            self.park(record.queue_id, self.park_as(entry))
        elif parked is not None:  # it has moved, and waits on
            self.park(record.queue_id, parked.mark)
        if parked is not None and record.queue_id in self._entries:
            self._parked.pop(record.queue_id)
        return entry


def _rarely(entry: Entry, record: Record) -> None:
    """The records that most messages never see."""
    if isinstance(record, Reported):
        entry.report(record)
    elif entry.is_closed:
        raise IllegalTransition(entry.queue_id, f"{type(record).__name__.lower()} after it was closed")
    elif isinstance(record, Warned):
        entry.warned = True
    elif isinstance(record, Held | Released):
        entry.held = isinstance(record, Held)
    else:
        assert isinstance(record, Removed)
        entry.removed = True
