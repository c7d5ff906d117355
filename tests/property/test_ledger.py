"""The ledger against a model of a few lines, and against its own journal: replay gives what memory has."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from asyncmta.mail.envelope import QueueId
from asyncmta.mail.outcome import Outcome
from asyncmta.spool import segment
from asyncmta.spool.ages import STRETCH
from asyncmta.spool.codec import decode
from asyncmta.spool.ledger import IllegalTransition, Ledger
from asyncmta.spool.records import (
    DELIVERED,
    FAILED,
    PENDING,
    REPORTED,
    Accepted,
    Attempted,
    Carried,
    Checkpoint,
    Held,
    Record,
    Released,
    Removed,
    Reported,
    Retired,
    Warned,
)
from asyncmta.spool.segment import Batch
from tests.unit.spool.spoolkit import LATER, NEVER, OK, OWED, Image, accepted

ids = st.integers(1, 3).map(QueueId)
times = st.floats(0, 1e6)
some_ordinals = st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True).map(tuple)
some_outcomes: st.SearchStrategy[dict[int, Outcome]] = st.dictionaries(
    st.integers(0, 3), st.sampled_from((OK, OWED, LATER, NEVER)), min_size=1, max_size=3
)
some_records: st.SearchStrategy[Record] = st.one_of(
    st.builds(lambda number, count: accepted(number, recipients=count), ids, st.integers(1, 4)),
    st.builds(Attempted, ids, times, some_outcomes),
    st.builds(Attempted, ids, times, some_outcomes),
    st.builds(Reported, ids, times, some_ordinals, st.none() | ids),
    st.builds(Retired, ids),
    st.builds(Warned, ids, times, some_ordinals, st.none()),
    st.builds(Held, ids, times) | st.builds(Released, ids, times) | st.builds(Removed, ids, times, st.just("root")),
)

DRAWN = {(PENDING, PENDING), (PENDING, DELIVERED), (PENDING, FAILED), (FAILED, REPORTED)}


class Model:
    """The table of docs/journal-format.md 4, as plainly as it can be said. `step` returns whether it is drawn there;
    None: skipped."""

    def __init__(self) -> None:
        self.states: dict[QueueId, list[int]] = {}
        self.owed: dict[QueueId, set[int]] = {}
        self.removed: set[QueueId] = set()

    def step(self, record: Record) -> bool | None:
        number = record.queue_id
        if isinstance(record, Accepted):
            if number in self.states:
                return False
            self.states[number] = [PENDING] * len(record.envelope.recipients)
            self.owed[number] = set()
            return True
        if number not in self.states or (number in self.removed and not isinstance(record, Retired)):
            return None
        states, owed = self.states[number], self.owed[number]
        is_open = number not in self.removed and (bool(owed) or any(state in {PENDING, FAILED} for state in states))
        if isinstance(record, Attempted):
            if not self._attempt(states, record.outcomes):
                return False
            owed |= {at for at, outcome in record.outcomes.items() if outcome == OWED}
            return True
        if isinstance(record, Reported):
            if not all(at < len(states) and (states[at] == FAILED or at in owed) for at in record.ordinals):
                return False
            for at in record.ordinals:
                states[at] = DELIVERED if at in owed else REPORTED
            owed -= set(record.ordinals)
            return True
        if isinstance(record, Retired):
            if not is_open:
                del self.states[number]
                self.removed.discard(number)
            return not is_open
        if is_open and isinstance(record, Removed):
            self.removed.add(number)
        return is_open

    def _attempt(self, states: list[int], outcomes: dict[int, Outcome]) -> bool:
        if not all(at < len(states) and states[at] == PENDING for at in outcomes):
            return False
        for at, outcome in outcomes.items():
            states[at] = {OK: DELIVERED, OWED: DELIVERED, LATER: PENDING, NEVER: FAILED}[outcome]
        return True


def snapshot(ledger: Ledger) -> dict[QueueId, tuple[Carried, bool]]:
    return {entry.queue_id: (entry.carried(), entry.removed) for entry in ledger}


def replay(octets: bytes, image: Image, into: Ledger) -> Ledger:
    for found in segment.scan(octets, image.place):
        assert isinstance(found, Batch)
        for frame in found.frames:
            metadata = octets[frame.metadata_offset :][: frame.metadata_size]
            record = decode(frame.kind, frame.queue_id, metadata)
            assert not isinstance(record, Checkpoint)
            into.apply(record, 1, frame.offset)
    return into


@given(st.lists(some_records, max_size=40))
def test_the_ledger_is_its_table(records: Sequence[Record]) -> None:
    ledger, model = Ledger(), Model()
    for record in records:
        before, skipped = snapshot(ledger), ledger.skipped
        expected = model.step(record)
        try:
            entry = ledger.apply(record)
        except IllegalTransition:
            assert expected is False
            assert snapshot(ledger) == before
            continue
        assert expected is (None if entry is None else True)
        assert ledger.skipped == skipped + (entry is None)
        ages, oldest = [each.accepted_at for each in ledger], ledger.ages.oldest()
        assert oldest is None if not ages else 0 <= min(ages) - (oldest or 0) < STRETCH
        after = snapshot(ledger)
        assert {number: list(state.states) for number, (state, _) in after.items()} == model.states
        assert {number: set(state.owed) for number, (state, _) in after.items()} == {
            number: model.owed[number] for number in after
        }
        for number, (state, _) in after.items():
            if number in before:
                moves = set(zip(before[number][0].states, state.states, strict=True))
                assert all(old == new or (old, new) in DRAWN for old, new in moves)


@given(st.lists(some_records, max_size=40))
def test_each_recipient_is_in_exactly_one_state(records: Sequence[Record]) -> None:
    ledger = Ledger()
    for record in records:
        try:
            ledger.apply(record)
        except IllegalTransition:
            continue
        for entry in ledger:
            ordinals = range(len(entry.envelope.recipients))
            pending, failed = entry.pending(), entry.failed()
            assert list(pending) == sorted(pending)
            assert not set(pending) & failed.keys()
            assert set(entry.last) <= set(pending)
            settled = [at for at in ordinals if entry.state_of(at) in {DELIVERED, REPORTED}]
            assert sorted([*pending, *failed, *settled]) == list(ordinals)
            assert set(entry.owed()) <= {at for at in ordinals if entry.state_of(at) == DELIVERED}
            assert entry.is_closed == (entry.removed or not (pending or failed or entry.owed()))


@given(st.lists(st.lists(some_records, max_size=4), max_size=10))
def test_replay_of_what_was_committed_is_what_memory_has(batches: Sequence[Sequence[Record]]) -> None:
    live, image = Ledger(), Image()
    for batch in batches:
        legal = []
        for record in batch:
            try:
                live.apply(record)
            except IllegalTransition:
                continue
            legal.append(record)
        image.add(*legal)
    again = replay(image.octets, image, Ledger())
    assert snapshot(again) == snapshot(live)
    assert again.skipped == live.skipped
    assert [entry.queue_id for entry in again] == [entry.queue_id for entry in live]


@given(st.lists(some_records, max_size=30), st.lists(some_records, max_size=20))
def test_nothing_changes_when_the_oldest_segments_are_carried_and_dropped(
    dropped: Sequence[Record], kept: Sequence[Record]
) -> None:
    live = Ledger()
    for record in dropped:
        try:
            live.apply(record)
        except IllegalTransition:
            continue
    image = Image()
    image.add(*[entry.carried() for entry in live if not entry.is_closed])
    for record in kept:
        try:
            live.apply(record)
        except IllegalTransition:
            continue
        image.add(record)
    again = Ledger()
    for found in segment.scan(image.octets, image.place):
        assert isinstance(found, Batch)
        for frame in found.frames:
            metadata = image.octets[frame.metadata_offset :][: frame.metadata_size]
            record = decode(frame.kind, frame.queue_id, metadata)  # type: ignore[assignment]
            again.apply(record, 2, frame.offset)
    still_open = {number: state for number, state in snapshot(live).items() if not _is_closed(live, number)}
    assert {number: snapshot(again)[number] for number in still_open} == still_open
    assert all(entry.is_closed for entry in again if entry.queue_id not in still_open)


def _is_closed(ledger: Ledger, number: QueueId) -> bool:
    entry = ledger.get(number)
    return entry is None or entry.is_closed
