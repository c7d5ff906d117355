"""What is due when: the order in which recipients are taken in hand, and who must wait although due.

A task waits until it is due, in the heap of its destination; then it is ready, in the order of due time less its
lane's head start, so that the lanes are ordered and none starves. A message takes its turn with one quantum of
recipients and goes behind all that is ready; a destination that has its share in hand is held, and its tasks are
parked with it until its own attempts end, at no cost for anybody else. Promises: no recipient twice on the agenda or
in hand, nothing before it is due, no destination above its share; nothing here looks through all tasks or all
destinations. Knows ids, times and lanes. Never: content, addresses, a clock (times are arguments, on any one scale).

Seeds D-57, D-58, D-61, D-62, D-65, P-60.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush, heapreplace
from itertools import count
from math import inf

from asyncmta.mail.envelope import QueueId
from asyncmta.scheduling.marks import Marks
from asyncmta.scheduling.tags import tag_of
from asyncmta.scheduling.task import IN_HAND, NOWHERE, PARKED, READY, WAITING, Counts, Destination, Task, Turn, joined

HEAD_STARTS = (120.0, 60.0, 0.0)
MOST_KEPT = 500  # destinations beyond which those with nothing on the agenda are forgotten at once
MOVES = 2_000  # tasks that one `take` makes ready; what is due beyond that follows at the next: the loop must breathe

HeadStarts = tuple[float, float, float]
Taken = dict[QueueId, dict[str, list[Task]]]


class Agenda:
    """One scheduler's agenda. Shares and quanta count recipients; there is a head start, in seconds, for each lane."""

    def __init__(self, *, share: int = 2_000, quantum: int = 30, head_starts: HeadStarts = HEAD_STARTS) -> None:
        if share < 1 or quantum < 1:
            raise ValueError("a share and a quantum have at least one recipient")
        self._share = share
        self._quantum = quantum
        self._head_starts = (*head_starts, head_starts[0])  # who was scheduled is fresh when its time has come
        # A held destination is opened when a quantum is free, not for each recipient: one would tear long consignments
        # into as many transactions as attempts end.
        self._opens_at = share - min(quantum, share)
        self._sequence = count(1)
        self._destinations: dict[str, Destination] = {}
        self._marks = Marks()
        self._wakes: list[tuple[float, int, Destination]] = []
        self._ready: list[tuple[float, int, Turn]] = []
        self._turns: dict[QueueId, Turn] = {}
        self.overdue = 0  # recipients that are due and not in hand, for want of room or with a destination that is held
        self.in_hand = 0  # recipients; both are for everybody to read

    # -- what is on it ----------------------------------------------------------------------------------------------

    def __contains__(self, queue_id: QueueId) -> bool:
        """Is any recipient of this message on the agenda or in hand?"""
        return queue_id in self._marks.known

    @property
    def has_ready(self) -> bool:
        """Would `take` give something now, had it room, even if nothing more fell due?"""
        return bool(self._turns)

    def next_due(self) -> float | None:
        """When the first of those that wait is due, which may be past."""
        while self._wakes:
            due, _, destination = self._wakes[0]
            if due != destination.wake:
                heappop(self._wakes)
                continue
            first = destination.waiting.first()
            if first is not None and first[0] == due:
                return due
            destination.wake = inf  # what was due then has been removed or promoted
            heappop(self._wakes)
            if first is not None:
                self._wake_at(destination, first[0])
        return None

    def tasks(self, queue_id: QueueId) -> Sequence[Task]:
        """What of this message is on the agenda and not in hand."""
        return self._marks.tasks(queue_id)

    def destinations(self) -> Iterator[str]:
        """All that have anything on the agenda or in hand."""
        return iter([name for name, each in self._destinations.items() if not each.is_idle])

    def counts(self, destination: str) -> Counts:
        found = self._destinations.get(destination) or Destination(destination)
        return Counts(found.in_hand, found.ready, len(found.parked), len(found.waiting))

    # -- putting on, taking off -------------------------------------------------------------------------------------

    def add(self, task: Task) -> None:
        """Put it on; ValueError when one of its recipients is on the agenda or in hand already."""
        self._marks.put(task)
        destination = self._destinations.get(task.destination)
        if destination is None:
            destination = self._destinations[task.destination] = Destination(task.destination)
        task.sequence = next(self._sequence)
        destination.waiting.push(task.due, task)
        if task.due < destination.wake:
            self._wake_at(destination, task.due)

    def begin(self, task: Task) -> bool:
        """Take it in hand at once, if nothing that is ready goes before it: the way of most messages, without a heap.

        False, and nothing is changed, when it has to be added and to wait for its turn.
        """
        ready = self._ready
        if ready and ready[0][0] <= task.due - self._head_starts[task.lane] - task.lead:
            return False
        if task.queue_id in self._marks.known:
            return False
        size = len(task.ordinals)
        destination = self._destinations.get(task.destination)
        if destination is None:
            if size > self._share:
                return False
            destination = self._destinations[task.destination] = Destination(task.destination)
        elif destination.ready or destination.in_hand + size > self._share or destination.parked:
            return False
        destination.in_hand += size
        self.in_hand += size
        task.place = IN_HAND
        self._marks.known[task.queue_id] = task
        return True

    def remove(self, queue_id: QueueId) -> list[Task]:
        """Take off what of this message is not in hand, and return it."""
        tasks = list(self.tasks(queue_id))
        self._turns.pop(queue_id, None)
        touched: dict[str, Destination] = {}
        for task in tasks:
            place, task.place = task.place, NOWHERE
            destination = touched[task.destination] = self._destinations[task.destination]
            if place == WAITING:
                destination.waiting.forget()
            else:
                self.overdue -= len(task.ordinals)
                if place == PARKED:
                    destination.parked.forget()
                else:
                    destination.ready -= 1
            self._marks.drop(task)
        for destination in touched.values():  # only now, or it would let in what is about to be taken off
            self._open(destination)
        return tasks

    def promote(self, queue_id: QueueId, now: float, tag: int | None = None) -> int:
        """What of this message waits (for destinations with this tag) is due now; how many tasks that were."""
        tasks = [each for each in self.tasks(queue_id) if tag in (None, tag_of(each.destination))]
        waiting = [task for task in tasks if task.place == WAITING and task.due > now]
        for task in waiting:
            destination, task.due = self._destinations[task.destination], now
            self._make_ready(task, destination)
            destination.waiting.forget()
        return len(waiting)

    def promote_destination(self, name: str, now: float, *, scheduled: bool = True) -> int:
        """What waits for this destination (also what is `scheduled`, or not) is due now; how many tasks that were."""
        destination = self._destinations.get(name)
        if destination is None:
            return 0
        promoted = destination.waiting.bring_forward(now, scheduled=scheduled)
        if promoted and now < destination.wake:
            self._wake_at(destination, now)
        return promoted

    # -- in hand ----------------------------------------------------------------------------------------------------

    def take(self, now: float, room: int) -> list[Task]:
        """Up to `room` recipients that are due, first things first; the tasks of one message stand together.

        There is one task for each message and destination. Each is in hand until it is released.
        """
        self._make_due_ready(now)
        taken: Taken = {}
        ready = self._ready
        while room > 0 and ready:
            turn = ready[0][2]
            if self._turns.get(turn.queue_id) is not turn:
                heappop(ready)  # removed meanwhile
                continue
            limit = room if len(ready) == 1 else min(room, self._quantum)
            room -= self._hand_out(turn, now, limit, taken)
            if turn.tasks:
                rank = now - self._head_starts[turn.tasks[-1].lane] - turn.tasks[-1].lead
                heapreplace(ready, (rank, next(self._sequence), turn))
            else:
                heappop(ready)
                del self._turns[turn.queue_id]
        return [joined(pieces) for consignments in taken.values() for pieces in consignments.values()]

    def release(self, task: Task) -> None:
        """Its attempt has ended: its recipients are unknown here from now on. ValueError when it is not in hand."""
        if task.place != IN_HAND:
            raise ValueError("only what is in hand can be released")
        task.place = NOWHERE
        destination = self._destinations[task.destination]
        size = len(task.ordinals)
        destination.in_hand -= size
        self.in_hand -= size
        self._marks.drop(task)
        self._open(destination)

    # -- how --------------------------------------------------------------------------------------------------------

    def _wake_at(self, destination: Destination, due: float) -> None:
        destination.wake = due
        heappush(self._wakes, (due, next(self._sequence), destination))
        if len(self._wakes) > 2 * len(self._destinations) + 64:
            waiting = [each for each in self._destinations.values() if each.wake < inf]
            self._wakes = [(each.wake, next(self._sequence), each) for each in waiting]
            heapify(self._wakes)

    def _make_due_ready(self, now: float) -> None:
        moves = MOVES
        while self._wakes and self._wakes[0][0] <= now and moves:
            due, _, destination = heappop(self._wakes)
            if due != destination.wake:
                continue
            destination.wake = inf
            waiting = destination.waiting
            while (first := waiting.first()) is not None and first[0] <= now and moves:
                self._make_ready(waiting.pop(), destination)
                moves -= 1
            if first is not None:
                self._wake_at(destination, first[0])

    def _make_ready(self, task: Task, destination: Destination) -> None:
        task.rank = task.due - self._head_starts[task.lane] - task.lead
        self.overdue += len(task.ordinals)
        if destination.parked or destination.in_hand + destination.ready >= self._share:
            destination.parked.push(task.rank, task)
        else:
            self._queue_up(task, destination)

    def _queue_up(self, task: Task, destination: Destination) -> None:
        """Into the turn of its message, which stands where the first of its tasks put it."""
        task.place = READY
        destination.ready += 1
        turn = self._turns.get(task.queue_id)
        if turn is None:
            turn = self._turns[task.queue_id] = Turn(task.queue_id)
            heappush(self._ready, (task.rank, task.sequence, turn))
        turn.tasks.append(task)

    def _open(self, destination: Destination) -> None:
        """Something of this destination has ended: let in what is parked with it. Where there are few, one with nothing
        left is kept for the next message, which comes soon as a rule.

        Parked tasks are let in while one recipient of each would fit. So whoever is parked has somebody of the same
        destination in hand or ready before him, and is let in when that one ends.
        """
        parked = destination.parked
        if parked:
            if destination.in_hand <= self._opens_at:
                while destination.in_hand + destination.ready < self._share and parked.first() is not None:
                    self._queue_up(parked.pop(), destination)
        elif len(self._destinations) > MOST_KEPT and not destination.in_hand and destination.is_idle:
            destination.wake = inf
            del self._destinations[destination.name]

    def _hand_out(self, turn: Turn, now: float, limit: int, taken: Taken) -> int:
        """One turn: up to `limit` recipients of one message; how many they were."""
        left = limit
        while left and turn.tasks:
            task = turn.tasks[-1]
            destination = self._destinations[task.destination]
            free = self._share - destination.in_hand
            if free <= 0:
                turn.tasks.pop()
                destination.ready -= 1
                destination.parked.push(task.rank, task)
                continue
            size = min(left, free, len(task.ordinals))
            if size == len(task.ordinals):
                turn.tasks.pop()
                destination.ready -= 1
                self._marks.take(task)
                piece = task
            else:
                piece = self._marks.cut(task, size)
                # The rest goes behind all that is due, also where it is parked: a long list waits for a single message.
                task.rank = now - self._head_starts[task.lane] - task.lead
                task.sequence = next(self._sequence)
            piece.place = IN_HAND
            destination.in_hand += size
            self.in_hand += size
            self.overdue -= size
            left -= size
            taken.setdefault(task.queue_id, {}).setdefault(task.destination, []).append(piece)
        return limit - left
