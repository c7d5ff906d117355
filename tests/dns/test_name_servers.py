"""Name servers that come and go, answer late, or change their mind: what lasts longer than one question."""

from __future__ import annotations

import asyncio
import random
import socket
from contextlib import suppress

import pytest

from asyncmta.delivery import resolver as resolver_module
from asyncmta.delivery.resolver import ANEW_INTERVAL
from asyncmta.delivery.session import TlsContexts
from tests.dns.dnskit import DOMAIN, World
from tests.dns.nameserver import SILENT, NameServer, Says, address, mx

HOST = "mx.example.test"


def good(server: NameServer, domain: str = DOMAIN, ip: str = "8.8.8.1", ttl: int = 600) -> None:
    server.zone[domain, "MX"] = [mx(domain, 10, f"mx.{domain}", ttl)]
    server.zone[f"mx.{domain}", "A"] = [address(f"mx.{domain}", ip, ttl)]


def closed_port() -> int:
    """Below those that the system gives to whoever asks for any, so that nobody takes it in the meantime."""
    for port in random.sample(range(10_000, 30_000), 100):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused, suppress(OSError):
            unused.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def said(world: World) -> list[str]:
    return world.log.events("resolver_down", "resolver_back")


async def test_truncated_and_tcp_is_refused(tls: TlsContexts) -> None:
    server = NameServer()
    await server.start(with_tcp=False)
    world = World(server, tls)
    server.zone[DOMAIN, "MX"] = Says(flags=0x8380)
    try:
        assert await world.deliver(waits=0.02) == "later, 4.4.3"
    finally:
        await world.close()
        await server.stop()


async def test_nobody_at_the_port(server: NameServer, tls: TlsContexts) -> None:
    world = World(server, tls, servers=(f"127.0.0.1:{closed_port()}",))
    try:
        for n in range(5):
            assert await world.deliver(f"d{n}.test", waits=0.02) == "later, 4.4.3"
        assert said(world) == ["resolver_down"]
    finally:
        await world.close()


async def test_the_second_server_when_the_first_is_not_there(server: NameServer, tls: TlsContexts) -> None:
    good(server)
    world = World(server, tls, servers=(f"127.0.0.1:{closed_port()}", server.address))
    try:
        assert await world.deliver() == "reaches 8.8.8.1"
        assert await world.deliver("nowhere.test") == "bounces, 5.1.2"
        assert said(world) == []
    finally:
        await world.close()


async def test_an_answer_that_comes_too_late(world: World) -> None:
    good(world.server)
    world.server.is_holding = True
    assert await world.deliver(waits=0.02) == "later, 4.4.3"
    world.server.release()
    await asyncio.sleep(0.02)
    world.clock.advance(60.0)
    assert await world.deliver() == "reaches 8.8.8.1"


async def test_name_servers_that_are_gone_are_told_once_and_their_coming_back_too(world: World) -> None:
    for n in range(20):
        world.zone[f"d{n}.test", "MX"] = SILENT
        assert await world.deliver(f"d{n}.test", waits=0.02) == "later, 4.4.3"
    assert said(world) == ["resolver_down"]
    good(world.server)
    for _ in range(2):
        world.clock.advance(60.0)
        assert await world.deliver() == "reaches 8.8.8.1"
    assert said(world) == ["resolver_down", "resolver_back"]
    level, _, facts = next(note for note in world.log.notes if note[1] == "resolver_down")
    assert level == "warning"
    assert facts["servers"] == [world.server.address]


async def test_one_domain_whose_servers_are_silent_says_nothing_about_ours(world: World) -> None:
    world.zone["dead.test", "MX"] = SILENT
    for _ in range(4):
        assert await world.deliver("dead.test", waits=0.02) == "later, 4.4.3"
        world.clock.advance(60.0)
    assert said(world) == []


async def test_a_server_that_starts_after_us(tls: TlsContexts) -> None:
    port = closed_port()
    late = NameServer()
    await late.start()  # somewhere else, until it is started where it is looked for
    world = World(late, tls, servers=(f"127.0.0.1:{port}",))
    await late.stop()
    assert await world.deliver(waits=0.02) == "later, 4.4.3"
    server = NameServer()
    good(server)
    await server.start(port)
    try:
        world.clock.advance(60.0)
        assert await world.deliver() == "reaches 8.8.8.1"
        assert said(world) == ["resolver_down", "resolver_back"]
    finally:
        await world.close()
        await server.stop()


