"""What the hostile reading of the remote engine found and nobody has mended yet."""

from __future__ import annotations

from asyncmta.testing.smtp_sink import SILENCE
from tests.incidents.incidentkit import HOUR

CONTENT = b"Subject: to all\r\n\r\nx\r\n"


def overlapping(world):
    for at in range(3):
        pair = [(10, f"mx{at}.big.example"), (10, f"mx{(at + 1) % 3}.big.example")]
        world.resolver.set(f"d{at}.example", {"MX": pair})


async def test_limits_of_a_site_are_those_of_its_hosts(world):
    """Three domains whose exchangers overlap are three sites with the same hosts: no host gets more than the limit."""
    sinks = [await world.sink(host=f"mx{at}.big.example") for at in range(3)]
    overlapping(world)
    house = await world.mta("a.example", site=[{"hosts": [".big.example"], "limits": ["2 sessions"]}])
    for host in sinks:
        host.script("MAIL", SILENCE, times=1000)
    for number in range(90):
        await house.mta.submit("alice@a.example", [f"u{number}@d{number % 3}.example"], CONTENT)
    await world.clock.settle(2000)
    await world.soon(lambda: sum(host.open_sessions for host in sinks) >= 2)
    await world.clock.settle(2000)
    assert max(host.open_sessions for host in sinks) <= 2


async def test_a_rate_is_that_of_its_hosts(world):
    """The same for a rate: thirty messages in turn to the three domains, which share three hosts."""
    sinks = [await world.sink(host=f"mx{at}.big.example") for at in range(3)]
    overlapping(world)
    house = await world.mta("a.example", site=[{"hosts": [".big.example"], "limits": ["20/h"]}])
    for number in range(60):
        await house.mta.submit("alice@a.example", [f"u{number}@d{number % 3}.example"], CONTENT)
    for _ in range(int(HOUR / 2)):
        world.clock.advance(1.0)
        await world.clock.settle(5)
    assert sum(len(host.messages) for host in sinks) <= 10 + 3 * len(sinks)
