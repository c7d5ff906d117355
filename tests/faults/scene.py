"""A scene for one row of the fault table: a remote transport, one exchanger that goes wrong and maybe a second one,
one message for three recipients; the clock is moved whenever the server waits for time to pass.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import structs

from asyncmta.mail.envelope import Consignment
from asyncmta.mail.outcome import Deferred, Delivered, Failed, Outcome
from tests.faults.faulty_server import PROPER, FaultyServer, Manner
from tests.faults.words import Fault, Kind, Pair, Step, Then, act
from tests.unit.delivery.conftest import Post

RECIPIENTS = ("bob@example.net", "eve@example.net", "joe@example.net")
BEFORE = "first@example.net"
LETTERS = {Delivered: "D", Deferred: "E", Failed: "F"}
LONGEST = 7300.0  # no pass of one transaction takes longer
EXTENSIONS = {
    Kind.LOCK_STEP: (),
    Kind.CHUNKED: ("PIPELINING", "CHUNKING", "BINARYMIME"),
    Kind.TLS: ("PIPELINING", "STARTTLS"),
    Kind.TLS_REQUIRED: ("PIPELINING", "STARTTLS"),
    Kind.LOGIN: ("PIPELINING", "AUTH PLAIN"),
}
# Where nobody listens, where somebody listens and never accepts, and where no way leads to.
ELSEWHERE = {Fault.REFUSED: "127.0.0.3", Fault.NO_ANSWER: "127.0.0.4", Fault.UNREACHABLE: "255.255.255.255"}
LINE = b"x" * 76 + b"\r\n"
CHUNK = LINE * 800
CHUNKS = 400  # more than the buffers of a connection hold


async def _much() -> AsyncIterator[bytes]:
    for _ in range(CHUNKS):
        yield CHUNK


class Scene:
    """One exchanger, or two; `pass_` sends to whoever is left."""

    def __init__(self, pair: Pair, post: Post, servers: list[FaultyServer], to: str) -> None:
        self.pair = pair
        self.post = post
        self.first = servers[0]
        self.servers = servers
        self._to = to
        self.outcomes: dict[str, Outcome] = {}

    def break_(self, tls: ssl.SSLContext) -> None:
        """From now on the first server goes wrong."""
        pair = self.pair
        proper = PROPER.get(pair.step, b"250 2.0.0 ok")
        second = pair.kind is Kind.REUSED
        for server in self.servers:
            server.manner = Manner(
                extensions=EXTENSIONS.get(pair.kind, ("PIPELINING",)),
                refuses_ehlo=pair.kind is Kind.OLD,
                refuses=BEFORE if pair.kind is Kind.RESET else "nobody",
                tls=tls,
            )
        if pair.step is Step.CONNECT:
            self.post.resolver.set("mx1.example.net", {"A": [ELSEWHERE[pair.fault]]})
            return
        self.first.manner = structs.replace(
            self.first.manner, act=act(pair.fault, proper), at=pair.step, transaction=2 if second else 0
        )

    def mend(self) -> None:
        """From now on it does not."""
        self.first.manner = structs.replace(self.first.manner, act=None)
        self.post.resolver.set("mx1.example.net", {"A": [self.first.ip]})

    async def pass_(self, *recipients: str, is_large: bool = False) -> dict[str, Outcome]:
        """One attempt for these, to its end; time passes whenever a server waits for that."""
        post = self.post
        facts: dict[str, Any] = {"content": _much(), "large": len(CHUNK) * CHUNKS} if is_large else {}
        consignment = self.begin(*recipients, **facts)
        await self._wait_for(consignment)
        result = {recipient: post.results.outcome(consignment, ordinal) for ordinal, recipient in enumerate(recipients)}
        self.outcomes.update(result)
        return result

    def begin(self, *recipients: str, **facts: Any) -> Consignment:
        (consignment,) = self.post.message(*recipients, to=self._to, **facts)
        if self.pair.kind is Kind.CHUNKED:
            consignment.envelope = structs.replace(consignment.envelope, body="BINARYMIME")
        self.post.transport.deliver([consignment], self.post.results)
        return consignment

    async def _wait_for(self, consignment: Consignment) -> None:
        results, clock = self.post.results, self.post.clock
        began = clock.monotonic()
        seen = 0
        async with asyncio.timeout(20):
            while consignment not in results.of:
                await asyncio.sleep(0)
                stuck = sum(server.account.stuck for server in self.servers)
                if stuck == seen and clock.monotonic() == began and self.pair.fault is not Fault.NO_ANSWER:
                    continue
                seen = stuck
                for server in self.servers:
                    for drip in server.account.drips:
                        drip()
                for _ in range(4):
                    await self.quiet()
                    if consignment in results.of:
                        return
                clock.advance(30.0)
                assert clock.monotonic() - began < LONGEST, "it never ends"

    async def until_closed(self) -> None:
        """Until the client has left the first server."""
        await self.post.until(lambda: not self.first.account.open)

    async def quiet(self) -> None:
        """Let everything happen that does not need time."""
        await self.post.clock.settle(20)
        await asyncio.sleep(0.001)
        if any(server.manner.act is not None and server.manner.act.then is Then.DEAF for server in self.servers):
            await asyncio.sleep(0.02)  # megabytes are on their way into the buffers


def letters(outcomes: dict[str, Outcome]) -> str:
    return "".join(LETTERS[type(outcome)] for outcome in outcomes.values())


@contextmanager
def full(port: int) -> Iterator[None]:
    """At one address and this port nobody is let in any more: the kernel's queue of connections is full."""
    with socket.socket() as listening, socket.socket() as one, socket.socket() as other:
        listening.bind((ELSEWHERE[Fault.NO_ANSWER], port))
        listening.listen(0)
        for client in (one, other):
            client.setblocking(False)
            client.connect_ex(listening.getsockname())
        yield


async def make_scene(
    pair: Pair, make_post: Callable[..., Post], servers: list[FaultyServer], tls: ssl.SSLContext
) -> Scene:
    """`servers` listen at one port of several addresses; the first one is the best exchanger."""
    post = make_post(port=servers[0].port, messages_per_session=1 if pair.kind is Kind.LAST else 100)
    names = [f"mx{at}.example.net" for at in range(1, len(servers) + 1)]
    post.resolver.set("example.net", {"MX": [(at * 10, name) for at, name in enumerate(names, 1)]})
    for name, server in zip(names, servers, strict=True):
        post.resolver.set(name, {"A": [server.ip]})
    hosts = [(name, server.port) for name, server in zip(names, servers, strict=True)]
    to = ""
    if pair.kind is Kind.TLS_REQUIRED:
        to = post.smarthost(*hosts, tls="require")
    elif pair.kind is Kind.LOGIN:
        to = post.smarthost(*hosts, tls="none", username="user", password="secret")
    scene = Scene(pair, post, servers, to)
    scene.break_(tls)
    if pair.kind in {Kind.REUSED, Kind.RESET}:
        await scene.pass_(BEFORE)
    return scene
