"""A small Internet in one process: MTAs on disks in memory, next hops that do as they are told, one clock, one DNS.

Everything listens on loopback addresses of this process's own, at one port, so that MX records are all it takes to
find each other. Time passes only in `run`, `advance` and `until`. Never: a real wait for time to pass.
"""

from __future__ import annotations

import asyncio
import errno
import io
import itertools
import json
import os
import re
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest_asyncio

from asyncmta import Mta, Settings
from asyncmta.testing.client import RawClient
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk
from asyncmta.testing.dns import FakeResolver
from asyncmta.testing.smtp_sink import SinkSettings, SmtpSink

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
PATIENCE = 0.1  # real seconds that something gets to end by itself, before time passes
REAL_SECONDS = 20.0  # after which something that needs no time to pass counts as hanging
ROUNDING = 0.002  # seconds; due times are on two scales of floats
QUIET = 8.0  # seconds after which sessions that rest are over, on both ends

RECEIVED = re.compile(rb"Received:[^\n]*\n(?:[ \t][^\n]*\n)*")
QUEUE_ID = re.compile(rb"\bid ([0-9a-zA-Z]+)[;\s]")


def network() -> str:
    """The first three octets of addresses that no other test process uses."""
    pid = os.getpid()
    return f"127.{pid // 250 % 250 + 2}.{pid % 250 + 1}"


