"""Servers that do at any step what servers do on bad days, at sixty providers at once: nobody is lost, nothing bounces
that should not, and a second copy comes only where the first was taken without a word.

INTERNET_SEED=17 for another seed, INTERNET_SEEDS=200 for a long night.
"""

from __future__ import annotations

import os

import pytest

from tests.internet.mail import FEW, faults
from tests.internet.simulation import Plan, simulate

FIRST = int(os.environ.get("INTERNET_SEED", "1"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("INTERNET_SEEDS", "4")))


@pytest.mark.slow
@pytest.mark.parametrize("temper", [0.02, 0.3])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_accounts_close(seed: int, temper: float) -> None:
    result = simulate(Plan(seed=seed, temper=temper, domains=300, counts=FEW))
    hosts = result.internet.hosts.by_ip.values()
    assert faults(result.letters, result.internet) == []
    assert result.waiting == []
    assert result.bugs == []
    untold = sum(bool(host.untold) for host in hosts)
    assert result.events["possible_duplicate"] >= untold
