"""Content by BDAT on real sockets: one write where that is wise, dots undone, streams, and never a wrong size."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from asyncmta.delivery.counted import counted
from asyncmta.delivery.verdict import Stage
from asyncmta.mail.envelope import Content, ContentUnavailable
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Scope
from asyncmta.testing.sink_values import CLOSE, SILENCE, SinkSettings
from asyncmta.testing.smtp_sink import SmtpSink

GREETING = (b"", b"220 odd.example\r\n")
HELLO = (b"EHLO us.example\r\n", b"250-odd.example\r\n250-CHUNKING\r\n250 PIPELINING\r\n")
PLAIN = b"Received: from x by y\r\nSubject: hi\r\n\r\n.dot\r\nHello\r\n"
AT_ONCE = b"MAIL FROM:<sender@example.org>\r\nRCPT TO:<bob@example.net>\r\nBDAT %d LAST\r\n" % len(PLAIN) + PLAIN
TAKEN = b"250 ok\r\n250 ok\r\n250 2.0.0 taken\r\n"
LINES = b"..a line with a dot\r\nand one without\r\n"


async def test_commands_and_content_arrive_together(post: Any, scripted: Any) -> None:
    async with scripted([GREETING, HELLO, (AT_ONCE, TAKEN), (AT_ONCE, TAKEN)]) as server:
        to = post.smarthost(server.address)
        assert isinstance(await post.sent(to=to), Delivered)
        assert isinstance(await post.sent(to=to), Delivered)
        assert server.got[0] == b"EHLO us.example\r\n" + AT_ONCE * 2


async def test_a_peer_that_has_rested_is_asked_first(post: Any, scripted: Any) -> None:
    commands, _, content = AT_ONCE.partition(b"BDAT")
    parts = [GREETING, HELLO, (AT_ONCE, TAKEN), (commands, b"250 ok\r\n250 ok\r\n"), (content, b"250 taken\r\n")]
    async with scripted(parts) as server:
        to = post.smarthost(server.address)
        assert isinstance(await post.sent(to=to), Delivered)
        post.clock.advance(2.0)
        assert isinstance(await post.sent(to=to), Delivered)


async def test_a_session_that_was_closed_while_it_rested_costs_nothing(post: Any, scripted: Any) -> None:
    async with scripted([GREETING, HELLO, (AT_ONCE, TAKEN), (b"MAIL", None)]) as server:
        to = post.smarthost(server.address)
        for _ in range(3):
            assert isinstance(await post.sent(to=to), Delivered)
            post.clock.advance(2.0)
        assert len(server.got) == 3


async def test_chunks_can_be_switched_off(make_post: Callable[..., Any]) -> None:
    post = make_post(chunking=False)
    async with SmtpSink() as sink:
        assert isinstance(await post.sent(to=post.smarthost(sink.address)), Delivered)
        assert [line for _, line in sink.commands][-1] == "DATA"
        assert sink.messages[0].content == PLAIN


@pytest.mark.parametrize("extensions", [("CHUNKING", "PIPELINING"), ("CHUNKING",)])
@pytest.mark.parametrize("count", [1, 2000])
async def test_in_memory_the_content_is_what_it_was(post: Any, extensions: tuple[str, ...], count: int) -> None:
    """Small ones go in one write, larger ones once they are wanted."""
    parts = (b"Subject: x\r\n\r\n", LINES * count, LINES * count)
    async with SmtpSink(SinkSettings(extensions=extensions)) as sink:
        assert isinstance(await post.sent(to=post.smarthost(sink.address), content=parts), Delivered)
        assert sink.messages[0].content == b"".join(parts).replace(b"\n..", b"\n.")
        assert [line.partition(" ")[0] for _, line in sink.commands] == ["EHLO", "MAIL", "RCPT", "BDAT"]
        assert not sink.violations


async def stream(octets: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(octets), size):
        yield octets[at : at + size]


@pytest.mark.parametrize("size", [1, 3, 20, 1000])
async def test_streamed_content_is_counted_without_its_doubled_dots(post: Any, size: int) -> None:
    wire = b"..a\r\n" + LINES * 50
    plain = wire.replace(b"\n..", b"\n.")[1:]
    async with SmtpSink() as sink:
        (consignment,) = post.message("bob@example.net", to=post.smarthost(sink.address), content=stream(wire, size))
        consignment.content = Content(len(plain), b"", True, len(wire))
        post.transport.deliver([consignment], post.results)
        await post.results.wait_for(1)
        assert isinstance(post.results.outcome(consignment), Delivered)
        assert sink.messages[0].content == plain
        assert not sink.violations


@pytest.mark.parametrize("wrong", [-1, 1])
async def test_content_in_memory_of_another_size_is_never_announced(post: Any, wrong: int) -> None:
    async with SmtpSink() as sink:
        to = post.smarthost(sink.address)
        outcome = await post.sent(to=to, content=(LINES,), large=len(LINES) - 1 + wrong)
        assert isinstance(outcome, Deferred)
        assert (outcome.cause, outcome.scope) == (Cause.STORAGE, Scope.MESSAGE)
        assert isinstance(await post.sent(to=to), Delivered)
        assert sink.sessions_seen == 1
        assert not sink.violations


@pytest.mark.parametrize("wrong", [-1, 1])
async def test_a_stream_of_another_size_never_becomes_a_message(post: Any, wrong: int) -> None:
    async with SmtpSink() as sink:
        to = post.smarthost(sink.address)
        outcome = await post.sent(to=to, content=stream(PLAIN, 1000), large=len(PLAIN) + wrong)
        assert isinstance(outcome, Deferred)
        assert outcome.cause is Cause.STORAGE
        await post.until(lambda: not sink.open_sessions)
        assert not sink.messages
        assert not sink.violations


async def test_counting_needs_no_aclose() -> None:
    class Chunks:
        def __init__(self) -> None:
            self.left = [b"ab", b"c"]

        def __aiter__(self) -> Chunks:
            return self

        async def __anext__(self) -> bytes:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    whole = counted(Chunks(), Content(3, b"", False, 3))
    assert not isinstance(whole, tuple)
    assert [chunk async for chunk in whole] == [b"ab", b"c"]
    short = counted(Chunks(), Content(4, b"", False, 4))
    assert not isinstance(short, tuple)
    with pytest.raises(ContentUnavailable):
        assert [chunk async for chunk in short]


@pytest.mark.parametrize(
    ("step", "answer", "kinds", "scope"),
    [
        ("MAIL", "451 4.3.0 later", "EE", Scope.MESSAGE),
        ("MAIL", "550 5.7.1 no", "FF", Scope.MESSAGE),
        ("RCPT", "450 4.2.0 later", "ED", Scope.RECIPIENT),
        ("RCPT", "550 5.1.1 nobody", "FD", Scope.RECIPIENT),
        ("DOT", "451 4.3.0 later", "EE", Scope.MESSAGE),
        ("DOT", "554 5.7.1 spam", "FF", Scope.MESSAGE),
        ("DOT", "421 4.3.2 bye", "EE", Scope.SITE),
        ("DOT", CLOSE, "EE", Scope.RECIPIENT),
        ("RCPT", CLOSE, "EE", Scope.RECIPIENT),
        ("MAIL", CLOSE, "EE", Scope.RECIPIENT),
        ("MAIL", "421 4.7.0 too many connections", "EE", Scope.SITE),
    ],
)
async def test_faults_at_each_step(post: Any, step: str, answer: Any, kinds: str, scope: Scope) -> None:
    async with SmtpSink() as sink:
        sink.script(step, answer)
        to = post.smarthost(sink.address)
        (consignment,) = post.message("bob@example.net", "eve@example.net", to=to)
        post.transport.deliver([consignment], post.results)
        await post.results.wait_for(1)
        outcomes = [post.results.outcome(consignment, ordinal) for ordinal in (0, 1)]
        letters = {Delivered: "D", Deferred: "E", Failed: "F"}
        assert "".join(letters[type(outcome)] for outcome in outcomes) == kinds
        assert not isinstance(outcomes[0], Delivered)
        assert outcomes[0].scope is scope
        assert [message.recipients for message in sink.messages] == ([("eve@example.net",)] if "D" in kinds else [])
        assert not post.log.bugs


@pytest.mark.parametrize("answer", ["354 what", b"650 what\r\n"])
async def test_nonsense_to_a_command_behind_which_the_content_went_leaves_us_unsure(post: Any, answer: Any) -> None:
    async with SmtpSink() as sink:
        sink.script("RCPT", answer)
        consignment = post.send("bob@example.net", "eve@example.net", to=post.smarthost(sink.address))
        await post.results.wait_for(1)
        for ordinal in (0, 1):
            outcome = post.results.outcome(consignment, ordinal)
            assert isinstance(outcome, Deferred)
            assert outcome.scope is Scope.RECIPIENT


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DOT"])
async def test_behind_the_content_silence_has_ten_minutes(post: Any, step: str) -> None:
    async with SmtpSink() as sink:
        sink.script(step, SILENCE)
        consignment = post.send(to=post.smarthost(sink.address))
        await post.until(lambda: post.dialogues() and post.dialogues()[0].stage is Stage[step])
        await asyncio.sleep(0.01)
        post.clock.advance(598)
        await asyncio.sleep(0.01)
        assert not post.results.of
        post.clock.advance(4)
        await post.results.wait_for(1)
        outcome = post.results.outcome(consignment)
        assert isinstance(outcome, Deferred)
        assert (outcome.cause, outcome.scope) == (Cause.TIMEOUT, Scope.RECIPIENT)


async def test_ten_minutes_behind_the_last_recipient_even_when_the_commands_took_hours(
    post: Any, scripted: Any
) -> None:
    """The bound on a transaction is for what comes before the reply to the content."""
    many = [f"r{n}@example.net" for n in range(15)]
    async with scripted([GREETING, HELLO, (b"Hello\r\n", b"250 ok\r\n")]) as server:
        post.send(*many, to=post.smarthost(server.address))
        await post.until(lambda: post.dialogues() and post.dialogues()[0].progress == 1)
        (dialogue,) = post.dialogues()
        for at in range(15):
            server.writers[0].write(b"250 ok\r\n")
            await post.until(lambda at=at: dialogue.progress >= at + 2)
            post.clock.advance(475)
        assert post.clock.monotonic() - 1000 > 7100
        assert dialogue.stage is Stage.DOT
        post.clock.advance(120)
        await asyncio.sleep(0.01)
        assert not post.results.of
        server.writers[0].write(b"250 taken\r\n")
        await post.results.wait_for(1)
        assert post.results.kinds() == "D"
