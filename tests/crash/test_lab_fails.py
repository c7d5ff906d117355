"""Every call made to fail, with every error, once and for good: a sample; 5,000 runs with CRASH_LONG=1. Bar 5."""

from __future__ import annotations

import pytest

from tests.crash.lab import calls
from tests.crash.lab.bench import Bench
from tests.crash.lab.forms import LONG, SEED, check, demand_shim, pick

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200 if LONG else 600)]


def test_every_call_fails():
    demand_shim()
    with Bench() as bench:
        blows = calls.fails(calls.trace(bench), runs=pick(90, 5000), seed=SEED)
        check(calls.fail_row(bench, blows))
