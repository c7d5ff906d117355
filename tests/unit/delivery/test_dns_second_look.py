"""Whom to ask again, and what silence means. What answers mean stands in test_dns_packet.py and tests/dns."""

from __future__ import annotations

import asyncio
import socket

import pytest

from asyncmta.delivery.dns_second_look import host_and_port, second_look
from asyncmta.delivery.exchange import TemporaryFailure
from asyncmta.testing.clock import FakeClock


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("2001:db8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_servers(server: str, expected: tuple[str, int]) -> None:
    assert host_and_port(server) == expected


async def test_a_name_that_cannot_be_asked_for() -> None:
    found = await second_look("a..b", "A", servers=(), clock=FakeClock(), seconds=1.0)
    assert isinstance(found, TemporaryFailure)


async def test_silent_servers_share_the_time_and_are_no_word() -> None:
    clock = FakeClock()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        servers = [f"127.0.0.1:{silent.getsockname()[1]}"] * 5 + ["nonsense"]
        task = asyncio.create_task(second_look("a.test", "A", servers=servers, clock=clock, seconds=6.0))
        for _ in range(3):
            async with asyncio.timeout(5):
                while clock.next_timer() is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
            assert not task.done()
            clock.advance(2.0)
            await asyncio.sleep(0.005)
        assert isinstance(await task, TemporaryFailure)
        assert len([silent.recv(512) for _ in range(3)]) == 3
