"""Politeness on the wire: rates, windows, old sessions; and what goes on when an answer is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from asyncmta.delivery import doubts as doubts_module
from asyncmta.delivery.habits import SiteRule
from asyncmta.delivery.transaction import Leg, Parcel
from asyncmta.delivery.way import Way
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Scope
from asyncmta.mail.reply import reply
from asyncmta.testing.sink_values import CLOSE, SinkSettings
from asyncmta.testing.smtp_sink import SmtpSink

LOCALHOST = {"A": ["127.0.0.1"]}
VAGUE = "450 4.2.1 Try again"
PLAIN = SinkSettings(extensions=("PIPELINING",))


def set_domain(post: Any, *hosts: str, name: str = "d0.example") -> None:
    """Its exchangers, best first, are all at home."""
    post.resolver.set(name, {"MX": [(n, host) for n, host in enumerate(hosts)]})
    for host in hosts:
        post.resolver.set(host, LOCALHOST)


# -- rates ------------------------------------------------------------------------------------------------------------


async def test_a_rate_makes_messages_wait(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1], sites=(SiteRule(("mx.example",), messages=20, seconds=60.0),))
        set_domain(post, "mx.example")
        for n in range(5):
            post.send(f"r{n}@d0.example")
        for count in (1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5):  # each second, what is due within it
            await post.results.wait_for(count)
            assert len(sink.messages) == count
            post.clock.advance(1.0)
        assert post.results.kinds() == "DDDDD"
        assert [message.recipients[0][:2] for message in sink.messages] == ["r0", "r1", "r2", "r3", "r4"]
        post.clock.advance(30.0)
        await post.until(lambda: not sink.open_sessions)
        assert post.clock.next_timer() is None


async def test_a_fast_rate_uses_several_sessions(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1], sites=(SiteRule((".example",), messages=600, seconds=60.0),))
        set_domain(post, "mx.example")
        for n in range(30):
            post.send(f"r{n}@d0.example")
        for count in (11, 21, 30):
            await post.results.wait_for(count)
            assert len(sink.messages) == count
            post.clock.advance(1.0)


async def test_a_number_of_sessions(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1], sites=(SiteRule(("mx.example",), most_sessions=2),))
        set_domain(post, "mx.example")
        for n in range(50):
            post.send(f"r{n}@d0.example")
        await post.results.wait_for(50)
        assert sink.sessions_seen == 2


# -- the window, and old sessions -------------------------------------------------------------------------------------


async def test_who_is_told_off_opens_fewer_sessions(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        set_domain(post, "mx.example")
        sink.script("RCPT", "450 4.7.1 slow down", times=3)
        for n in range(3):
            await post.sent(f"r{n}@d0.example")
        (view,) = post.transport.sites()
        assert view.window == 2
        for n in range(8 + 4):  # it is wary now
            await post.sent(f"r{n}@d0.example")
        (view,) = post.transport.sites()
        assert view.window == 3


async def test_a_session_is_not_used_for_ever(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        set_domain(post, "mx.example")
        for n in range(80):
            await post.sent(f"r{n}@d0.example")
            post.clock.advance(4.0)
        assert sink.sessions_seen == 2
        assert sink.messages[75].session == 1
        assert sink.messages[76].session == 2


# -- which failure goes to the next -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "first"), [("all-failed", Deferred), ("per-recipient", Delivered), ("never", Deferred)]
)
async def test_who_was_put_off_in_part(make_post: Callable[..., Any], mode: str, first: type) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1], next_mx_on_4xx=mode)
        set_domain(post, "a.example", "b.example")
        sink.script("RCPT", VAGUE, contains="r0")
        consignment = post.send("r0@d0.example", "r1@d0.example")
        await post.results.wait_for(1)
        assert tuple(type(outcome) for outcome in post.results.of[consignment].values()) == (first, Delivered)


async def test_who_was_put_off_and_is_to_be_tried_nowhere_else(make_post: Callable[..., Any]) -> None:
    async with SmtpSink(PLAIN) as sink:
        post = make_post(port=sink.address[1], next_mx_on_4xx="never")
        set_domain(post, "a.example", "b.example")
        sink.script("RCPT", VAGUE)
        assert isinstance(await post.sent("r0@d0.example"), Deferred)
        sink.script("MAIL", CLOSE)
        post.clock.advance(6.0)
        await post.until(lambda: not sink.open_sessions)
        assert (await post.sent("r0@d0.example")).place.host == "b.example"


async def test_a_pass_does_not_try_all_there_are(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        set_domain(post, *(f"mx{n}.example" for n in range(9)))
        sink.script("RCPT", VAGUE, times=10)
        assert isinstance(await post.sent("r0@d0.example"), Deferred)
        assert sink.sessions_seen == 5


async def test_a_pass_has_a_budget_for_connecting(make_post: Callable[..., Any]) -> None:
    """It is the time of connecting that counts, and the clock stands for it here."""
    post = make_post(port=1, connect_timeout=10.0)
    set_domain(post, "a.example", "b.example", "c.example")
    dialled = []

    async def slowly(target: Any, *_: object) -> Any:
        dialled.append(target.host)
        post.clock.advance(16.0)
        return Deferred(Cause.TIMEOUT, reply(451, "4.4.1", "no answer"), Scope.SITE)

    post.dialer.open = slowly
    outcome = await post.sent("r0@d0.example")
    assert isinstance(outcome, Deferred)
    assert dialled == ["a.example", "b.example"]


# -- the fallback -----------------------------------------------------------------------------------------------------


async def test_the_fallback_comes_last(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink, SmtpSink() as relay:
        post = make_post(port=sink.address[1], fallback=(f"127.0.0.1:{relay.address[1]}",))
        set_domain(post, "mx.example")
        assert (await post.sent("r0@d0.example")).place.host == "mx.example"
        sink.script("RCPT", VAGUE)
        assert (await post.sent("r1@d0.example")).place.host == "127.0.0.1"
        sink.script("RCPT", "550 5.1.1 nobody")
        assert isinstance(await post.sent("r2@d0.example"), Failed)
        post.resolver.set("broken.example", "server failure")
        assert isinstance(await post.sent("r3@broken.example"), Delivered)
        post.resolver.set("gone.example", None)
        assert isinstance(await post.sent("r4@gone.example"), Failed)
        assert [message.recipients[0] for message in relay.messages] == ["r1@d0.example", "r3@broken.example"]


# -- in doubt ---------------------------------------------------------------------------------------------------------


async def test_a_missing_answer_is_no_reason_to_go_elsewhere(make_post: Callable[..., Any]) -> None:
    async with SmtpSink(PLAIN) as sink:
        post = make_post(port=sink.address[1])
        set_domain(post, "a.example", "b.example", "c.example")
        sink.script("RCPT", VAGUE)
        sink.script("DOT", CLOSE)
        (consignment,) = post.message("r0@d0.example")
        post.transport.deliver([consignment], post.results)
        await post.results.wait_for(1)
        outcome = post.results.outcome(consignment)
        assert isinstance(outcome, Deferred)
        assert outcome.place.host == "b.example"
        assert post.transport.possible_duplicates == 1
        assert [(event, facts["host"], facts["recipients"]) for _, event, facts in post.log.notes] == [
            ("possible_duplicate", "b.example", 1)
        ]
        (again,) = post.message("r0@d0.example")
        again.queue_id, again.attempts = consignment.queue_id, 1
        post.transport.deliver([again], post.results)
        await post.results.wait_for(2)
        assert post.results.outcome(again).place.host == "b.example"  # before a.example
        assert (await post.sent("r0@d0.example")).place.host == "a.example"


async def test_who_is_in_doubt_goes_on_when_the_host_is_gone(make_post: Callable[..., Any]) -> None:
    async with SmtpSink(PLAIN) as sink:
        post = make_post(port=sink.address[1])
        set_domain(post, "a.example")
        sink.script("DOT", CLOSE)
        (consignment,) = post.message("r0@d0.example")
        post.transport.deliver([consignment], post.results)
        await post.results.wait_for(1)
        set_domain(post, "b.example")
        post.clock.advance(31.0)
        (again,) = post.message("r0@d0.example")
        again.queue_id, again.attempts = consignment.queue_id, 1
        post.transport.deliver([again], post.results)
        await post.results.wait_for(2)
        assert post.results.outcome(again).place.host == "b.example"


async def test_doubts_are_bounded(make_post: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubts_module, "MOST_DOUBTS", 2)
    doubts = doubts_module.Doubts()
    post = make_post()
    legs = [Leg(Parcel(post.message("r@d0.example")[0], Way(()), post.results), (0,)) for _ in range(3)]
    for leg in legs:
        doubts.add([leg], "a.example")
    assert doubts.count == 3
    assert doubts
    for leg in legs:
        assert doubts.way(leg) is leg.parcel.way
    assert not doubts
