"""Power cuts of a modelled disk under the whole MTA: a sample of its calls; all of them with CRASH_LONG=1.

A journal without its directory sync, and one without its fdatasync, are caught here: the laboratory can fail.
"""

from __future__ import annotations

import pytest

from tests.crash.lab import model
from tests.crash.lab.bench import Bench
from tests.crash.lab.forms import LONG, SEED, check, pick

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600 if LONG else 600)]


@pytest.fixture(scope="module")
def bench():
    with Bench(shimmed=False) as bench:
        yield bench


def test_the_power_goes_at_any_call(bench):
    todo = model.cuts(model.steps(bench), seeds=2, runs=pick(24, 10_000), seed=SEED)
    check(model.row(bench, todo))


@pytest.mark.parametrize("omit", ["directories", "data"])
def test_a_journal_without_this_sync_is_caught(bench, omit):
    steps = model.steps(bench, omit=omit)
    for step in range(steps // 2, steps, 7):
        account = model.cut_once(bench, model.Cut(step, None), omit=omit)
        if account.lost:
            return
    pytest.fail(f"{omit} were not synced, and nothing was lost in any cut")
