"""The retry schedule, for any age and any message: due times do not go back, are bounded, and end."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from asyncmta.scheduling.retry import RetrySchedule

salts = st.integers(0, 2**80 - 1)
births = st.floats(0, 4e9)
ages = st.floats(0, 1e7)
schedules = st.builds(
    RetrySchedule,
    lifetime=st.floats(60, 1e7),
    bounce_lifetime=st.floats(60, 1e7),
    k=st.floats(1, 100),
    local_k=st.floats(1, 100),
    jitter=st.floats(0, 0.5),
)


@settings(deadline=None)
@given(schedules, births, ages, salts, st.booleans(), st.booleans())
def test_a_due_time_lies_behind_the_attempt_and_not_behind_the_lifetime(
    schedule: RetrySchedule, birth: float, age: float, salt: int, local: bool, bounce: bool
) -> None:
    attempt, end = birth + age, schedule.expires_at(birth, bounce=bounce)
    due = schedule.next_due(birth, attempt, local=local, bounce=bounce, salt=salt)
    assert due <= end
    assert due > attempt or due == end


@settings(deadline=None)
@given(schedules, births, ages, salts, st.booleans())
def test_a_delay_is_bounded_by_step_age_and_jitter(
    schedule: RetrySchedule, birth: float, age: float, salt: int, local: bool
) -> None:
    step = schedule.local_k if local else schedule.k
    attempt = birth + age
    delay = schedule.next_due(birth, attempt, local=local, salt=salt) - attempt
    gap = 2 * step * (attempt - birth) ** 0.5 + step**2
    assert delay <= gap * (1 + schedule.jitter) + 1e-3
    end = schedule.expires_at(birth, bounce=False)
    assert delay >= gap * (1 - schedule.jitter) - 1e-3 or attempt + delay >= end - 1e-3


@settings(deadline=None, max_examples=30)
@given(st.builds(RetrySchedule, jitter=st.floats(0, 0.5)), births, salts, st.booleans())
def test_it_ends_whatever_the_jitter(schedule: RetrySchedule, birth: float, salt: int, bounce: bool) -> None:
    due, tries = birth, 0
    end = schedule.expires_at(birth, bounce=bounce)
    while due < end:
        following = schedule.next_due(birth, due, bounce=bounce, salt=salt + tries)
        assert following > due
        due, tries = following, tries + 1
    assert tries < 60


@settings(deadline=None)
@given(schedules, births, ages, salts)
def test_the_same_facts_give_the_same_time(schedule: RetrySchedule, birth: float, age: float, salt: int) -> None:
    again = RetrySchedule(
        lifetime=schedule.lifetime,
        bounce_lifetime=schedule.bounce_lifetime,
        k=schedule.k,
        local_k=schedule.local_k,
        jitter=schedule.jitter,
    )
    assert schedule.next_due(birth, birth + age, salt=salt) == again.next_due(birth, birth + age, salt=salt)


@settings(deadline=None)
@given(births, ages, ages, salts)
def test_an_older_message_waits_longer(birth: float, younger: float, older: float, salt: int) -> None:
    schedule = RetrySchedule(lifetime=1e9)
    younger, older = sorted((younger, older))
    gaps = [schedule.next_due(birth, birth + age, salt=salt) - (birth + age) for age in (younger, older)]
    assert gaps[0] <= gaps[1] + 1e-3