async def test_the_settings_of_the_system_are_read_again_while_nobody_answers(
    server: NameServer, tls: TlsContexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    good(server)
    system = [f"127.0.0.1:{closed_port()}"]
    real = resolver_module.aiodns.DNSResolver

    def of_the_system(nameservers: object, **settings: float) -> object:
        return real(nameservers=list(system), **settings)

    monkeypatch.setattr(resolver_module.aiodns, "DNSResolver", of_the_system)
    world = World(server, tls)
    try:
        assert await world.deliver(waits=0.02) == "later, 4.4.3"
        world.clock.advance(2 * ANEW_INTERVAL)
        assert await world.deliver(waits=0.02) == "later, 4.4.3"
        system[:] = [server.address]
        world.clock.advance(2 * ANEW_INTERVAL)
        assert await world.deliver() == "reaches 8.8.8.1"
        assert said(world) == ["resolver_down", "resolver_back"]
    finally:
        await world.close()


async def test_the_address_that_is_connected_to_is_the_one_that_was_checked(world: World) -> None:
    """A zone with a lifetime of 0 that turns to a private address: kept for half a minute, then looked at again."""
    good(world.server, ttl=0)
    assert await world.deliver() == "reaches 8.8.8.1"
    good(world.server, ip="169.254.169.254", ttl=0)
    assert await world.deliver() == "reaches 8.8.8.1"
    world.clock.advance(3600.0)
    assert await world.deliver() == "later, 4.4.4"


async def test_resolvers_are_closed_with_questions_in_flight(server: NameServer, tls: TlsContexts) -> None:
    for n in range(20):
        server.zone[f"{n}.test", "MX"] = SILENT
    for _ in range(20):
        world = World(server, tls)
        tasks = [asyncio.create_task(world.resolver.exchangers(f"{n}.test")) for n in range(20)]
        await asyncio.sleep(0.001)
        await world.close()
        assert all(
            isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*tasks, return_exceptions=True)
        )


@pytest.mark.parametrize(
    ("domain", "outcome"),
    [
        ("[8.8.8.8]", "reaches 8.8.8.8"),
        ("[IPv6:2606:4700::1]", "reaches 2606:4700::1"),
        ("[127.0.0.1]", "later, 4.4.4"),
        ("[10.1.2.3]", "later, 4.4.4"),
        ("[IPv6:::1]", "later, 4.4.4"),
        ("[IPv6:::ffff:192.168.0.1]", "later, 4.4.4"),
        ("[8.8.9.9]", "bounces, 5.4.6"),
    ],
)
async def test_address_literals_ask_nobody(world: World, domain: str, outcome: str) -> None:
    assert await world.deliver(domain) == outcome
    assert world.server.asked == []


async def test_what_is_not_there_is_kept_for_five_minutes(world: World) -> None:
    assert await world.deliver("nowhere.test") == "bounces, 5.1.2"
    asked = len(world.server.asked)
    world.clock.advance(200.0)
    assert await world.deliver("nowhere.test") == "bounces, 5.1.2"
    assert len(world.server.asked) == asked
    world.clock.advance(101.0)
    assert await world.deliver("nowhere.test") == "bounces, 5.1.2"
    assert len(world.server.asked) > asked


async def test_thousands_of_records_cost_one_look_up(world: World) -> None:
    """Many messages to a domain with as many exchangers as an answer can hold: it is asked for and read once."""
    world.zone[DOMAIN, "MX"] = [mx(b"\xc0\x0c", n, b"\x04%04d\xc0\x0c" % n) for n in range(2800)]
    for n in range(2800):
        world.zone[f"{n:04d}.{DOMAIN}", "A"] = [address(f"{n:04d}.{DOMAIN}", f"8.8.{n >> 8}.{n & 255}")]
    for _ in range(5):
        assert (await world.deliver()).startswith("reaches 8.8.0.0")
        world.clock.advance(61.0)
    assert world.server.over_tcp.count((DOMAIN, "MX")) == 1
