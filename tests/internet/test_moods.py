"""Servers that do at any step what servers do on bad days, at sixty providers at once: nobody is lost, nothing bounces
that should not, and a second copy comes only where the first was taken without a word.

INTERNET_SEED=17 for another seed, INTERNET_SEEDS=200 for a long night.
"""

from __future__ import annotations

import os

import pytest

from asyncmta.delivery import sequel
from asyncmta.delivery.remote import RemoteTransport
from asyncmta.delivery.way import Trail
from asyncmta.mail.outcome import Cause, Delivered, Failed, Scope
from asyncmta.mail.reply import reply
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


# -- the simulation can fail: engines that are broken on purpose


SMALL = Plan(seed=1, temper=0.3, domains=300, counts=((50, 3), (10, 10), (1, 20)))


def test_a_second_copy_without_a_reason_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = sequel._goes_on
    monkeypatch.setattr(
        sequel, "_goes_on", lambda outcome, *more: isinstance(outcome, Delivered) or goes_on(outcome, *more)
    )
    result = simulate(SMALL)
    assert any("taken 2 times (0 untold)" in fault for fault in faults(result.letters, result.internet))


def test_a_recipient_who_is_forgotten_on_the_way_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    onward = RemoteTransport._onward
    monkeypatch.setattr(
        RemoteTransport, "_onward", lambda self, legs: onward(self, [leg for leg in legs if not leg.trail.steps])
    )
    with pytest.raises(TimeoutError):
        simulate(SMALL)


def test_a_bounce_before_its_time_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Failed(Cause.CONNECT, reply(550, "5.4.4", "gone"), Scope.SITE)
    monkeypatch.setattr(Trail, "_of_sites", lambda *_: gone)
    result = simulate(SMALL)
    assert any(
        "taken 0 times (0 untold), reported 1 times" in fault for fault in faults(result.letters, result.internet)
    )
