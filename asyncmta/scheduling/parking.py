"""Who waits without being in memory: ids, due times and destinations' tags, as numbers; and who of them is due.

Whoever is not due stands in the slot of a second; when that has come, in the crowd of its tag, and is taken from there
crowd by crowd, as far as there is room for each: a crowd that has to wait costs the others nothing. A slot keeps ids
that have left it until it is opened. Promises: `next_due` is exact; nobody is taken twice or too early by more than a
slot; nothing here looks through all but `promote_tag`. Never: messages, a clock.

Seeds D-53 and D-54.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from heapq import heappop, heappush

from asyncmta.mail.envelope import QueueId
from asyncmta.spool.table import Table

SLOT = 1.0  # seconds
_DUE, _TAG, _PLACE = range(3)
_WAITING, _DUE_NOW = range(2)


class Slot:
    """Who is due in one second. `first` is the earliest due time and `firsts` how many have it (0: look again)."""

    __slots__ = ("first", "firsts", "ids", "living")

    def __init__(self) -> None:
        self.ids = array("Q")
        self.living = 0
        self.first = 0.0
        self.firsts = 0


class Parking:
    """Times are on the agenda's scale. A tag is any number below 2**32."""

    def __init__(self) -> None:
        self._rows = Table("dIB")
        self._slots: dict[int, Slot] = {}
        self._order: list[int] = []
        self._crowds: dict[int, array[int]] = {}
        self.overdue = 0

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, queue_id: QueueId) -> bool:
        return queue_id in self._rows

    def takes(self, queue_id: QueueId) -> bool:
        """Can it be parked?"""
        return self._rows.takes(queue_id)

    def due(self, queue_id: QueueId) -> float | None:
        row = self._rows.get(queue_id)
        return row[_DUE] if row is not None else None

    def next_due(self) -> float | None:
        """When the first of those is due that are not in a crowd yet."""
        while self._order:
            number = self._order[0]
            slot = self._slots.get(number)
            if slot is None or not slot.living:
                heappop(self._order)
                self._slots.pop(number, None)
                continue
            if not slot.firsts:
                dues = [row[_DUE] for low in dict.fromkeys(slot.ids) if (row := self._living(low, number))]
                slot.first = min(dues)
                slot.firsts = dues.count(slot.first)
            return slot.first
        return None

    def add(self, queue_id: QueueId, due: float, tag: int) -> None:
        """ValueError when it is here already."""
        if queue_id in self._rows:
            raise ValueError("parked already")
        self._rows.put(queue_id, (due, tag, _WAITING))
        self._enter(queue_id, due)

    def remove(self, queue_id: QueueId) -> float | None:
        """Its due time, if it was here."""
        row = self._rows.get(queue_id)
        if row is None:
            return None
        if row[_PLACE] == _WAITING:
            self._leave(row[_DUE])
        else:
            self.overdue -= 1
        self._rows.remove(queue_id)
        return row[_DUE]

    def promote(self, queue_id: QueueId, now: float) -> bool:
        """It is due now; was it to wait longer?"""
        row = self._rows.get(queue_id)
        if row is None or row[_DUE] <= now:
            return False
        if row[_PLACE] == _WAITING:
            self._leave(row[_DUE])
            self._enter(queue_id, now)
        self._rows.set(queue_id, _DUE, now)
        return True

    def promote_tag(self, tag: int | None, now: float) -> int:
        """All with this tag (None: all) are due now; how many were to wait longer."""
        promoted = 0
        for ids, dues, tags, places in self._rows.chunks():
            for at, (due, each) in enumerate(zip(dues, tags, strict=True)):
                if due > now and tag in (None, each):
                    promoted += 1
                    dues[at] = now
                    if places[at] == _WAITING:
                        self._leave(due)
                        self._enter(QueueId(int(ids[at])), now)
        return promoted

    def open(self, now: float, limit: int) -> bool:
        """Let those whose second has come into the crowds; False when there were more than `limit`."""
        while self._order and self._order[0] * SLOT <= now:
            number = self._order[0]
            slot = self._slots[number]
            opened, slot.ids = slot.ids[:limit], slot.ids[limit:]
            for low in opened:
                queue_id = self._rows.whole(low)
                row = self._living(low, number)
                if row is None:
                    continue
                self._rows.set(queue_id, _PLACE, _DUE_NOW)
                self._crowds.setdefault(int(row[_TAG]), array("Q")).append(low)
                slot.living -= 1
                self.overdue += 1
            limit -= len(opened)
            if slot.ids:
                slot.firsts = slot.living  # its second has come: nobody needs to know better, and it may be a long one
                return False
            heappop(self._order)
            del self._slots[number]
        return True

    def take(self, room: Callable[[int], int], limit: int) -> list[tuple[QueueId, float, int]]:
        """Off with up to `limit` that are due, of each crowd at most what there is room for; id, due time and tag."""
        taken: list[tuple[QueueId, float, int]] = []
        for tag in tuple(self._crowds):
            if len(taken) >= limit:
                break
            size = min(room(tag), limit - len(taken))
            if size <= 0:
                continue
            crowd = self._crowds.pop(tag)
            left = self._take(crowd, tag, size, taken)
            if left:
                self._crowds[tag] = left  # behind the others
        return taken

    def _take(self, crowd: array[int], tag: int, size: int, taken: list[tuple[QueueId, float, int]]) -> array[int]:
        at = 0
        for low in crowd:
            if not size:
                break
            at += 1
            queue_id = self._rows.whole(low)
            row = self._rows.get(queue_id)
            if row is None or row[_PLACE] != _DUE_NOW or row[_TAG] != tag:
                continue  # it has left since
            self._rows.remove(queue_id)
            self.overdue -= 1
            size -= 1
            taken.append((queue_id, row[_DUE], tag))
        return crowd[at:]

    def _enter(self, queue_id: QueueId, due: float) -> None:
        number = int(due // SLOT)
        slot = self._slots.get(number)
        if slot is None:
            slot = self._slots[number] = Slot()
            heappush(self._order, number)
        slot.ids.append(queue_id & 0xFFFF_FFFF_FFFF_FFFF)
        if not slot.living or (slot.firsts and due < slot.first):
            slot.first, slot.firsts = due, 1
        elif slot.firsts and due == slot.first:
            slot.firsts += 1
        slot.living += 1

    def _leave(self, due: float) -> None:
        slot = self._slots[int(due // SLOT)]
        slot.living -= 1
        if due == slot.first and slot.firsts:
            slot.firsts -= 1

    def _living(self, low: int, number: int) -> tuple[float, ...] | None:
        """The row of somebody who is in this slot, and has not left it."""
        row = self._rows.get(self._rows.whole(low))
        return row if row is not None and row[_PLACE] == _WAITING and int(row[_DUE] // SLOT) == number else None
