"""MXPS: MX preferences that say that a host speaks QMTP, and what follows when it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from asyncmta.delivery.client_tls import TlsContexts
from asyncmta.delivery.exchange import (
    MXPS,
    Exchanger,
    MxRecord,
    MxRecords,
    Site,
    at_level,
    site_of_domain,
    site_of_hosts,
)
from asyncmta.delivery.session import Opened
from asyncmta.delivery.way import way_of
from asyncmta.mail.outcome import Deferred
from tests.unit.delivery.test_dialer import World


def site(*records: tuple[int, str], mxps: bool = True) -> Site:
    answer = MxRecords(tuple(MxRecord(*record) for record in records))
    found = site_of_domain("example.net", answer, "us.example", mxps=mxps)
    assert isinstance(found, Site)
    return found


@pytest.fixture
def make_world(system_tls: TlsContexts) -> Callable[..., World]:
    def make(**settings: Any) -> World:
        world = World(system_tls, {}, settings)
        world.host("mx.example", "8.8.8.1")
        return world

    return make


def dialled(world: World) -> list[tuple[int, str]]:
    pairs = zip(world.network.dialled, world.network.manners, strict=True)
    return [(target.port, manners.protocol) for target, manners in pairs]


@pytest.mark.parametrize("preference", [12801, 12817, 13041])
def test_the_preferences_that_mean_qmtp(preference: int) -> None:
    assert site((preference, "mx.example")).exchangers == (Exchanger("mx.example", 0, 209),)
    assert site((preference, "mx.example")).key == "mx:mx.example:209"
    assert site((preference, "mx.example"), mxps=False) == site((10, "mx.example"))


@pytest.mark.parametrize("preference", [0, 10, 12785, 12800, 12802, 12816, 13040, 13042, 13057, 65535])
def test_the_others_do_not(preference: int) -> None:
    assert site((preference, "mx.example")) == site((10, "mx.example"))
    assert len(MXPS) == 16


def test_each_preference_is_a_tier_of_its_own() -> None:
    way = way_of(site((12801, "a.example"), (12800, "b.example"), (12817, "c.example")))
    assert [tier.exchangers for tier in way.tiers] == [
        (Exchanger("b.example"),),
        (Exchanger("a.example", 0, 209),),
        (Exchanger("c.example", 0, 209),),
    ]
    assert [tier.key for tier in way.tiers] == ["mx:b.example", "mx:a.example:209", "mx:c.example:209"]


async def test_who_is_there_gets_qmtp(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.network.alive = {"8.8.8.1"}
    assert isinstance(await world.dialer.dial(site((12801, "mx.example"))), Opened)
    assert dialled(world) == [(209, "qmtp")]


async def test_nobody_at_that_port_then_smtp(make_world: Callable[..., World]) -> None:
    """The fallback is for those alone who could not be connected to, and so have got nothing."""
    world = make_world()
    assert isinstance(await world.dialer.dial(site((12801, "mx.example"))), Deferred)
    assert dialled(world) == [(209, "qmtp"), (25, "smtp")]
    world.network.alive = {"8.8.8.1"}
    world.dialer.dead.forget("mx.example", 25)
    assert isinstance(await world.dialer.dial(site((12801, "mx.example"))), Opened)
    assert dialled(world)[2:] == [(25, "smtp")]  # that port is dead, and not dialled again for a while
    world.dialer.revive(site((12801, "mx.example")))
    assert isinstance(await world.dialer.dial(site((12801, "mx.example"))), Opened)
    assert dialled(world)[3:] == [(209, "qmtp")]


async def test_silence_at_that_port_leaves_time_for_smtp(make_world: Callable[..., World]) -> None:
    world = make_world(connect_timeout=30.0)
    world.network.hosts["8.8.8.1"] = "silence"
    began = world.clock.monotonic()
    assert isinstance(await world.dialer.dial(site((12801, "mx.example"))), Deferred)
    assert dialled(world) == [(209, "qmtp"), (25, "smtp")]
    assert world.clock.monotonic() - began <= 90.0


@pytest.mark.parametrize("tls", ["require", "verify"])
async def test_where_tls_is_a_must_there_is_no_qmtp(make_world: Callable[..., World], tls: str) -> None:
    world = make_world()
    world.network.alive = {"8.8.8.1"}
    assert isinstance(await world.dialer.dial(at_level(site((12801, "mx.example")), tls)), Opened)
    assert dialled(world) == [(25, "smtp")]


async def test_an_operator_who_names_port_209_means_what_the_route_says(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.network.alive = {"8.8.8.1"}
    assert isinstance(await world.dialer.dial(site_of_hosts(("mx.example:209",), "none")), Opened)
    assert isinstance(await world.dialer.dial(site_of_hosts(("mx.example:209",), "none", protocol="qmtp")), Opened)
    assert dialled(world) == [(209, "smtp"), (209, "qmtp")]
