"""inbound/connection and entrance on a transport in memory: writes, deadlines, exceptions, and clients that go."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from asyncmta.inbound import flow
from asyncmta.inbound.acceptance import Existence, parse_networks
from asyncmta.inbound.conversation import COMMANDS_IN_A_TURN, Conversation
from asyncmta.inbound.limits import Limits, SessionCounts
from asyncmta.inbound.listener import SmtpConnection
from asyncmta.mail import replies
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import QueueId
from tests.unit.inbound.inboundkit import Kit, KitTransport

TRANSACTION = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<alice@example.org>\r\n"
BIG = b"some text in a large message\r\n" * 10_000


def test_one_write_for_what_arrives_together() -> None:
    kit = Kit()
    connection, transport = kit.connect()
    assert transport.writes == [b"220 mx.example.org ESMTP\r\n"]
    connection.data_received(b"EHLO c\r\n" + TRANSACTION + b"DATA\r\n")
    assert len(transport.writes) == 2
    connection.data_received(b"a: b\r\n.\r\n")
    assert transport.writes[2:] == [replies.queued(QueueId(1)).wire]
    connection.data_received(b"QUIT\r\n")
    assert transport.closed


def test_refusals_are_logged_with_all_that_is_known() -> None:
    kit = Kit()
    connection, _ = kit.greeted()
    connection.data_received(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<x@anywhere.example>\r\n")
    assert kit.log.of("refused") == [
        {"client": "192.0.2.1", "stage": "RCPT", "reply": replies.RELAY_DENIED, "helo": "client.example",
         "reverse_path": parse_address("a@example.com"), "recipient": parse_address("x@anywhere.example")}
    ]  # fmt: skip


# -- the way in and out ----------------------------------------------------------------------------------------------


def test_a_client_that_is_gone_before_it_came() -> None:
    kit = Kit()
    connection, transport = kit.connect(KitTransport(peer=None))
    assert transport.aborted
    connection.connection_lost(None)
    assert not kit.listener.sessions.live


def test_sessions_of_one_client_and_in_all() -> None:
    kit = Kit(limits=Limits(sessions_per_client=1), max_sessions=2)
    first, _ = kit.connect()
    _, refused = kit.connect(KitTransport(("::ffff:192.0.2.1", 1)))
    assert refused.take() == replies.TOO_MANY_SESSIONS_OF_CLIENT.wire
    assert refused.closed
    kit.connect(KitTransport(("192.0.2.2", 1)))
    _, refused = kit.connect(KitTransport(("192.0.2.3", 1)))
    assert refused.take() == replies.TOO_MANY_SESSIONS.wire
    assert [line["stage"] for line in kit.log.of("refused")] == ["connect", "connect"]
    first.connection_lost(None)
    first.connection_lost(None)
    _, transport = kit.connect()
    assert transport.take().startswith(b"220 ")
    assert kit.listener.sessions.counts.sessions == 2


def test_an_early_talker_is_not_greeted() -> None:
    kit = Kit()
    readable, writable = os.pipe()
    os.write(writable, b"x")
    connection, transport = kit.connect(KitTransport(fileno=readable))
    assert transport.take() == b""
    connection.data_received(b"EHLO c\r\n")
    assert transport.take().startswith(b"554 mx.example.org ")
    assert transport.closed
    os.read(readable, 1)
    _, transport = kit.connect(KitTransport(fileno=readable))
    assert transport.take().startswith(b"220 ")
    os.close(readable)
    os.close(writable)


def test_when_all_are_gone_nothing_is_left() -> None:
    kit = Kit()
    connections = [kit.connect(KitTransport((f"192.0.2.{number}", 1)))[0] for number in range(5)]
    assert kit.clock.next_timer() is not None
    for connection in connections:
        connection.connection_lost(None)
    assert kit.reception.clients == {}
    assert kit.listener.sessions.counts.sessions == 0
    assert kit.clock.next_timer() is None


# -- deadlines -------------------------------------------------------------------------------------------------------


def test_an_idle_session_is_ended_and_a_deaf_one_cut_off() -> None:
    kit = Kit(limits=Limits(session_idle=60))
    _, transport = kit.greeted()
    kit.clock.advance(59)
    assert not transport.closed
    kit.clock.advance(2)
    assert transport.take() == replies.IDLE_TIMEOUT.wire
    assert transport.closed
    assert kit.log.of("refused")[0]["stage"] == "session"
    assert not transport.aborted
    kit.clock.advance(12)
    assert transport.aborted


def test_a_command_renews_the_deadline_and_a_part_of_one_does_not() -> None:
    kit = Kit(limits=Limits(session_idle=60))
    connection, transport = kit.greeted()
    for _ in range(3):
        kit.clock.advance(40)
        connection.data_received(b"NOOP\r\n")
    assert not transport.closed
    for _ in range(3):
        kit.clock.advance(25)
        connection.data_received(b"N")
    assert transport.closed


def test_progress_in_content_renews_the_deadline() -> None:
    kit = Kit(limits=Limits(session_idle=60))
    connection, transport = kit.in_content()
    for _ in range(10):
        kit.clock.advance(40)
        connection.data_received(b"a line of forty octets, and the line end\r\n" * 500)
    assert not transport.closed
    kit.clock.advance(62)
    assert transport.take() == replies.IDLE_TIMEOUT.wire


def deliver_slowly(octets: int, seconds: int, *, times: int, command: bytes = b"DATA\r\n") -> KitTransport:
    """A client that sends so many octets at a time, each `seconds` seconds."""
    kit = Kit(limits=Limits(session_idle=300))
    connection, transport = kit.greeted()
    connection.data_received(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<alice@example.org>\r\n" + command)
    transport.take()
    for _ in range(times):
        kit.clock.advance(seconds)
        if not transport.closed:
            connection.data_received((b"x" * 70 + b"\r\n") * (octets // 72) + b"x" * (octets % 72))
    return transport


@pytest.mark.parametrize("command", [b"DATA\r\n", b"BDAT 20000000\r\n"])
def test_content_that_drips_is_ended_although_it_goes_on(command: bytes) -> None:
    assert deliver_slowly(1, 10, times=29, command=command).take() == b""
    transport = deliver_slowly(1, 10, times=31, command=command)
    assert transport.take() == replies.TOO_SLOW.wire == b"421 4.4.2 The content comes too slowly\r\n"
    assert transport.closed
    assert not deliver_slowly(1000, 10, times=35, command=command).closed  # 100 octets a second: a little longer
    assert deliver_slowly(1000, 10, times=39, command=command).closed


@pytest.mark.parametrize("command", [b"DATA\r\n", b"BDAT 20000000\r\n"])
def test_a_slow_but_honest_modem_lives(command: bytes) -> None:
    assert not deliver_slowly(5040, 10, times=2000, command=command).closed  # five and a half hours
    assert not deliver_slowly(140_000, 280, times=100, command=command).closed  # in blocks, with pauses


def test_chunks_of_one_octet_do_not_buy_time() -> None:
    """Each gets its reply, and that alone is no progress."""
    kit = Kit(limits=Limits(session_idle=300))
    connection, transport = kit.greeted()
    connection.data_received(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<alice@example.org>\r\n")
    for _ in range(31):
        if not transport.closed:
            connection.data_received(b"BDAT 1\r\nx")
        kit.clock.advance(10)
    assert transport.take().endswith(replies.CHUNK_OK.wire + replies.TOO_SLOW.wire)


def test_behind_the_content_its_deadline_is_over() -> None:
    kit = Kit(limits=Limits(session_idle=300))
    connection, transport = kit.in_content()
    kit.clock.advance(200)
    connection.data_received(b"a: b\r\n.\r\n")
    kit.clock.advance(299)
    assert not transport.closed
    kit.clock.advance(2)
    assert transport.take().endswith(replies.IDLE_TIMEOUT.wire)


def test_while_the_client_waits_for_us_its_time_does_not_run() -> None:
    kit = Kit(limits=Limits(session_idle=60))
    kit.store.at_once = False
    connection, transport = kit.in_content()
    connection.data_received(b".\r\n")
    kit.clock.advance(600)
    assert not transport.closed
    kit.store.release()
    assert transport.take() == replies.queued(QueueId(1)).wire
    kit.clock.advance(59)
    assert not transport.closed
    kit.clock.advance(2)
    assert transport.closed


def test_a_client_that_does_not_read_is_not_read_from() -> None:
    kit = Kit(limits=Limits(session_idle=60))
    connection, transport = kit.greeted()
    connection.pause_writing()
    assert not transport.reading
    connection.resume_writing()
    assert transport.reading
    connection.pause_writing()
    kit.clock.advance(61)
    assert transport.closed
    connection.resume_writing()
    assert not transport.reading


def test_who_pipelines_more_than_is_kept_has_to_wait() -> None:
    kit = Kit()
    kit.store.at_once = False
    connection, transport = kit.in_content()
    connection.data_received(b".\r\n" + b"NOOP\r\n" * 5)
    assert transport.reading
    connection.data_received(b"NOOP " + b"x" * 200 + b"\r\n")
    connection.data_received((b"NOOP " + b"x" * 2000 + b"\r\n") * 40)
    assert not transport.reading
    kit.store.release()
    assert transport.reading
    assert transport.take().count(b"\r\n") == 47


# -- clients that go -------------------------------------------------------------------------------------------------


def test_a_client_that_goes_behind_the_dot_changes_nothing() -> None:
    kit = Kit()
    kit.store.at_once = False
    connection, transport = kit.in_content()
    connection.data_received(b"a: b\r\n.\r\n")
    connection.connection_lost(ConnectionResetError())
    kit.store.release()
    assert kit.queued == [1]
    assert transport.take() == b""


def test_a_client_that_goes_before_the_dot_leaves_nothing() -> None:
    kit = Kit()
    connection, _ = kit.in_content()
    connection.data_received(b"a: b\r\n\r\ntext\r\n")
    connection.connection_lost(None)
    assert kit.store.records == []


def test_a_client_that_closes_its_half_behind_the_dot_gets_the_answer() -> None:
    kit = Kit()
    kit.store.at_once = False
    connection, transport = kit.in_content()
    connection.data_received(b"a: b\r\n.\r\n")
    assert connection.eof_received() is True
    kit.store.release()
    assert transport.take() == replies.queued(QueueId(1)).wire
    assert transport.closed


def test_a_client_that_closes_its_half_otherwise_is_gone() -> None:
    kit = Kit()
    connection, _ = kit.greeted()
    assert connection.eof_received() is False


# -- bugs ------------------------------------------------------------------------------------------------------------


def test_an_exception_ends_the_session_without_a_word_about_it() -> None:
    def broken(_: Any) -> Existence:
        raise OSError(28, "No space left on device", "/var/spool/secret")

    kit = Kit(lookup=broken)
    connection, transport = kit.greeted()
    connection.data_received(TRANSACTION)
    assert transport.take() == replies.LOCAL_ERROR.wire
    assert transport.closed
    (line,) = kit.log.of("session_failed")
    assert isinstance(line["error"], OSError)
    assert (line["level"], line["client"]) == ("error", "192.0.2.1")


def test_an_exception_in_intake_is_a_451_to_the_dot_and_no_more() -> None:
    kit = Kit()
    kit.intake.accept = None  # type: ignore[assignment, method-assign]
    connection, transport = kit.in_content()
    connection.data_received(b"a: b\r\n.\r\nNOOP\r\n")
    assert transport.take() == replies.LOCAL_ERROR.wire + replies.NOOP_OK.wire
    assert not transport.closed
    assert kit.log.of("session_failed")


def test_an_exception_on_arrival_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    kit = Kit()
    monkeypatch.setattr(SessionCounts, "admit", None)
    _, transport = kit.connect()
    assert transport.take() == replies.LOCAL_ERROR.wire
    assert transport.closed


def test_an_exception_while_an_answer_is_said_does_not_reach_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    kit = Kit()
    kit.store.at_once = False
    connection, transport = kit.in_content()
    connection.data_received(b"a: b\r\n.\r\n")
    monkeypatch.setattr(Conversation, "answered", None)
    kit.store.release()
    assert kit.queued == [1]
    assert transport.take() == replies.LOCAL_ERROR.wire


# -- lookups that wait -----------------------------------------------------------------------------------------------


class Slow:
    """A lookup whose answer the test gives."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.asked = 0

    def __call__(self, _: Any) -> Any:
        self.asked += 1
        return self._wait()

    async def _wait(self) -> object:
        return await asyncio.shield(self.answer)


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("found", "said"),
    [(Existence.YES, replies.RECIPIENT_OK), (Existence.NO, replies.NO_SUCH_MAILBOX), (None, replies.MAILBOX_UNSURE)],
)
async def test_a_lookup_that_waits_holds_up_its_session_only(found: object, said: Any) -> None:
    slow = Slow()
    kit = Kit(lookup=slow)
    connection, transport = kit.greeted()
    connection.data_received(TRANSACTION + b"NOOP\r\n")
    await turns()
    assert transport.take() == replies.SENDER_OK.wire
    other, other_transport = kit.greeted()
    other.data_received(b"NOOP\r\n")
    assert other_transport.take() == replies.NOOP_OK.wire
    slow.answer.set_result(found)
    await turns()
    assert transport.take() == said.wire + replies.NOOP_OK.wire


