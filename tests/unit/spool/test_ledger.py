from __future__ import annotations

import pytest

from asyncmta.mail.envelope import QueueId
from asyncmta.mail.outcome import Outcome
from asyncmta.spool.ledger import Entry, IllegalTransition, Ledger
from asyncmta.spool.records import (
    DELIVERED,
    FAILED,
    PENDING,
    REPORTED,
    Held,
    Record,
    Released,
    Removed,
    Reported,
    Retired,
    Warned,
)
from tests.unit.spool.spoolkit import LATER, NEVER, OK, accepted, attempted

FIVE = QueueId(5)


def ledger_of(*records: Record, recipients: int = 3) -> Ledger:
    ledger = Ledger()
    ledger.apply(accepted(5, recipients=recipients), 7, 128)
    for record in records:
        ledger.apply(record)
    return ledger


def entry_after(*records: Record, recipients: int = 3) -> Entry:
    entry = ledger_of(*records, recipients=recipients).get(FIVE)
    assert entry is not None
    return entry


def test_accepted_is_open_with_all_recipients_pending_and_knows_its_place() -> None:
    entry = entry_after()
    assert entry.pending() == (0, 1, 2)
    assert (entry.segment, entry.offset, entry.accepted_at, entry.attempts) == (7, 128, 1000.5, 0)
    assert not entry.is_closed
    assert not entry.held
    assert not entry.warned
    assert entry_after(recipients=1).pending() == (0,)


def test_an_attempt_settles_some_and_keeps_what_was_said_to_the_others() -> None:
    entry = entry_after(attempted(5, {0: OK, 1: LATER, 2: NEVER}, at=2000.0))
    assert entry.pending() == (1,)
    assert entry.failed() == {2: NEVER}
    assert entry.last == {1: (2000.0, LATER)}
    assert entry.attempts == 1
    assert [entry.state_of(at) for at in range(3)] == [DELIVERED, PENDING, FAILED]


def test_a_later_success_forgets_the_deferral() -> None:
    entry = entry_after(attempted(5, {1: LATER}), attempted(5, {1: OK}))
    assert entry.last == {}
    assert entry.attempts == 2


def test_a_message_is_closed_when_each_is_delivered_or_reported() -> None:
    first = attempted(5, {0: OK, 1: NEVER, 2: NEVER})
    assert not entry_after(first).is_closed
    assert not entry_after(first, Reported(FIVE, 1.0, (1,), QueueId(9))).is_closed
    entry = entry_after(first, Reported(FIVE, 1.0, (1, 2), None))
    assert entry.is_closed
    assert entry.failed() == {}
    assert [entry.state_of(at) for at in range(3)] == [DELIVERED, REPORTED, REPORTED]


def test_failed_is_a_copy() -> None:
    entry = entry_after(attempted(5, {0: NEVER}))
    entry.failed().clear()
    assert entry.failed() == {0: NEVER}


def test_held_released_and_warned() -> None:
    assert entry_after(Held(FIVE, 1.0), Held(FIVE, 2.0)).held
    assert not entry_after(Held(FIVE, 1.0), Released(FIVE, 2.0)).held
    assert entry_after(Warned(FIVE, 1.0, (0,), None)).warned


def test_retired_is_forgotten_and_given_back_for_the_last_time() -> None:
    ledger = ledger_of(attempted(5, {0: OK}), recipients=1)
    entry = ledger.get(FIVE)
    assert ledger.apply(Retired(FIVE)) is entry
    assert ledger.get(FIVE) is None
    assert len(ledger) == 0
    assert list(ledger) == []


def test_removed_is_closed_whatever_was_pending_and_takes_nothing_more() -> None:
    ledger = ledger_of(Removed(FIVE, 1.0, "root"))
    entry = ledger.get(FIVE)
    assert entry is not None
    assert entry.is_closed
    assert ledger.apply(attempted(5, {0: OK})) is None
    assert ledger.skipped == 1
    assert entry.pending() == (0, 1, 2)
    assert ledger.apply(Retired(FIVE)) is entry


