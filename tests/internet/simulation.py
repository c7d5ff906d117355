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

import pytest
from msgspec import Struct

from asyncmta import Mta, Settings
from asyncmta import mta as mta_module
from asyncmta.delivery.dialer import Dialer
from asyncmta.delivery.exchange import AddressAnswer, MxAnswer
from asyncmta.spool import store as store_module
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk
from asyncmta.testing.dns import FakeResolver
from tests.internet.mail import SENDER, Letter, only_healthy, write
from tests.internet.network import AtOnce, Network
from tests.internet.providers import Internet, build
from tests.internet.servers import Hosts

DAY = 86_400.0
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
    """What is left to look at. `began` on the monotonic scale; `seconds` until nothing was left to do."""

    internet: Internet
    letters: list[Letter]
    began: float
    seconds: float
    waiting: list[str]
    bugs: list[str]
    events: Counter[str]


def simulate(seed: int, *, healthy_only: bool = False, domains: int = 2_000, scale: float = 1.0) -> Result:
    """The internet of this seed and its letters; `healthy_only`: without those for sick providers."""
    with asyncio.Runner() as runner, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", os.devnull)  # to read the machine's certificates takes long, and nobody is judged
        patch.setenv("SSL_CERT_DIR", os.devnull)
        return runner.run(_simulate(seed, patch, healthy_only, domains, scale))


async def _simulate(seed: int, patch: pytest.MonkeyPatch, healthy_only: bool, domains: int, scale: float) -> Result:
    asyncio.get_running_loop().set_default_executor(AtOnce())
    clock, log = FakeClock(), io.BytesIO()
    network = Network(clock)
    internet = build(Hosts(network), random.Random(f"{seed} internet"), domains)
    letters = write(internet, random.Random(f"{seed} letters"), scale)
    if healthy_only:
        letters = only_healthy(letters, internet)
    resolver = SlowResolver(internet.zone)
    resolver.network = network
    salts = random.Random(f"{seed} salts")
    by_hand = partial(Dialer, open_session=internet.hosts.open_session, salt=lambda: salts.getrandbits(64))
    patch.setattr(mta_module, "Dialer", by_hand)
    patch.setattr(store_module, "ThreadPoolExecutor", AtOnce)
    settings = Settings.from_dict(
        {
            "hostname": "mta.example",
            "spool": "/spool",
            "queue": {"lifetime": "1d"},  # five would be the same, five times: mail for the dead is tried in vain
            "log": {"format": "json"},
        }
    )
    mta = Mta(settings, clock=clock, resolver=resolver, disk=FakeDisk(), log_stream=log)
    await mta.__aenter__()
    journal = mta.rooms.store._journal
    network.is_busy = lambda: journal._busy
    began = clock.monotonic()
    try:
        await asyncio.gather(*(mta.submit(SENDER, letter.recipients, letter.content) for letter in letters))
        scheduler = mta.rooms.scheduler
        await network.run(lambda: scheduler.is_idle and scheduler.next_due() is None, limit=10 * DAY)
        seconds = clock.monotonic() - began
        await mta.rooms.store.flush()
        waiting = [str(row) for row in mta.queue()]
    finally:
        await mta.drain(0.0)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    bugs = [str(line) for line in itertools.islice((line for line in lines if line["event"] in BUGS), 10)]
    return Result(internet, letters, began, seconds, waiting, bugs, Counter(line["event"] for line in lines))
