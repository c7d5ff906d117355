"""inbound/inspection and intake: header lines, holds, discards, and hooks that look at the content before the 250."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from asyncmta.inbound.gate import Gate
from asyncmta.mail import replies
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Envelope, QueueId
from asyncmta.mail.reply import reply
from asyncmta.mail.wire import digest
from asyncmta.policy.rules import Rule, Rules
from asyncmta.policy.verdict import About, Verdict
from asyncmta.routing import parse_pattern
from asyncmta.spool.failures import JournalFailed
from asyncmta.spool.records import Accepted, Held
from tests.unit.inbound.inboundkit import Kit

NO = reply(550, "5.7.1", "no")
LARGE = b"line of text in a large message\r\n" * 10_000
QUEUED = replies.queued(QueueId(1)).wire
BOTH = ("alice@example.org", "bob@example.org")


def gated(*rules: Rule, **options: Any) -> Callable[[Kit], Gate]:
    return lambda kit: Gate(rules=Rules(rules), now=kit.clock.monotonic, **options)


def rule(action: str, recipient: str = "*", text: str = "") -> Rule:
    recipients = () if recipient == "*" else (parse_pattern(recipient),)
    return Rule(label="rule", verdict=Verdict(action, None, text, "rule"), recipients=recipients)  # type: ignore[arg-type]


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def send(kit: Kit, content: bytes = b"a: b\r\n\r\nhello\r\n", to: tuple[str, ...] = BOTH) -> bytes:
    """What is said to the dot."""
    connection, transport = kit.greeted()
    kit.transport = transport  # type: ignore[attr-defined]
    octets = b"MAIL FROM:<x@example.com>\r\n" + b"".join(b"RCPT TO:<%s>\r\n" % one.encode() for one in to)
    connection.data_received(octets)
    assert transport.take() == replies.SENDER_OK.wire + replies.RECIPIENT_OK.wire * len(to)
    connection.data_received(b"DATA\r\n")
    transport.take()
    for at in range(0, len(content), 60_000):
        connection.data_received(content[at : at + 60_000])
    connection.data_received(b".\r\n")
    await turns()
    return transport.take()


def recipients(record: Accepted) -> list[str]:
    return [str(one.address) for one in record.envelope.recipients]


# -- without a look at the content ----------------------------------------------------------------------------------


async def test_a_gate_that_has_nothing_to_say_changes_nothing() -> None:
    kit = Kit(gate=gated())
    assert await send(kit) == QUEUED
    (record,) = kit.store.records
    assert b"".join(record.parts).startswith(b"Received: ")
    assert [event for event, _ in kit.log.lines] == ["accepted"]


@pytest.mark.parametrize("content", [b"a: b\r\n\r\nhello\r\n", LARGE])
async def test_held_in_one_batch_and_tagged_on_top(content: bytes) -> None:
    kit = Kit(gate=gated(rule("tag", text="one"), rule("tag", BOTH[1], "two"), rule("hold", BOTH[0])))
    assert await send(kit, content) == QUEUED
    record, held = kit.store.records
    assert isinstance(held, Held)
    assert (held.queue_id, held.at) == (record.queue_id, record.at)
    octets = b"".join(record.parts) or kit.store.large[0].octets
    assert octets.startswith(b"X-Asyncmta-Tag: one\r\nX-Asyncmta-Tag: two\r\nReceived: ")
    assert octets.endswith(content)
    assert record.content.digest == digest((octets,), False)
    assert record.content.size == record.content.wire_size == len(octets)
    assert kit.log.of("held") == [{"level": "info", "queue_id": 1, "by": "rule"}]
    assert kit.log.of("tagged") == [{"level": "info", "queue_id": 1, "tags": ("one", "two")}]


@pytest.mark.parametrize("content", [b"a: b\r\n", LARGE])
async def test_who_is_discarded_is_left_out_and_said(content: bytes) -> None:
    kit = Kit(gate=gated(rule("discard", BOTH[0])))
    assert await send(kit, content) == QUEUED
    (record,) = kit.store.records
    assert recipients(record) == [BOTH[1]]
    (line,) = kit.log.of("discarded")
    assert (line["queue_id"], line["recipient"], line["by"]) == (1, parse_address(BOTH[0]), "rule")


@pytest.mark.parametrize("content", [b"a: b\r\n", LARGE])
async def test_when_all_are_discarded_nothing_is_written(content: bytes) -> None:
    kit = Kit(gate=gated(rule("discard")))
    assert await send(kit, content) == replies.DISCARDED.wire
    assert kit.store.records == kit.store.large == kit.queued == []
    assert [line["recipient"] for line in kit.log.of("discarded")] == list(map(parse_address, BOTH))
    assert kit.log.of("discarded")[0]["client"] == "192.0.2.1"
    assert kit.log.of("refused") == []


@pytest.mark.parametrize("content", [b"a: b\r\n", LARGE])
async def test_lmtp_hears_of_each_recipient_that_was_discarded(content: bytes) -> None:
    kit = Kit(gate=gated(rule("discard")), role="lmtp")
    connection, transport = kit.connect()
    octets = b"LHLO c\r\nMAIL FROM:<x@example.com>\r\n"
    connection.data_received(octets + b"".join(b"RCPT TO:<%s>\r\n" % one.encode() for one in BOTH))
    connection.data_received(b"DATA\r\n")
    transport.take()
    for at in range(0, len(content), 60_000):
        connection.data_received(content[at : at + 60_000])
    connection.data_received(b".\r\n")
    await turns()
    said = transport.take().split(b"\r\n")
    assert [line[:9] for line in said] == [b"250 2.0.0", b"250 2.0.0", b""]
    assert kit.store.records == kit.log.of("refused") == []


async def test_what_is_not_durable_is_not_said_to_be_held() -> None:
    kit = Kit(gate=gated(rule("hold")))
    kit.store.failure = JournalFailed("broken")
    assert await send(kit) == replies.LOCAL_ERROR.wire
    assert kit.log.of("held") == []


# -- with a look at the content -------------------------------------------------------------------------------------


class Inspector:
    """Gives what it was told to; keeps what it saw."""

    def __init__(self, *verdicts: Verdict) -> None:
        self.verdicts = verdicts
        self.seen: list[tuple[About, Envelope, bytes]] = []
        self.release = asyncio.Event()
        self.release.set()
        self.error: Exception | None = None

    async def __call__(
        self, about: About, envelope: Envelope, content: Callable[[], AsyncIterator[bytes]]
    ) -> tuple[Verdict, ...]:
        await self.release.wait()
        self.seen.append((about, envelope, b"".join([chunk async for chunk in content()])))
        if self.error is not None:
            raise self.error
        return self.verdicts


def with_inspector(*verdicts: Verdict, rules: tuple[Rule, ...] = ()) -> tuple[Kit, Inspector]:
    inspector = Inspector(*verdicts)
    kit = Kit(gate=gated(*rules, inspect=inspector))

    async def read_back(record: Accepted) -> AsyncIterator[bytes]:
        yield kit.store.large[0].octets

    kit.store.read_back = read_back  # type: ignore[attr-defined]
    return kit, inspector


@pytest.mark.parametrize("content", [b"a: b\r\n\r\n..dot\r\n", LARGE])
async def test_the_content_is_shown_as_it_will_be_sent(content: bytes) -> None:
    kit, inspector = with_inspector(rules=(rule("accept"),))
    assert await send(kit, content) == QUEUED
    ((about, envelope, octets),) = inspector.seen
    assert octets.startswith(b"Received: ")
    assert octets.endswith(content.replace(b"..dot", b".dot"))
    assert (about.stage, about.recipients, about.size, about.is_accepted) == ("dot", 2, len(octets), True)
    assert about.recipient is None
    assert str(about.reverse_path) == "x@example.com"
    assert len(envelope.recipients) == 2
    assert len(kit.queued) == 1


async def test_one_recipient_is_named() -> None:
    kit, inspector = with_inspector()
    await send(kit, to=BOTH[:1])
    assert str(inspector.seen[0][0].recipient) == BOTH[0]


@pytest.mark.parametrize("content", [b"a: b\r\n", LARGE])
async def test_refused_after_a_look(content: bytes) -> None:
    kit, _ = with_inspector(Verdict("hold", by="hook"), Verdict("reject", NO, by="hook"))
    assert await send(kit, content) == NO.wire
    assert kit.store.records == kit.queued == []
    assert all(large.aborted for large in kit.store.large)
    assert kit.log.of("refused")[0]["stage"] == "dot"


@pytest.mark.parametrize("content", [b"a: b\r\n", LARGE])
async def test_held_tagged_and_discarded_after_a_look(content: bytes) -> None:
    kit, _ = with_inspector(
        Verdict("hold", by="hook"), Verdict("hold", by="other"), Verdict("tag", text="x"), Verdict("tag", text="x")
    )
    assert await send(kit, content) == QUEUED
    assert [type(record) for record in kit.store.records] == [Accepted, Held]
    assert kit.log.of("held")[0]["by"] == "hook"
    assert kit.log.of("tagged")[0]["tags"] == ("x",)
    kit, _ = with_inspector(Verdict("discard", by="hook"))
    assert await send(kit, content) == replies.DISCARDED.wire
    assert kit.store.records == []
    assert all(large.aborted for large in kit.store.large)
    assert [line["by"] for line in kit.log.of("discarded")] == ["hook", "hook"]


@pytest.mark.parametrize("content", [b"a: b\r\n", LARGE])
async def test_a_bug_in_looking_is_a_451(content: bytes) -> None:
    kit, inspector = with_inspector()
    inspector.error = ValueError("a bug")
    assert await send(kit, content) == replies.LOCAL_ERROR.wire
    assert kit.store.records == []
    assert [line["queue_id"] for line in kit.log.of("inspection_failed")] == [1]
    assert all(large.aborted for large in kit.store.large)


async def test_a_message_whose_dot_came_is_committed_also_when_its_client_is_gone() -> None:
    kit, inspector = with_inspector()
    inspector.release.clear()
    connection, _ = kit.in_content()
    connection.data_received(b"a: b\r\n.\r\n")
    connection.connection_lost(None)
    draining = asyncio.ensure_future(kit.intake.drain())
    await turns()
    assert not draining.done()
    inspector.release.set()
    await draining
    assert len(kit.store.records) == 1


async def test_the_client_waits_and_its_next_command_too() -> None:
    kit, inspector = with_inspector()
    inspector.release.clear()
    connection, transport = kit.in_content()
    connection.data_received(b"a: b\r\n.\r\nNOOP\r\n")
    await turns()
    assert transport.take() == b""
    inspector.release.set()
    await turns()
    assert transport.take() == QUEUED + replies.NOOP_OK.wire


async def test_a_failing_disk_after_a_look_at_large_content() -> None:
    kit, _ = with_inspector()
    kit.store.failure = JournalFailed("broken")
    assert await send(kit, LARGE) == replies.LOCAL_ERROR.wire
    assert kit.store.large[0].aborted