async def test_a_lookup_that_fails_is_unsure() -> None:
    slow = Slow()
    kit = Kit(lookup=slow)
    connection, transport = kit.greeted()
    connection.data_received(TRANSACTION)
    await turns()
    slow.answer.set_exception(OSError("disk"))
    await turns()
    assert transport.take() == replies.SENDER_OK.wire + replies.MAILBOX_UNSURE.wire
    assert not transport.closed
    assert kit.log.of("session_failed")


@pytest.mark.parametrize("begun", [False, True])
async def test_a_lookup_of_a_client_that_is_gone_is_given_up(begun: bool) -> None:
    slow = Slow()
    kit = Kit(lookup=slow)
    connection, _ = kit.greeted()
    connection.data_received(TRANSACTION)
    if begun:
        await turns()
    connection.connection_lost(None)
    await turns()
    assert asyncio.all_tasks() == {asyncio.current_task()}


# -- large content ---------------------------------------------------------------------------------------------------


async def test_large_content_is_streamed_and_answered() -> None:
    kit = Kit()
    connection, transport = kit.in_content()
    connection.data_received(b"a: b\r\n\r\n" + BIG)
    (file,) = kit.store.large
    assert len(file.octets) > len(BIG)
    connection.data_received(BIG)
    connection.data_received(b".\r\nNOOP\r\n")
    assert transport.take() == b""
    await turns()
    assert transport.take() == replies.queued(QueueId(1)).wire + replies.NOOP_OK.wire
    assert kit.store.records[0].large
    assert not file.aborted


