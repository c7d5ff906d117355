"""Messages that the server cannot take as they are, on real sockets: recoded before MAIL, or returned."""

from __future__ import annotations

import asyncio
import email
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from asyncmta.delivery import conversion
from asyncmta.mail.envelope import Consignment, ContentUnavailable
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Scope
from asyncmta.testing.sink_values import SinkSettings
from asyncmta.testing.smtp_sink import SmtpSink

OLD = SinkSettings(extensions=("PIPELINING",))
BODY = "..Grüße aus München, wie üblich ohne Gewähr\r\n".encode()
CONTENT = (b"Received: from x by y\r\nMIME-Version: 1.0\r\n\r\n", BODY)
GREETING = (b"", b"220 odd.example\r\n")
HELLO = (b"EHLO us.example\r\n", b"250-odd.example\r\n250 PIPELINING\r\n")


def eight_bit(post: Any, to: str, content: Any = CONTENT, **envelope: Any) -> Consignment:
    """One message with eight bits, on its way."""
    (consignment,) = post.message("bob@example.net", "eve@example.net", to=to, content=content, large=0)
    consignment.content = replace(consignment.content, eight_bit=True)
    consignment.envelope = replace(consignment.envelope, body="8BITMIME", **envelope)
    post.transport.deliver([consignment], post.results)
    return consignment


async def test_eight_bits_are_recoded_for_a_server_without_8bitmime(post: Any) -> None:
    async with SmtpSink(OLD) as sink:
        consignment = eight_bit(post, post.smarthost(sink.address))
        await post.results.wait_for(1)
        assert isinstance(post.results.outcome(consignment), Delivered)
        (message,) = sink.messages
        assert message.content.isascii()
        assert email.message_from_bytes(message.content).get_payload(decode=True) == BODY[1:]
        assert message.mail_parameters == (f"SIZE={len(message.content)}",)
        assert not sink.violations
        assert isinstance(await post.sent(to=post.smarthost(sink.address)), Delivered)


async def test_a_stream_is_recoded_too(post: Any) -> None:
    closed = []

    async def stream() -> AsyncIterator[bytes]:
        try:
            for part in (*CONTENT, BODY[2:] * 2000):
                yield part
        finally:
            closed.append(True)

    async with SmtpSink(OLD) as sink:
        (consignment,) = post.message("bob@example.net", to=post.smarthost(sink.address), content=stream(), large=1)
        consignment.content = replace(consignment.content, eight_bit=True, dotted=True)
        post.transport.deliver([consignment], post.results)
        await post.results.wait_for(1)
        assert isinstance(post.results.outcome(consignment), Delivered)
        decoded = email.message_from_bytes(sink.messages[0].content).get_payload(decode=True)
        assert decoded == BODY[1:] + BODY[2:] * 2000
        assert closed == [True]


async def test_binary_content_is_recoded_for_a_server_without_binarymime(post: Any) -> None:
    octets = b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n\r\n" + bytes(range(256))
    async with SmtpSink() as sink:
        (consignment,) = post.message("bob@example.net", to=post.smarthost(sink.address), content=(octets,))
        consignment.envelope = replace(consignment.envelope, body="BINARYMIME")
        post.transport.deliver([consignment], post.results)
        await post.results.wait_for(1)
        assert isinstance(post.results.outcome(consignment), Delivered)
        (message,) = sink.messages
        assert email.message_from_bytes(message.content).get_payload(decode=True) == bytes(range(256))
        assert message.mail_parameters == (f"SIZE={len(message.content)}",)


async def test_send_sends_and_bounce_bounces(make_post: Callable[..., Any]) -> None:
    async with SmtpSink(OLD) as sink:
        post = make_post(eight_bit="send")
        consignment = eight_bit(post, post.smarthost(sink.address))
        await post.results.wait_for(1)
        assert isinstance(post.results.outcome(consignment), Delivered)
        assert sink.messages[0].content.endswith(BODY[1:])
        post = make_post(eight_bit="bounce")
        consignment = eight_bit(post, post.smarthost(sink.address))
        await post.results.wait_for(1)
        outcome = post.results.outcome(consignment)
        assert isinstance(outcome, Failed)
        assert str(outcome.reply).startswith("554 5.6.3")
        assert isinstance(await post.sent(to=post.smarthost(sink.address)), Delivered)


