"""inbound/intake: durable first, then the 250; whatever else happens."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asyncmta.inbound.content import Shape
from asyncmta.inbound.intake import LargeMessage
from asyncmta.inbound.limits import Limits
from asyncmta.inbound.session import ClientFacts
from asyncmta.logline import Source
from asyncmta.mail import replies
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Envelope, QueueId, Recipient
from asyncmta.mail.reply import Reply
from asyncmta.mail.wire import digest
from asyncmta.spool.failures import JournalFailed
from tests.unit.inbound.inboundkit import Kit

FACTS = ClientFacts(
    "192.0.2.1", "client.example", "alice", "Received: from client.example ([192.0.2.1])\r\n\tby mx id "
)
ONE = Envelope(parse_address("a@example.com"), (Recipient(parse_address("x@example.net")),))
TWO = Envelope(None, (*ONE.recipients, Recipient(parse_address("y@example.net"))))


def accept(kit: Kit, *parts: bytes, envelope: Envelope = ONE, dotted: bool = False) -> list[Reply]:
    said: list[Reply] = []
    size = sum(map(len, parts))
    kit.intake.accept(
        envelope, facts=FACTS, parts=list(parts), shape=Shape(size - dotted, size, dotted, False), done=said.append
    )
    return said


def test_a_message_is_stamped_committed_queued_logged_and_answered() -> None:
    kit = Kit()
    assert accept(kit, b"a: b\r\n\r\n", b"..x\r\n", dotted=True) == [replies.queued(QueueId(1))]
    (record,) = kit.store.records
    stamp = (
        b"Received: from client.example ([192.0.2.1])\r\n\tby mx id 0000000000000001\r\n"
        b"\tfor <x@example.net>;\r\n\tSun, 15 Jun 2025 15:06:40 +0000\r\n"
    )
    assert record.parts == (stamp, b"a: b\r\n\r\n", b"..x\r\n")
    assert record.content.wire_size == len(stamp) + 13
    assert record.content.size == len(stamp) + 12
    assert record.content.digest == digest((stamp + b"a: b\r\n\r\n.x\r\n",), False)
    assert (record.client, record.login, record.large, record.at) == ("192.0.2.1", "alice", False, kit.clock.now())
    assert kit.queued == [1]
    assert kit.log.of("accepted") == [
        {
            "queue_id": 1,
            "envelope": ONE,
            "size": record.content.size,
            "source": Source("192.0.2.1", "client.example", "alice", at=kit.clock.now()),
        }
    ]


def test_two_recipients_are_not_shown_to_each_other() -> None:
    kit = Kit()
    accept(kit, b"a: b\r\n", envelope=TWO)
    assert b"for <" not in kit.store.records[0].parts[0]


def test_content_of_nothing_is_a_message() -> None:
    kit = Kit()
    assert accept(kit)[0].code == 250
    assert len(kit.store.records[0].parts) == 1


def submitted(kit: Kit, content: bytes, *, reverse_path: str = "alice@example.org") -> Any:
    """What is kept of a submission."""
    facts = ClientFacts("10.0.0.1", "c", "alice", "Received: by mx id ", is_author=True)
    envelope = Envelope(parse_address(reverse_path, smtputf8=True), TWO.recipients)
    shape = Shape(len(content), len(content), False, not content.isascii())
    kit.intake.accept(envelope, facts=facts, parts=[content], shape=shape, done=lambda reply: None)
    return kit.store.records[-1]


def test_a_submission_gets_what_it_lacks_behind_our_received() -> None:
    record = submitted(Kit(), b"Subject: x\r\nBcc: <secret@example.com>\r\n\r\nhi\r\n")
    kept = b"".join(record.parts)
    assert kept.partition(b"+0000\r\n")[2] == (
        b"Date: Sun, 15 Jun 2025 15:06:40 +0000\r\n"
        b"Message-ID: <0000000000000001@mx.example.org>\r\n"
        b"From: <alice@example.org>\r\n"
        b"Subject: x\r\nBcc: <secret@example.com>\r\n\r\nhi\r\n"
    )
    assert record.content.size == record.content.wire_size == len(kept)
    assert record.content.digest == digest((kept,), False)
    assert not record.content.eight_bit


def test_an_author_in_eight_bits_makes_the_message_so() -> None:
    assert submitted(Kit(), b"a: b\r\n\r\n", reverse_path="j\u00fcrgen@example.org").content.eight_bit


def test_a_submission_that_lacks_nothing_is_left_alone() -> None:
    content = b"From: a@b\r\nDate: x\r\nMessage-ID: <x@y>\r\n\r\nhi\r\n"
    assert submitted(Kit(), content).parts[1] == content
    assert submitted(Kit(), content).parts[0].endswith(b"+0000\r\n")
    assert submitted(Kit(), content).parts[0].count(b"\r\n") == 2


async def test_a_large_submission_too() -> None:
    kit = Kit()
    facts = ClientFacts("10.0.0.1", "c", "alice", "Received: by mx id ", is_author=True)
    begun = kit.intake.begin_large(TWO, facts=facts, parts=[b"Subject: x\r\n", b"\r\nhi\r\n"])
    assert isinstance(begun, LargeMessage)
    assert kit.store.large[0].octets.count(b"Message-ID: <0000000000000001@mx.example.org>\r\n") == 1
    begun.abort()
    begun = kit.intake.begin_large(TWO, facts=facts, parts=[b"a: b\r\n" * 1000])
    assert isinstance(begun, LargeMessage)
    assert b"Message-ID" not in kit.store.large[1].octets
    begun.abort()


def test_what_is_relayed_gets_nothing_but_received() -> None:
    kit = Kit()
    accept(kit, b"Subject: x\r\n\r\nhi\r\n")
    assert kit.store.records[0].parts[1:] == (b"Subject: x\r\n\r\nhi\r\n",)
    assert kit.store.records[0].parts[0].endswith(b"+0000\r\n")


def test_nothing_is_said_before_it_is_durable() -> None:
    kit = Kit()
    kit.store.at_once = False
    said = accept(kit, b"a: b\r\n")
    assert (said, kit.queued, kit.log.lines) == ([], [], [])
    kit.store.release()
    assert said == [replies.queued(QueueId(1))]
    assert kit.queued == [1]


@pytest.mark.parametrize(
    ("failure", "reply"),
    [(JournalFailed("disk"), replies.LOCAL_ERROR), (JournalFailed("full", full=True), replies.STORAGE_FULL)],
)
def test_a_commit_that_failed_is_not_queued(failure: JournalFailed, reply: Reply) -> None:
    kit = Kit()
    kit.store.failure = failure
    assert accept(kit, b"a: b\r\n") == [reply]
    assert kit.queued == []
    assert kit.log.of("accepted") == []


@pytest.mark.parametrize("parts", [1, 2])
def test_a_loop_ends_at_the_limit(parts: int) -> None:
    kit = Kit(limits=Limits(hops=10))
    field = b"Received: by somewhere\r\n"
    body = b"\r\nReceived: this is text\r\n"
    assert accept(kit, *[field * (10 // parts)] * parts, body)[0].code == 250
    assert accept(kit, *[field * (12 // parts)] * parts, body) == [replies.TOO_MANY_HOPS]
    assert len(kit.store.records) == 1


def test_a_bug_behind_the_commit_does_not_take_the_250_away() -> None:
    def broken(_: QueueId) -> None:
        raise ZeroDivisionError

    kit = Kit(on_accepted=broken)
    assert accept(kit, b"a: b\r\n") == [replies.queued(QueueId(1))]
    (line,) = kit.log.of("accepted_failed")
    assert isinstance(line["error"], ZeroDivisionError)


# -- large content ---------------------------------------------------------------------------------------------------


def begin(kit: Kit, *parts: bytes) -> LargeMessage:
    large = kit.intake.begin_large(ONE, facts=FACTS, parts=list(parts))
    assert isinstance(large, LargeMessage)
    return large


async def test_large_content_is_written_while_it_arrives_and_named_last() -> None:
    kit = Kit()
    large = begin(kit, b"a: b\r\n\r\n", b"first\r\n")
    large.write([b"second\r\n", b"third\r\n"])
    (file,) = kit.store.large
    assert file.octets.startswith(b"Received: from client.example")
    assert file.octets.endswith(b"first\r\nsecond\r\nthird\r\n")
    said: list[Reply] = []
    large.finish(said.append)
    assert said == []
    await kit.intake.drain()
    assert said == [replies.queued(QueueId(1))]
    (record,) = kit.store.records
    assert record.large
    assert record.parts == ()
    assert record.content.wire_size == len(file.octets)
    assert kit.queued == [1]
    assert not file.aborted


async def test_large_content_that_could_not_be_written() -> None:
    kit = Kit()
    kit.store.large_failure = JournalFailed("full", full=True)
    said: list[Reply] = []
    begin(kit, b"a: b\r\n").finish(said.append)
    await kit.intake.drain()
    assert said == [replies.STORAGE_FULL]
    assert kit.store.records == []


async def test_large_content_whose_commit_failed_is_removed() -> None:
    kit = Kit()
    kit.store.failure = JournalFailed("disk")
    said: list[Reply] = []
    begin(kit, b"a: b\r\n").finish(said.append)
    await kit.intake.drain()
    assert said == [replies.LOCAL_ERROR]
    assert kit.store.large[0].aborted


async def test_a_bug_while_it_is_written_is_a_451() -> None:
    kit = Kit()
    large = begin(kit, b"a: b\r\n")
    kit.store.submit = None  # type: ignore[assignment, method-assign]
    said: list[Reply] = []
    large.finish(said.append)
    await kit.intake.drain()
    assert said == [replies.LOCAL_ERROR]
    assert kit.store.large[0].aborted
    assert kit.log.of("large_content_failed")


def test_large_content_in_a_loop_is_not_begun() -> None:
    kit = Kit(limits=Limits(hops=10))
    assert kit.intake.begin_large(ONE, facts=FACTS, parts=[b"Received: x\r\n"] * 11) is replies.TOO_MANY_HOPS
    assert kit.store.large == []


# -- of our own making -----------------------------------------------------------------------------------------------


async def submit(kit: Kit, content: bytes, envelope: Envelope = ONE) -> Any:
    return await kit.intake.submit(envelope, content, client="api", login="alice")


async def test_a_message_of_our_own_gets_what_it_needs() -> None:
    kit = Kit()
    assert await submit(kit, b"Subject: x\n\n.hello\n") == 1
    (record,) = kit.store.records
    assert record.parts[0].startswith(b"Received: by mx.example.org id 0000000000000001\r\n")
    assert record.parts[1] == (
        b"Date: Sun, 15 Jun 2025 15:06:40 +0000\r\nMessage-ID: <0000000000000001@mx.example.org>\r\n"
        b"From: <a@example.com>\r\nTo: undisclosed-recipients:;\r\nSubject: x\r\n\r\n..hello\r\n"
    )
    assert record.content.size == sum(map(len, record.parts)) - 1
    assert record.content.digest == digest(record.parts, True)
    assert (record.client, record.login) == ("api", "alice")
    assert kit.queued == [1]
    assert kit.log.of("accepted")[0]["source"].client == "api"


async def test_a_message_that_was_left_keeps_its_id_and_says_whose_it_is() -> None:
    kit = Kit()
    content = f"Bcc: x@y\nSubject: {'x' * 900}\n\n{'long ' * 300}\n".encode()
    assert await kit.intake.submit(ONE, content, queue_id=QueueId(7), userid=1000) == 7
    (record,) = kit.store.records
    assert record.queue_id == 7
    assert record.parts[0].startswith(b"Received: by mx.example.org (from userid 1000) id 0000000000000007\r\n")
    assert b"Bcc" not in record.parts[1]
    assert b"Content-Transfer-Encoding: quoted-printable" in record.parts[1]


async def test_large_content_of_our_own_goes_into_a_file() -> None:
    kit = Kit()
    content = b"Subject: x\r\n\r\n" + b"some text\r\n" * 40_000
    assert await submit(kit, content) == 1
    (record,) = kit.store.records
    assert record.large
    assert record.parts == ()
    assert kit.store.large[0].octets.endswith(content)
    assert kit.queued == [1]


async def test_what_the_content_needs_is_said_in_the_envelope() -> None:
    kit = Kit()
    await submit(kit, "Subject: é\n\nx\n".encode(), TWO)
    assert (kit.store.records[0].envelope.body, kit.store.records[0].envelope.smtputf8) == ("8BITMIME", False)
    some = Envelope(None, (Recipient(parse_address("ä@example.net", smtputf8=True)),))
    await submit(kit, b"Subject: x\n\nx\n", some)
    assert (kit.store.records[1].envelope.body, kit.store.records[1].envelope.smtputf8) == ("7BIT", True)


async def test_what_is_not_taken_is_a_reply() -> None:
    kit = Kit(limits=Limits(recipients=100, hops=10, message_size=1000))
    assert await submit(kit, b"x", Envelope(None, ())) is replies.NEED_RECIPIENT
    assert await submit(kit, b"x", Envelope(None, ONE.recipients * 101)) is replies.TOO_MANY_RECIPIENTS
    assert await submit(kit, b"a\0b") is replies.NUL_IN_CONTENT
    assert await submit(kit, b"x" * 1001) is replies.TOO_BIG
    assert await submit(kit, b"Received: x\n" * 11 + b"\n") is replies.TOO_MANY_HOPS
    kit.store.no_room = replies.STORAGE_FULL
    assert await submit(kit, b"x") is replies.STORAGE_FULL
    assert kit.store.records == []


async def test_a_commit_of_our_own_that_failed() -> None:
    kit = Kit()
    kit.store.failure = JournalFailed("disk")
    assert await submit(kit, b"A: b\n\nx") is replies.LOCAL_ERROR
    assert await submit(kit, b"A: b\n\n" + b"some text\r\n" * 40_000) is replies.LOCAL_ERROR
    assert kit.store.large[0].aborted
    assert kit.queued == []


async def test_drain_waits_for_nothing_when_there_is_nothing() -> None:
    await asyncio.wait_for(Kit().intake.drain(), 1)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_who_stops_waiting_for_a_submission_does_not_stop_what_follows_from_it() -> None:
    kit = Kit()
    kit.store.at_once = False
    task = asyncio.ensure_future(submit(kit, b"A: b\n\nx"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert kit.queued == []
    kit.store.release()
    assert kit.queued == [1]