@pytest.mark.parametrize("how", ["lost", "violation", "too big", "idle"])
async def test_large_content_that_comes_to_nothing_is_removed(how: str) -> None:
    kit = Kit(limits=Limits(message_size=len(BIG) + 1000, session_idle=60))
    connection, transport = kit.in_content()
    connection.data_received(b"a: b\r\n\r\n" + BIG)
    (file,) = kit.store.large
    assert not file.aborted
    if how == "lost":
        connection.connection_lost(None)
    elif how == "violation":
        connection.data_received(b"bare\nlf\r\n.\r\n")
        assert transport.take() == replies.BARE_LINE_END.wire
    elif how == "too big":
        connection.data_received(BIG + b".\r\n")
        assert transport.take() == replies.TOO_BIG.wire
    else:
        kit.clock.advance(61)
        assert transport.take() == replies.IDLE_TIMEOUT.wire
    assert file.aborted
    await turns()
    assert kit.store.records == []


@pytest.mark.parametrize("chunks", [1, 3])
def test_large_content_that_is_not_wanted_is_read_to_its_end(chunks: int) -> None:
    kit = Kit(limits=Limits(hops=1))
    connection, transport = kit.in_content()
    content = b"Received: x\r\n" * 2 + BIG + BIG + b".\r\n"
    size = len(content) // chunks + 1
    for at in range(0, len(content), size):
        assert transport.take() == b""
        connection.data_received(content[at : at + size])
    assert transport.take() == replies.TOO_MANY_HOPS.wire
    assert kit.store.large == []
    connection.data_received(b"NOOP\r\n")
    assert transport.take() == replies.NOOP_OK.wire


