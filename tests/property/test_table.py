"""The table against a dictionary, with chunks of a few rows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncmta.mail.envelope import QueueId
from asyncmta.spool import table
from asyncmta.spool.table import Table

HIGH = 7 << 64
ids = st.integers(0, 40).map(lambda low: QueueId(HIGH | low * 3))
steps = st.lists(
    st.tuples(st.sampled_from(("put", "put", "put", "remove", "set")), ids, st.integers(0, 99)), max_size=80
)


@pytest.fixture(autouse=True, scope="module")
def _small_chunks() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "CHUNK", 8)
        yield


def check(made: Table, model: dict[QueueId, tuple[int, float]]) -> None:
    assert len(made) == len(model)
    assert list(made.ascending()) == sorted(model)
    assert list(made.descending()) == sorted(model, reverse=True)
    rows = ((low, row) for ids, *rest in made.chunks() for low, *row in zip(ids, *rest, strict=True))
    assert {made.whole(low): tuple(row) for low, row in rows} == model


@given(steps, ids)
@settings(deadline=None, max_examples=150)
def test_it_is_a_dictionary_in_order(done: list[tuple[str, QueueId, int]], middle: QueueId) -> None:
    made, model = Table("Id"), {}
    for step, queue_id, number in done:
        row = (number, number / 2)
        if step == "put":
            made.put(queue_id, row)
            model[queue_id] = row
        elif step == "remove":
            assert made.remove(queue_id) is (model.pop(queue_id, None) is not None)
        elif queue_id in model:
            made.set(queue_id, 1, number)
            model[queue_id] = (model[queue_id][0], float(number))
        else:
            with pytest.raises(KeyError):
                made.set(queue_id, 1, number)
        assert made.get(queue_id) == model.get(queue_id)
        assert (queue_id in made) is (queue_id in model)
    check(made, model)
    assert list(made.descending(middle)) == [each for each in sorted(model, reverse=True) if each < middle]


@given(st.lists(ids, unique=True), st.lists(ids, unique=True), st.booleans())
@settings(deadline=None, max_examples=100)
def test_rows_come_and_go_while_somebody_goes_through(there: list[QueueId], going: list[QueueId], up: bool) -> None:
    made = Table("I")
    for queue_id in there:
        made.put(queue_id, (1,))
    leaving = iter(going)
    seen = []
    for queue_id in made.ascending() if up else made.descending():
        seen.append(queue_id)
        made.remove(next(leaving, queue_id))
    assert seen == sorted(set(seen), reverse=not up)
    assert set(there) - set(going) <= set(seen) <= set(there)


@given(st.lists(ids, unique=True), st.lists(ids, unique=True))
@settings(deadline=None, max_examples=100)
def test_rows_come_and_go_between_two_chunks(there: list[QueueId], changing: list[QueueId]) -> None:
    """Some chunks fall apart meanwhile, others are joined: who is there all the time is seen."""
    made = Table("I")
    for queue_id in there:
        made.put(queue_id, (1,))
    changes = iter(changing)
    touched: set[QueueId] = set()
    seen: list[QueueId] = []
    for columns in made.walk():
        found = [made.whole(low) for low in columns[0]]
        seen += found
        for queue_id in [each for each, _ in zip(changes, range(5), strict=False)] + found[4:]:
            touched.add(queue_id)
            if not made.remove(queue_id):
                made.put(queue_id, (2,))
    assert set(there) - touched <= set(seen) <= set(there) | touched


def test_the_end_may_go_while_it_is_shown() -> None:
    made = Table("I")
    for number in (1, 2):
        made.put(QueueId(number), (1,))
    for columns in made.walk():
        assert list(columns[0]) == [1, 2]
        made.remove(QueueId(2))
    assert list(made.ascending()) == [1]


def test_all_ids_are_of_one_journal_while_there_are_any() -> None:
    made = Table("I")
    assert list(made.ascending()) == []
    made.put(QueueId(HIGH | 5), (1,))
    assert not made.takes(QueueId(5))
    assert made.get(QueueId(5)) is None
    with pytest.raises(ValueError, match="another journal"):
        made.put(QueueId(5), (1,))
    assert list(made.descending(QueueId(9))) == []
    assert list(made.descending(QueueId(8 << 64))) == [HIGH | 5]
    made.remove(QueueId(HIGH | 5))
    made.put(QueueId(5), (2,))
    assert made.get(QueueId(5)) == (2,)
    made.put(QueueId(2), (3,))
    assert list(made.ascending()) == [2, 5]
