"""Each fault of DNS has exactly the outcome that docs/dns-faults.md names, and bounces nothing that might exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dns.dnskit import World
from tests.dns.faults import FAULTS

PAGE = Path(__file__).parents[2] / "docs" / "dns-faults.md"


@pytest.mark.parametrize("name", FAULTS)
async def test_outcome(world: World, name: str) -> None:
    fault = FAULTS[name]
    world.zone.update(fault.zone)
    assert await world.deliver(waits=fault.waits) == fault.outcome


def test_the_page_says_what_happens() -> None:
    rows = [line.strip("| \n").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    told = {name: outcome for name, outcome, *_ in rows}
    assert {name: told.get(name) for name in FAULTS} == {name: fault.outcome for name, fault in FAULTS.items()}


def test_bounces_are_few_and_sure() -> None:
    """Permanent for exactly: no such domain, null MX, ourselves, no exchanger with an address."""
    bounces = {fault.outcome for fault in FAULTS.values() if fault.outcome.startswith("bounces")}
    assert bounces == {"bounces, 5.1.2", "bounces, 5.1.10", "bounces, 5.4.6", "bounces, 5.4.4"}
