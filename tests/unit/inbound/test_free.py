"""A session that is over is free at once, and not when the collector of cycles comes: nothing in it points back."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest

from asyncmta.inbound.connection import Connection
from asyncmta.inbound.conversation import Conversation
from asyncmta.inbound.data import ContentReader
from asyncmta.inbound.flow import Flow, LargeArrival
from asyncmta.inbound.gate import Gate
from asyncmta.inbound.session import SessionState
from asyncmta.policy.rules import Rules
from asyncmta.policy.verdict import Findings, Peer
from tests.unit.inbound.inboundkit import Kit, KitTransport

KINDS = (Connection, Conversation, SessionState, Flow, LargeArrival, ContentReader, KitTransport)
TRANSACTION = b"EHLO c\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<alice@example.org>\r\n"
DATA = TRANSACTION + b"DATA\r\n"


@pytest.fixture(autouse=True)
def _without_the_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def living() -> int:
    return sum(isinstance(each, KINDS) for each in gc.get_objects())


@pytest.mark.parametrize(
    "said",
    [
        (),
        (DATA, b"a: b\r\n\r\nc\r\n.\r\n", b"QUIT\r\n"),
        (DATA, b"a: b\r\n\r\n" + b"some text in a large message\r\n" * 10_000),
        (TRANSACTION + b"BDAT 100\r\nx",),
        (b"GET / HTTP/1.1\r\n",),
        (b"EHLO c\r\n" + b"NOOP\r\n" * 1000,),
    ],
    ids=["silent", "a message", "large content", "a chunk", "another protocol", "a long turn"],
)
async def test_nothing_is_left_of_a_session(said: tuple[bytes, ...]) -> None:
    kit = Kit()
    before = living()
    connection, transport = kit.connect()
    assert living() > before
    for octets in said:
        if not transport.closed:
            connection.data_received(octets)
    connection.connection_lost(None)
    del connection, transport
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert living() == before


async def test_nor_of_one_whose_message_is_not_durable_yet() -> None:
    kit = Kit()
    kit.store.at_once = False
    before = living()
    connection, _ = kit.connect()
    connection.data_received(DATA)
    connection.data_received(b"a: b\r\n\r\nc\r\n.\r\n")
    connection.connection_lost(None)
    del connection, _
    kit.store.release()
    assert len(kit.store.records) == 1
    assert living() == before


async def test_nor_of_one_that_was_asked_about_and_made_to_wait() -> None:
    async def screen(_: Peer) -> Findings:
        await asyncio.Event().wait()
        return Findings()

    kit = Kit(gate=lambda kit: Gate(rules=Rules(()), now=kit.clock.now, screen=screen), greet_delay=3.0)
    before = living()
    connection, _ = kit.connect()
    await asyncio.sleep(0)
    connection.connection_lost(None)
    del connection, _
    await kit.listener.sessions.cancel_tasks()
    assert living() == before


@pytest.mark.parametrize("answer", [b"AGEAYg==\r\n", None], ids=["ended", "cut off"])
async def test_nor_of_one_that_has_logged_in(answer: bytes | None) -> None:
    async def authenticate(*_: str) -> bool:
        return True

    kit = Kit(authenticate=authenticate, allow_plaintext_auth=True)
    before = living()
    connection, transport = kit.connect()
    connection.data_received(b"EHLO c\r\nAUTH PLAIN\r\n")
    for _ in range(5):
        await asyncio.sleep(0)
    assert transport.take().endswith(b"334 \r\n")
    if answer is not None:
        connection.data_received(answer)
        for _ in range(5):
            await asyncio.sleep(0)
        assert transport.take().startswith(b"235 ")
    connection.connection_lost(None)
    del connection, transport
    await kit.listener.sessions.cancel_tasks()
    await asyncio.sleep(0)
    assert living() == before
