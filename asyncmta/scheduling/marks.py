"""Who is on the agenda or in hand: one mark for each recipient, and the tasks of a message by its queue id.

Promises: a recipient has one mark or none, so it can never be in two attempts at once (seed D-65). Built for a
million messages of which nearly all have one task: such a one is its own mark; a set is made for the others only.
Never: an order, a time.
"""

from __future__ import annotations

from collections.abc import Sequence

from asyncmta.mail.envelope import QueueId
from asyncmta.scheduling.task import IN_HAND, NOWHERE, Task


class Spread:
    """A message with several tasks: those on the agenda, and the ordinals of all that are there or in hand."""

    __slots__ = ("marks", "tasks")

    def __init__(self, task: Task) -> None:
        self.marks = set(task.ordinals)
        self.tasks: dict[Task, None] = {} if task.place == IN_HAND else {task: None}


class Marks:
    """The marks of one agenda."""

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: dict[QueueId, Task | Spread] = {}

    def tasks(self, queue_id: QueueId) -> Sequence[Task]:
        """What of this message is on the agenda and not in hand."""
        known = self.known.get(queue_id)
        if isinstance(known, Spread):
            return tuple(known.tasks)
        return (known,) if known is not None and known.place != IN_HAND else ()

    def put(self, task: Task) -> None:
        """Mark the recipients of a new task; ValueError when one of them is marked already."""
        if task.place != NOWHERE or task.sequence or not task.ordinals:
            raise ValueError("a task that is or was on the agenda, or has nobody in it")
        known = self.known.get(task.queue_id)
        if known is None:
            self.known[task.queue_id] = task
            return
        marks = known.marks if isinstance(known, Spread) else set(known.ordinals)
        if not marks.isdisjoint(task.ordinals):
            raise ValueError("a recipient that is on the agenda or in hand already")
        spread = self._spread(known)
        spread.marks.update(task.ordinals)
        spread.tasks[task] = None

    def take(self, task: Task) -> None:
        """All of this task goes from the agenda into somebody's hand."""
        known = self.known[task.queue_id]
        if isinstance(known, Spread):
            del known.tasks[task]

    def cut(self, task: Task, size: int) -> Task:
        """The first `size` recipients as a task of their own, off the agenda; the rest stays where it is."""
        self._spread(self.known[task.queue_id])
        piece = Task(task.queue_id, task.destination, task.ordinals[:size], task.lane, task.due, task.lead)
        task.ordinals = task.ordinals[size:]
        return piece

    def drop(self, task: Task) -> None:
        """Its recipients are known no more, be they on the agenda or in hand."""
        known = self.known[task.queue_id]
        if isinstance(known, Spread):
            known.tasks.pop(task, None)
            known.marks.difference_update(task.ordinals)
            if known.marks:
                return
        del self.known[task.queue_id]

    def _spread(self, known: Task | Spread) -> Spread:
        if isinstance(known, Spread):
            return known
        spread = self.known[known.queue_id] = Spread(known)
        return spread
