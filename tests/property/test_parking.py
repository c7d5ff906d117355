"""The parking against a sorted list: the same ones are due, in every crowd in order, and `next_due` is the least."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncmta.mail.envelope import QueueId
from asyncmta.scheduling.parking import Parking

ids = st.integers(1, 12).map(lambda low: QueueId(3 << 64 | low))
times = st.integers(0, 80).map(lambda quarter: quarter / 4)
tags = st.sampled_from((4, 8))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), ids, times, tags),
        st.tuples(st.just("add"), ids, times, tags),
        st.tuples(st.just("remove"), ids),
        st.tuples(st.just("promote"), ids, times),
        st.tuples(st.just("promote_tag"), st.none() | tags, times),
        st.tuples(st.just("open"), times, st.integers(1, 3)),
        st.tuples(st.just("take"), st.integers(0, 3), st.integers(1, 4)),
    ),
    max_size=60,
)


class Model:
    """Rows of due time, tag and whether it is in the crowd."""

    def __init__(self) -> None:
        self.rows: dict[QueueId, tuple[float, int, bool]] = {}

    def next_due(self) -> float | None:
        return min((due for due, _, is_due in self.rows.values() if not is_due), default=None)

    def promote(self, queue_id: QueueId, now: float) -> bool:
        due, tag, is_due = self.rows.get(queue_id, (now, 0, False))
        if due <= now:
            return False
        self.rows[queue_id] = (now, tag, is_due)
        return True


def check(parking: Parking, model: Model) -> None:
    assert len(parking) == len(model.rows)
    assert parking.next_due() == model.next_due()
    assert parking.overdue == sum(is_due for _, _, is_due in model.rows.values())
    for queue_id, (due, _, _) in model.rows.items():
        assert queue_id in parking
        assert parking.due(queue_id) == due


@given(steps)
@settings(deadline=None, max_examples=200)
def test_it_is_a_sorted_list(done: list[tuple]) -> None:  # type: ignore[type-arg]
    parking, model = Parking(), Model()
    for step, *about in done:
        if step == "add":
            queue_id, due, tag = about
            if queue_id in model.rows:
                with pytest.raises(ValueError, match="already"):
                    parking.add(queue_id, due, tag)
            else:
                parking.add(queue_id, due, tag)
                model.rows[queue_id] = (due, tag, False)
        elif step == "remove":
            known = model.rows.pop(about[0], None)
            assert parking.remove(about[0]) == (known[0] if known is not None else None)
        elif step == "promote":
            assert parking.promote(*about) is model.promote(*about)
        elif step == "promote_tag":
            tag, now = about
            chosen = [each for each, row in model.rows.items() if tag in (None, row[1])]
            assert parking.promote_tag(tag, now) == sum(model.promote(each, now) for each in chosen)
        elif step == "open":
            now, limit = about
            while not parking.open(now, limit):
                assert parking.overdue <= len(model.rows)
            for queue_id, (due, tag, _) in list(model.rows.items()):
                if due // 1 <= now:
                    model.rows[queue_id] = (due, tag, True)
        else:
            room, limit = about
            taken = parking.take(lambda tag, room=room, limit=limit: room if tag == 4 else limit, limit)  # type: ignore[misc]
            there = {tag: [each for each, row in model.rows.items() if row[1:] == (tag, True)] for tag in (4, 8)}
            assert len(taken) == len({queue_id for queue_id, _, _ in taken})
            for queue_id, due, tag in taken:
                assert model.rows.pop(queue_id) == (due, tag, True)
            here = {tag: sum(each == tag for _, _, each in taken) for tag in (4, 8)}
            assert here[4] <= room
            assert len(taken) == limit or (here[4] == min(room, len(there[4])) and here[8] == len(there[8]))
        check(parking, model)


def test_a_crowd_that_has_to_wait_keeps_nobody_else() -> None:
    parking = Parking()
    for low in range(1, 101):
        parking.add(QueueId(low), 1.0, 4)
    parking.add(QueueId(101), 1.5, 8)
    assert parking.open(2.0, 1000)
    assert parking.take(lambda tag: 0 if tag == 4 else 10, 10) == [(101, 1.5, 8)]
    assert [queue_id for queue_id, _, _ in parking.take(lambda _: 2, 10)] == [1, 2]
    assert not parking.takes(QueueId(1 << 64))


def test_the_first_of_a_second_is_looked_for_again_when_it_has_left() -> None:
    parking = Parking()
    for low, due in ((1, 5.0), (2, 5.0), (3, 5.5), (4, 9.0)):
        parking.add(QueueId(low), due, 4)
    assert parking.remove(QueueId(1)) == 5.0
    assert parking.next_due() == 5.0
    assert parking.remove(QueueId(2)) == 5.0
    assert parking.next_due() == 5.5
    parking.remove(QueueId(3))
    assert parking.next_due() == 9.0
    parking.remove(QueueId(4))
    assert parking.next_due() is None


def test_who_is_in_the_crowd_already_may_be_brought_forward_within_its_second() -> None:
    parking = Parking()
    parking.add(QueueId(1), 5.5, 4)
    parking.add(QueueId(2), 5.75, 4)
    assert parking.remove(QueueId(2)) == 5.75
    assert parking.next_due() == 5.5
    assert parking.open(5.0, 10)
    assert parking.promote(QueueId(1), 5.25)
    assert parking.take(lambda _: 1, 1) == [(1, 5.25, 4)]


def test_a_long_second_is_opened_in_pieces() -> None:
    parking = Parking()
    for low in (1, 2, 3):
        parking.add(QueueId(low), 5.0, 4)
    assert not parking.open(5.0, 2)
    assert (parking.overdue, parking.next_due()) == (2, 5.0)
    assert parking.open(5.0, 2)
    assert (parking.overdue, parking.next_due()) == (3, None)


def test_tags_are_brought_forward_in_the_crowd_too_and_no_more_is_taken_than_asked_for() -> None:
    parking = Parking()
    for low, tag in ((1, 4), (2, 8), (3, 8)):
        parking.add(QueueId(low), 5.5, tag)
    assert parking.open(5.0, 10)
    assert parking.promote_tag(8, 5.25) == 2
    assert parking.take(lambda _: 5, 1) == [(1, 5.5, 4)]
    assert parking.remove(QueueId(2)) == 5.25
    assert parking.take(lambda _: 1, 5) == [(3, 5.25, 8)]
    assert parking.take(lambda _: 1, 5) == []
