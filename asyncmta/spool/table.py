"""A table by queue id in a few arrays: fixed columns of numbers, in the order of the ids, at the cost of their octets.

Rows stand in chunks, so that nothing ever copies the whole table, and a row costs no object. What goes through the ids
may do so while rows come and go. Promises: `get` gives back what was put. Never: what a column means.

Seeds D-53 and D-54.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from asyncmta.mail.envelope import QueueId

CHUNK = 1024
_LOW = (1 << 64) - 1
_END = 1 << 64

Row = tuple[float, ...]
Columns = list["array[float]"]


class Table:
    """`columns`: a type code of `array` for each. All ids share their upper 16 bits, as those of one journal do."""

    __slots__ = ("_chunks", "_codes", "_firsts", "_high", "_size")

    def __init__(self, columns: str) -> None:
        self._codes = "Q" + columns
        self._chunks: list[Columns] = []  # of each the first column is the ids
        self._firsts: list[int] = []
        self._high = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __contains__(self, queue_id: QueueId) -> bool:
        return self._find(queue_id) is not None

    def takes(self, queue_id: QueueId) -> bool:
        """May this id be put here?"""
        return not self._size or queue_id >> 64 == self._high

    def get(self, queue_id: QueueId) -> Row | None:
        found = self._find(queue_id)
        if found is None:
            return None
        chunk, at = found
        return tuple([column[at] for column in self._chunks[chunk][1:]])

    def put(self, queue_id: QueueId, row: Sequence[float]) -> None:
        """Insert it, or replace it. ValueError for an id that `takes` says no to."""
        if not self.takes(queue_id):
            raise ValueError("the id of another journal")
        self._high = queue_id >> 64
        low = queue_id & _LOW
        if self._chunks and low > self._chunks[-1][0][-1]:  # as nearly all come
            self._append(low, row)
            return
        at_chunk = bisect_right(self._firsts, low) - 1
        if at_chunk < 0:
            at_chunk = 0
            if not self._chunks:
                self._open(0, [array(code) for code in self._codes], low)
        chunk = self._chunks[at_chunk]
        ids = chunk[0]
        at = bisect_left(ids, low)
        if at < len(ids) and ids[at] == low:
            for column, value in zip(chunk[1:], row, strict=True):
                column[at] = value
            return
        if len(ids) >= CHUNK:
            at_chunk, at = self._make_room(at_chunk, at)
            chunk = self._chunks[at_chunk]
        chunk[0].insert(at, low)
        for column, value in zip(chunk[1:], row, strict=True):
            column.insert(at, value)
        self._size += 1
        if at == 0:
            self._firsts[at_chunk] = low

    def _append(self, low: int, row: Sequence[float]) -> None:
        if len(self._chunks[-1][0]) >= CHUNK:
            self._open(len(self._chunks), [array(code) for code in self._codes], low)
        chunk = self._chunks[-1]
        for column, value in zip(chunk, (low, *row), strict=True):
            column.append(value)
        self._size += 1

    def set(self, queue_id: QueueId, column: int, value: float) -> None:
        """One number of a row that is there."""
        found = self._find(queue_id)
        if found is None:
            raise KeyError(queue_id)
        self._chunks[found[0]][column + 1][found[1]] = value

    def remove(self, queue_id: QueueId) -> bool:
        """Was it there?"""
        found = self._find(queue_id)
        if found is None:
            return False
        at_chunk, at = found
        chunk = self._chunks[at_chunk]
        for column in chunk:
            del column[at]
        self._size -= 1
        ids = chunk[0]
        if not ids:
            del self._chunks[at_chunk], self._firsts[at_chunk]
            return True
        self._firsts[at_chunk] = int(ids[0])
        if len(ids) < CHUNK // 4 and at_chunk and len(self._chunks[at_chunk - 1][0]) < CHUNK // 2:
            for into, column in zip(self._chunks[at_chunk - 1], chunk, strict=True):
                into.extend(column)
            del self._chunks[at_chunk], self._firsts[at_chunk]
        return True

    def chunks(self) -> Iterator[Columns]:
        """The columns themselves, ids (without their upper bits) first, for what has to look at every row: numbers
        but the ids may be changed in place; no row may come or go meanwhile."""
        return iter(self._chunks)

    def walk(self) -> Iterator[Columns]:
        """The same, but rows may come and go between two chunks. One that was there all the time is in some chunk; it
        may be in two."""
        position = 0
        while (at_chunk := max(0, bisect_right(self._firsts, position) - 1)) < len(self._chunks):
            chunk = self._chunks[at_chunk]
            last = int(chunk[0][-1])
            if last >= position:
                yield chunk
                position = last + 1
            elif at_chunk + 1 < len(self._chunks):
                position = self._firsts[at_chunk + 1]
            else:
                return

    def whole(self, low: float) -> QueueId:
        """The id that `chunks` shows without its upper bits."""
        return QueueId(self._high << 64 | int(low))

    def ascending(self) -> Iterator[QueueId]:
        position = 0
        while (at_chunk := max(0, bisect_right(self._firsts, position) - 1)) < len(self._chunks):
            ids = self._chunks[at_chunk][0]
            batch = ids[bisect_left(ids, position) :]
            if not batch:
                if at_chunk + 1 >= len(self._chunks):
                    return
                position = self._firsts[at_chunk + 1]
                continue
            high = self._high << 64
            for low in batch:
                yield QueueId(high | int(low))
            position = int(batch[-1]) + 1

    def descending(self, before: QueueId | None = None) -> Iterator[QueueId]:
        """Those below `before`, or all."""
        position = _END
        if before is not None and before >> 64 <= self._high:
            position = before & _LOW if before >> 64 == self._high else 0
        while (at_chunk := bisect_left(self._firsts, position) - 1) >= 0:
            ids = self._chunks[at_chunk][0]
            batch = ids[: bisect_left(ids, position)]
            high = self._high << 64
            for low in reversed(batch):
                yield QueueId(high | int(low))
            position = int(batch[0])

    def _find(self, queue_id: QueueId) -> tuple[int, int] | None:
        if queue_id >> 64 != self._high:
            return None
        low = queue_id & _LOW
        at_chunk = bisect_right(self._firsts, low) - 1
        if at_chunk < 0:
            return None
        ids = self._chunks[at_chunk][0]
        at = bisect_left(ids, low)
        return (at_chunk, at) if at < len(ids) and ids[at] == low else None

    def _open(self, at_chunk: int, chunk: Columns, first: int) -> None:
        self._chunks.insert(at_chunk, chunk)
        self._firsts.insert(at_chunk, first)

    def _make_room(self, at_chunk: int, at: int) -> tuple[int, int]:
        """The chunk is full: its upper half moves out. Where the row goes now."""
        chunk = self._chunks[at_chunk]
        half = CHUNK // 2
        upper = [column[half:] for column in chunk]
        for column in chunk:
            del column[half:]
        self._open(at_chunk + 1, upper, int(upper[0][0]))
        return (at_chunk, at) if at <= half else (at_chunk + 1, at - half)
