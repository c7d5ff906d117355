"""No name server answers when the MTA starts: it starts, takes mail, delivers what is local, and goes on by itself when
one comes. Row N12, and D-92 for what is local."""

from __future__ import annotations

import contextlib
import os
import socket

from tests.dns.nameserver import NameServer, address, mx
from tests.incidents.incidentkit import HOUR


def _silent_port() -> int:
    """One that no other test is given by the system meanwhile: below those that it gives out."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused, contextlib.suppress(OSError):
            unused.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


async def test_it_starts_without_and_goes_on_with_them(world):
    port = _silent_port()
    house = world.house("a.example", dns={"servers": [f"127.0.0.1:{port}"], "timeout": "60s"})
    house.resolver = None  # its own, which asks over the network
    await house.open()
    sink = await world.sink("d0.example")
    domains = [f"d{number}.example" for number in range(20)]
    content = b"Subject: hi\r\n\r\nx\r\n"
    codes = await house.send("alice@a.example", [f"bob@{domain}" for domain in domains], content)
    assert codes[-1] == 250
    assert (await house.send("alice@a.example", ["carol@a.example"], content))[-1] == 250
    await world.soon(lambda: house.mailbox("carol"))
    await world.run(limit=2 * HOUR)
    assert len(house.pending()) == 20
    assert len(house.events("resolver_down")) == 1

    server = NameServer()
    for domain in domains:
        server.zone[domain, "MX"] = [mx(domain, 10, "mx.example")]
    server.zone["mx.example", "A"] = [address("mx.example", sink.address[0])]
    await server.start(port)
    try:
        await world.run()
    finally:
        await server.stop()
    assert sorted(recipient for message in sink.messages for recipient in message.recipients) == sorted(
        f"bob@{domain}" for domain in domains
    )
    assert house.pending() == []
    assert not house.mailbox("alice")
    assert (len(house.events("resolver_down")), len(house.events("resolver_back"))) == (1, 1)
