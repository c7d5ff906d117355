"""Whole MTAs from one seed each; SIMULATION_SEEDS=1000 for a long night, SIMULATION_FIRST=17 for one in particular."""

from __future__ import annotations

import os

import pytest

from asyncmta.spool.store import Store
from asyncmta.testing.disk import FakeDisk
from tests.simulation.simulation import Simulation

FIRST = int(os.environ.get("SIMULATION_FIRST", "1"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("SIMULATION_SEEDS", "20")))


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_accounts_close(seed):
    simulation = Simulation(seed)
    faults = await simulation.run()
    story = "\n  ".join(simulation.story)
    assert not faults, f"SIMULATION_FIRST={seed} SIMULATION_SEEDS=1\n  {story}\n" + "\n".join(faults)


# -- the simulation can fail: MTAs that are broken on purpose


async def caught(about, seeds=range(100, 140)):
    """The first fault that any of these seeds finds and that has these words in it."""
    for seed in seeds:
        for fault in await Simulation(seed).run():
            if about in fault:
                return fault
    return ""


async def test_a_250_before_the_sync_is_caught(monkeypatch):
    """The answer goes out at once; the record is written all the same."""
    submit = Store.submit

    def hasty(self, records, on_durable):
        submit(self, records, lambda _failure: None)
        on_durable(None)

    monkeypatch.setattr(Store, "submit", hasty)
    assert "is lost" in await caught("is lost")


async def test_a_disk_that_lies_about_syncs_is_caught(monkeypatch):
    monkeypatch.setattr(FakeDisk, "fdatasync", lambda self, file: None)
    assert "is lost" in await caught("is lost")


async def test_outcomes_that_are_not_recorded_are_caught(monkeypatch):
    monkeypatch.setattr(Store, "note", lambda self, *records: None)
    assert "came twice without a reason" in await caught("came twice without a reason")
