"""Killed at every k-th system call of the scripted run; all of them with CRASH_LONG=1. Bar 2."""

from __future__ import annotations

import pytest

from tests.crash.lab import calls
from tests.crash.lab.bench import Bench
from tests.crash.lab.forms import LONG, SEED, check, demand_shim, pick

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600 if LONG else 600)]


def test_killed_at_every_system_call():
    demand_shim()
    with Bench() as bench:
        blows = calls.kills(calls.trace(bench), stride=pick(9, 1), offset=SEED)
        check(calls.kill_row(bench, blows))
