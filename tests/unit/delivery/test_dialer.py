"""The dialer: which addresses are tried, in what order, for how long; and what is remembered of those that failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from asyncmta.delivery.answers import both_families
from asyncmta.delivery.commands import Capabilities
from asyncmta.delivery.dialer import Dialer, RemoteSettings
from asyncmta.delivery.exchange import (
    AddressAnswer,
    Addresses,
    Exchanger,
    MxRecord,
    MxRecords,
    NoData,
    Site,
    site_of_domain,
    site_of_hosts,
)
from asyncmta.delivery.session import Manners, Opened, Target, TlsContexts
from asyncmta.delivery.sources import SourceRule
from asyncmta.delivery.verdict import Fault, Stage, blame, judge
from asyncmta.mail.outcome import Cause, Deferred, Failed, Place
from asyncmta.mail.reply import reply
from asyncmta.system.clock import Clock
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.dns import FakeResolver

SILENCE = "silence"  # nobody answers, until the time for connecting is over
REFUSES = "554"


class Network:
    """By address: what happens there. Nothing is known of an address: the connection is refused."""

    def __init__(self) -> None:
        self.hosts: dict[str, str] = {}
        self.alive: set[str] = set()
        self.dialled: list[Target] = []
        self.manners: list[Manners] = []
        self.clock = FakeClock()

    async def open(self, target: Target, manners: Manners, clock: Clock) -> Opened | Failed | Deferred:
        self.dialled.append(target)
        self.manners.append(manners)
        place = Place(target.host, target.ip)
        match self.hosts.get(target.ip, "alive" if target.ip in self.alive else ""):
            case "alive":
                return Opened(asyncio.Transport(), Capabilities(), place)
            case "silence":
                self.clock.advance(manners.connect_timeout)
                return blame(Stage.CONNECT, Fault.TIMEOUT, place=place)
            case "late":
                self.clock.advance(300.0)
                return blame(Stage.GREETING, Fault.TIMEOUT, place=place)
            case "554":
                refused = judge(Stage.GREETING, reply(554, "5.7.1", "no"), place)
                assert isinstance(refused, Deferred)
                return refused
            case "tls":
                return blame(Stage.STARTTLS, Fault.TLS, "handshake", place)
        return blame(Stage.CONNECT, Fault.CONNECT, "Connection refused", place)

    @property
    def ips(self) -> list[str]:
        return [target.ip for target in self.dialled]


class World:
    """A dialer between a zone and a network."""

    def __init__(self, tls: TlsContexts, facts: dict[str, Any], settings: dict[str, Any]) -> None:
        self.network = Network()
        self.clock = self.network.clock
        self.resolver = FakeResolver()
        self.dialer = Dialer(
            clock=self.clock,
            resolver=self.resolver,
            settings=RemoteSettings(**settings),
            hostname="us.example",
            tls=tls,
            salt=lambda: 0,
            open_session=self.network.open,
            **facts,
        )

    def host(self, name: str, *ips: str) -> None:
        four = [ip for ip in ips if ":" not in ip]
        self.resolver.set(name, {"A": four, "AAAA": [ip for ip in ips if ":" in ip]})

    async def dial(self, *hosts: str, budget: float | None = None) -> Opened | Failed | Deferred:
        return await self.dialer.dial(site(*enumerate(hosts)), budget)


def site(*records: tuple[int, str]) -> Site:
    found = site_of_domain("example.net", MxRecords(tuple(MxRecord(*record) for record in records)), "us.example")
    assert isinstance(found, Site)
    return found


def said(outcome: Opened | Failed | Deferred) -> tuple[type, Cause, str]:
    assert isinstance(outcome, Failed | Deferred)
    return type(outcome), outcome.cause, f"{outcome.reply.code} {outcome.reply.enhanced}"


@pytest.fixture
def make_world(system_tls: TlsContexts) -> Callable[..., World]:
    def make(facts: dict[str, Any] | None = None, **settings: Any) -> World:
        return World(system_tls, facts or {}, settings)

    return make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()


# -- the walk ----------------------------------------------------------------------------------------------------------


async def test_the_next_host_when_one_cannot_be_reached(world: World) -> None:
    world.host("mx1.example", "8.8.8.1")
    world.host("mx2.example", "8.8.8.2")
    world.network.alive = {"8.8.8.2"}
    opened = await world.dial("mx1.example", "mx2.example")
    assert isinstance(opened, Opened)
    assert opened.place == Place("mx2.example", "8.8.8.2")
    assert [(target.host, target.ip, target.port) for target in world.network.dialled] == [
        ("mx1.example", "8.8.8.1", 25),
        ("mx2.example", "8.8.8.2", 25),
    ]


async def test_all_addresses_of_a_host_before_the_next(world: World) -> None:
    world.host("mx1.example", "8.8.8.1", "2606:4700::1")
    world.host("mx2.example", "8.8.8.2")
    assert said(await world.dial("mx1.example", "mx2.example")) == (Deferred, Cause.CONNECT, "451 4.4.1")
    assert world.network.ips == ["8.8.8.1", "2606:4700::1", "8.8.8.2"]


async def test_five_addresses_and_one_for_each_host(world: World) -> None:
    for n in range(3):
        world.host(f"mx{n}.example", *(f"8.8.{n}.{m}" for m in range(100)))
    assert said(await world.dial(*(f"mx{n}.example" for n in range(3)))) == (Deferred, Cause.CONNECT, "451 4.4.1")
    assert world.network.ips == ["8.8.0.0", "8.8.0.1", "8.8.0.2", "8.8.1.0", "8.8.2.0"]


async def test_what_a_host_said_counts_for_more_than_that_another_was_not_asked(world: World) -> None:
    for n in range(6):
        world.host(f"mx{n}.example", f"8.8.8.{n}")
        world.network.hosts[f"8.8.8.{n}"] = REFUSES
    outcome = await world.dial(*(f"mx{n}.example" for n in range(6)))
    assert said(outcome) == (Deferred, Cause.REFUSED, "450 4.7.1")
    assert len(world.network.ips) == 5


async def test_one_word_of_refusal_is_the_word_of_a_host(world: World) -> None:
    """And not that there is no route to its other address, or none that we would go to."""
    world.host("mx.example", "8.8.8.1", "10.0.0.1")
    world.network.hosts["8.8.8.1"] = REFUSES
    assert said(await world.dial("mx.example")) == (Deferred, Cause.REFUSED, "450 4.7.1")
    assert world.network.ips == ["8.8.8.1"]


# -- the budget --------------------------------------------------------------------------------------------------------


async def test_ten_black_holes_cost_three_times_the_time_for_one(world: World) -> None:
    for n in range(10):
        world.host(f"mx{n}.example", f"8.8.8.{n}")
        world.network.hosts[f"8.8.8.{n}"] = SILENCE
    began = world.clock.monotonic()
    outcome = await world.dial(*(f"mx{n}.example" for n in range(10)))
    assert said(outcome) == (Deferred, Cause.TIMEOUT, "451 4.4.1")
    assert world.clock.monotonic() - began == 90.0
    assert [manners.connect_timeout for manners in world.network.manners] == [18.0] * 5


async def test_a_black_hole_leaves_time_for_the_others(world: World) -> None:
    world.host("mx1.example", "8.8.8.1", "8.8.8.2")
    world.network.hosts["8.8.8.1"] = SILENCE
    world.network.alive = {"8.8.8.2"}
    assert isinstance(await world.dial("mx1.example", budget=20.0), Opened)
    assert [manners.connect_timeout for manners in world.network.manners] == [10.0, 10.0]


async def test_what_is_left_of_a_budget_is_all_there_is(world: World) -> None:
    world.host("mx1.example", "8.8.8.1", "8.8.8.2")
    world.network.hosts = dict.fromkeys(("8.8.8.1", "8.8.8.2"), SILENCE)
    assert said(await world.dial("mx1.example", budget=3.0)) == (Deferred, Cause.TIMEOUT, "451 4.4.1")
    assert world.network.ips == ["8.8.8.1"]
    assert said(await world.dial("mx1.example", budget=0.0)) == (Deferred, Cause.CONNECT, "451 4.4.1")
    # Three seconds and one address of two are no proof that the host is dead.
    world.network.alive, world.network.hosts = {"8.8.8.1"}, {}
    assert isinstance(await world.dial("mx1.example"), Opened)


async def test_a_late_greeting_is_not_charged_for(world: World) -> None:
    world.host("mx1.example", "8.8.8.1")
    world.host("mx2.example", "8.8.8.2")
    world.network.hosts["8.8.8.1"] = "late"
    world.network.alive = {"8.8.8.2"}
    assert isinstance(await world.dial("mx1.example", "mx2.example"), Opened)


async def test_slow_name_servers_are_charged_for(world: World) -> None:
    class Slow(FakeResolver):
        async def addresses(self, host: str) -> AddressAnswer:
            world.clock.advance(5.0)
            return NoData()

    world.dialer.resolver = Slow()
    began = world.clock.monotonic()
    outcome = await world.dial(*(f"mx{n}.example" for n in range(20)), budget=12.0)
    assert world.clock.monotonic() - began == 15.0
    assert said(outcome) == (Deferred, Cause.CONNECT, "451 4.4.1")  # of those that were not asked for nothing is known


# -- dead hosts --------------------------------------------------------------------------------------------------------


async def test_a_dead_host_is_dialled_once_and_not_once_for_each_site(world: World) -> None:
    world.host("dead.example", "8.8.8.1", "8.8.8.2")
    for n in range(3):
        world.host(f"mx{n}.example", f"8.8.4.{n}")
        world.network.alive.add(f"8.8.4.{n}")
        opened = await world.dial("dead.example", f"mx{n}.example")
        assert isinstance(opened, Opened)
        assert opened.place.host == f"mx{n}.example"
    assert world.network.ips == ["8.8.8.1", "8.8.8.2", "8.8.4.0", "8.8.4.1", "8.8.4.2"]
    first = await world.dial("dead.example")
    assert said(first) == (Deferred, Cause.CONNECT, "451 4.4.1")
    assert first.place.host == "dead.example"
    world.clock.advance(45.0)
    await world.dial("dead.example")
    assert world.network.ips[5:] == ["8.8.8.1", "8.8.8.2"]


async def test_a_host_that_comes_back_is_forgotten(world: World) -> None:
    world.host("mx.example", "8.8.8.1")
    await world.dial("mx.example")
    world.clock.advance(45.0)
    world.network.alive = {"8.8.8.1"}
    assert isinstance(await world.dial("mx.example"), Opened)
    assert len(world.dialer.dead) == 0


async def test_an_operator_who_wants_to_know(world: World) -> None:
    world.host("mx.example", "8.8.8.1")
    await world.dial("mx.example")
    world.network.alive = {"8.8.8.1"}
    assert isinstance(await world.dial("mx.example"), Deferred)
    world.dialer.revive(site((0, "mx.example")))
    assert isinstance(await world.dial("mx.example"), Opened)


@pytest.mark.parametrize("sign", ["554", "tls"])
async def test_who_says_anything_is_not_dead(world: World, sign: str) -> None:
    world.host("mx.example", "8.8.8.1", "8.8.8.2")
    world.network.hosts["8.8.8.2"] = sign
    for _ in range(2):
        await world.dial("mx.example")
    assert world.network.ips == ["8.8.8.1", "8.8.8.2"] * 2


async def test_an_address_that_was_not_tried_may_be_alive(world: World) -> None:
    world.host("mx.example", *(f"8.8.8.{n}" for n in range(6)))
    for _ in range(2):
        await world.dial("mx.example")
    assert len(world.network.ips) == 10


# -- which addresses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preference", "order"),
    [
        ("both", ["8.8.8.1", "2606:4700::1", "8.8.8.2"]),
        ("prefer-ipv6", ["2606:4700::1", "8.8.8.1", "8.8.8.2"]),
        ("prefer-ipv4", ["8.8.8.1", "8.8.8.2", "2606:4700::1"]),
        ("ipv4", ["8.8.8.1", "8.8.8.2"]),
        ("ipv6", ["2606:4700::1"]),
    ],
)
async def test_families(make_world: Callable[..., World], preference: str, order: list[str]) -> None:
    world = make_world(addresses=preference)
    world.resolver = FakeResolver()
    world.host("mx.example", "8.8.8.1", "8.8.8.2", "2606:4700::1")
    world.dialer.resolver = InTurns(world.resolver)
    await world.dial("mx.example")
    assert world.network.ips == order


async def test_a_host_of_the_other_family_only_is_not_a_host_without_address(make_world: Callable[..., World]) -> None:
    world = make_world(addresses="ipv4")
    world.host("mx.example", "2606:4700::1")
    assert said(await world.dial("mx.example")) == (Deferred, Cause.DNS, "451 4.4.4")
    world.host("mx.example")
    assert said(await world.dial("mx.example")) == (Failed, Cause.DNS, "550 5.4.4")


async def test_without_a_route_nothing_is_dialled_and_nothing_is_lost(make_world: Callable[..., World]) -> None:
    def obstacle(ip: str, source: str) -> str:
        return "Network is unreachable" if ":" in ip else ""

    world = make_world({"obstacle": obstacle})
    world.host("mx.example", *(f"2606:4700::{n}" for n in range(1, 9)), "8.8.8.1")
    world.network.alive = {"8.8.8.1", "2606:4700::1"}
    assert isinstance(await world.dial("mx.example"), Opened)
    assert world.network.ips == ["8.8.8.1"]
    world.host("six.example", "2606:4700::1")
    for _ in range(2):
        outcome = await world.dial("six.example")
        assert said(outcome) == (Deferred, Cause.CONNECT, "451 4.4.1")
        assert "Network is unreachable" in str(outcome.reply)
    assert world.network.ips == ["8.8.8.1"]
    assert len(world.dialer.dead) == 0  # it is our network that is not there


async def test_an_address_where_we_listen_is_a_loop(make_world: Callable[..., World]) -> None:
    world = make_world({"is_own": lambda ip, port: (ip, port) == ("8.8.8.8", 25)})
    world.host("ours.example", "8.8.8.8")
    world.host("better.example", "8.8.8.1")
    world.host("worse.example", "8.8.8.9")
    assert said(await world.dial("ours.example")) == (Failed, Cause.LOOP, "554 5.4.6")
    assert said(await world.dial("ours.example", "worse.example")) == (Failed, Cause.LOOP, "554 5.4.6")
    assert said(await world.dial("better.example", "ours.example", "worse.example"))[0] is Deferred
    assert world.network.ips == ["8.8.8.1"]
    smarthost = site_of_hosts(("ours.example:25",), "none", None)
    assert said(await world.dialer.dial(smarthost)) == (Deferred, Cause.LOOP, "454 4.4.6")
    other_port = site_of_hosts(("ours.example:26",), "none", None)
    assert said(await world.dialer.dial(other_port)) == (Deferred, Cause.CONNECT, "451 4.4.1")


# -- where from, and smarthosts ----------------------------------------------------------------------------------------


async def test_sources_by_rule(make_world: Callable[..., World]) -> None:
    rule = SourceRule(exchangers=("*.big.example",), addresses=("192.0.2.7",), hostname="seven.example")
    world = make_world(sources=(rule,), source_addresses=("192.0.2.1", "2001:db8::1"))
    world.host("mx.big.example", "8.8.8.1", "2606:4700::1")
    world.host("mx.example", "8.8.8.2", "2606:4700::2")
    await world.dial("mx.big.example", "mx.example")
    assert [target.source for target in world.network.dialled] == ["192.0.2.7", "", "192.0.2.1", "2001:db8::1"]
    assert [manners.hostname for manners in world.network.manners] == ["seven.example"] * 2 + ["us.example"] * 2


async def test_smarthosts_take_turns_by_weight_and_stand_in_for_one_another(world: World) -> None:
    hosts = tuple(Exchanger(f"relay{n}.example", weight=weight) for n, weight in enumerate((3, 1)))
    relays = Site("smarthost:relays", hosts, explicit=True)
    for n in range(2):
        world.host(f"relay{n}.example", f"10.0.0.{n}")
    world.network.alive = {"10.0.0.0", "10.0.0.1"}
    first = []
    for salt in range(100):
        world.dialer._salt = lambda salt=salt: salt  # type: ignore[misc]
        opened = await world.dialer.dial(relays)
        assert isinstance(opened, Opened)
        first.append(opened.place.host)
    assert 65 <= first.count("relay0.example") <= 85
    world.network.alive = {"10.0.0.1"}
    for _ in range(5):
        opened = await world.dialer.dial(relays)
        assert isinstance(opened, Opened)
        assert opened.place.host == "relay1.example"


class InTurns(FakeResolver):
    """Addresses as the resolver has them: the families in turn."""

    def __init__(self, inner: FakeResolver) -> None:
        super().__init__()
        self._inner = inner

    async def addresses(self, host: str) -> AddressAnswer:
        answer = await self._inner.addresses(host)
        if isinstance(answer, Addresses):
            four, six = ([ip for ip in answer.ips if (":" in ip) is is_six] for is_six in (False, True))
            return both_families(Addresses(tuple(four)), Addresses(tuple(six)))
        return answer
