"""A ledger that parks, against one that never does: the same states, the same refusals, the same after reading back."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from asyncmta.mail.envelope import QueueId
from asyncmta.spool.ledger import Entry, IllegalTransition, Ledger
from asyncmta.spool.parked import Parked
from asyncmta.spool.records import Accepted, Attempted, Carried, Record
from tests.property.test_ledger import ids, some_records


class Records:
    """A journal that has only places."""

    def __init__(self) -> None:
        self.at: dict[tuple[int, int], Record] = {}

    def entry(self, parked: Parked) -> Entry:
        record: Any = self.at[parked.segment, parked.offset]
        tried: Any = self.at.get((parked.tried_segment, parked.tried_offset))
        assert tried is None or isinstance(tried, Attempted | Carried)
        entry = Entry.of(record, parked.segment, parked.offset)
        entry.resume(tried, parked)
        return entry


def states(ledger: Ledger, records: Records) -> dict[QueueId, tuple[Carried, bool, bool]]:
    found = [*ledger, *map(records.entry, ledger.all_parked)]
    return {entry.queue_id: (entry.carried(), entry.is_closed, entry.removed) for entry in found}


@given(st.lists(some_records, max_size=30), st.lists(st.tuples(st.integers(0, 30), ids), max_size=12), st.booleans())
@settings(deadline=None, max_examples=400)
def test_parked_or_not_it_is_the_same_message(
    steps: list[Record], parking: list[tuple[int, QueueId]], at_once: bool
) -> None:
    plain, parks, records = Ledger(), Ledger(), Records()
    parks.thaw = records.entry
    if at_once:  # as a start does
        parks.park_as = lambda entry: int(entry.queue_id)
    for number, record in enumerate(steps, 1):
        place = 1, 8 * number
        outcomes = []
        for ledger in (plain, parks):
            try:
                applied = ledger.apply(record, *place)
                outcomes.append(None if applied is None else (applied.queue_id, applied.segment, applied.is_closed))
            except IllegalTransition:
                outcomes.append("refused")
        assert outcomes[0] == outcomes[1]
        records.at[place] = record
        if number % 7 == 0 and (entry := plain.get(record.queue_id)) is not None and not entry.removed:
            moved = entry.carried()  # a compaction carries it on
            records.at[2, 8 * number] = moved
            was_parked = parks.parked(record.queue_id)
            for ledger in (plain, parks):
                ledger.apply(moved, 2, 8 * number)
            if was_parked is not None and entry.parked(0) is not None:
                after = parks.parked(record.queue_id)
                assert after is not None
                assert (after.segment, after.mark) == (2, was_parked.mark)
        for when, queue_id in parking:
            if when == number and parks.park(queue_id, 3):
                assert parks.get(queue_id) is None
        assert states(plain, records) == states(parks, records)
        assert plain.skipped == parks.skipped
        assert sorted(states(plain, records), reverse=True) == list(parks.ids())
        assert len(plain) == len(parks)
    rows = list(parks.all_parked)
    assert parks.all_parked.closed() == [row.queue_id for row in rows if row.is_closed]
    found = [queue_id for some in parks.all_parked.below(2) for queue_id in some]
    assert found == [row.queue_id for row in rows if row.segment < 2]
    assert sum(parks.all_parked.by_segment().values()) == len(rows)
    for row in rows:
        parks.unpark(records.entry(row))
    assert list(parks.all_parked) == []
    assert states(plain, records) == states(parks, records)


def test_large_ones_are_known_by_their_rows() -> None:
    ledger = Ledger()
    for number, large in ((1, True), (2, False)):
        record = _accepted(number, large)
        ledger.apply(record, 1, 8)
        assert ledger.park(QueueId(number), 0)
    assert ledger.all_parked.large() == [1]
    assert not ledger.park(QueueId(3), 0)
    assert ledger.discard(QueueId(1)) is not None
    assert list(ledger.ids(QueueId(9))) == [2]


def _accepted(number: int, large: bool) -> Accepted:
    from tests.unit.spool.spoolkit import content_of, envelope

    return Accepted(QueueId(number), 1.0, envelope(), content_of(b"x\r\n"), "c", None, large)
