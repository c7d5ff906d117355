"""The retry schedule at the times that people will read in a log."""

from __future__ import annotations

import pytest

from asyncmta.scheduling.retry import RetrySchedule

STEADY = RetrySchedule(jitter=0.0)
BIRTH = 1_750_000_000.0
DAY = 86_400.0


@pytest.mark.parametrize(
    ("attempt", "age"),
    [(1, 400), (2, 1_600), (3, 3_600), (4, 6_400), (5, 10_000), (6, 14_400), (7, 19_600), (8, 25_600), (9, 32_400)],
)
def test_the_nth_remote_retry_falls_at_400_n_squared(attempt: int, age: float) -> None:
    due = BIRTH
    for _ in range(attempt):
        due = STEADY.next_due(BIRTH, due, salt=0)
    assert due - BIRTH == pytest.approx(age, abs=1e-3)


@pytest.mark.parametrize(("attempt", "age"), [(1, 100), (2, 400), (3, 900), (10, 10_000)])
def test_local_retries_come_at_100_n_squared(attempt: int, age: float) -> None:
    due = BIRTH
    for _ in range(attempt):
        due = STEADY.next_due(BIRTH, due, local=True, salt=0)
    assert due - BIRTH == pytest.approx(age, abs=1e-3)


@pytest.mark.parametrize(("age", "gap"), [(3_600, 2_800), (DAY, 12_157.5), (5 * DAY - 30_000, 25_761.4)])
def test_the_gap_grows_with_the_root_of_the_age(age: float, gap: float) -> None:
    assert STEADY.next_due(BIRTH, BIRTH + age, salt=0) - (BIRTH + age) == pytest.approx(gap, abs=1)


@pytest.mark.parametrize(("days", "attempts"), [(3, 26), (4, 30), (5, 33), (7, 39)])
def test_the_number_of_attempts_in_a_lifetime(days: int, attempts: int) -> None:
    schedule = RetrySchedule(lifetime=days * DAY, jitter=0.0)
    due, count = BIRTH, 0
    while due < schedule.expires_at(BIRTH, bounce=False):
        count += 1
        due = schedule.next_due(BIRTH, due, salt=count)
    assert count == attempts


def test_the_last_try_is_when_the_lifetime_ends() -> None:
    late = BIRTH + 5 * DAY - 60
    assert STEADY.next_due(BIRTH, late, salt=0) == STEADY.expires_at(BIRTH, bounce=False) == BIRTH + 5 * DAY


def test_a_dsn_has_a_shorter_lifetime() -> None:
    assert STEADY.expires_at(BIRTH, bounce=True) == BIRTH + DAY
    assert STEADY.next_due(BIRTH, BIRTH + DAY - 60, bounce=True, salt=0) == BIRTH + DAY


def test_a_clock_that_was_set_back_counts_as_no_age() -> None:
    assert STEADY.next_due(BIRTH, BIRTH - 9_000, salt=0) == BIRTH - 9_000 + 400


def test_a_burst_of_one_age_is_spread_over_a_fifth_of_the_gap() -> None:
    schedule = RetrySchedule()
    dues = [schedule.next_due(BIRTH, BIRTH + 3_600, salt=salt << 36) - BIRTH - 3_600 for salt in range(10_000)]
    assert min(dues) == pytest.approx(2_800 * 0.9, abs=5)
    assert max(dues) == pytest.approx(2_800 * 1.1, abs=5)
    tenths = [sum(1 for due in dues if 2_520 + 56 * at <= due < 2_576 + 56 * at) for at in range(10)]
    assert all(900 < tenth < 1_100 for tenth in tenths)


@pytest.mark.parametrize(
    "wrong",
    [{"lifetime": 0}, {"bounce_lifetime": -1}, {"k": 0.5}, {"local_k": 0}, {"jitter": -0.1}, {"jitter": 0.6}],
)
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"lifetime|step|jitter"):
        RetrySchedule(**wrong)
