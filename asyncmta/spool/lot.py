"""The parked messages of one ledger: a table of their rows, the records that come for them, and what can be counted.

Promises: what `put` took, `get` gives back; counting looks at columns and makes no object for each message. Never:
files, and messages that are whole.

Seed D-53.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from msgspec import Struct
from msgspec.structs import astuple

from asyncmta.mail.envelope import QueueId
from asyncmta.spool.parked import LARGE, REMOVED, IllegalTransition, Parked, fold
from asyncmta.spool.records import Record, Retired
from asyncmta.spool.table import Table

_COLUMNS = "IIdIIdHHHHBI"  # the fields of `Parked` behind the id
_SEGMENT, _PENDING, _FAILED, _FLAGS = 1, 8, 9, 11  # where those columns are, behind the ids


class Thaw(Struct, frozen=True):
    """It has to be whole for what comes."""

    parked: Parked


class ParkedMessages:
    """The rows of one ledger."""

    __slots__ = ("_table", "descending")

    def __init__(self) -> None:
        self._table = Table(_COLUMNS)
        self.descending = self._table.descending

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, queue_id: QueueId) -> bool:
        return queue_id in self._table

    def __iter__(self) -> Iterator[Parked]:
        """In the order of their ids; they may come and go meanwhile."""
        rows = map(self.get, self._table.ascending())
        return (row for row in rows if row is not None)

    def ascending(self) -> Iterator[QueueId]:
        return self._table.ascending()

    def by_segment(self) -> Counter[int]:
        """How many live in each segment."""
        found: Counter[int] = Counter()
        for columns in self._table.chunks():
            found.update(map(int, columns[_SEGMENT]))
        return found

    def below(self, segment: int) -> Iterator[list[QueueId]]:
        """Those that live in older ones, in lists of limited length, some of them empty. They may come and go between
        two lists; one that is there all the time is in some list, perhaps in two."""
        for columns in self._table.walk():
            places = columns[_SEGMENT]
            if min(places) >= segment:
                yield []
            else:
                rows = zip(columns[0], places, strict=True)
                yield [self._table.whole(low) for low, where in rows if where < segment]

    def closed(self) -> list[QueueId]:
        return self._such(lambda pending, failed, flags: not (pending or failed) or bool(int(flags) & REMOVED))

    def large(self) -> list[QueueId]:
        return self._such(lambda pending, failed, flags: bool(int(flags) & LARGE))

    def _such(self, is_such: Callable[[float, float, float], bool]) -> list[QueueId]:
        whole, found = self._table.whole, []
        for columns in self._table.chunks():
            rows = zip(columns[0], columns[_PENDING], columns[_FAILED], columns[_FLAGS], strict=True)
            found += [whole(low) for low, pending, failed, flags in rows if is_such(pending, failed, flags)]
        return found

    def get(self, queue_id: QueueId) -> Parked | None:
        row = self._table.get(queue_id)
        return Parked(queue_id, *row) if row is not None else None  # type: ignore[arg-type]

    def put(self, parked: Parked) -> bool:
        """False when a row cannot hold it; then nothing is changed."""
        if not (parked.fits and self._table.takes(parked.queue_id)):
            return False
        self._table.put(parked.queue_id, astuple(parked)[1:])
        return True

    def pop(self, queue_id: QueueId) -> Parked | None:
        parked = self.get(queue_id)
        if parked is not None:
            self._table.remove(queue_id)
        return parked

    def apply(self, record: Record, segment: int, offset: int) -> Parked | Thaw | None:
        """See `Ledger.apply`, for any record but those with which a message begins."""
        parked = self.get(record.queue_id)
        if parked is None or (parked.removed and type(record) is not Retired):
            return None
        if type(record) is Retired:
            if not parked.is_closed:
                raise IllegalTransition(parked.queue_id, "retired while it is open")
            self._table.remove(parked.queue_id)
            return parked
        after = fold(parked, record, segment, offset)
        return after if after is not None and self.put(after) else Thaw(parked)
