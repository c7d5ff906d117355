"""One run of the simulated internet: a whole MTA on a disk in memory, everybody's mail at once, until nothing waits.

All that chance decides comes from one seed, and time is the fake clock's alone: two runs of a seed count the same.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
import random
from collections import Counter
from functools import partial
from types import SimpleNamespace

import pytest
from msgspec import Struct

from asyncmta import Mta, Settings, mta_remote
from asyncmta.delivery.dialer import Dialer
from asyncmta.delivery.exchange import AddressAnswer, MxAnswer
from asyncmta.spool import opening
from asyncmta.spool import store as store_module
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk
from asyncmta.testing.dns import FakeResolver
from tests.internet.mail import SENDER, SIZES, Letter, only_healthy, write
from tests.internet.moods import MoodyHost
from tests.internet.network import AtOnce, Network
from tests.internet.providers import Internet, build
from tests.internet.servers import Host, Hosts

HOUR, DAY = 3_600.0, 86_400.0
BUGS = {
    "internal_error",
    "session_failed",
    "settled_twice",
    "transport_failed",
    "recall_failed",
    "report_failed",
    "spool_illegal_transition",
}


class SlowResolver(FakeResolver):
    """Answers after a while, which depends on the name."""

    network: Network

    async def exchangers(self, domain: str) -> MxAnswer:
        await self.network.wait(0.01 + len(domain) % 5 * 0.02)
        return await super().exchangers(domain)

    async def addresses(self, host: str) -> AddressAnswer:
        await self.network.wait(0.01)
        return await super().addresses(host)


class Result(Struct):
    """What is left to look at. `began` on the monotonic scale; `seconds` until nothing was left to do; `reports`: DSNs,
    each of which is a message too."""

    internet: Internet
    letters: list[Letter]
    began: float
    seconds: float
    waiting: list[str]
    bugs: list[str]
    reports: int
    events: Counter[str]


class Plan(Struct, frozen=True, kw_only=True):
    """What is simulated. `healthy_only`: without the letters for sick providers. `temper`: the servers have moods for
    an hour, this likely at each step. `counts`: how many letters there are with so many recipients. `every`: seconds
    between two letters; 0: all at once."""

    seed: int
    healthy_only: bool = False
    domains: int = 2_000
    counts: tuple[tuple[int, int], ...] = SIZES
    scale: float = 1.0
    temper: float = 0.0
    every: float = 0.0


def simulate(plan: Plan) -> Result:
    with asyncio.Runner() as runner, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", os.devnull)  # to read the machine's certificates takes long, and nobody is judged
        patch.setenv("SSL_CERT_DIR", os.devnull)
        return runner.run(_simulate(plan, patch))


async def _simulate(plan: Plan, patch: pytest.MonkeyPatch) -> Result:
    asyncio.get_running_loop().set_default_executor(AtOnce())
    seed = plan.seed
    clock, log = FakeClock(), io.BytesIO()
    network = Network(clock)
    hosts = Hosts(network, MoodyHost if plan.temper else Host)
    internet = build(hosts, random.Random(f"{seed} internet"), plan.domains)
    for host in hosts.by_ip.values():
        if isinstance(host, MoodyHost) and host not in internet.providers[0].hosts:
            host.chance = random.Random(f"{seed} {host.name}")
            host.temper, host.calm_at = plan.temper, clock.monotonic() + HOUR
    letters = write(internet, random.Random(f"{seed} letters"), plan.scale, plan.counts)
    if plan.healthy_only:
        letters = only_healthy(letters, internet)
    resolver = SlowResolver(internet.zone)
    resolver.network = network
    salts = random.Random(f"{seed} salts")
    by_hand = partial(Dialer, open_session=internet.hosts.open_session, salt=lambda: salts.getrandbits(64))
    patch.setattr(mta_remote, "Dialer", by_hand)
    patch.setattr(store_module, "ThreadPoolExecutor", AtOnce)
    tags = random.Random(f"{seed} journal")  # with the queue ids, what spreads retries follows from it
    patch.setattr(opening, "secrets", SimpleNamespace(token_bytes=tags.randbytes))
    settings = Settings.from_dict(
        {
            "hostname": "mta.example",
            "spool": "/spool",
            "listener": [{"address": "127.0.0.1", "port": 0}],  # nobody calls; there is always one
            "queue": {"lifetime": "6h", "bounce_lifetime": "6h"},  # mail for the dead is tried in vain for ever
            "log": {"format": "json"},
        }
    )
    mta = Mta(settings, clock=clock, resolver=resolver, disk=FakeDisk(), log_stream=log)
    await mta.__aenter__()
    journal = mta.rooms.store._journal
    network.is_busy = lambda: journal._busy
    began = clock.monotonic()
    try:
        hand_in = asyncio.ensure_future(_hand_in(mta, letters, network, plan.every))
        await network.run(hand_in.done, limit=10 * DAY)
        await hand_in
        scheduler = mta.rooms.scheduler
        await network.run(lambda: scheduler.is_idle and scheduler.next_due() is None, limit=10 * DAY)
        seconds = clock.monotonic() - began
        await mta.rooms.store.flush()
        waiting = [str(row) for row in mta.queue()]
    finally:
        await mta.drain(0.0)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    bugs = [str(line) for line in itertools.islice((line for line in lines if line["event"] in BUGS), 10)]
    reports = sum(len(host.reports) for host in internet.hosts.by_ip.values())
    return Result(internet, letters, began, seconds, waiting, bugs, reports, Counter(line["event"] for line in lines))


async def _hand_in(mta: Mta, letters: list[Letter], network: Network, every: float) -> None:
    if not every:
        await asyncio.gather(*(mta.submit(SENDER, letter.recipients, letter.content) for letter in letters))
        return
    for letter in letters:
        await mta.submit(SENDER, letter.recipients, letter.content)
        await network.wait(every)
