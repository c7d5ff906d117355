"""Power cuts of ext4 and XFS in loop mounts, by the file system's own shutdown call, under load. Bar 1.

Three of each; 200 with CRASH_LONG=1. A server that leaves out a sync is caught here too: the laboratory can fail.
"""

from __future__ import annotations

import pytest

from tests.crash.lab import mounts, power
from tests.crash.lab.forms import LONG, SEED, check, demand, pick

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600 if LONG else 600)]


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_power_cuts(kind):
    demand(mounts.missing(kind))
    check(power.row(kind, cuts=pick(3, 200), seed=SEED))


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
@pytest.mark.parametrize("omit", ["directories", "data"])
def test_a_server_without_this_sync_is_caught(kind, omit):
    demand(mounts.missing(kind))
    row = power.caught(kind, omit, cuts=25, seed=SEED)
    print(f"{kind} without syncing {omit}: {len(row.account.lost)} lost in {row.runs} cuts")
    assert row.account.lost, f"{omit} were not synced on {kind}, and nothing was lost in {row.runs} cuts"
