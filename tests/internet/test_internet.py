"""2,000 domains at 60 providers, good, odd, slow and dead ones; 20,000 recipients at once; and each gets what is right.

Seeded: INTERNET_SEED=17 for another one; INTERNET_LONG=1 for ten times as much.
"""

from __future__ import annotations

import os
from collections import Counter
from itertools import pairwise

import pytest

from asyncmta.delivery.patience import IDLE_TIME
from tests.internet.mail import FEW, due_end, faults
from tests.internet.providers import tiers_of
from tests.internet.simulation import Plan, Result, simulate
from tests.internet.table import connections_without_grouping, costs, table

SEED = int(os.environ.get("INTERNET_SEED", "1"))
SCALE = 10 if os.environ.get("INTERNET_LONG") == "1" else 1
AT_WORK = 1.0  # seconds that a session and its first transaction take, over the longest way
WINDOW = 20  # sessions with one site at once, by our settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 * SCALE)]


@pytest.fixture(scope="module")
def together() -> Result:
    result = simulate(Plan(seed=SEED, scale=SCALE))
    print(table(result))
    return result


@pytest.fixture(scope="module")
def alone() -> Result:
    """The healthy providers, without the others."""
    return simulate(Plan(seed=SEED, healthy_only=True, scale=SCALE))


def test_every_recipient_has_one_end_and_the_right_one(together: Result) -> None:
    assert faults(together.letters, together.internet) == []
    assert together.waiting == []
    assert together.bugs == []


def test_the_size_of_it(together: Result) -> None:
    assert len(together.internet.providers) == 60
    assert len(together.internet.domains) == 2_001  # with that of the senders
    assert sum(len(letter.recipients) for letter in together.letters) == 20_000 * SCALE
    assert {len(letter.recipients) for letter in together.letters} == {1, 10, 50, 200, 1000}


def test_failed_and_expired_are_told_apart(together: Result) -> None:
    """What is known to be for ever is not tried for a lifetime, and what may pass is."""
    ends = Counter(
        due_end(recipient, together.internet) for letter in together.letters for recipient in letter.recipients
    )
    for end in ("delivered", "failed", "expired"):
        reports = together.reports if end == "delivered" else 0
        assert together.events[end] == ends[end] + reports, end


def test_transactions_are_as_few_as_can_be(together: Result) -> None:
    """But for the first refusals of each host that wants one domain, or few recipients, in a transaction."""
    for cost in costs(together):
        provider = cost.provider
        if provider.ends != "delivered" or provider.kind == "home":  # reports come home, too
            continue
        passes = 2 if provider.habit.greylist else 1
        assert cost.transactions <= 1.05 * passes * cost.least + 2, cost


def test_connections_are_few(together: Result) -> None:
    by_recipient, by_domain = connections_without_grouping(together)
    found = costs(together)
    dials = sum(cost.dials for cost in found if cost.provider.ends == "delivered")
    assert dials < by_recipient / 8
    assert dials < by_domain / 8
    for cost in found:
        if not cost.provider.is_sick:
            assert cost.dials <= WINDOW * len(tiers_of(cost.provider)), cost


def test_what_the_sick_ones_get(together: Result) -> None:
    """Hosts that cannot be reached are asked now and then, by one session; whoever is only picky is hardly slower."""
    by_kind = {cost.provider.kind: cost for cost in costs(together)}
    for kind in ("refuses", "silent", "says 554"):
        assert by_kind[kind].dials < 200, by_kind[kind]
    for kind in ("google", "exchange", "one-by-one", "ten", "20 messages", "half dead", "backup: refuses"):
        assert by_kind[kind].last < 60.0, by_kind[kind]
    assert by_kind["backup: silent"].last < 120.0, by_kind["backup: silent"]
    assert 300.0 < by_kind["greylist"].mean < 900.0, by_kind["greylist"]
    assert by_kind["three sessions"].last < 60.0, by_kind["three sessions"]


def test_healthy_sites_are_as_fast_as_alone(together: Result, alone: Result) -> None:
    """By provider: the mean time to a recipient, and that of the last."""
    assert faults(alone.letters, alone.internet) == []
    for with_sick, without in zip(costs(together), costs(alone), strict=True):
        if not with_sick.provider.is_sick:
            assert with_sick.taken == without.taken > 0
            assert without.mean >= 0.95 * with_sick.mean, (with_sick, without)
            assert without.last >= 0.95 * with_sick.last, (with_sick, without)


@pytest.mark.parametrize("every", [0.5, 2.0])
def test_one_letter_after_the_other_goes_over_the_same_connection(every: float) -> None:
    """Where there is always one site for a provider, a session that rests is used again, and a second one is opened
    only for what comes while the first is at work."""
    result = simulate(Plan(seed=SEED, healthy_only=True, domains=300, counts=FEW, every=every))
    assert faults(result.letters, result.internet) == []
    for cost in costs(result):
        provider = cost.provider
        if provider.is_sick or not cost.taken or len(tiers_of(provider)) > 1:
            continue
        times = sorted({each.time for host in provider.hosts for each in host.taken})
        gaps = [later - earlier for earlier, later in pairwise(times)]
        rests, overlaps = sum(gap > IDLE_TIME for gap in gaps), sum(gap < AT_WORK for gap in gaps)
        # Who does not exist leaves no trace among the times.
        assert cost.dials <= 1 + rests + overlaps + cost.refused, (
            cost.provider.kind,
            cost.dials,
            rests,
            overlaps,
            [round(x, 2) for x in times],
        )
