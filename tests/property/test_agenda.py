"""The agenda against sorted lists: nobody twice in hand, lost or early, no share exceeded, no lane starved.

Two machines: one with quanta, shares and tasks of many recipients, checked by its invariants; one with tasks of one
recipient and shares out of reach, where the exact order is that of a sorted list.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from asyncmta.mail.envelope import QueueId
from asyncmta.scheduling.agenda import HEAD_STARTS, Agenda
from asyncmta.scheduling.task import IN_HAND, NOWHERE, Lane, Task

SHARE, QUANTUM = 7, 3

messages = st.integers(0, 7).map(QueueId)
destinations = st.sampled_from(["mx:a", "mx:b", "mx:c"])
lanes = st.sampled_from(list(Lane))
people = st.sets(st.integers(0, 30), min_size=1)
delays = st.sampled_from([-300.0, -50.0, -1.0, 0.0, 1.0, 10.0, 70.0])


class Shares(RuleBasedStateMachine):
    """The model: where each recipient is, as plain dicts."""

    def __init__(self) -> None:
        super().__init__()
        self.agenda = Agenda(share=SHARE, quantum=QUANTUM)
        self.now = 1_000.0
        self.on: dict[tuple[QueueId, int], tuple[str, float]] = {}  # destination and due time of who is on the agenda
        self.in_hand: list[Task] = []

    def _held(self) -> set[tuple[QueueId, int]]:
        return {(task.queue_id, ordinal) for task in self.in_hand for ordinal in task.ordinals}

    @rule(
        queue_id=messages, name=destinations, lane=lanes, delay=delays, ordinals=st.sets(st.integers(0, 30), min_size=1)
    )
    def add(self, queue_id: QueueId, name: str, lane: Lane, delay: float, ordinals: set[int]) -> None:
        task = Task(queue_id, name, tuple(sorted(ordinals)), lane, self.now + delay)
        known = {ordinal for message, ordinal in [*self.on, *self._held()] if message == queue_id}
        try:
            self.agenda.add(task)
        except ValueError:
            assert known & ordinals
        else:
            assert not known & ordinals
            self.on.update({(queue_id, ordinal): (name, task.due) for ordinal in ordinals})

    @rule(queue_id=messages, name=destinations, lane=lanes, ordinals=st.sets(st.integers(0, 9), min_size=1))
    def begin(self, queue_id: QueueId, name: str, lane: Lane, ordinals: set[int]) -> None:
        task = Task(queue_id, name, tuple(ordinals), lane, self.now)
        if self.agenda.begin(task):
            assert not any(message == queue_id for message, _ in [*self.on, *self._held()])
            self.in_hand.append(task)
        else:
            assert task.place == NOWHERE

    @rule(room=st.integers(0, 40))
    def take(self, room: int) -> None:
        taken = self.agenda.take(self.now, room)
        assert sum(len(task.ordinals) for task in taken) <= room
        assert len({(task.queue_id, task.destination) for task in taken}) == len(taken)
        ids = [task.queue_id for task in taken]
        assert ids == sorted(ids, key=ids.index), "the tasks of one message stand together"
        held = self._held()
        for task in taken:
            assert task.place == IN_HAND
            for ordinal in task.ordinals:
                name, due = self.on.pop((task.queue_id, ordinal))  # a KeyError is somebody who was not there
                assert name == task.destination
                assert due <= self.now
                assert (task.queue_id, ordinal) not in held
        self.in_hand.extend(taken)
        self._room_is_used(room - sum(len(task.ordinals) for task in taken))

    def _room_is_used(self, left: int) -> None:
        """Who is due and was not taken waits for room, or for his destination, which lacks a quantum."""
        if left > 0:
            for name, due in self.on.values():
                assert due > self.now or self.agenda.counts(name).in_hand > SHARE - QUANTUM

    @precondition(lambda self: self.in_hand)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        task = self.in_hand.pop(data.draw(st.integers(0, len(self.in_hand) - 1)))
        self.agenda.release(task)

    @precondition(lambda self: self.in_hand)
    @rule(data=st.data(), delay=delays, lane=lanes)
    def come_back(self, data: st.DataObject, delay: float, lane: Lane) -> None:
        """An attempt that was deferred."""
        task = self.in_hand.pop(data.draw(st.integers(0, len(self.in_hand) - 1)))
        self.agenda.release(task)
        again = Task(task.queue_id, task.destination, task.ordinals, lane, self.now + delay)
        self.agenda.add(again)
        self.on.update({(task.queue_id, ordinal): (task.destination, again.due) for ordinal in task.ordinals})

    @rule(queue_id=messages)
    def remove(self, queue_id: QueueId) -> None:
        removed = {(queue_id, ordinal) for task in self.agenda.remove(queue_id) for ordinal in task.ordinals}
        assert removed == {known for known in self.on if known[0] == queue_id}
        for known in removed:
            del self.on[known]

    @rule(queue_id=messages)
    def promote(self, queue_id: QueueId) -> None:
        self.agenda.promote(queue_id, self.now)
        for known, (name, due) in self.on.items():
            if known[0] == queue_id:
                self.on[known] = (name, min(due, self.now))

    @rule(name=destinations)
    def promote_destination(self, name: str) -> None:
        self.agenda.promote_destination(name, self.now)
        for known, (destination, due) in self.on.items():
            if destination == name:
                self.on[known] = (name, min(due, self.now))

    @rule(seconds=st.sampled_from([0.5, 5.0, 61.0, 500.0]))
    def advance(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def no_destination_is_above_its_share(self) -> None:
        held = self._held()
        assert len(held) == sum(len(task.ordinals) for task in self.in_hand), "nobody twice in hand"
        for name in ("mx:a", "mx:b", "mx:c"):
            in_hand = sum(len(task.ordinals) for task in self.in_hand if task.destination == name)
            assert in_hand == self.agenda.counts(name).in_hand <= SHARE

    @invariant()
    def nothing_is_lost(self) -> None:
        for queue_id in range(8):
            known = {(queue_id, ordinal) for task in self.agenda.tasks(QueueId(queue_id)) for ordinal in task.ordinals}
            assert known == {each for each in self.on if each[0] == queue_id}
            assert (queue_id in self.agenda) == bool(known or any(task.queue_id == queue_id for task in self.in_hand))
        assert set(self.agenda.destinations()) == {name for name, _ in self.on.values()} | {
            task.destination for task in self.in_hand
        }

    @invariant()
    def it_says_when_to_wake(self) -> None:
        waiting = [due for _, due in self.on.values() if due > self.now]
        due = self.agenda.next_due()
        if due is None or due > self.now:
            assert due == min(waiting, default=None)

    def teardown(self) -> None:
        """With room and time enough everybody gets his turn."""
        self.now += 1_000.0
        for _ in range(200):
            for task in self.in_hand:
                self.agenda.release(task)
            self.in_hand = self.agenda.take(self.now, 20)
            for task in self.in_hand:
                for ordinal in task.ordinals:
                    del self.on[task.queue_id, ordinal]
            if not self.in_hand:
                break
        assert not self.on
        assert self.agenda.overdue == 0
        assert not self.agenda.has_ready
        assert self.agenda.next_due() is None


class Order(RuleBasedStateMachine):
    """Tasks of one recipient, one for each message: a list sorted by due time less head start and lead."""

    def __init__(self) -> None:
        super().__init__()
        self.agenda = Agenda(share=1_000_000, quantum=QUANTUM)
        self.now = 1_000.0
        self.count = 0
        self.model: dict[int, tuple[float, float, Lane, str]] = {}  # due, start before others, lane, destination

    @rule(lane=lanes, delay=delays, name=destinations, lead=st.sampled_from([0.0, 0.0, 60.0, -540.0]))
    def add(self, lane: Lane, delay: float, name: str, lead: float) -> None:
        self.count += 1
        self.agenda.add(Task(QueueId(self.count), name, (0,), lane, self.now + delay, lead))
        start = HEAD_STARTS[Lane.FRESH if lane is Lane.SCHEDULED else lane] + lead
        self.model[self.count] = (self.now + delay, start, lane, name)

    @rule(room=st.integers(0, 12))
    def take(self, room: int) -> None:
        order = sorted((due - start, number) for number, (due, start, _, _) in self.model.items() if due <= self.now)
        taken = self.agenda.take(self.now, room)
        assert [task.queue_id for task in taken] == [number for _, number in order[:room]]
        for task in taken:
            self.agenda.release(task)
            del self.model[task.queue_id]

    @rule(data=st.data())
    def promote(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, self.count))
        self.agenda.promote(QueueId(number), self.now)
        if number in self.model:
            self.model[number] = (min(self.model[number][0], self.now), *self.model[number][1:])

    @rule(name=destinations, scheduled=st.booleans())
    def promote_destination(self, name: str, scheduled: bool) -> None:
        later = [
            number
            for number, (due, _, lane, where) in self.model.items()
            if where == name and due > self.now and (scheduled or lane is not Lane.SCHEDULED)
        ]
        assert self.agenda.promote_destination(name, self.now, scheduled=scheduled) == len(later)
        for number in later:
            self.model[number] = (self.now, *self.model[number][1:])

    @rule(seconds=st.sampled_from([0.5, 5.0, 61.0]))
    def advance(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def next_due_is_the_first_of_the_list(self) -> None:
        ready = not self.agenda.has_ready
        due = self.agenda.next_due()
        assert not ready or due == min((each[0] for each in self.model.values()), default=None)


TestShares = Shares.TestCase
TestShares.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)
TestOrder = Order.TestCase
TestOrder.settings = settings(deadline=None, max_examples=50, stateful_step_count=40)
