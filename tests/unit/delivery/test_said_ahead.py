"""Sessions that say the commands of the next transaction behind the content of the one under way: on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from asyncmta.delivery.patience import AHEAD_TIME, BEHIND_TIME
from asyncmta.delivery.stride import SOON
from asyncmta.delivery.tapping import OutgoingTaps
from asyncmta.mail.envelope import ContentUnavailable
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Postponed
from asyncmta.testing.sink_values import CLOSE, SinkSettings
from asyncmta.testing.smtp_sink import SmtpSink
from asyncmta.tracing.looking import Tracing
from asyncmta.tracing.wanted import Wanted

GREETING = (b"", b"220 odd.example\r\n")
HELLO = (b"EHLO us.example\r\n", b"250-odd.example\r\n250 PIPELINING\r\n")
CONSENT = (b"DATA\r\n", b"250 ok\r\n250 ok\r\n354 go\r\n")
TAKEN = (b"\r\n.\r\n", b"250 2.0.0 taken\r\n")
BEHIND = b"\r\n.\r\nMAIL FROM:<sender@example.org>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n"
PIPELINES = SinkSettings(extensions=("PIPELINING", "SIZE 1000000", "8BITMIME"))
OPENED = [GREETING, HELLO, CONSENT]
BOTH = (BEHIND, b"250 2.0.0 taken\r\n250 ok\r\n250 ok\r\n354 go\r\n")


@pytest.fixture
def alone(make_post: Callable[..., Any]) -> Any:
    """One session, so that others wait for it, at sites that are known to be fast."""
    return brisk(make_post(sessions_per_site=1))


def brisk(post: Any) -> Any:
    send = post.send

    def sent(*recipients: str, **facts: Any) -> Any:
        consignment = send(*recipients, **facts)
        for site in post.transport._sites.values():
            now = post.clock.monotonic()
            site._stride.ended(now - SOON, now)  # the clock stands still, but for this
        return consignment

    post.send = sent
    return post


async def test_each_but_the_first_is_said_ahead(alone: Any, scripted: Any) -> None:
    async with scripted([*OPENED, BOTH, BOTH, BOTH, TAKEN]) as server:
        to = alone.smarthost(server.address)
        for _ in range(4):
            alone.send(to=to)
        await alone.results.wait_for(4)
        assert alone.results.kinds() == "DDDD"
        assert len(server.got) == 1
        assert server.got[0].count(b"MAIL FROM") == server.got[0].count(b"\r\n.\r\n") == 4
        assert len(alone.log.attempts) == 4
        assert alone.transport.sites()[0].idle == 1


async def test_servers_that_answer_one_after_the_other(alone: Any) -> None:
    async with SmtpSink(PIPELINES) as sink:
        to = alone.smarthost(sink.address)
        for at in range(10):
            alone.send(f"r{at}@example.net", to=to)
        await alone.results.wait_for(10)
        assert alone.results.kinds() == "D" * 10
        assert [message.recipients for message in sink.messages] == [(f"r{at}@example.net",) for at in range(10)]
        assert sink.sessions_seen == 1
        assert not sink.violations


@pytest.mark.parametrize("extensions", [(), ("PIPELINING", "CHUNKING")])
async def test_nothing_is_said_ahead_to_others(alone: Any, extensions: tuple[str, ...]) -> None:
    async with SmtpSink(SinkSettings(extensions=extensions)) as sink:
        to = alone.smarthost(sink.address)
        for _ in range(3):
            alone.send(to=to)
        await alone.results.wait_for(3)
        assert alone.results.kinds() == "DDD"
        assert not sink.violations


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "DOT"])
@pytest.mark.parametrize("turn", [0, 1, 2])
async def test_what_is_refused_concerns_the_one_it_is_said_to(alone: Any, step: str, turn: int) -> None:
    async with SmtpSink(PIPELINES) as sink:
        to = alone.smarthost(sink.address)
        for _ in range(turn):
            sink.script(step, "354 go" if step == "DATA" else "250 ok")
        sink.script(step, "550 5.7.1 no")
        sent = [alone.send(f"r{at}@example.net", to=to) for at in range(3)]
        await alone.results.wait_for(3)
        letters = [type(alone.results.outcome(each)) for each in sent]
        assert letters == [Failed if at == turn else Delivered for at in range(3)]
        assert len(sink.messages) == 2
        assert sink.sessions_seen == 1
        assert not sink.violations


async def test_a_session_ends_where_it_would_have(make_post: Callable[..., Any]) -> None:
    post = brisk(make_post(sessions_per_site=1, messages_per_session=3))
    async with SmtpSink(PIPELINES) as sink:
        to = post.smarthost(sink.address)
        for _ in range(7):
            post.send(to=to)
        await post.results.wait_for(7)
        assert post.results.kinds() == "D" * 7
        assert sink.sessions_seen == 3
        assert not sink.violations


@pytest.mark.parametrize("ending", [b"", b"250 2.0.0 taken\r\n", b"421 4.3.2 bye\r\n", b"451 later\r\n", b"what\r\n"])
async def test_who_was_said_ahead_when_the_server_went_goes_elsewhere(alone: Any, scripted: Any, ending: bytes) -> None:
    """What the server had of him is no content; of the one before him it may have all."""
    first = [*OPENED, (BEHIND, ending), (b"", None)]
    async with scripted(first, [*OPENED, TAKEN]) as server:
        to = alone.smarthost(server.address)
        for _ in range(2):
            alone.send(to=to)
        await alone.results.wait_for(2)
        assert alone.results.kinds() == ("DD" if ending.startswith(b"250") else "ED")
        assert [got.count(b"\r\n.\r\n") for got in server.got] == [1, 1]
        assert alone.transport.possible_duplicates == (ending in (b"", b"what\r\n"))


async def test_a_server_that_throws_away_what_comes_behind_a_message(alone: Any, scripted: Any) -> None:
    """Somebody waits half a minute, once."""
    first = [*OPENED, (BEHIND, b"250 2.0.0 taken\r\n")]
    second = [*OPENED, TAKEN, CONSENT, TAKEN, CONSENT, TAKEN]
    async with scripted(first, second) as server:
        to = alone.smarthost(server.address)
        for _ in range(4):
            alone.send(to=to)
        await alone.results.wait_for(1)
        alone.clock.advance(AHEAD_TIME - 1)
        await asyncio.sleep(0.01)
        assert len(alone.results.of) == 1
        alone.clock.advance(2)
        await alone.results.wait_for(4)
        assert alone.results.kinds() == "DDDD"
        assert [got.count(b"\r\n.\r\n") for got in server.got] == [1, 3]
        assert not next(iter(alone.transport._sites.values()))._stride.may_say_ahead


async def test_a_server_that_takes_commands_behind_a_message_for_an_offence(alone: Any, scripted: Any) -> None:
    """Nobody bounces for what was in order, and nobody else is said ahead there."""
    first = [*OPENED, (BEHIND, b"250 2.0.0 taken\r\n554 SMTP synchronization error\r\n"), (b"", None)]
    second = [*OPENED, TAKEN, CONSENT, TAKEN, CONSENT, TAKEN]
    async with scripted(first, second) as server:
        to = alone.smarthost(server.address)
        for _ in range(4):
            alone.send(to=to)
        await alone.results.wait_for(4)
        assert alone.results.kinds() == "DDDD"
        assert [got.count(b"\r\n.\r\n") for got in server.got] == [1, 3]


async def test_content_that_cannot_be_read_when_its_turn_has_come(alone: Any, scripted: Any) -> None:
    async with scripted([*OPENED, BOTH], [*OPENED, TAKEN]) as server:
        to = alone.smarthost(server.address)
        alone.send(to=to)
        broken = alone.send(to=to)
        alone.content[broken.queue_id] = ContentUnavailable("gone")
        alone.send(to=to)
        await alone.results.wait_for(3)
        outcome = alone.results.outcome(broken)
        assert isinstance(outcome, Deferred)
        assert outcome.cause is Cause.STORAGE
        assert sorted(alone.results.kinds()) == ["D", "D", "E"]
        assert [got.count(b"\r\n.\r\n") for got in server.got] == [1, 1]


async def test_a_bug_when_its_turn_has_come(alone: Any, scripted: Any) -> None:
    async with scripted([*OPENED, BOTH], [*OPENED, TAKEN]) as server:
        to = alone.smarthost(server.address)
        alone.send(to=to)
        broken = alone.send(to=to)
        alone.content[broken.queue_id] = ZeroDivisionError()
        alone.send(to=to)
        await alone.results.wait_for(3)
        assert alone.results.outcome(broken).cause is Cause.INTERNAL
        assert sorted(alone.results.kinds()) == ["D", "D", "E"]


@pytest.mark.parametrize("how", ["close", "let_go"])
async def test_a_stop_gives_back_who_was_said_ahead(alone: Any, scripted: Any, how: str) -> None:
    async with scripted([*OPENED, (BEHIND, b"")]) as server:
        to = alone.smarthost(server.address)
        first, second, third = (alone.send(to=to) for _ in range(3))
        await alone.until(lambda: server.got and BEHIND in server.got[0])
        if how == "close":
            await alone.transport.close()
            assert isinstance(alone.results.of[first], Postponed)
        else:
            alone.transport.let_go()
            server.writers[0].write(b"250 2.0.0 taken\r\n250 ok\r\n250 ok\r\n354 go\r\n")
            await alone.results.wait_for(3)
            assert isinstance(alone.results.outcome(first), Delivered)
        assert isinstance(alone.results.of[second], Postponed)
        assert isinstance(alone.results.of[third], Postponed)
        await alone.until(lambda: server.closed)
        assert server.got[0].count(b"\r\n.\r\n") == 1
        assert not server.got[0].endswith(b"QUIT\r\n")


async def test_who_is_cut_off_at_the_dot_costs_nobody_else_a_try(alone: Any) -> None:
    async with SmtpSink(PIPELINES) as sink:
        to = alone.smarthost(sink.address)
        for _ in range(5):
            alone.send(to=to)
        sink.script("DOT", CLOSE)
        await alone.results.wait_for(5)
        assert sorted(alone.results.kinds()) == ["D", "D", "D", "D", "E"]
        assert len(sink.messages) == 4
        assert sink.sessions_seen == 2


async def test_for_who_looks_on_one_goes_after_the_other(alone: Any, scripted: Any) -> None:
    async with scripted([*OPENED, TAKEN, CONSENT, TAKEN]) as server:
        to = alone.smarthost(server.address)
        for _ in range(2):
            alone.send(to=to)
        await alone.until(alone.dialogues)
        (site,) = alone.transport._sites.values()
        (session,) = site._sessions
        session.is_watched = True
        await alone.results.wait_for(2)
        assert alone.results.kinds() == "DD"
        assert not session.is_ahead
        assert session.served == 2


async def test_each_attempt_is_said_to_have_taken_its_own_time(alone: Any, scripted: Any) -> None:
    async with scripted([*OPENED, (BEHIND, b"")]) as server:
        to = alone.smarthost(server.address)
        for _ in range(2):
            alone.send(to=to)
        await alone.until(lambda: server.got and BEHIND in server.got[0])
        alone.clock.advance(7)
        server.writers[0].write(BOTH[1])
        await alone.until(lambda: server.got[0].count(b"\r\n.\r\n") == 2)
        alone.clock.advance(3)
        server.writers[0].write(TAKEN[1])
        await alone.results.wait_for(2)
        assert [round(each["seconds"], 3) for each in alone.log.attempts] == [7.0, 3.0]


async def test_nobody_waits_for_long_behind_one_who_is_not_answered(
    make_post: Callable[..., Any], scripted: Any
) -> None:
    """While another session at the same site has nothing to do."""
    post = brisk(make_post(sessions_per_site=2))
    async with scripted([*OPENED, (BEHIND, b"")], [(b"", b""), HELLO, CONSENT, TAKEN]) as server:
        to = post.smarthost(server.address)
        first, second = post.send(to=to), post.send(to=to)
        await post.until(lambda: len(server.got) == 2 and BEHIND in server.got[0])
        post.clock.advance(BEHIND_TIME - 2)
        server.writers[1].write(GREETING[1])
        await post.until(lambda: post.transport.sites()[0].idle)
        assert not post.results.of
        post.clock.advance(3)
        await post.results.wait_for(1)
        assert isinstance(post.results.outcome(second), Delivered)
        server.writers[0].write(BOTH[1])
        await post.results.wait_for(2)
        assert isinstance(post.results.outcome(first), Delivered)
        await post.until(lambda: server.closed)
        assert [got.count(b"\r\n.\r\n") for got in server.got] == [1, 1]


async def test_who_could_go_nowhere_else_stays_behind(alone: Any, scripted: Any) -> None:
    async with scripted([*OPENED, (BEHIND, b"")]) as server:
        to = alone.smarthost(server.address)
        for _ in range(2):
            alone.send(to=to)
        await alone.until(lambda: server.got and BEHIND in server.got[0])
        alone.clock.advance(10 * BEHIND_TIME)
        server.writers[0].write(BOTH[1])
        await alone.until(lambda: server.got[0].count(b"\r\n.\r\n") == 2)
        server.writers[0].write(TAKEN[1])
        await alone.results.wait_for(2)
        assert alone.results.kinds() == "DD"
        assert len(server.got) == 1


async def test_a_stop_gives_back_the_whole_row(alone: Any, scripted: Any) -> None:
    """Of a message in several transactions, the first of them under way without any content."""
    async with scripted([GREETING, HELLO, (b"DATA\r\n", b"")]) as server:
        to = alone.smarthost(server.address)
        sent = alone.send(*(f"r{at}@example.net" for at in range(150)), to=to)
        await alone.until(lambda: server.got and server.got[0].endswith(b"DATA\r\n"))
        alone.transport.let_go()
        assert isinstance(alone.results.of[sent], Postponed)


async def test_nothing_is_said_ahead_to_a_site_that_takes_its_time(make_post: Any, scripted: Any) -> None:
    post = make_post(sessions_per_site=1)
    async with scripted([*OPENED, TAKEN, CONSENT, TAKEN]) as server:
        to = post.smarthost(server.address)
        for _ in range(2):
            post.send(to=to)
        next(iter(post.transport._sites.values()))._stride.ended(0.0, 10.0)
        await post.results.wait_for(2)
        assert post.results.kinds() == "DD"
        assert len(server.got) == 1


async def test_who_begins_to_look_on_sees_no_content_of_those_who_have_begun(alone: Any, scripted: Any) -> None:
    """Neither of the one under way nor of who stands behind it: what is said of them was said before."""
    tracing = Tracing(alone.clock)
    alone.dialer.taps = OutgoingTaps(tracing)
    async with scripted([*OPENED, (BEHIND, b""), TAKEN, CONSENT, TAKEN]) as server:
        to = alone.smarthost(server.address)
        for _ in range(3):
            alone.send(to=to)
        await alone.until(lambda: server.got and BEHIND in server.got[0])
        looker = tracing.look(Wanted())
        alone.dialer.taps.look_on()
        server.writers[0].write(BOTH[1])
        await alone.results.wait_for(3)
        said = [event.line for event in await looker.take(0.0) if event.sent_by == "us"]
        assert said[:3] == ["MAIL FROM:<sender@example.org>", "RCPT TO:<bob@example.net>", "DATA"]
        assert not any("Hello" in line or "Subject" in line for line in said)
