"""What happened of late: each step counts its own alone, rings stay as long as they are, and percentiles lie where
they should."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmta.rates import COLUMNS, STEPS, History, Sample, quantile
from asyncmta.system.meter import DELAYS, Meter


class Mill:
    """Counters that go on, and samples of them."""

    def __init__(self):
        self.at = 1000.0
        self.counts = [0] * 6
        self.delays, self.syncs = Meter(DELAYS), Meter((0.01, 0.1))
        self.history = History(self.sample())

    def sample(self, late=0.0, levels=(0, 0, 0)):
        return Sample(self.at, tuple(self.counts), levels, self.delays.read(), self.syncs.read(), late)

    def second(self, *, accepted=0, delivered=0, delay=0.02, **more):
        self.at += 1.0
        self.counts[0] += accepted
        self.counts[3] += delivered
        for _ in range(delivered):
            self.delays.add(delay)
        self.history.add(self.sample(**more))


def test_a_step_counts_what_happened_in_it_alone():
    mill = Mill()
    for accepted in (3, 0, 5):
        mill.second(accepted=accepted, delivered=1, levels=(accepted, 1, 2))
    said = mill.history.columns(1, 100)
    assert said["accepted"] == [3, 0, 5]
    assert said["delivered"] == [1, 1, 1]
    assert said["queue"] == [3, 0, 5]
    assert said["sessions_out"] == [2, 2, 2]
    assert said["times"] == [1001.0, 1002.0, 1003.0]
    assert said["seconds"] == [1.0, 1.0, 1.0]


def test_what_did_not_happen_is_none_and_not_nothing():
    mill = Mill()
    mill.second()
    mill.syncs.add(0.004)
    mill.syncs.add(0.002)
    mill.second(delivered=2)
    said = mill.history.columns(1, 100)
    assert said["sync"] == [None, 0.003]
    assert said["p50"][0] is None
    assert said["p99"][0] is None
    assert 0.01 < said["p50"][1] <= 0.025


def test_longer_steps_are_the_sums_and_tell_of_the_worst_lag():
    mill = Mill()
    for number in range(25):
        mill.second(accepted=number, late=0.5 if number == 3 else 0.0, levels=(number, 0, 0))
    tens = mill.history.columns(10, 100)
    assert tens["accepted"] == [sum(range(10)), sum(range(10, 20))]
    assert tens["lag"] == [0.5, 0.0]
    assert tens["queue"] == [9, 19]
    assert tens["seconds"] == [10.0, 10.0]
    assert mill.history.columns(60, 100)["accepted"] == []


def test_a_ring_keeps_the_last_and_no_more():
    mill = Mill()
    for number in range(STEPS[1] + 7):
        mill.second(accepted=number)
    said = mill.history.columns(1, 10_000)
    assert {len(column) for column in said.values()} == {STEPS[1]}
    assert said["accepted"][0] == 7
    assert said["accepted"][-1] == STEPS[1] + 6
    assert mill.history.columns(1, 3)["accepted"] == [STEPS[1] + 4, STEPS[1] + 5, STEPS[1] + 6]
    assert list(said) == list(COLUMNS)


def test_the_wall_clock_set_back_makes_no_negative_step():
    mill = Mill()
    mill.at -= 3600
    mill.second()
    assert mill.history.columns(1, 1)["seconds"] == [0.0]


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        ((4, 0, 0), 0.5, 0.5),
        ((0, 4, 0), 0.25, 1.25),
        ((1, 1, 2), 0.99, 2.0),  # above all bounds nothing more is known
        ((2, 2, 0), 0.5, 1.0),
        ((1, 0, 0), 1.0, 1.0),
    ],
)
def test_a_percentile_lies_between_its_bounds(counts, share, expected):
    assert quantile((1.0, 2.0), counts, share) == pytest.approx(expected)


def test_of_nothing_there_is_no_percentile():
    assert math.isnan(quantile((1.0,), (0, 0), 0.5))


@given(st.lists(st.floats(0.0, 1e5), min_size=1), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_is_in_the_same_bucket_as_the_true_one(values, share):
    meter = Meter(DELAYS)
    for value in values:
        meter.add(value)
    found = quantile(DELAYS, meter.read().counts, share)
    true = sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
    above = next((bound for bound in DELAYS if bound >= true), DELAYS[-1])
    below = max((bound for bound in DELAYS if bound < true), default=0.0)
    assert below - 1e-9 <= found <= above + 1e-9
