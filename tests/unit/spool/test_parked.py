"""Rows where what happens to them is rare: refusals, ends, and what has to be whole."""

from __future__ import annotations

import pytest

from asyncmta.mail.envelope import QueueId
from asyncmta.mail.outcome import Cause, Deferred, Scope
from asyncmta.mail.reply import reply
from asyncmta.spool.ledger import Entry, IllegalTransition, Ledger
from asyncmta.spool.parked import Parked
from asyncmta.spool.records import Attempted, Held, Record, Released, Removed, Reported, Retired, Warned
from tests.unit.spool.spoolkit import LATER, NEVER, OK, OWED, accepted, attempted

ONE = QueueId(1)
UNREACHED = Deferred(Cause.CONNECT, reply(451, "4.4.1", "no connection"), Scope.SITE)


def parked(recipients: int = 1, *records: Record) -> Ledger:
    ledger = Ledger()
    ledger.apply(accepted(1, recipients=recipients), 1, 128)
    for number, record in enumerate(records):
        ledger.apply(record, 2, 128 + 8 * number)
    assert ledger.park(ONE, 7)
    return ledger


def row(ledger: Ledger) -> Parked:
    found = ledger.parked(ONE)
    assert found is not None
    return found


def test_a_row_is_held_released_and_warned_of() -> None:
    ledger = parked(1, attempted(1, {0: LATER}))
    ledger.apply(Held(ONE, 3.0))
    assert row(ledger).held
    ledger.apply(Released(ONE, 3.0))
    ledger.apply(Warned(ONE, 3.0, (0,), None))
    assert (row(ledger).held, row(ledger).flags, row(ledger).mark) == (False, 2, 7)


def test_a_row_fails_is_reported_and_retired() -> None:
    ledger = parked()
    ledger.apply(attempted(1, {0: NEVER}), 3, 8)
    assert (row(ledger).failed, row(ledger).is_closed) == (1, False)
    with pytest.raises(IllegalTransition, match="while it is open"):
        ledger.apply(Retired(ONE))
    for ordinals in ((1,), (99,)):
        with pytest.raises(IllegalTransition, match="has not failed"):
            ledger.apply(Reported(ONE, 3.0, ordinals, None))
    ledger.apply(Reported(ONE, 3.0, (0,), None))
    for late in (Held(ONE, 3.0), Removed(ONE, 3.0, "root")):
        with pytest.raises(IllegalTransition, match="after it was closed"):
            ledger.apply(late)
    assert ledger.all_parked.closed() == [ONE]
    ledger.apply(Retired(ONE))
    assert len(ledger) == 0


def test_a_removed_row_hears_nothing_but_its_end() -> None:
    ledger = parked(1, attempted(1, {0: LATER}))
    ledger.apply(Removed(ONE, 3.0, "root"))
    assert ledger.all_parked.closed() == [ONE]
    assert ledger.apply(attempted(1, {0: OK})) is None
    assert ledger.skipped == 1
    assert ledger.apply(Retired(ONE)) is not None


@pytest.mark.parametrize("ordinal", [-1, 1, 99])
def test_an_attempt_at_who_is_not_pending_is_refused(ordinal: int) -> None:
    ledger = parked()
    with pytest.raises(IllegalTransition, match="not pending"):
        ledger.apply(Attempted(ONE, 3.0, {ordinal: OK}))


def test_replies_of_two_records_need_it_whole() -> None:
    ledger = parked(2, attempted(1, {0: LATER, 1: LATER}))
    thawed: list[Parked] = []

    def thaw(found: Parked) -> Entry:
        thawed.append(found)
        entry = Entry.of(accepted(1, recipients=2), 1, 128)
        entry.resume(attempted(1, {0: LATER, 1: LATER}), found)
        return entry

    ledger.thaw = thaw
    ledger.apply(attempted(1, {0: LATER}, at=9.0), 4, 8)
    assert len(thawed) == 1
    entry = ledger.get(ONE)
    assert entry is not None
    assert (entry.tried, {at: when for at, (when, _) in entry.last.items()}) == (None, {0: 9.0, 1: 2000.0})
    assert not ledger.park(ONE, 7), "a row has room for one place"
    ledger.apply(attempted(1, {0: LATER, 1: LATER}, at=11.0), 5, 8)
    assert ledger.park(ONE, 7)


def test_what_no_row_can_hold_stays_whole() -> None:
    ledger = Ledger()
    ledger.apply(accepted(1, recipients=17), 1, 128)
    assert not ledger.park(ONE, 0)
    ledger.apply(accepted(2), 1 << 32, 128)
    assert not ledger.park(QueueId(2), 0)
    ledger.apply(accepted(3), 1, 128)
    ledger.apply(accepted(3 | 1 << 64), 1, 256)
    assert ledger.park(QueueId(3), 0)
    assert not ledger.park(QueueId(3 | 1 << 64), 0)
    with pytest.raises(IllegalTransition, match="twice"):
        ledger.apply(accepted(3), 1, 300)


