from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from asyncmta.spool.compaction_plan import LIVE_SHARE, MANY, Plan, SegmentFacts, plan

PLENTY = 1 << 40


def segments(*facts: tuple[int, int]) -> list[SegmentFacts]:
    """(octets, live) of each, the tail last."""
    return [SegmentFacts(number, octets, live, live // 10) for number, (octets, live) in enumerate(facts, 5)]


def found(*facts: tuple[int, int], room: int = PLENTY, least: int = 100) -> Plan | None:
    return plan(segments(*facts), room=room, least=least)


def test_a_segment_in_which_little_lives_is_carried() -> None:
    assert found((1000, 100), (50, 50)) == Plan(5, 100, 1000)


def test_one_in_which_much_lives_is_left_alone() -> None:
    assert found((1000, 301), (50, 50)) is None
    assert found((1000, 1000), (1000, 900), (50, 50)) is None


def test_a_full_segment_is_carried_for_the_sake_of_empty_ones_behind_it() -> None:
    assert found((1000, 900), *[(1000, 0)] * 9, (50, 50)) == Plan(14, 900, 10_000)
    assert found((1000, 900), (1000, 0), (50, 50)) is None


def test_a_full_segment_behind_empty_ones_is_not() -> None:
    assert found((1000, 10), (1000, 10), (1000, 900), (50, 50)) == Plan(6, 20, 2000)


def test_a_tail_is_taken_when_it_is_worth_it() -> None:
    assert found((1000, 10)) == Plan(5, 10, 1000)
    assert found((99, 1)) is None
    assert found((1000, 10), (99, 1)) == Plan(5, 10, 1000)
    assert found((1000, 10), (100, 1)) == Plan(6, 11, 1100)


def test_too_little_is_not_worth_it() -> None:
    assert found((60, 1), (39, 1), (50, 1)) is None
    assert found((60, 1), (40, 1), (50, 1)) == Plan(6, 2, 100)


def test_nothing_begins_without_room_for_its_result() -> None:
    assert found((1000, 100), (1000, 100), (50, 0), room=199) == Plan(5, 100, 1000)
    assert found((1000, 100), (50, 0), room=99) is None


def test_what_cannot_be_carried_ends_the_plan() -> None:
    first, second, tail = segments((1000, 10), (1000, 10), (50, 0))
    pinned = SegmentFacts(6, 1000, 10, 1, is_pinned=True)
    assert plan([first, pinned, tail], room=PLENTY, least=100) == Plan(5, 10, 1000)
    assert plan([SegmentFacts(5, 1000, 10, 1, is_pinned=True), second, tail], room=PLENTY, least=100) is None


def test_many_tiny_segments_are_joined_though_all_of_them_lives() -> None:
    """As many starts with little mail in between leave behind."""
    tiny = [(5, 5)] * MANY
    assert found(*tiny, (5, 5)) is None
    assert found(*tiny, (5, 5), (5, 5)) == Plan(5 + MANY, 5 * (MANY + 1), 5 * (MANY + 1))
    assert found(*tiny, (5, 5), (90, 90), (5, 5)) == Plan(5 + MANY, 5 * (MANY + 1), 5 * (MANY + 1))


def test_no_segments_no_plan() -> None:
    assert found() is None


facts = st.tuples(st.integers(0, 1000), st.integers(0, 1000)).map(lambda pair: (max(pair), min(pair)))


@settings(deadline=None, max_examples=300)
@given(st.lists(facts, max_size=25), st.integers(0, 5000), st.integers(1, 500))
def test_a_plan_is_worth_it_and_there_is_room_and_afterwards_there_is_none(
    given_facts: list[tuple[int, int]], room: int, least: int
) -> None:
    before = segments(*given_facts)
    result = plan(before, room=room, least=least)
    if result is None:
        return
    taken = [segment for segment in before if segment.number <= result.last]
    assert result.live == sum(segment.live for segment in taken) <= room
    assert result.octets == sum(segment.octets for segment in taken)
    assert result.live < result.octets * LIVE_SHARE or (len(taken) > MANY and result.octets <= least)
    moved = [segment for segment in before if segment.number > result.last]
    again = plan([*moved, SegmentFacts(99, result.live, result.live, 1)], room=room, least=least)
    assert again is None or again.last < 99 or again.octets > result.live
