"""How old the oldest message is, as a number that is kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asyncmta.mail.envelope import QueueId
from asyncmta.spool.ages import STRETCH, Ages
from asyncmta.spool.ledger import Ledger
from asyncmta.spool.records import Attempted, Removed, Retired
from tests.unit.spool.spoolkit import LATER, OK, accepted, attempted

times = st.floats(1e9, 1e9 + 100)


def test_nobody_is_old() -> None:
    assert Ages().oldest() is None


@given(st.lists(times, min_size=1), st.data())
def test_the_oldest_is_known_to_within_a_stretch(accepted_at: list[float], data: st.DataObject) -> None:
    ages = Ages()
    for each in accepted_at:
        ages.enter(each)
    staying = data.draw(st.permutations(accepted_at))
    leaving = [staying.pop() for _ in range(data.draw(st.integers(0, len(staying))))]
    for each in leaving:
        ages.leave(each)
    oldest = ages.oldest()
    if not staying:
        assert oldest is None
    else:
        assert oldest is not None
        assert 0 <= min(staying) - oldest < STRETCH


def test_who_leaves_twice_is_not_missed() -> None:
    ages = Ages()
    ages.leave(5.0)
    assert ages.oldest() is None


def test_a_ledger_keeps_it_through_all_that_happens() -> None:
    """Retired, parked and retired, set aside, removed by an operator, carried: each leaves once."""
    ledger = Ledger()
    for number in (1, 2, 3, 4):
        ledger.apply(accepted(number))
    entered = ledger.ages.oldest()
    assert entered is not None
    ledger.apply(attempted(1, {0: OK}))
    ledger.apply(Retired(QueueId(1)))
    assert ledger.ages.oldest() == entered
    ledger.apply(attempted(2, {0: LATER}), 1, 1)
    assert ledger.park(QueueId(2), 0)
    ledger.apply(Attempted(QueueId(2), 2000.0, {0: OK}), 1, 1)
    ledger.apply(Retired(QueueId(2)))
    assert ledger.parked(QueueId(2)) is None
    ledger.apply(Retired(QueueId(2)))  # skipped: nobody has that name any more
    assert ledger.ages.oldest() == entered
    ledger.discard(QueueId(3))
    ledger.discard(QueueId(3))
    assert ledger.ages.oldest() == entered
    carried = ledger.get(QueueId(4))
    assert carried is not None
    ledger.apply(carried.carried(), 2, 2)
    ledger.apply(Removed(QueueId(4), 2000.0, "root"))
    assert ledger.ages.oldest() == entered
    ledger.apply(Retired(QueueId(4)))
    assert ledger.ages.oldest() is None


def test_what_is_carried_at_a_start_has_its_age() -> None:
    before, ledger = Ledger(), Ledger()
    entry = before.apply(accepted(7))
    assert entry is not None
    ledger.apply(before.get(QueueId(7)).carried(), 3, 3)  # type: ignore[union-attr]
    assert ledger.ages.oldest() == before.ages.oldest()
