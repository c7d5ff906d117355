"""2,000 domains at 60 providers, good, odd, slow and dead ones; 20,000 recipients at once; and each gets what is right.

Seeded: INTERNET_SEED=17 for another one; INTERNET_LONG=1 for ten times as much.
"""

from __future__ import annotations

import os

import pytest

from tests.internet.mail import faults
from tests.internet.simulation import Result, simulate
from tests.internet.table import connections_without_grouping, costs, table

SEED = int(os.environ.get("INTERNET_SEED", "1"))
SCALE = 10 if os.environ.get("INTERNET_LONG") == "1" else 1
WINDOW = 20  # sessions with one site at once, by our settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 * SCALE)]


@pytest.fixture(scope="module")
def together() -> Result:
    result = simulate(SEED, scale=SCALE)
    print(table(result))
    return result


@pytest.fixture(scope="module")
def alone() -> Result:
    """The healthy providers, without the others."""
    return simulate(SEED, healthy_only=True, scale=SCALE)


def test_every_recipient_has_one_end_and_the_right_one(together: Result) -> None:
    assert faults(together.letters, together.internet) == []
    assert together.waiting == []
    assert together.bugs == []


def test_the_size_of_it(together: Result) -> None:
    assert len(together.internet.providers) == 60
    assert len(together.internet.domains) == 2_001  # with that of the senders
    assert sum(len(letter.recipients) for letter in together.letters) == 20_000 * SCALE
    assert {len(letter.recipients) for letter in together.letters} == {1, 10, 50, 200, 1000}


def test_connections_are_few(together: Result) -> None:
    by_recipient, by_domain = connections_without_grouping(together)
    dials = sum(cost.dials for cost in costs(together) if cost.provider.ends == "delivered")
    assert dials < by_recipient / 5
    assert dials < by_domain / 5
    for cost in costs(together):
        if not cost.provider.is_sick:
            assert cost.dials <= WINDOW * len(cost.provider.shapes), cost


def test_healthy_sites_are_as_fast_as_alone(together: Result, alone: Result) -> None:
    """By provider: the mean time to a recipient, and that of the last."""
    assert faults(alone.letters, alone.internet) == []
    for with_sick, without in zip(costs(together), costs(alone), strict=True):
        if not with_sick.provider.is_sick:
            assert with_sick.taken == without.taken > 0
            assert without.mean >= 0.95 * with_sick.mean, (with_sick, without)
            assert without.last >= 0.95 * with_sick.last, (with_sick, without)
