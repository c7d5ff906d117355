"""The dialer: which addresses are tried, in what order, for how long; and what is remembered of those that failed."""

from __future__ import annotations

import asyncio

from asyncmta.delivery.commands import Capabilities
from asyncmta.delivery.dialer import Dialer, RemoteSettings
from asyncmta.delivery.exchange import MxRecord, MxRecords, Site, site_of_domain
from asyncmta.delivery.session import Manners, Opened, Target, TlsContexts
from asyncmta.delivery.verdict import Fault, Stage, blame
from asyncmta.mail.outcome import Deferred, Failed, Place
from asyncmta.system.clock import Clock
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.dns import FakeResolver


class Network:
    """Addresses that answer; all others refuse the connection. `dialled` lists each attempt."""

    def __init__(self, *alive: str) -> None:
        self.alive = set(alive)
        self.dialled: list[Target] = []

    async def open(self, target: Target, manners: Manners, clock: Clock) -> Opened | Failed | Deferred:
        self.dialled.append(target)
        place = Place(target.host, target.ip)
        if target.ip not in self.alive:
            return blame(Stage.CONNECT, Fault.CONNECT, "Connection refused", place)
        return Opened(asyncio.Transport(), Capabilities(), place)


def site(*records: tuple[int, str]) -> Site:
    found = site_of_domain("example.net", MxRecords(tuple(MxRecord(*record) for record in records)), "us.example")
    assert isinstance(found, Site)
    return found


async def test_sessions_are_opened_by_whom_the_dialer_was_given(system_tls: TlsContexts) -> None:
    network = Network("8.8.8.2")
    zone = {"mx1.example": {"A": ["8.8.8.1"]}, "mx2.example": {"A": ["8.8.8.2"]}}
    dialer = Dialer(
        clock=FakeClock(),
        resolver=FakeResolver(zone),  # type: ignore[arg-type]
        settings=RemoteSettings(),
        hostname="us.example",
        tls=system_tls,
        open_session=network.open,
    )
    opened = await dialer.dial(site((10, "mx1.example"), (20, "mx2.example")))
    assert isinstance(opened, Opened)
    assert [(target.host, target.ip, target.port) for target in network.dialled] == [
        ("mx1.example", "8.8.8.1", 25),
        ("mx2.example", "8.8.8.2", 25),
    ]
