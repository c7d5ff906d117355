"""Sessions at work, on real sockets: reuse, streams, deadlines, and servers that break off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from asyncmta.delivery.dialogue import Dialogue
from asyncmta.delivery.sites import ActiveSite
from asyncmta.delivery.verdict import Stage
from asyncmta.mail.envelope import ContentUnavailable
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Scope
from asyncmta.testing.sink_values import CLOSE, SILENCE, SinkSettings
from asyncmta.testing.smtp_sink import SmtpSink

GREETING = (b"", b"220 odd.example\r\n")
HELLO = (b"EHLO us.example\r\n", b"250-odd.example\r\n250 PIPELINING\r\n")
CONSENT = (b"DATA\r\n", b"250 ok\r\n250 ok\r\n354 go\r\n")
TAKEN = (b"\r\n.\r\n", b"250 2.0.0 taken\r\n")
SENT = b"Received: from x by y\r\nSubject: hi\r\n\r\n.dot\r\nHello\r\n"


async def test_content_arrives_as_it_was_sent(post: Any) -> None:
    async with SmtpSink() as sink:
        outcome = await post.sent("bob@example.net", "eve@example.net", to=post.smarthost(sink.address))
        assert isinstance(outcome, Delivered)
        (message,) = sink.messages
        assert message.content == SENT
        assert (message.reverse_path, message.recipients) == (
            "sender@example.org",
            ("bob@example.net", "eve@example.net"),
        )
        assert (outcome.place.host, outcome.place.ip) == ("127.0.0.1", "127.0.0.1")
        assert not sink.violations


async def test_lock_step_with_a_server_that_does_not_pipeline(post: Any) -> None:
    async with SmtpSink(SinkSettings(extensions=())) as sink:
        to = post.smarthost(sink.address)
        for _ in range(3):
            assert isinstance(await post.sent(to=to), Delivered)
        assert len(sink.messages) == 3
        assert sink.sessions_seen == 1
        assert not sink.violations


async def test_one_session_takes_one_message_after_another(post: Any) -> None:
    async with SmtpSink() as sink:
        to = post.smarthost(sink.address)
        for _ in range(10):
            assert isinstance(await post.sent(to=to), Delivered)
        assert sink.sessions_seen == 1
        assert len(sink.messages) == 10
        assert not sink.violations


async def test_a_session_ends_politely_after_some_messages(make_post: Callable[..., Any]) -> None:
    post = make_post(messages_per_session=3)
    async with SmtpSink() as sink:
        to = post.smarthost(sink.address)
        for _ in range(7):
            assert isinstance(await post.sent(to=to), Delivered)
        assert sink.sessions_seen == 3
        await post.until(lambda: sink.open_sessions == 1)
        assert [line for _, line in sink.commands].count("QUIT") == 2
        assert not sink.violations


async def test_an_idle_session_is_kept_for_a_moment(post: Any) -> None:
    async with SmtpSink() as sink:
        assert isinstance(await post.sent(to=post.smarthost(sink.address)), Delivered)
        post.clock.advance(4.0)
        await asyncio.sleep(0.01)
        assert sink.open_sessions == 1
        post.clock.advance(2.0)
        await post.until(lambda: not sink.open_sessions)
        assert sink.commands[-1][1] == "QUIT"
        assert post.clock.next_timer() is None


async def test_a_transaction_that_left_something_behind_is_reset(post: Any) -> None:
    async with SmtpSink() as sink:
        to = post.smarthost(sink.address)
        sink.script("RCPT", "550 5.1.1 nobody")
        assert isinstance(await post.sent(to=to), Failed)
        assert isinstance(await post.sent(to=to), Delivered)
        assert sink.sessions_seen == 1
        assert not sink.violations


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
@pytest.mark.parametrize(
    ("step", "answer", "kinds", "scope"),
    [
        ("MAIL", "451 4.3.0 later", "EE", Scope.MESSAGE),
        ("MAIL", "550 5.7.1 no", "FF", Scope.MESSAGE),
        ("RCPT", "450 4.2.0 later", "ED", Scope.RECIPIENT),
        ("RCPT", "550 5.1.1 nobody", "FD", Scope.RECIPIENT),
        ("DATA", "451 4.3.0 later", "EE", Scope.MESSAGE),
        ("DATA", "554 5.5.1 no", "FF", Scope.MESSAGE),
        ("DOT", "451 4.3.0 later", "EE", Scope.MESSAGE),
        ("DOT", "554 5.7.1 spam", "FF", Scope.MESSAGE),
        ("DOT", "421 4.3.2 bye", "EE", Scope.SITE),
        ("DOT", CLOSE, "EE", Scope.RECIPIENT),
        ("DOT", b"\xff\xfe\r\n", "EE", Scope.RECIPIENT),
        ("DATA", CLOSE, "EE", Scope.SITE),
        ("DATA", b"250 ok\r\n", "EE", Scope.SITE),
        ("RCPT", CLOSE, "EE", Scope.SITE),
        ("RCPT", "354 what", "EE", Scope.SITE),
        ("RCPT", b"650 what\r\n", "EE", Scope.SITE),
        ("MAIL", b"250-" + b"x" * 9000, "EE", Scope.SITE),
        ("MAIL", CLOSE, "EE", Scope.SITE),
        ("MAIL", "421 4.7.0 too many connections", "EE", Scope.SITE),
    ],
)
async def test_faults_at_each_step(
    post: Any, extensions: tuple[str, ...], step: str, answer: Any, kinds: str, scope: Scope
) -> None:
    async with SmtpSink(SinkSettings(extensions=extensions)) as sink:
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
        assert len(post.log.attempts) == 1
        assert not post.log.bugs


@pytest.mark.parametrize(
    ("step", "seconds", "scope"),
    [("MAIL", 300, Scope.SITE), ("RCPT", 300, Scope.SITE), ("DATA", 120, Scope.SITE), ("DOT", 600, Scope.RECIPIENT)],
)
async def test_silence_at_each_step(post: Any, step: str, seconds: int, scope: Scope) -> None:
    async with SmtpSink(SinkSettings(extensions=())) as sink:
        sink.script(step, SILENCE)
        consignment = post.send(to=post.smarthost(sink.address))
        await post.until(lambda: post.dialogues() and post.dialogues()[0].stage is Stage[step])
        post.clock.advance(seconds - 2)
        await asyncio.sleep(0.01)
        assert not post.results.of
        post.clock.advance(4)
        await post.results.wait_for(1)
        outcome = post.results.outcome(consignment)
        assert isinstance(outcome, Deferred)
        assert (outcome.cause, outcome.scope) == (Cause.TIMEOUT, scope)
        await post.until(lambda: not sink.open_sessions)


async def test_a_drip_is_no_progress(post: Any, scripted: Any) -> None:
    async with scripted([GREETING, HELLO, (b"DATA\r\n", b"250")]) as server:
        consignment = post.send(to=post.smarthost(server.address))
        await post.until(lambda: server.got and b"DATA" in server.got[0])
        for octet in b" ok, I think":
            server.writers[0].write(bytes([octet]))
            await asyncio.sleep(0.002)
            post.clock.advance(30)
        await post.results.wait_for(1)
        assert post.results.outcome(consignment).cause is Cause.TIMEOUT


async def test_patience_with_slow_replies_has_a_bound(post: Any, scripted: Any) -> None:
    many = [f"r{n}@example.net" for n in range(100)]
    async with scripted([GREETING, HELLO, (b"DATA\r\n", b"250 ok\r\n")]) as server:
        post.send(*many, to=post.smarthost(server.address))
        await post.until(lambda: server.got and b"DATA" in server.got[0])
        (dialogue,) = post.dialogues()
        while not post.results.of:
            before = dialogue.progress
            server.writers[0].write(b"250 ok\r\n")
            await post.until(lambda before=before: dialogue.progress > before)
            post.clock.advance(200)
        assert post.results.kinds() == "E"
        assert 7100 < post.clock.monotonic() - 1000 < 7600


async def test_a_session_that_was_closed_while_it_rested_costs_nothing(post: Any, scripted: Any) -> None:
    once = [GREETING, HELLO, CONSENT, TAKEN, (b"MAIL", None)]
    async with scripted(once) as server:
        to = post.smarthost(server.address)
        for _ in range(4):
            assert isinstance(await post.sent(to=to), Delivered)
        assert len(server.got) == 4
        assert [facts["recipients"] for facts in post.log.attempts] == [1, 1, 1, 1]
        assert post.transport.sites()[0].window == 9


async def test_421_to_a_reused_session_moves_the_message_to_another(post: Any, scripted: Any) -> None:
    once = [GREETING, HELLO, CONSENT, TAKEN, (b"MAIL", b"421 4.7.0 that was enough\r\n")]
    async with scripted(once) as server:
        to = post.smarthost(server.address)
        for _ in range(3):
            assert isinstance(await post.sent(to=to), Delivered)
        assert len(server.got) == 3


async def test_what_closed_one_resting_session_has_closed_its_sisters(post: Any, scripted: Any) -> None:
    once = [GREETING, HELLO, CONSENT, TAKEN, (b"MAIL", None)]
    async with scripted(once) as server:
        to = post.smarthost(server.address)
        for _ in range(3):
            post.send(to=to)
        await post.results.wait_for(3)
        assert post.transport.sites()[0].idle == 3
        assert isinstance(await post.sent(to=to), Delivered)
        assert len(server.got) == 4
        assert [octets.endswith(b"QUIT\r\n") for octets in server.got].count(True) == 2


async def test_a_fresh_session_that_is_sent_away_leaves_its_message_to_the_others(post: Any) -> None:
    async with SmtpSink() as sink:
        sink.script("MAIL", "421 4.7.0 too many connections", contains="sender")
        to = post.smarthost(sink.address)
        for _ in range(5):
            post.send(to=to)
        await post.results.wait_for(5)
        assert post.results.kinds() == "DDDDD"
        assert len(sink.messages) == 5


async def test_a_message_is_not_handed_round_for_ever(post: Any, scripted: Any) -> None:
    """Sessions that take one message and then close when MAIL comes; one MAIL too many is an outcome."""
    once = [GREETING, HELLO, CONSENT, TAKEN, (b"MAIL", None)]
    async with scripted(once) as server:
        to = post.smarthost(server.address)
        await post.sent(to=to)
        (consignment,) = post.message("bob@example.net", to=to)
        await post.until(lambda: post.transport.sites()[0].idle == 1)
        post.transport.deliver([consignment], post.results)
        site = next(iter(post.transport._sites.values()))
        session = next(iter(site._sessions))
        session.transaction.returns = 3
        await post.results.wait_for(2)
        assert isinstance(post.results.outcome(consignment), Deferred)


async def test_a_session_that_is_told_to_go_while_it_rests(post: Any, scripted: Any) -> None:
    once = [GREETING, HELLO, CONSENT, TAKEN]
    async with scripted(once) as server:
        to = post.smarthost(server.address)
        assert isinstance(await post.sent(to=to), Delivered)
        server.writers[0].write(b"421 4.4.2 idle for too long\r\n")
        await post.until(lambda: not post.transport.sites()[0].sessions)
        assert isinstance(await post.sent(to=to), Delivered)
        server.writers[1].close()
        await post.until(lambda: not post.transport.sites()[0].sessions)


async def test_a_reply_with_something_behind_it_ends_the_session(post: Any, scripted: Any) -> None:
    once = [GREETING, HELLO, CONSENT, (b"\r\n.\r\n", b"250 taken\r\n421 and bye\r\n")]
    async with scripted(once) as server:
        assert isinstance(await post.sent(to=post.smarthost(server.address)), Delivered)
        assert post.transport.sites()[0].sessions == 0


async def test_a_bug_in_the_dialogue_is_an_outcome(post: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    async with SmtpSink() as sink:
        to = post.smarthost(sink.address)
        with monkeypatch.context() as patch:
            patch.setattr(Dialogue, "feed", broken)
            outcome = await post.sent(to=to)
        assert isinstance(outcome, Deferred)
        assert (outcome.cause, outcome.scope) == (Cause.INTERNAL, Scope.MESSAGE)
        assert isinstance(post.log.bugs[0], ZeroDivisionError)
        assert isinstance(await post.sent(to=to), Delivered)


async def test_a_bug_of_the_owner_ends_the_session(post: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    async with SmtpSink() as sink:
        to = post.smarthost(sink.address)
        await post.sent(to=to)
        with monkeypatch.context() as patch:
            patch.setattr(ActiveSite, "gone", broken)
            post.clock.advance(1)
            for wire in tuple(sink._open):
                wire.abort()
            await post.until(lambda: post.log.bugs)
        assert isinstance(post.log.bugs[0], ZeroDivisionError)


# -- content that is not in memory -------------------------------------------------------------------------------------

LINE = b"x" * 76 + b"\r\n"


class Stream:
    """Chunks of content; counts them, and can break."""

    def __init__(self, chunks: int, size: int, *, breaks_at: int | None = None, error: Exception | None = None) -> None:
        self.given = 0
        self.is_closed = False
        self._chunks = chunks
        self._chunk = LINE * (size // len(LINE))
        self._breaks_at = breaks_at
        self._error = error if error is not None else ContentUnavailable("its digest differs")

    @property
    def total(self) -> int:
        return len(self._chunk) * self._chunks

    async def run(self) -> AsyncIterator[bytes]:
        try:
            for _ in range(self._chunks):
                if self.given == self._breaks_at:
                    raise self._error
                self.given += 1
                yield self._chunk
        finally:
            self.is_closed = True


async def test_large_content_is_streamed(post: Any) -> None:
    async with SmtpSink() as sink:
        stream = Stream(50, 60_000)
        to = post.smarthost(sink.address)
        assert isinstance(await post.sent(to=to, content=stream.run(), large=stream.total), Delivered)
        assert len(sink.messages[0].content) == stream.total
        assert isinstance(await post.sent(to=to), Delivered)
        assert sink.sessions_seen == 1
        assert not sink.violations


async def test_large_content_in_memory(post: Any) -> None:
    parts = (LINE * 500, LINE * 500)
    async with SmtpSink() as sink:
        to = post.smarthost(sink.address)
        assert isinstance(await post.sent(to=to, content=parts, large=78_000), Delivered)
        assert sink.messages[0].content == b"".join(parts)


@pytest.mark.parametrize("breaks_at", [0, 3])
async def test_content_that_is_damaged_is_never_sent_whole(post: Any, breaks_at: int) -> None:
    async with SmtpSink() as sink:
        stream = Stream(5, 10_000, breaks_at=breaks_at)
        outcome = await post.sent(to=post.smarthost(sink.address), content=stream.run(), large=stream.total)
        assert isinstance(outcome, Deferred)
        assert (outcome.cause, outcome.scope) == (Cause.STORAGE, Scope.MESSAGE)
        await post.until(lambda: not sink.open_sessions)
        assert sink.messages == []
        assert stream.is_closed


async def test_a_bug_while_content_is_read(post: Any) -> None:
    async with SmtpSink() as sink:
        stream = Stream(5, 10_000, breaks_at=2, error=KeyError("bug"))
        outcome = await post.sent(to=post.smarthost(sink.address), content=stream.run(), large=stream.total)
        assert isinstance(outcome, Deferred)
        assert outcome.cause is Cause.INTERNAL
        assert isinstance(post.log.bugs[0], KeyError)
        assert sink.messages == []


async def test_content_that_cannot_be_had_leaves_the_session_alone(post: Any) -> None:
    async with SmtpSink() as sink:
        to = post.smarthost(sink.address)
        assert isinstance(await post.sent(to=to), Delivered)
        outcome = await post.sent(to=to, content=ContentUnavailable("gone"))
        assert isinstance(outcome, Deferred)
        assert outcome.cause is Cause.STORAGE
        assert isinstance(await post.sent(to=to), Delivered)
        assert sink.sessions_seen == 1


async def test_a_server_that_does_not_read_bounds_what_we_hold(post: Any, scripted: Any) -> None:
    async with scripted([GREETING, HELLO, (b"DATA\r\n", b"250 ok\r\n250 ok\r\n354 go\r\n"), (b"x", ...)]) as server:
        stream = Stream(10_000, 60_000)
        consignment = post.send(to=post.smarthost(server.address), content=stream.run(), large=stream.total)
        given = -1
        while stream.given != given or not given:
            given = stream.given
            for _ in range(20):
                await asyncio.sleep(0.002)
        assert stream.given < 500
        post.clock.advance(182)
        await post.results.wait_for(1)
        assert post.results.outcome(consignment).cause is Cause.TIMEOUT
        await post.until(lambda: stream.is_closed)


@pytest.mark.parametrize(
    ("early", "kind"), [(b"552 5.3.4 too big\r\n", "F"), (b"421 bye\r\n", "E"), (b"250 ok\r\n", "E"), (None, "E")]
)
async def test_an_answer_before_the_content_is_whole(post: Any, scripted: Any, early: bytes | None, kind: str) -> None:
    async with scripted([GREETING, HELLO, (b"DATA\r\n", b"250 ok\r\n250 ok\r\n354 go\r\n"), (b"xx", early)]) as server:
        stream = Stream(5_000, 60_000)
        post.send(to=post.smarthost(server.address), content=stream.run(), large=stream.total)
        await post.results.wait_for(1)
        assert post.results.kinds() == kind
        await post.until(lambda: stream.is_closed)
        assert stream.given < 5_000
        assert not post.log.bugs


class Endless:
    """An iterator without aclose, that hangs after its first chunk until it is let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.count = 0

    def __aiter__(self) -> Endless:
        return self

    async def __anext__(self) -> bytes:
        self.count += 1
        if self.count > 1:
            await self.go.wait()
            raise ContentUnavailable("too late")
        return LINE


async def test_a_disk_that_hangs(post: Any) -> None:
    async with SmtpSink() as sink:
        endless = Endless()
        consignment = post.send(to=post.smarthost(sink.address), content=endless, large=1000)
        await post.until(lambda: endless.count == 2)
        post.clock.advance(182)
        await post.results.wait_for(1)
        assert post.results.outcome(consignment).cause is Cause.TIMEOUT
        endless.go.set()
        await asyncio.sleep(0.01)
        assert len(post.results.of) == 1
        assert sink.messages == []
