"""A world of its own for each test; whatever still runs at its end is drained without grace."""

from __future__ import annotations

import os

import pytest
import pytest_asyncio

from tests.incidents.incidentkit import World


@pytest.fixture(autouse=True)
def _trust_nobody(monkeypatch):
    """To read the machine's certificates takes longer than most tests; who needs one names his own."""
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    monkeypatch.setenv("SSL_CERT_DIR", os.devnull)


@pytest_asyncio.fixture
async def world():
    world = World()
    try:
        yield world
    finally:
        await world.close()
