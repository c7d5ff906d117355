"""The agenda in the situations for which it is built: long lists, dead destinations, lanes, an operator's commands."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import count

import pytest

from asyncmta.mail.envelope import QueueId
from asyncmta.scheduling.agenda import MOST_KEPT, MOVES, Agenda
from asyncmta.scheduling.task import IN_HAND, PARKED, READY, WAITING, Counts, Lane, Task

NOW = 10_000.0
EVERYBODY = 1_000_000


def task(
    queue_id: int,
    people: int = 1,
    *,
    name: str = "mx:example.org",
    lane: Lane = Lane.FRESH,
    due: float = NOW,
    first: int = 0,
) -> Task:
    return Task(QueueId(queue_id), name, tuple(range(first, first + people)), lane, due)


def ids(tasks: list[Task]) -> list[int]:
    return [each.queue_id for each in tasks]


def calls(function: Callable[[], object]) -> int:
    """How many functions, built in or ours, this one calls: its cost, without a look at a clock."""
    number = count()

    def profile(*_: object) -> None:
        next(number)

    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(None)
    return next(number)


# -- one message and all the others -----------------------------------------------------------------------------------


def test_a_single_message_overtakes_a_long_list_within_one_quantum() -> None:
    agenda = Agenda(share=EVERYBODY, quantum=30)
    agenda.add(task(1, 10_000))
    first = agenda.take(NOW, 30)
    assert [len(each.ordinals) for each in first] == [30]
    agenda.add(task(2, due=NOW + 1))
    assert [(each.queue_id, len(each.ordinals)) for each in agenda.take(NOW + 1, 31)] == [(1, 30), (2, 1)]


def test_a_single_message_overtakes_a_long_list_within_its_destination() -> None:
    """Both wait for the same destination, which has its share in hand: they are parked in order of their turns."""
    agenda = Agenda(share=60, quantum=30)
    agenda.add(task(1, 10_000))
    (long,) = agenda.take(NOW, EVERYBODY)
    assert len(long.ordinals) == 60
    agenda.add(task(2, due=NOW + 1))
    assert agenda.take(NOW + 1, EVERYBODY) == []
    agenda.release(long)
    taken = agenda.take(NOW + 2, EVERYBODY)
    assert [(each.queue_id, len(each.ordinals)) for each in taken] == [(1, 59), (2, 1)]
    agenda.add(task(3, due=NOW + 3))
    agenda.release(taken[0])
    assert 3 in ids(agenda.take(NOW + 3, EVERYBODY))


def test_a_long_list_over_many_destinations_is_cut_into_quanta_too() -> None:
    agenda = Agenda(share=EVERYBODY, quantum=30)
    for domain in range(1_000):
        agenda.add(task(1, 10, name=f"mx:{domain}.example", first=10 * domain))
    agenda.add(task(2))
    taken = agenda.take(NOW, 60)
    assert sum(len(each.ordinals) for each in taken if each.queue_id == 1) == 59
    assert 2 in ids(taken)


def test_long_lists_take_turns() -> None:
    agenda = Agenda(share=EVERYBODY, quantum=30)
    for queue_id in (1, 2, 3):
        agenda.add(task(queue_id, 100))
    taken = agenda.take(NOW, 180)
    assert {each.queue_id: len(each.ordinals) for each in taken} == {1: 60, 2: 60, 3: 60}
    taken = agenda.take(NOW, EVERYBODY)
    assert {each.queue_id: len(each.ordinals) for each in taken} == {1: 40, 2: 40, 3: 40}


def test_with_room_a_message_to_many_destinations_is_handed_out_in_one_piece() -> None:
    agenda = Agenda(share=2_000, quantum=30)
    agenda.add(task(2))
    for domain in range(100):
        agenda.add(task(1, 10, name=f"mx:{domain}.example", first=10 * domain))
    agenda.add(task(3))
    taken = agenda.take(NOW, 2_000)
    assert len(taken) == 102
    assert sorted(ids(taken)[1:101]) == [1] * 100, "side by side"
    assert {ordinal for each in taken if each.queue_id == 1 for ordinal in each.ordinals} == set(range(1_000))


def test_quanta_of_one_take_for_one_destination_are_one_task_again() -> None:
    agenda = Agenda(share=EVERYBODY, quantum=30)
    agenda.add(task(1, 100))
    agenda.add(task(2, 100))
    taken = agenda.take(NOW, EVERYBODY)
    assert [each.ordinals for each in taken] == [tuple(range(100)), tuple(range(100))]
    for each in taken:
        agenda.release(each)
    assert QueueId(1) not in agenda
    assert agenda.counts("mx:example.org") == Counts(0, 0, 0, 0)


# -- lanes ------------------------------------------------------------------------------------------------------------


def test_fresh_goes_before_bounce_and_bounce_before_retry() -> None:
    agenda = Agenda()
    for queue_id, lane in ((1, Lane.RETRY), (2, Lane.BOUNCE), (3, Lane.FRESH)):
        agenda.add(task(queue_id, lane=lane))
    assert ids(agenda.take(NOW, 3)) == [3, 2, 1]


def test_fresh_mail_that_never_ends_cannot_starve_a_retry() -> None:
    agenda = Agenda(head_starts=(120.0, 60.0, 0.0))
    agenda.add(task(1, lane=Lane.RETRY))
    for second in range(1_000):
        agenda.add(task(second + 2, due=NOW + second))
        agenda.add(task(second + 2_000, due=NOW + second))
        (taken,) = agenda.take(NOW + second, 1)
        if taken.queue_id == 1:
            break
        agenda.release(taken)
    assert taken.queue_id == 1
    assert second <= 241, "two come each second, so it waits for those of 120 seconds"


def test_a_lane_has_no_say_before_a_task_is_due() -> None:
    agenda = Agenda()
    agenda.add(task(1, due=NOW + 1))
    assert agenda.take(NOW, 10) == []
    assert agenda.next_due() == NOW + 1
    assert ids(agenda.take(NOW + 1, 10)) == [1]
    assert agenda.next_due() is None


# -- a destination that is slow or dead -------------------------------------------------------------------------------


def black_hole(size: int) -> tuple[Agenda, list[Task]]:
    """`size` messages that are due for one destination, which has its share in hand and answers nothing."""
    agenda = Agenda(share=100, quantum=30)
    for queue_id in range(size):
        agenda.add(task(queue_id, name="mx:hole.example", lane=Lane.RETRY, due=NOW - 1_000))
    taken = agenda.take(NOW, EVERYBODY)
    while len(taken) < 100 or agenda.next_due() is not None:
        taken += agenda.take(NOW, EVERYBODY)
    return agenda, taken


def test_a_black_hole_holds_its_share_and_delays_nobody() -> None:
    agenda, taken = black_hole(100_000)
    assert len(taken) == 100
    assert agenda.counts("mx:hole.example") == Counts(100, 0, 99_900, 0)
    assert agenda.overdue == 99_900
    assert not agenda.has_ready
    agenda.add(task(100_001))
    assert ids(agenda.take(NOW, 1)) == [100_001]
    assert agenda.begin(task(100_002))


def test_what_a_black_hole_holds_back_costs_nothing_when_others_are_taken() -> None:
    costs = []
    for size in (1_000, 20_000):
        agenda, _ = black_hole(size)
        agenda.add(task(100_001))
        costs.append(calls(lambda agenda=agenda: agenda.take(NOW, 10)))  # type: ignore[misc]
    assert costs[0] == costs[1]


def test_held_tasks_come_back_as_attempts_end_a_quantum_at_a_time() -> None:
    agenda, taken = black_hole(1_000)
    for ended in taken[:29]:
        agenda.release(ended)
    assert agenda.take(NOW, EVERYBODY) == []
    agenda.release(taken[29])
    assert ids(agenda.take(NOW, EVERYBODY)) == list(range(100, 130))
    assert agenda.counts("mx:hole.example") == Counts(100, 0, 870, 0)


def test_a_held_destination_goes_on_when_what_was_let_in_is_removed() -> None:
    agenda = Agenda(share=1, quantum=30)
    for queue_id in (1, 2, 3):
        agenda.add(task(queue_id))
    (first,) = agenda.take(NOW, 1)
    agenda.release(first)
    assert [each.place for each in agenda.tasks(QueueId(2))] == [READY]
    assert [each.place for each in agenda.tasks(QueueId(3))] == [PARKED]
    agenda.remove(QueueId(2))
    assert ids(agenda.take(NOW, 1)) == [3]


def test_a_removed_message_does_not_come_back_through_its_held_destination() -> None:
    agenda = Agenda(share=1, quantum=30)
    agenda.add(task(1, 1))
    agenda.add(task(1, 1, first=1))
    assert len(agenda.take(NOW, 0)) == 0
    agenda.add(task(2))
    assert agenda.take(NOW, 0) == []
    assert len(agenda.remove(QueueId(1))) == 2
    assert QueueId(1) not in agenda
    assert ids(agenda.take(NOW, 9)) == [2]


def test_many_that_fall_due_at_once_are_made_ready_in_bounded_steps() -> None:
    agenda = Agenda(share=EVERYBODY)
    for queue_id in range(3 * MOVES):
        agenda.add(task(queue_id, name=f"mx:{queue_id % 7}.example"))
    assert agenda.take(NOW, 0) == []
    assert agenda.overdue == MOVES
    due = agenda.next_due()
    assert due is not None
    assert due <= NOW, "there is more to do"
    taken = [each for _ in range(3) for each in agenda.take(NOW, EVERYBODY)]
    assert sorted(ids(taken)) == list(range(3 * MOVES))


# -- the way of most messages -----------------------------------------------------------------------------------------


def test_a_message_begins_at_once_where_nothing_goes_before_it() -> None:
    agenda = Agenda()
    only = task(1)
    assert agenda.begin(only)
    assert only.place == IN_HAND
    assert agenda.tasks(QueueId(1)) == ()
    assert agenda.counts("mx:example.org").in_hand == 1
    agenda.release(only)
    assert list(agenda.destinations()) == []


def test_of_few_destinations_the_objects_are_used_again_and_of_many_forgotten() -> None:
    agenda = Agenda()
    for number in range(2 * MOST_KEPT):
        each = task(number, name=f"mx:d{number}.example")
        agenda.begin(each)
        agenda.release(each)
    assert len(agenda._destinations) == MOST_KEPT
    assert list(agenda.destinations()) == []
    assert agenda.next_due() is None


def test_it_does_not_begin_before_what_is_ready_and_older() -> None:
    agenda = Agenda()
    agenda.add(task(1, name="mx:other.example"))
    agenda.take(NOW, 0)
    assert not agenda.begin(task(2))
    assert agenda.begin(task(3, due=NOW - 1)), "what is ready goes behind this one"


def test_it_does_not_begin_before_what_is_ready_for_the_same_destination() -> None:
    agenda = Agenda()
    agenda.add(task(1, lane=Lane.RETRY))
    agenda.take(NOW, 0)
    assert not agenda.begin(task(2))
    assert agenda.begin(task(3, name="mx:other.example"))


def test_it_does_not_begin_beyond_the_share() -> None:
    agenda = Agenda(share=2)
    assert not agenda.begin(task(1, 3))
    assert agenda.begin(task(2, 2))
    assert not agenda.begin(task(3))


def test_it_does_not_begin_where_others_are_held() -> None:
    agenda = Agenda(share=60, quantum=30)
    agenda.add(task(1, 60))
    agenda.add(task(2, 60))
    for taken in agenda.take(NOW, 59):
        agenda.release(taken)
    agenda, held = black_hole(101)
    agenda.release(held[0])
    assert not agenda.begin(task(200, name="mx:hole.example"))


def test_a_message_that_is_known_does_not_begin_again() -> None:
    agenda = Agenda()
    assert agenda.begin(task(1))
    assert not agenda.begin(task(1, first=1))


# -- marks ------------------------------------------------------------------------------------------------------------


def test_nobody_is_on_the_agenda_twice() -> None:
    agenda = Agenda()
    agenda.add(task(1, 3))
    with pytest.raises(ValueError, match="already"):
        agenda.add(task(1, 1, first=2, name="mx:other.example"))
    agenda.add(task(1, 1, first=3, name="mx:other.example"))
    with pytest.raises(ValueError, match="already"):
        agenda.add(task(1, 1, first=3))


def test_nobody_is_put_on_the_agenda_while_in_hand() -> None:
    agenda = Agenda()
    agenda.add(task(1))
    (taken,) = agenda.take(NOW, 1)
    with pytest.raises(ValueError, match="already"):
        agenda.add(task(1))
    with pytest.raises(ValueError, match="on the agenda"):
        agenda.add(taken)
    agenda.release(taken)
    with pytest.raises(ValueError, match="was on the agenda"):
        agenda.add(taken)
    agenda.add(task(1))
    assert ids(agenda.take(NOW, 1)) == [1]


def test_others_of_a_message_go_on_while_some_are_in_hand() -> None:
    agenda = Agenda()
    slow = task(1)
    assert agenda.begin(slow)
    agenda.add(task(1, first=1, name="mx:other.example"))
    (other,) = agenda.take(NOW, 9)
    agenda.release(slow)
    assert QueueId(1) in agenda
    agenda.release(other)
    assert QueueId(1) not in agenda


def test_a_task_without_recipients_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody"):
        Agenda().add(task(1, 0))


def test_only_what_is_in_hand_is_released_and_only_once() -> None:
    agenda = Agenda()
    agenda.add(task(1))
    (taken,) = agenda.take(NOW, 1)
    agenda.release(taken)
    with pytest.raises(ValueError, match="in hand"):
        agenda.release(taken)


# -- the operator -----------------------------------------------------------------------------------------------------


def test_a_promoted_message_is_due_now() -> None:
    agenda = Agenda()
    agenda.add(task(1, lane=Lane.RETRY, due=NOW + 500))
    agenda.add(task(2, lane=Lane.RETRY, due=NOW + 400))
    assert agenda.promote(QueueId(1), NOW) == 1
    assert ids(agenda.take(NOW, 9)) == [1]
    assert agenda.next_due() == NOW + 400
    assert agenda.promote(QueueId(1), NOW) == 0
    assert agenda.promote(QueueId(3), NOW) == 0


def test_a_promoted_destination_is_due_now_and_no_other() -> None:
    agenda = Agenda()
    for queue_id in range(10):
        agenda.add(task(queue_id, name=f"mx:{queue_id % 2}.example", due=NOW + 10 + queue_id))
    agenda.remove(QueueId(4))
    assert agenda.promote_destination("mx:0.example", NOW) == 4
    assert agenda.promote_destination("mx:0.example", NOW) == 0
    assert agenda.promote_destination("mx:nowhere.example", NOW) == 0
    assert ids(agenda.take(NOW, 99)) == [0, 2, 6, 8]
    assert agenda.next_due() == NOW + 11


def test_removal_takes_off_what_waits_what_is_ready_and_what_is_held() -> None:
    agenda = Agenda(share=2)
    agenda.add(task(1, 2, name="mx:held.example"))
    taken = agenda.take(NOW, 9)
    agenda.add(task(1, 1, first=2, name="mx:held.example"))
    agenda.add(task(1, 1, first=3, name="mx:ready.example"))
    agenda.take(NOW, 0)
    agenda.add(task(1, 1, first=4, name="mx:waiting.example", due=NOW + 1))
    assert [each.place for each in agenda.tasks(QueueId(1))] == [PARKED, READY, WAITING]
    assert sorted(ordinal for each in agenda.remove(QueueId(1)) for ordinal in each.ordinals) == [2, 3, 4]
    assert agenda.remove(QueueId(1)) == []
    assert QueueId(1) in agenda, "two are in hand"
    agenda.release(taken[0])
    assert QueueId(1) not in agenda
    assert agenda.take(NOW + 9, 9) == []
    assert agenda.overdue == 0


def test_what_operators_remove_and_promote_leaves_no_trace() -> None:
    """Heaps keep entries of what has gone for a while; they must not grow by it."""
    agenda = Agenda()
    for queue_id in range(500):
        agenda.add(task(queue_id, due=NOW + 9_999 - queue_id))
        agenda.remove(QueueId(queue_id))
    for queue_id in range(500):
        agenda.add(task(queue_id, due=NOW + 9_999, name="mx:promoted.example"))
        agenda.promote(QueueId(queue_id), NOW)
        agenda.release(agenda.take(NOW, 1)[0])
    assert list(agenda.destinations()) == []
    assert agenda.next_due() is None
    agenda.add(task(1, due=NOW + 50))
    for round_ in range(500):
        agenda.add(task(2, due=NOW + 49 - round_ / 100))
        agenda.remove(QueueId(2))
    assert agenda.next_due() == NOW + 50
    assert len(agenda._wakes) < 100


@pytest.mark.parametrize("wrong", [{"share": 0}, {"quantum": 0}])
def test_impossible_limits_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Agenda(**wrong)