class World:
    """The clock, the DNS, and who listens where."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.resolver = FakeResolver()
        self.houses: list[House] = []
        self.sinks: list[SmtpSink] = []
        self.clients: list[RawClient] = []
        self._hosts = itertools.count(1)
        with socket.socket() as probe:
            probe.bind((f"{network()}.254", 0))
            self.port = probe.getsockname()[1]

    def address(self) -> str:
        """A loopback address that nobody listens on."""
        return f"{network()}.{next(self._hosts)}"

    def name(self, host: str, address: str, *domains: str) -> None:
        """Enter a host, and the domains that it is the only exchanger of."""
        self.resolver.set(host, {"A": [address]})
        for domain in domains:
            self.resolver.set(domain, {"MX": [(10, host)]})

    async def sink(self, *domains: str, host: str = "", settings: SinkSettings | None = None) -> SmtpSink:
        """A next hop for these domains."""
        address = self.address()
        sink = SmtpSink(settings, host=address, port=self.port)
        await sink.start()
        self.sinks.append(sink)
        self.name(host or f"mx.{domains[0] if domains else 'sink.example'}", address, *domains)
        return sink

    def house(self, domain: str = "a.example", **tables: Any) -> House:
        """An MTA for this domain, not yet running; `tables` are those of config.toml."""
        house = House(self, domain, tables)
        self.houses.append(house)
        return house

    async def mta(self, domain: str = "a.example", **tables: Any) -> House:
        house = self.house(domain, **tables)
        await house.open()
        return house

    # -- time --------------------------------------------------------------------------------------------------------

    @property
    def running(self) -> list[House]:
        return [house for house in self.houses if house.is_open]

    async def idle(self) -> None:
        """Until no MTA has anything that is due, without time passing."""
        async with asyncio.timeout(REAL_SECONDS):
            quiet = 0
            while quiet < 2:  # the second time, all that the first has seen is durable
                for house in self.running:
                    await house.mta.idle()
                quiet = quiet + 1 if all(house.mta.rooms.scheduler.is_idle for house in self.running) else 0

    async def advance(self, seconds: float) -> None:
        """Let time pass. Sessions that rest come to their end on the way, as they do when nobody holds the clock."""
        first = min(seconds, QUIET)
        for _ in range(int(first)):
            self.clock.advance(1.0)
            await self.clock.settle(5)
        self.clock.advance(first - int(first))
        await self.clock.settle(5)
        self.clock.advance(seconds - first)

    async def run(self, *, until: Callable[[], object] = lambda: False, limit: float = 40 * DAY) -> None:
        """From one due time to the next, until nothing waits or `until` holds, for `limit` seconds at most."""
        end = self.clock.now() + limit
        while True:
            await self.idle()
            if until():
                return
            times = [due for house in self.running if (due := house.mta.next_due()) is not None]
            if not times or min(times) > end:
                return
            await self.advance(max(0.0, min(times) - self.clock.now()) + ROUNDING)

    async def until(self, holds: Callable[[], object], *, limit: float = DAY) -> None:
        """From timer to timer until it holds: for what is not idle while it waits."""
        await self.clock.run_until(holds, limit=limit)

    async def soon(self, holds: Callable[[], object]) -> None:
        """Until it holds, without time passing."""
        async with asyncio.timeout(REAL_SECONDS):
            while not holds():  # noqa: ASYNC110 - whatever it is about, it has no event
                await asyncio.sleep(0.001)

    async def close(self) -> None:
        for client in self.clients:
            await client.close()
        for house in self.running:
            await house.close(grace=0.0)
        for sink in self.sinks:
            await sink.stop()


class House:
    """One MTA with its disk and its log; it may die and come back. `tables` may be changed while it is away."""

    def __init__(self, world: World, domain: str, tables: Mapping[str, Any]) -> None:
        self.world = world
        self.domain = domain
        self.host = f"mx.{domain}"
        self.address = world.address()
        self.disk = FakeDisk()
        self.tables: dict[str, Any] = dict(tables)
        self.resolver: Any = world.resolver
        self.program: dict[str, Any] = {}  # what the Python program around it brings: hooks, recipients
        self.authenticator: Any = None
        self.log = io.BytesIO()
        self.is_open = False
        world.name(self.host, self.address, domain)

    @property
    def settings(self) -> Settings:
        mine: dict[str, Any] = {
            "hostname": self.host,
            "spool": "/spool",
            "listener": [{"address": self.address, "port": self.world.port}],
            "local": {"domains": [self.domain], "maildir": "/mail/{domain}/{local_part}", "mailboxes": "any"},
            "remote": {"port": self.world.port, "allow_private_exchangers": True},
            "queue": {"delay_warning": "0s"},  # where it is not what the test is about, it is one message more
            "log": {"format": "json"},
        }
        for name, table in self.tables.items():
            mine[name] = {**mine[name], **table} if isinstance(mine.get(name), dict) else table
        return Settings.from_dict(mine)

    async def open(self) -> Mta:
        world = self.world
        self.mta = Mta(
            self.settings,
            clock=world.clock,
            resolver=self.resolver,
            disk=self.disk,
            authenticator=self.authenticator,
            log_stream=self.log,
            **self.program,
        )
        await self.mta.__aenter__()
        self.is_open = True
        return self.mta

    async def close(self, grace: float = 30.0) -> None:
        """A drain, in which time passes if it has to."""
        self.is_open = False
        drain = asyncio.ensure_future(self.mta.drain(grace))
        await asyncio.wait([drain], timeout=PATIENCE)
        await self.world.clock.run_until(drain.done)
        await drain

    async def kill(self) -> None:
        """`kill -9`: what was written is there, synced or not."""
        await self._die(FakeDisk.kill)

    async def cut_power(self, seed: int | None = None) -> None:
        """What was synced is there, and of the rest what the seed lets survive."""
        await self._die(lambda disk: disk.crash(seed))

    async def _die(self, left_by: Callable[[FakeDisk], FakeDisk]) -> None:
        """The disk that is left stands from this moment. What the dead one still does, it does with a disk that
        refuses everything, so that it can neither record nor promise anything more; then its sockets go."""
        corpse = self.disk
        with corpse._mutex:  # no thread of the dead one is in between
            self.disk = left_by(corpse)
            corpse._faults.is_cut = False
            corpse.fail_at(1, errno.EIO, for_good=True)
        with suppress(OSError):  # the lock's descriptor, on the disk that refuses
            await self.close(grace=0.0)

    async def reopen(self) -> Mta:
        """A restart after a clean stop."""
        await self.close()
        return await self.open()

    # -- what people see ---------------------------------------------------------------------------------------------

    def client(self, **keywords: Any) -> RawClient:
        return RawClient(self.address, self.world.port, **keywords)

    async def greet(self) -> RawClient:
        """A client that has said EHLO; the world closes it, if nobody else does."""
        client = self.client()
        await client.connect()
        self.world.clients.append(client)
        assert (await client.hello()).code == 250
        return client

    async def send(self, sender: str, recipients: Sequence[str], content: bytes) -> list[int]:
        """A message from a client: the codes of all replies."""
        async with self.client() as client:
            await client.hello()
            replies = await client.send_message(sender, recipients, content)
            await client.command("QUIT")
            return [reply.code for reply in replies]

    def mailbox(self, user: str, domain: str = "") -> list[bytes]:
        """What is in new/, as a reader sees it, in the order of the names."""
        folder = f"mail/{domain or self.domain}/{user}/new/"
        return [octets for path, octets in sorted(self.disk.tree().items()) if path.startswith(folder)]

    def events(self, event: str, since: int = 0) -> list[dict[str, Any]]:
        """The lines of the log about it, in all lives, or in what stands behind the first `since` octets."""
        self.mta.maillog.flush()
        lines = map(json.loads, self.log.getvalue()[since:].splitlines())
        return [line for line in lines if line["event"] == event]

    def pending(self) -> list[str]:
        """Who waits in the queue, by address."""
        return sorted(recipient.address for row in self.mta.queue() for recipient in row.recipients)


def without_received(content: bytes) -> bytes:
    """Content as it was before we put our Received in front; AssertionError when that is not what stands there."""
    match = RECEIVED.match(content)
    assert match is not None, content[:200]
    return content[match.end() :]


def queue_ids(content: bytes) -> list[str]:
    """The ids under which it was queued, the last hop first."""
    found = [QUEUE_ID.search(field) for field in RECEIVED.findall(content.partition(b"\r\n\r\n")[0] + b"\r\n")]
    return [match[1].decode() for match in found if match is not None]


def failed_recipients(report: bytes) -> list[str]:
    """Whom a DSN tells of."""
    return re.findall(r"^Final-Recipient: *rfc822; *(\S+)", report.decode("latin-1"), re.MULTILINE | re.IGNORECASE)


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    """One for each test; what still runs at its end is drained without grace."""
    world = World()
    try:
        yield world
    finally:
        await world.close()
