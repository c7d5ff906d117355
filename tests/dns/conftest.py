"""A name server and a world for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from asyncmta.delivery.session import TlsContexts, default_tls_contexts
from tests.dns.dnskit import World
from tests.dns.nameserver import NameServer


@pytest.fixture(scope="session")
def tls() -> TlsContexts:
    return default_tls_contexts()


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    found = NameServer()
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
async def world(server: NameServer, tls: TlsContexts) -> AsyncIterator[World]:
    found = World(server, tls)
    yield found
    await found.close()
