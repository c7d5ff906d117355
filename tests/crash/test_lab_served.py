"""kill -9 of `asyncmta serve` under load; the ledger closes: accepted = delivered + bounced + queued, by id. J01."""

from __future__ import annotations

import pytest

from tests.crash.lab import served, source
from tests.crash.lab.forms import LONG, SEED, check, demand, pick

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600 if LONG else 300)]


def test_the_ledger_closes_over_kills(tmp_path):
    demand(source.missing())
    check(served.row(tmp_path, kills=pick(5, 200), seed=SEED))
