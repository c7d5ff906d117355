"""A world of its own for each test; whatever still runs at its end is drained without grace."""

from __future__ import annotations

import pytest_asyncio

from tests.incidents.incidentkit import World


@pytest_asyncio.fixture
async def world():
    world = World()
    try:
        yield world
    finally:
        await world.close()