def test_records_that_are_not_its_own_are_refused() -> None:
    ledger = parked(1, attempted(1, {0: NEVER}))
    with pytest.raises(IllegalTransition, match="not those"):
        Entry.of(accepted(1), 1, 128).resume(attempted(1, {0: LATER}), row(ledger))


def test_a_carried_row_takes_its_place_along() -> None:
    ledger = parked(1, attempted(1, {0: LATER}))
    entry = Entry.of(accepted(1), 1, 128)
    entry.resume(attempted(1, {0: LATER}), row(ledger))
    moved = entry.carried()
    ledger.apply(moved, 9, 128)
    found = row(ledger)
    assert (found.segment, found.tried_segment, found.tried_offset, found.mark) == (9, 9, 128, 7)
    again = Entry.of(moved, 9, 128)
    again.resume(moved, found)
    assert again.carried() == moved


def test_a_delivery_leaves_the_replies_of_the_others() -> None:
    ledger = parked(2, attempted(1, {0: LATER, 1: LATER}))
    ledger.apply(attempted(1, {0: OK}), 3, 8)
    found = row(ledger)
    assert (found.pending, found.tried_segment, found.attempts, found.large) == (2, 2, 2, False)
    whole = Ledger()
    whole.apply(accepted(1, recipients=2), 1, 128)
    whole.apply(attempted(1, {0: LATER, 1: LATER}), 2, 128)
    whole.apply(attempted(1, {0: OK}), 3, 8)
    entry = whole.get(ONE)
    assert entry is not None
    assert entry.parked(7) == found


def test_a_row_tells_whether_anybody_was_reached() -> None:
    ledger = parked(1, attempted(1, {0: UNREACHED}))
    assert row(ledger).unreached
    ledger.apply(attempted(1, {0: LATER}), 3, 8)
    assert not row(ledger).unreached
    ledger.apply(attempted(1, {0: UNREACHED}), 4, 8)
    assert row(ledger).unreached
    entry = Entry.of(accepted(1), 1, 128)
    entry.resume(attempted(1, {0: UNREACHED}), row(ledger))
    assert entry.parked(7) == row(ledger)


def test_a_row_may_tell_it_of_one_who_is_not_pending_any_more() -> None:
    outcomes = {0: UNREACHED, 1: LATER}
    ledger = parked(2, attempted(1, outcomes))
    ledger.apply(attempted(1, {0: OK}), 3, 8)
    assert row(ledger).unreached
    entry = Entry.of(accepted(1, recipients=2), 1, 128)
    entry.resume(attempted(1, outcomes), row(ledger))
    assert entry.agrees(row(ledger))


def test_a_failure_is_read_back() -> None:
    ledger = parked(3, attempted(1, {0: NEVER, 1: LATER, 2: OK}))
    entry = Entry.of(accepted(1, recipients=3), 1, 128)
    entry.resume(attempted(1, {0: NEVER, 1: LATER, 2: OK}), row(ledger))
    assert (entry.failed(), entry.pending()) == ({0: NEVER}, (1,))
    assert ONE in ledger.all_parked
    assert list(ledger.all_parked.ascending()) == [ONE]
    ledger.unpark(entry)
    ledger.unpark(entry)  # by somebody who was slower
    assert ledger.get(ONE) is entry


def test_a_row_that_moves_out_of_what_a_row_can_say_is_whole_again() -> None:
    ledger = parked(1, attempted(1, {0: LATER}))
    entry = Entry.of(accepted(1), 1, 128)
    entry.resume(attempted(1, {0: LATER}), row(ledger))
    ledger.apply(entry.carried(), 1 << 32, 128)
    assert ledger.parked(ONE) is None
    assert ledger.get(ONE) is not None


def test_nothing_is_put_back_that_is_not_there() -> None:
    assert Ledger().put_back(ONE, (1, 128), (0, 0)) is None
    ledger = parked(1, attempted(1, {0: LATER}))
    before = row(ledger)
    assert ledger.put_back(ONE, (1, 8), (9, 9)) == (1, 128)
    after = row(ledger)
    assert (after.segment, after.offset) == (1, 8)
    assert (after.tried_segment, after.tried_offset) == (before.tried_segment, before.tried_offset)


def test_who_is_owed_a_report_is_whole_until_he_has_it() -> None:
    ledger = parked(2)
    ledger.thaw = lambda _: Entry.of(accepted(1, recipients=2), 1, 128)
    ledger.apply(attempted(1, {0: OWED, 1: OK}), 3, 8)
    entry = ledger.get(ONE)
    assert entry is not None
    assert (entry.owed(), entry.is_closed, ledger.park(ONE, 7)) == ({0: (2000.0, OWED)}, False, False)
    with pytest.raises(IllegalTransition, match="while it is open"):
        ledger.apply(Retired(ONE))
    with pytest.raises(IllegalTransition, match="not owed"):
        ledger.apply(Reported(ONE, 3.0, (0, 1), None))
    ledger.apply(Reported(ONE, 3.0, (0,), QueueId(5)))
    assert (entry.owed(), entry.is_closed, entry.carried().states) == ({}, True, b"\1\1")
    with pytest.raises(IllegalTransition, match="not owed"):
        ledger.apply(Reported(ONE, 3.0, (0,), QueueId(6)))