@pytest.mark.parametrize("record", [attempted(6), Retired(QueueId(6)), Held(QueueId(6), 1.0)])
def test_a_record_about_an_unknown_message_is_skipped_and_counted(record: Record) -> None:
    ledger = ledger_of()
    assert ledger.apply(record) is None
    assert ledger.skipped == 1
    assert len(ledger) == 1


DONE: dict[int, Outcome] = {0: OK, 1: OK, 2: OK}


@pytest.mark.parametrize(
    ("before", "record"),
    [
        ([], accepted(5)),
        ([], attempted(5, {3: OK})),
        ([], attempted(5, {-1: OK})),
        ([attempted(5, {0: OK})], attempted(5, {1: OK, 0: OK})),
        ([attempted(5, {0: NEVER})], attempted(5, {1: OK, 0: LATER})),
        ([], Reported(FIVE, 1.0, (0,), None)),
        ([attempted(5, {0: NEVER, 1: OK})], Reported(FIVE, 1.0, (0, 1), None)),
        ([attempted(5, {0: NEVER}), Reported(FIVE, 1.0, (0,), None)], Reported(FIVE, 1.0, (0,), None)),
        ([], Retired(FIVE)),
        ([attempted(5, DONE)], Held(FIVE, 1.0)),
        ([attempted(5, DONE)], Released(FIVE, 1.0)),
        ([attempted(5, DONE)], Warned(FIVE, 1.0, (0,), None)),
        ([attempted(5, DONE)], Removed(FIVE, 1.0, "root")),
        ([attempted(5, DONE)], attempted(5, {0: OK})),
    ],
)
def test_what_is_not_in_the_table_is_illegal_and_changes_nothing(before: list[Record], record: Record) -> None:
    ledger = ledger_of(*before)
    entry = ledger.get(FIVE)
    assert entry is not None
    state = entry.carried()
    with pytest.raises(IllegalTransition) as caught:
        ledger.apply(record)
    assert caught.value.queue_id == FIVE
    assert entry.carried() == state
    assert ledger.get(FIVE) is entry


def test_carried_restores_the_whole_state_elsewhere() -> None:
    records = (
        attempted(5, {0: OK, 1: NEVER, 2: LATER}),
        attempted(5, {2: LATER}, at=3000.0),
        Reported(FIVE, 1.0, (1,), None),
        Held(FIVE, 1.0),
        Warned(FIVE, 1.0, (2,), None),
    )
    state = entry_after(*records, recipients=4).carried()
    elsewhere = Ledger()
    entry = elsewhere.apply(state, 9, 4096)
    assert entry is not None
    assert entry.carried() == state
    assert (entry.segment, entry.offset) == (9, 4096)
    assert entry.pending() == (2, 3)
    assert [entry.state_of(at) for at in range(4)] == [DELIVERED, REPORTED, PENDING, PENDING]


def test_carried_replaces_what_was_known() -> None:
    ledger = ledger_of(attempted(5, {0: NEVER}))
    entry = ledger.get(FIVE)
    assert entry is not None
    moved = ledger.apply(entry.carried(), 9, 128)
    assert moved is not None
    assert ledger.get(FIVE) is moved
    assert len(ledger) == 1
    assert moved.failed() == {0: NEVER}


def test_carried_with_states_that_do_not_fit_is_illegal() -> None:
    state = entry_after(attempted(5, {0: NEVER})).carried()
    ledger = Ledger()
    for states in (b"", bytes(4), bytes(3)):
        broken = type(state)(**{**{name: getattr(state, name) for name in state.__struct_fields__}, "states": states})
        with pytest.raises(IllegalTransition):
            ledger.apply(broken)
    assert len(ledger) == 0


def test_a_message_can_be_taken_out_without_a_record() -> None:
    ledger = ledger_of()
    assert ledger.discard(FIVE) is not None
    assert ledger.discard(FIVE) is None
    assert len(ledger) == 0


def test_entries_come_in_the_order_in_which_they_were_accepted() -> None:
    ledger = Ledger()
    for number in (9, 3, 6):
        ledger.apply(accepted(number))
    assert [entry.queue_id for entry in ledger] == [9, 3, 6]
