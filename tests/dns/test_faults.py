"""Each fault of DNS has exactly the outcome that docs/dns-faults.md names, and bounces nothing that might exist."""

from __future__ import annotations

import pytest

from tests.dns.dnskit import World
from tests.dns.faults import FAULTS


@pytest.mark.parametrize("name", FAULTS)
async def test_outcome(world: World, name: str) -> None:
    fault = FAULTS[name]
    world.zone.update(fault.zone)
    assert await world.deliver(waits=fault.waits) == fault.outcome