async def test_a_client_faster_than_the_disk_has_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "LOOK_AGAIN", 0.0)  # at the next turn of the loop
    kit = Kit(limits=Limits(session_idle=60))
    connection, transport = kit.in_content()
    connection.data_received(BIG)
    (file,) = kit.store.large
    file.unwritten = 2 << 20
    connection.data_received(BIG)
    assert not transport.reading
    kit.clock.advance(59)
    await turns()
    kit.clock.advance(59)
    assert not transport.closed  # it is the disk that is slow
    file.unwritten = 100_000
    await turns()
    assert transport.reading
    connection.data_received(b".\r\n")
    await turns()
    assert transport.take() == replies.queued(QueueId(1)).wire


# -- the stop --------------------------------------------------------------------------------------------------------


def test_a_stop_ends_idle_sessions_and_lets_transactions_finish() -> None:
    kit = Kit()
    kit.store.at_once = False
    idle, idle_transport = kit.greeted()
    busy, busy_transport = kit.in_content()
    waiting, waiting_transport = kit.in_content()
    waiting.data_received(b".\r\n")
    for connection in (idle, busy, waiting):
        connection.drain()
    assert idle_transport.take() == replies.SHUTTING_DOWN.wire
    assert (idle_transport.closed, busy_transport.closed, waiting_transport.closed) == (True, False, False)
    busy.data_received(b"a: b\r\n.\r\n")
    kit.store.release()
    for transport in (busy_transport, waiting_transport):
        out = transport.take()
        assert out.startswith(b"250 2.0.0 Queued")
        assert out.endswith(replies.SHUTTING_DOWN.wire)
        assert transport.closed


