"""The agenda's unit of work, `Task`, and what the agenda is built of: heaps, destinations, turns.

A task is some recipients of one message with one destination and one due time. Where it stands (`place`) is written
on the task alone: a heap keeps an entry whose task has moved on, skips it later, and is swept when half of it is such.
Never: a decision about order or shares; those are the agenda's.
"""

from __future__ import annotations

from enum import IntEnum
from heapq import heapify, heappop, heappush
from math import inf

from msgspec import Struct

from asyncmta.mail.envelope import QueueId


class Lane(IntEnum):
    """Kinds of work: a first attempt, the first attempt at a DSN, all that come after; and a first attempt that its
    sender does not want before a certain time, which nobody but an operator brings forward."""

    FRESH = 0
    BOUNCE = 1
    RETRY = 2
    SCHEDULED = 3


# Where a task stands. Plain numbers, since they are compared several times for each recipient.
NOWHERE = 0
WAITING = 1  # not yet due
READY = 2  # due, in the order of the ready heap
PARKED = 3  # due, held back with its destination
IN_HAND = 4


class Task(Struct, eq=False, gc=False):
    """Recipients of one message that go to one destination when `due`. Compared by identity. `lead`: seconds by which
    it goes before others of its lane (after them, when negative) that fell due with it.

    The last three are the agenda's own: its order among those that are due is by `rank`, then `sequence`. It also
    takes from `ordinals` what it hands out of a long task.
    """

    queue_id: QueueId
    destination: str
    ordinals: tuple[int, ...]
    lane: Lane
    due: float
    lead: float = 0.0
    rank: float = 0.0
    sequence: int = 0
    place: int = NOWHERE


class Counts(Struct, frozen=True):
    """What is known of a destination: recipients in hand; tasks that are ready, held back, and not yet due."""

    in_hand: int
    ready: int
    held: int
    waiting: int


Entry = tuple[float, int, Task]


class Heap:
    """Tasks of one place by a number, equal ones by their sequence."""

    __slots__ = ("_entries", "_place", "_stale")

    def __init__(self, place: int) -> None:
        self._entries: list[Entry] = []
        self._place = place
        self._stale = 0

    def __len__(self) -> int:
        return len(self._entries) - self._stale

    def push(self, number: float, task: Task) -> None:
        task.place = self._place
        heappush(self._entries, (number, task.sequence, task))

    def first(self) -> Entry | None:
        entries = self._entries
        while entries:
            if entries[0][2].place == self._place:
                return entries[0]
            heappop(entries)
            self._stale -= 1
        return None

    def pop(self) -> Task:
        """Take out what `first` has just shown."""
        return heappop(self._entries)[2]

    def forget(self) -> None:
        """One of its tasks has been given another place."""
        self._stale += 1
        if self._stale > 8 and self._stale * 2 > len(self._entries):
            self._entries = [entry for entry in self._entries if entry[2].place == self._place]
            heapify(self._entries)
            self._stale = 0

    def bring_forward(self, number: float, *, scheduled: bool = True) -> int:
        """All that have a higher number (those that are `scheduled` too, or not) get this one, as their due time too;
        how many there were."""
        entries: list[Entry] = []
        brought = 0
        for entry in self._entries:
            task = entry[2]
            if task.place == self._place:
                if entry[0] > number and (scheduled or task.lane is not Lane.SCHEDULED):
                    task.due = number
                    brought += 1
                entries.append((task.due, task.sequence, task))
        heapify(entries)
        self._entries = entries
        self._stale = 0
        return brought


class Destination:
    """A destination that has anything on the agenda or in hand. `wake`: when the agenda is to look at `waiting`."""

    __slots__ = ("in_hand", "name", "parked", "ready", "waiting", "wake")

    def __init__(self, name: str) -> None:
        self.name = name
        self.in_hand = 0
        self.ready = 0
        self.waiting = Heap(WAITING)
        self.parked = Heap(PARKED)
        self.wake = inf

    @property
    def is_idle(self) -> bool:
        return not (self.in_hand or self.ready or self.waiting or self.parked)


class Turn:
    """The ready tasks of one message, which go to the front of the ready heap together, a quantum at a time."""

    __slots__ = ("queue_id", "tasks")

    def __init__(self, queue_id: QueueId) -> None:
        self.queue_id = queue_id
        self.tasks: list[Task] = []


def joined(pieces: list[Task]) -> Task:
    """What was cut in several pieces from one message for one destination, as one task in hand."""
    if len(pieces) == 1:
        return pieces[0]
    first = pieces[0]
    ordinals = tuple(ordinal for piece in pieces for ordinal in piece.ordinals)
    return Task(first.queue_id, first.destination, ordinals, first.lane, first.due, first.lead, place=IN_HAND)
