"""A whole machine killed under load, with user-mode-linux: one each of ext4 and XFS; 100 with CRASH_LONG=1. Bar 1."""

from __future__ import annotations

import pytest

from tests.crash.lab import uml
from tests.crash.lab.forms import LONG, SEED, check, demand, pick

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600 if LONG else 300)]


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_the_machine_dies(kind):
    demand(uml.missing())
    check(uml.row(kind, cuts=pick(1, 100), seed=SEED))