def test_what_is_left_after_the_grace_is_told_so() -> None:
    kit = Kit()
    kit.store.at_once = False
    connection, transport = kit.in_content()
    connection.data_received(b".\r\n")
    connection.say_goodbye(replies.SHUTTING_DOWN)
    assert transport.take() == replies.SHUTTING_DOWN.wire
    connection.say_goodbye(replies.SHUTTING_DOWN)
    kit.store.release()
    assert transport.take() == b""
    assert kit.queued == [1]


def test_nobody_is_looked_at_while_nothing_can_be_due() -> None:
    """Else a simulation of days would have to step through every second of them."""
    kit = Kit(limits=Limits(session_idle=300))
    connection, transport = kit.greeted()
    looks = 0
    while not transport.closed:
        due = kit.clock.next_timer()
        assert due is not None
        kit.clock.advance_to(due)
        looks += 1
    assert looks < 5
    connection.connection_lost(None)
    assert kit.clock.next_timer() is None


def test_a_session_that_wakes_up_is_timed_from_there() -> None:
    kit = Kit(limits=Limits(session_idle=300))
    connection, transport = kit.greeted()
    kit.clock.advance(250)
    connection.data_received(b"NOOP\r\n")
    kit.clock.advance(298)
    assert not transport.closed
    other, other_transport = kit.greeted()
    kit.clock.advance(4)
    assert transport.closed
    assert not other_transport.closed
    other.connection_lost(None)


async def test_a_flood_of_commands_is_answered_in_turns_and_others_come_between() -> None:
    kit = Kit()
    connection, transport = kit.greeted()
    other, others_transport = kit.greeted()
    transport.take()
    others_transport.take()
    count = 3 * COMMANDS_IN_A_TURN
    connection.data_received(TRANSACTION + b"RCPT TO:<alice@example.org>\r\n" * count)
    said = transport.take()
    assert said.count(b"250 ") == COMMANDS_IN_A_TURN
    other.data_received(b"NOOP\r\n")
    assert others_transport.take().startswith(b"250 ")
    for _ in range(8):
        await asyncio.sleep(0)
    said += transport.take()
    assert said.count(b"250 ") == count + 2
    connection.data_received(b"QUIT\r\n")
    assert transport.take().startswith(b"221 ")


# -- XCLIENT ----------------------------------------------------------------------------------------------------------


def proxied(kit: Kit, *lines: bytes) -> tuple[SmtpConnection, KitTransport]:
    connection, transport = kit.connect(KitTransport(("10.0.0.9", 4321)))
    transport.take()
    for line in lines:
        connection.data_received(line + b"\r\n")
    return connection, transport


def test_the_client_behind_a_proxy_is_counted_in_its_place() -> None:
    kit = Kit(xclient_from=parse_networks(["10.0.0.0/8"]))
    connection, transport = proxied(kit, b"XCLIENT ADDR=192.0.2.7")
    assert transport.take().startswith(b"220 ")
    assert kit.reception.clients == {"192.0.2.7": 1}
    connection.data_received(b"EHLO c.example\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<x@anywhere.example>\r\n")
    assert b"550 5.7.1" in transport.take()
    assert [line["client"] for line in kit.log.of("refused")] == ["192.0.2.7"]
    connection.connection_lost(None)
    assert kit.reception.clients == {}


def test_a_client_with_too_many_sessions_is_turned_away_behind_a_proxy_too() -> None:
    kit = Kit(xclient_from=parse_networks(["10.0.0.0/8"]), limits=Limits(sessions_per_client=1))
    first, _ = proxied(kit, b"XCLIENT ADDR=192.0.2.7")
    second, transport = proxied(kit, b"XCLIENT ADDR=192.0.2.7", b"NOOP")
    assert transport.take() == replies.TOO_MANY_SESSIONS_OF_CLIENT.wire
    assert transport.closed
    assert kit.reception.clients == {"192.0.2.7": 1}
    second.connection_lost(None)
    first.connection_lost(None)
    assert kit.reception.clients == {}
    assert kit.listener.sessions.counts.sessions == 0