@pytest.mark.parametrize("eight", [True, False])
async def test_a_header_in_utf_8_is_returned_by_a_server_without_smtputf8(post: Any, *, eight: bool) -> None:
    content = ("Subject: Grüße\r\n\r\nplain\r\n".encode(),)
    async with SmtpSink(SinkSettings(extensions=("8BITMIME", "PIPELINING") if eight else ("PIPELINING",))) as sink:
        to = post.smarthost(sink.address)
        consignment = eight_bit(post, to, content, smtputf8=True)
        await post.results.wait_for(1)
        for ordinal in (0, 1):
            outcome = post.results.outcome(consignment, ordinal)
            assert isinstance(outcome, Failed)
            assert (str(outcome.reply)[:9], outcome.scope) == ("550 5.6.7", Scope.MESSAGE)
        assert sink.messages == []
        consignment = eight_bit(post, to, CONTENT, smtputf8=True)
        await post.results.wait_for(2)
        assert isinstance(post.results.outcome(consignment), Delivered)
        assert sink.sessions_seen == 1


async def test_what_cannot_be_recoded_leaves_the_session_alone(post: Any) -> None:
    content = (b"Content-Type: multipart/signed; boundary=x\r\n\r\n--x\r\n\r\n", BODY)
    async with SmtpSink(OLD) as sink:
        to = post.smarthost(sink.address)
        consignment = eight_bit(post, to, content)
        await post.results.wait_for(1)
        outcome = post.results.outcome(consignment)
        assert isinstance(outcome, Failed)
        assert str(outcome.reply).startswith("554 5.6.3")
        assert isinstance(await post.sent(to=to), Delivered)
        assert sink.sessions_seen == 1


@pytest.mark.parametrize("size", [40, 150])
async def test_the_size_that_counts_is_that_of_what_is_sent(post: Any, size: int) -> None:
    """Too big from the start, or only when it is recoded."""
    async with SmtpSink(SinkSettings(extensions=("PIPELINING",), max_size=size)) as sink:
        consignment = eight_bit(post, post.smarthost(sink.address))
        await post.results.wait_for(1)
        outcome = post.results.outcome(consignment)
        assert isinstance(outcome, Failed)
        assert str(outcome.reply).startswith("552 5.3.4")
        assert not any(line.startswith("MAIL") for _, line in sink.commands)


async def test_content_that_cannot_be_had_is_not_recoded(post: Any) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield CONTENT[0]
        raise ContentUnavailable("its digest differs")

    async with SmtpSink(OLD) as sink:
        consignment = eight_bit(post, post.smarthost(sink.address), broken())
        await post.results.wait_for(1)
        outcome = post.results.outcome(consignment)
        assert isinstance(outcome, Deferred)
        assert outcome.cause is Cause.STORAGE
        assert not any(line.startswith("MAIL") for _, line in sink.commands)


async def test_a_bug_while_it_is_recoded(post: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    async with SmtpSink(OLD) as sink:
        monkeypatch.setattr(conversion, "fit", broken)
        consignment = eight_bit(post, post.smarthost(sink.address))
        await post.results.wait_for(1)
        assert post.results.outcome(consignment).cause is Cause.INTERNAL
        assert isinstance(post.log.bugs[0], ZeroDivisionError)


class Slow:
    """Content that comes when it is let go."""

    def __init__(self) -> None:
        self.is_asked = False
        self.go = asyncio.Event()

    async def run(self) -> AsyncIterator[bytes]:
        self.is_asked = True
        await self.go.wait()
        for part in CONTENT:
            yield part


async def test_a_server_that_goes_while_the_message_is_recoded_has_not_heard_of_it(post: Any, scripted: Any) -> None:
    taken = (b"\r\n.\r\n", b"250 2.0.0 taken\r\n")
    consent = (b"DATA\r\n", b"250 ok\r\n250 ok\r\n354 go\r\n")
    async with scripted([GREETING, HELLO, consent, taken], [GREETING, HELLO]) as server:
        to = post.smarthost(server.address)
        assert isinstance(await post.sent(to=to), Delivered)
        slow = Slow()
        consignment = eight_bit(post, to, slow.run())
        await post.until(lambda: slow.is_asked)
        server.writers[0].write(b"421 4.4.2 idle for too long\r\n")
        await post.until(lambda: len(server.got) == 2)
        assert consignment not in post.results.of
        slow.go.set()


async def test_a_disk_that_hangs_while_the_message_is_recoded(post: Any) -> None:
    async with SmtpSink(OLD) as sink:
        slow = Slow()
        consignment = eight_bit(post, post.smarthost(sink.address), slow.run())
        await post.until(lambda: slow.is_asked)
        post.clock.advance(302)
        await post.results.wait_for(1)
        assert post.results.outcome(consignment).cause is Cause.TIMEOUT
        slow.go.set()
        await asyncio.sleep(0.01)
        assert len(post.results.of) == 1
        assert sink.messages == []
        assert not post.log.bugs
