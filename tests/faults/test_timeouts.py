"""How long each step may take: RFC 5321 4.5.3.2, with ten minutes after the dot (RFC 1047); to the second, on a clock
that is moved by hand. What is over a deadline is deferred, and nothing that comes before the deadline is cut short.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from asyncmta.delivery.commands import Capabilities
from asyncmta.delivery.session import Opened
from asyncmta.mail.envelope import Consignment
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Place, Scope
from tests.faults.faulty_server import FaultyServer
from tests.faults.scene import CHUNK, CHUNKS, Scene, full, make_scene
from tests.faults.words import Fault, Kind, Pair, Step, Verdict
from tests.unit.delivery.conftest import Post

SECOND = 1.0
PASS = Verdict("EEE")

LIMITS = [
    (Kind.PIPELINED, Step.CONNECT, Fault.NO_ANSWER, 30.0),
    (Kind.PIPELINED, Step.GREETING, Fault.SILENCE, 300.0),
    (Kind.PIPELINED, Step.EHLO, Fault.SILENCE, 300.0),
    (Kind.OLD, Step.HELO, Fault.SILENCE, 300.0),
    (Kind.TLS_REQUIRED, Step.STARTTLS, Fault.SILENCE, 60.0),
    (Kind.TLS_REQUIRED, Step.HANDSHAKE, Fault.SILENCE, 60.0),
    (Kind.TLS, Step.EHLO_AGAIN, Fault.SILENCE, 300.0),
    (Kind.LOGIN, Step.AUTH, Fault.SILENCE, 300.0),
    (Kind.PIPELINED, Step.MAIL, Fault.SILENCE, 300.0),
    (Kind.LOCK_STEP, Step.MAIL, Fault.SILENCE, 300.0),
    (Kind.CHUNKED, Step.MAIL, Fault.SILENCE, 600.0),  # for all of the content is there already
    (Kind.PIPELINED, Step.RCPT_1, Fault.SILENCE, 300.0),
    (Kind.PIPELINED, Step.RCPT_3, Fault.SILENCE, 300.0),
    (Kind.LOCK_STEP, Step.RCPT_1, Fault.SILENCE, 300.0),
    (Kind.LOCK_STEP, Step.RCPT_3, Fault.SILENCE, 300.0),
    (Kind.PIPELINED, Step.DATA, Fault.SILENCE, 120.0),
    (Kind.LOCK_STEP, Step.DATA, Fault.SILENCE, 120.0),
    (Kind.STREAMED, Step.CONTENT, Fault.DEAF, 180.0),
    (Kind.PIPELINED, Step.DOT, Fault.SILENCE, 600.0),
    (Kind.LOCK_STEP, Step.DOT, Fault.SILENCE, 600.0),
    (Kind.CHUNKED, Step.DOT, Fault.SILENCE, 600.0),
    (Kind.RESET, Step.RSET, Fault.SILENCE, 300.0),
]


async def _much() -> AsyncIterator[bytes]:
    for _ in range(CHUNKS):
        yield CHUNK


def _begin(scene: Scene, *, is_large: bool) -> Consignment:
    facts: dict[str, Any] = {"content": _much(), "large": len(CHUNK) * CHUNKS} if is_large else {}
    return scene.begin("bob@example.net", "eve@example.net", "joe@example.net", **facts)


@pytest.mark.parametrize(
    ("kind", "step", "fault", "seconds"), LIMITS, ids=[f"{k.name}-{s.name}" for k, s, *_ in LIMITS]
)
async def test_each_step_has_its_time(
    make_post: Callable[..., Post],
    server_tls: ssl.SSLContext,
    kind: Kind,
    step: Step,
    fault: Fault,
    seconds: float,
) -> None:
    async with FaultyServer() as server:
        with full(server.port):
            scene = await make_scene(Pair(kind, step, fault, PASS), make_post, [server], server_tls)
            before = server.account.stuck
            consignment = _begin(scene, is_large=kind is Kind.STREAMED)
            results, clock = scene.post.results, scene.post.clock
            if step is not Step.CONNECT:
                await scene.post.until(lambda: server.account.stuck > before)
            for _ in range(4):
                await scene.quiet()
            clock.advance(seconds - SECOND)
            await scene.quiet()
            assert consignment not in results.of
            clock.advance(2 * SECOND + 0.1)  # deadlines of transactions are looked at once a second
            await scene.post.until(lambda: consignment in results.of)
            outcome = results.outcome(consignment)
            assert isinstance(outcome, Deferred)
            assert outcome.cause is Cause.TIMEOUT


async def test_the_minutes_after_the_dot_are_not_taken_from_what_came_before(make_post: Callable[..., Post]) -> None:
    """Nearly two hours of slow replies, and still ten minutes for the last one."""
    peer = FakePeer()
    post = make_post()
    consignment = await peer.send(post, *(f"r{n}@example.net" for n in range(23)))
    for _ in range(24):
        post.clock.advance(295)
        peer.say(b"250 ok\r\n")
    peer.say(b"354 go\r\n")
    assert peer.wrote.endswith(b"\r\n.\r\n")
    post.clock.advance(598)
    assert consignment not in post.results.of
    peer.say(b"250 2.0.0 taken\r\n")
    assert isinstance(post.results.outcome(consignment), Delivered)


async def test_all_before_the_dot_has_two_hours(make_post: Callable[..., Post]) -> None:
    """Row M02: each single reply is in time, and all of them together are not."""
    peer = FakePeer()
    post = make_post()
    consignment = await peer.send(post, *(f"r{n}@example.net" for n in range(60)))
    for _ in range(24):
        post.clock.advance(295)
        peer.say(b"250 ok\r\n")
    assert consignment not in post.results.of
    post.clock.advance(130)
    outcome = post.results.outcome(consignment)
    assert (outcome.cause, outcome.scope, peer.is_aborted) == (Cause.TIMEOUT, Scope.SITE, True)


async def test_a_peer_that_reads_a_drop_at_a_time_has_two_hours_too(make_post: Callable[..., Post]) -> None:
    """Rows M02 and M15: a block every 170 s is in time; memory holds a block, and the whole has its bound."""
    peer = FakePeer(room=len(CHUNK))
    post = make_post()
    given = 0

    async def much() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 1
            yield CHUNK

    consignment = await peer.send(post, "bob@example.net", content=much(), large=1 << 30)
    peer.say(b"250 ok\r\n250 ok\r\n354 go\r\n")
    for block in range(42):
        await post.clock.settle()
        assert given <= block + 2
        assert consignment not in post.results.of
        post.clock.advance(170)
        peer.read()
    await post.clock.settle()
    post.clock.advance(70)
    assert post.results.outcome(consignment).cause is Cause.TIMEOUT
    assert peer.is_aborted


class FakePeer(asyncio.Transport):
    """The transport of a session with a peer that lives in the test; it is opened at once."""

    def __init__(self, room: int = 1 << 40) -> None:
        super().__init__()
        self.wrote = b""
        self.is_aborted = False
        self._room = room
        self._protocol: Any = None

    async def send(self, post: Post, *recipients: str, **facts: Any) -> Consignment:
        async def open_session(*_: object) -> Opened:
            return Opened(self, Capabilities(pipelining=True), Place("peer.example", "192.0.2.1"))

        post.dialer.open = open_session
        post.resolver.set("example.net", {"A": ["127.0.0.1"]})
        consignment = post.send(*recipients, **facts)
        await post.until(lambda: self.wrote)
        return consignment

    def say(self, octets: bytes) -> None:
        self._protocol.data_received(octets)

    def read(self) -> None:
        self.wrote = self.wrote[-100:]
        self._protocol.resume_writing()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def write(self, data: Any) -> None:
        self.wrote += bytes(data)
        if len(self.wrote) > self._room:
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def abort(self) -> None:
        self.is_aborted = True

    def close(self) -> None:
        self.is_aborted = True

    def is_closing(self) -> bool:
        return self.is_aborted

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default
