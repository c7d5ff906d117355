"""A spool of 32 MiB that smtp-source fills again and again: three times; a hundred with CRASH_LONG=1. J07, bar 5."""

from __future__ import annotations

import pytest

from tests.crash.lab import full
from tests.crash.lab.forms import LONG, check, demand, pick

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600 if LONG else 300)]


@pytest.mark.parametrize("guard", full.GUARDS)
def test_a_full_disk_refuses_and_recovers(guard):
    demand(full.missing())
    check(full.row(guard, cycles=pick(3, 100)))
