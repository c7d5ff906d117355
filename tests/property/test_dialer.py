"""delivery/dialer: whatever hosts do, a walk has its bounds, and gives up for good only on everybody's word."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from asyncmta.delivery.commands import Capabilities
from asyncmta.delivery.dead_hosts import FIRST_TIME
from asyncmta.delivery.dialer import CONNECT_TIMES, MOST_ADDRESSES, Dialer, RemoteSettings
from asyncmta.delivery.exchange import Exchanger, Site
from asyncmta.delivery.session import Manners, Opened, Target, TlsContexts, default_tls_contexts
from asyncmta.delivery.verdict import Fault, Stage, blame, judge
from asyncmta.mail.outcome import Deferred, Failed, Place
from asyncmta.mail.reply import reply
from asyncmta.system.clock import Clock
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.dns import FakeResolver

ALIVE, REFUSES, BUSY, RESETS, SILENT, PRIVATE, NO_ROUTE = (
    "alive",
    "refuses",
    "busy",
    "resets",
    "silent",
    "private",
    "gone",
)
TIMEOUT = 30.0

fates = st.sampled_from([ALIVE, REFUSES, REFUSES, BUSY, RESETS, SILENT, PRIVATE, NO_ROUTE])
addresses = st.lists(fates, max_size=4)
hosts = st.lists(addresses | st.just("SERVFAIL"), min_size=1, max_size=8)


@cache
def contexts() -> TlsContexts:
    return default_tls_contexts()


class World:
    """Hosts by the fates of their addresses, or with a failure in place of them."""

    def __init__(self, fates: list[Any], *, explicit: bool) -> None:
        self.clock = FakeClock()
        self.fates: dict[str, str] = {}
        self.dialled: list[str] = []
        self.limits: list[float] = []
        zone: dict[str, Any] = {}
        for at, host in enumerate(fates):
            if isinstance(host, str):
                zone[f"h{at}.example"] = host
                continue
            ips = [f"{'10.0' if fate == PRIVATE else '8.8'}.{at}.{n}" for n, fate in enumerate(host)]
            self.fates |= dict(zip(ips, host, strict=True))
            zone[f"h{at}.example"] = {"A": ips}
        self.site = Site("k", tuple(Exchanger(f"h{at}.example") for at in range(len(fates))), explicit=explicit)
        self.dialer = Dialer(
            clock=self.clock,
            resolver=FakeResolver(zone),
            settings=RemoteSettings(connect_timeout=TIMEOUT),
            hostname="us.example",
            tls=contexts(),
            salt=lambda: 7,
            open_session=self.open,
            obstacle=lambda ip, source: "no route" if self.fates[ip] == NO_ROUTE else "",
        )

    async def open(self, target: Target, manners: Manners, clock: Clock) -> Opened | Failed | Deferred:
        self.dialled.append(target.ip)
        self.limits.append(manners.connect_timeout)
        place = Place(target.host, target.ip)
        match self.fates[target.ip]:
            case "alive":
                return Opened(asyncio.Transport(), Capabilities(), place)
            case "refuses" | "busy" as fate:
                said = reply(554, "5.7.1", "no") if fate == REFUSES else reply(450, "4.3.2", "later")
                outcome = judge(Stage.GREETING, said, place)
                assert isinstance(outcome, Failed | Deferred)
                return outcome
            case "silent":
                self.clock.advance(manners.connect_timeout)
                return blame(Stage.CONNECT, Fault.TIMEOUT, place=place)
        return blame(Stage.CONNECT, Fault.CONNECT, place=place)


@settings(max_examples=300, deadline=None)
@given(hosts, st.booleans(), st.none() | st.floats(0.0, 100.0))
def test_a_walk(fates: list[Any], explicit: bool, budget: float | None) -> None:
    world = World(fates, explicit=explicit)
    began = world.clock.monotonic()
    result = asyncio.run(world.dialer.dial(world.site, budget))
    seconds = world.clock.monotonic() - began
    assert len(world.dialled) <= MOST_ADDRESSES
    assert len(set(world.dialled)) == len(world.dialled)
    assert seconds <= (CONNECT_TIMES * TIMEOUT if budget is None else budget) + 1e-6
    assert all(0 < limit <= TIMEOUT for limit in world.limits)
    assert explicit or not any(world.fates[ip] == PRIVATE for ip in world.dialled)
    assert not any(world.fates[ip] == NO_ROUTE for ip in world.dialled)
    assert all(world.fates[ip] != ALIVE for ip in world.dialled[:-1])
    if isinstance(result, Opened):
        assert world.fates[world.dialled[-1]] == ALIVE
    if isinstance(result, Failed):
        assert not explicit
        # Every host has said so, or has for sure no address: none is unknown, silent, or left out.
        for at, host in enumerate(fates):
            assert not isinstance(host, str)
            assert not host or any(world.fates[ip] == REFUSES for ip in world.dialled if ip.startswith(f"8.8.{at}."))


@settings(max_examples=200, deadline=None)
@given(hosts)
def test_the_second_walk_leaves_the_dead_alone(fates: list[Any]) -> None:
    world = World(fates, explicit=False)
    began = world.clock.monotonic()
    asyncio.run(world.dialer.dial(world.site))
    before = list(world.dialled)
    asyncio.run(world.dialer.dial(world.site))
    again = set(world.dialled[len(before) :])
    if world.clock.monotonic() - began >= FIRST_TIME:
        return  # who was found dead first may be looked at again by now
    for at in range(len(fates)):
        usable = [ip for ip, fate in world.fates.items() if _host(ip) == at and fate not in (PRIVATE, NO_ROUTE)]
        is_mute = all(world.fates[ip] in (RESETS, SILENT) for ip in usable)
        if usable and is_mute and [ip for ip in before if _host(ip) == at] == usable:
            assert again.isdisjoint(usable)


def _host(ip: str) -> int:
    return int(ip.split(".")[2])
