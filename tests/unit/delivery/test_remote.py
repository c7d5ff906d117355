"""The remote transport from consignment to outcome: finding sites, sharing them, and what happens when they fail."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import pytest
import uvloop
from msgspec.structs import replace

from asyncmta.delivery import remote
from asyncmta.delivery.dialer import Dialer, RemoteSettings
from asyncmta.delivery.exchange import MxAnswer
from asyncmta.delivery.leading import all_sites, all_sites_in_turns, resume_site, sessions_of
from asyncmta.delivery.remote import RemoteTransport
from asyncmta.delivery.session import TlsContexts
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Consignment, Content, Envelope, QueueId, Recipient
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Outcome, Postponed, Scope
from asyncmta.routing import Smarthost
from asyncmta.system.clock import SystemClock
from asyncmta.testing.dns import FakeResolver
from asyncmta.testing.sink_values import CLOSE, SILENCE, SinkSettings
from asyncmta.testing.smtp_sink import SmtpSink

LOCALHOST = {"A": ["127.0.0.1"]}


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port that refuses connections."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]


# -- finding the site --------------------------------------------------------------------------------------------------


async def test_by_mx(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        post.resolver.set("example.net", {"MX": [(10, "mx.example.net")]})
        post.resolver.set("mx.example.net", LOCALHOST)
        outcome = await post.sent("bob@example.net")
        assert isinstance(outcome, Delivered)
        assert outcome.place.host == "mx.example.net"
        assert isinstance(await post.sent("eve@example.net"), Delivered)
        assert post.resolver.asked == [("MX", "example.net"), ("A", "mx.example.net")]
        assert sink.sessions_seen == 1


async def test_what_is_known_of_a_destination_is_asked_for_again_after_a_while(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        post.resolver.set("example.net", LOCALHOST)
        for _ in range(2):
            assert isinstance(await post.sent("bob@example.net"), Delivered)
            post.clock.advance(31.0)
        assert post.resolver.asked.count(("MX", "example.net")) == 2
        assert len(post.transport.sites()) == 1


@pytest.mark.parametrize(
    ("records", "kind", "status"),
    [
        (None, Failed, "550 5.1.2"),
        ("server failure", Deferred, "451 4.4.3"),
        ({"MX": [(0, "")]}, Failed, "556 5.1.10"),
        ({"MX": [(0, "us.example")]}, Failed, "554 5.4.6"),
        ({"MX": [(0, "nowhere.example")]}, Failed, "550 5.4.4"),
        ({"MX": [(0, "nowhere.example"), (5, "broken.example")]}, Deferred, "451 4.4.3"),
        ({"AAAA": []}, Failed, "550 5.4.4"),
    ],
)
async def test_what_dns_says(post: Any, records: Any, kind: type, status: str) -> None:
    post.resolver.set("broken.example", "server failure")
    post.resolver.set("example.net", records)
    outcome = await post.sent("bob@example.net")
    assert (type(outcome), f"{outcome.reply.code} {outcome.reply.enhanced}") == (kind, status)


async def test_private_addresses_are_not_connected_to(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1], allow_private_exchangers=False)
        post.resolver.set("example.net", {"A": ["127.0.0.1", "10.0.0.1"], "AAAA": ["::1", "::ffff:127.0.0.1"]})
        outcome = await post.sent("bob@example.net")
        assert isinstance(outcome, Deferred)
        assert str(outcome.reply.enhanced) == "4.4.4"
        literal = await post.sent("bob@[127.0.0.1]")
        assert str(literal.reply.enhanced) == "4.4.4"
        assert sink.sessions_seen == 0
        by_route = await post.sent(to=post.smarthost(sink.address))
        assert isinstance(by_route, Delivered)


async def test_address_literals(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        assert isinstance(await post.sent("bob@[127.0.0.1]"), Delivered)
        assert isinstance(await post.sent("bob@[127.0.0.1]"), Delivered)
        assert post.resolver.asked == []
        assert sink.messages[0].recipients == ("bob@[127.0.0.1]",)


async def test_a_smarthost_by_name(post: Any) -> None:
    async with SmtpSink() as sink:
        port = sink.address[1]
        post.resolver.set("relay.example", LOCALHOST)
        assert isinstance(await post.sent(to=post.smarthost(("relay.example", port))), Delivered)
        assert isinstance(await post.sent(to=post.smarthost(("localhost", port))), Delivered)
        assert post.resolver.asked == [("A", "relay.example")]


async def test_smarthosts_in_the_order_given(post: Any, dead_port: int) -> None:
    async with SmtpSink() as first, SmtpSink() as second:
        to = post.smarthost(("127.0.0.1", dead_port), first.address, second.address)
        assert isinstance(await post.sent(to=to), Delivered)
        assert (first.sessions_seen, second.sessions_seen) == (1, 0)


async def test_a_route_that_is_no_route_is_a_bug_and_an_outcome(post: Any) -> None:
    outcome = await post.sent(to="smarthost:99")
    assert isinstance(outcome, Deferred)
    assert outcome.cause is Cause.INTERNAL
    assert isinstance(post.log.bugs[0], KeyError)
    post.routes["smarthost:98"] = None
    assert (await post.sent(to="smarthost:98")).cause is Cause.INTERNAL


async def test_a_resolver_that_raises_is_a_bug_and_an_outcome(post: Any) -> None:
    async def exchangers(domain: str) -> MxAnswer:
        raise ZeroDivisionError

    post.resolver.exchangers = exchangers
    outcome = await post.sent("bob@example.net")
    assert isinstance(outcome, Deferred)
    assert outcome.cause is Cause.INTERNAL
    assert isinstance(post.log.bugs[0], ZeroDivisionError)


async def test_ten_thousand_messages_to_one_domain_ask_once(make_post: Callable[..., Any]) -> None:
    post = make_post()
    messages = [post.message("bob@example.net") for _ in range(10_000)]
    for message in messages:
        post.transport.deliver(message, post.results)
    await post.results.wait_for(10_000)
    assert post.resolver.asked == [("MX", "example.net")]
    assert set(post.results.kinds()) == {"F"}


# -- one message for many domains --------------------------------------------------------------------------------------


class SlowResolver(FakeResolver):
    """Answers for some domains only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.slow: dict[str, asyncio.Event] = {}

    async def exchangers(self, domain: str) -> MxAnswer:
        if domain in self.slow:
            await self.slow[domain].wait()
        return await super().exchangers(domain)


async def test_a_thousand_recipients_in_a_hundred_domains_on_five_hosts(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        for host in range(5):
            post.resolver.set(f"mx{host}.example", LOCALHOST)
        for domain in range(100):
            post.resolver.set(f"d{domain}.example", {"MX": [(domain + 1, f"mx{domain % 5}.example")]})
        message = post.message(*(f"r{n}@d{n % 100}.example" for n in range(1000)))
        assert len(message) == 100
        post.transport.deliver(message, post.results)
        await post.results.wait_for(100)
        assert post.results.kinds() == "D" * 100
        assert sorted(view.key for view in post.transport.sites()) == [f"mx:mx{host}.example" for host in range(5)]
        assert sorted(len(message.recipients) for message in sink.messages) == [100] * 10
        assert sorted(name for message in sink.messages for name in message.recipients) == sorted(
            f"r{n}@d{n % 100}.example" for n in range(1000)
        )
        assert not sink.violations


async def slow_post(make_post: Callable[..., Any], port: int, *slow: str) -> Any:
    post = make_post(port=port)
    post.resolver = SlowResolver()
    post.transport._resolver = post.dialer.resolver = post.resolver
    for name in ("one.example", "two.example", "three.example"):
        post.resolver.set(name, {"MX": [(10, "mx.example")]})
    post.resolver.set("mx.example", LOCALHOST)
    for name in slow:
        post.resolver.slow[name] = asyncio.Event()
    return post


async def test_domains_wait_for_one_another(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = await slow_post(make_post, sink.address[1], "two.example")
        message = post.message("a@one.example", "b@two.example", "c@three.example")
        post.transport.deliver(message, post.results)
        await asyncio.sleep(0.02)
        assert not sink.commands
        post.resolver.slow["two.example"].set()
        await post.results.wait_for(3)
        assert [message.recipients for message in sink.messages] == [
            ("a@one.example", "c@three.example", "b@two.example")
        ]
        assert post.clock.next_timer() is not None  # the sweep alone
        post.clock.advance(10)
        assert post.clock.next_timer() is None


async def test_but_not_for_longer_than_a_second(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = await slow_post(make_post, sink.address[1], "two.example", "gone.example")
        message = post.message("a@one.example", "b@two.example", "d@gone.example", "c@three.example")
        post.transport.deliver(message, post.results)
        await asyncio.sleep(0.02)
        assert not sink.commands
        post.clock.advance(1.0)
        await post.results.wait_for(2)
        assert [message.recipients for message in sink.messages] == [("a@one.example", "c@three.example")]
        post.resolver.slow["gone.example"].set()
        post.resolver.slow["two.example"].set()
        await post.results.wait_for(4)
        assert sink.messages[1].recipients == ("b@two.example",)
        assert isinstance(post.results.outcome(message[2]), Failed)


async def test_consignments_whose_site_is_known_leave_at_once(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = await slow_post(make_post, sink.address[1])
        for name in ("one", "two"):
            await post.sent(f"x@{name}.example")
        asked = len(post.resolver.asked)
        post.transport.deliver(post.message("a@one.example", "b@two.example"), post.results)
        await post.results.wait_for(4)
        assert len(post.resolver.asked) == asked
        assert sink.messages[-1].recipients == ("a@one.example", "b@two.example")


async def test_what_comes_in_turns_of_one_message_leaves_together(make_post: Callable[..., Any]) -> None:
    """The scheduler hands over a large message some recipients at a time."""
    post = make_post(sessions_per_site=1)
    async with SmtpSink() as sink:
        to = post.smarthost(sink.address)
        (whole,) = post.message(*(f"r{n}@example.net" for n in range(100)), to=to)
        post.send(to=to)
        for first in range(0, 100, 20):
            turn = msgspec.structs.replace(whole, ordinals=tuple(range(first, first + 20)))
            post.transport.deliver([turn], post.results)
        await post.results.wait_for(6)
        assert sorted(len(message.recipients) for message in sink.messages) == [1, 100]


async def test_a_message_is_split_at_the_number_of_recipients(make_post: Callable[..., Any]) -> None:
    post = make_post(recipients_per_transaction=10)
    async with SmtpSink() as sink:
        to = post.smarthost(sink.address)
        names = [f"r{n}@example.net" for n in range(25)]
        sink.script("RCPT", "550 5.1.1 nobody", contains="r13@")
        consignment = post.send(*names, to=to)
        await post.results.wait_for(1)
        assert sorted(len(message.recipients) for message in sink.messages) == [5, 9, 10]
        result = post.results.of[consignment]
        assert isinstance(result, Mapping)
        assert [ordinal for ordinal, outcome in result.items() if isinstance(outcome, Failed)] == [13]
        assert len(result) == 25


# -- sites that fail ---------------------------------------------------------------------------------------------------


async def test_the_next_exchanger_before_mail(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        post.resolver.set("example.net", {"MX": [(10, "bad.example"), (20, "good.example")]})
        post.resolver.set("bad.example", LOCALHOST)
        post.resolver.set("good.example", LOCALHOST)
        for step, answer in (("GREETING", "554 5.7.1 no"), ("EHLO", "421 4.3.2 busy"), ("EHLO", CLOSE)):
            sink.script(step, answer)
            outcome = await post.sent("bob@example.net")
            assert isinstance(outcome, Delivered)
            assert outcome.place.host == "good.example"
            post.clock.advance(1000.0)  # until the first one is tried again
            await post.until(lambda: not sink.open_sessions)


async def test_a_refused_recipient_is_final_whatever_the_next_exchanger_would_say(
    make_post: Callable[..., Any],
) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        post.resolver.set("example.net", {"MX": [(10, "a.example"), (20, "b.example")]})
        post.resolver.set("a.example", LOCALHOST)
        post.resolver.set("b.example", LOCALHOST)
        sink.script("RCPT", "550 5.1.1 nobody")
        assert isinstance(await post.sent("bob@example.net"), Failed)
        assert sink.sessions_seen == 1


async def test_nothing_bounces_when_every_host_refuses_to_talk(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        post.resolver.set("example.net", {"MX": [(10, "a.example"), (20, "b.example")]})
        post.resolver.set("a.example", LOCALHOST)
        post.resolver.set("b.example", LOCALHOST)
        sink.script("GREETING", "554 5.7.1 no", times=2)
        outcome = await post.sent("bob@example.net")
        assert isinstance(outcome, Deferred)
        assert (outcome.reply.code, outcome.scope, outcome.place.host) == (450, Scope.SITE, "b.example")
        assert "554 5.7.1 no" in outcome.reply.text
        assert sink.sessions_seen == 2


async def test_a_smarthost_that_refuses_us_bounces_nothing(post: Any) -> None:
    async with SmtpSink() as sink:
        sink.script("GREETING", "554 5.7.1 no")
        outcome = await post.sent(to=post.smarthost(sink.address))
        assert isinstance(outcome, Deferred)
        assert f"{outcome.reply.code} {outcome.reply.enhanced}" == "450 4.7.1"
        misspelt = await post.sent(to=post.smarthost(("no-such-relay.example", 25)))
        assert isinstance(misspelt, Deferred)
        assert f"{misspelt.reply.code} {misspelt.reply.enhanced}" == "450 4.4.4"


async def test_at_most_five_addresses_of_a_site_are_tried(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        post.resolver.set("example.net", {"MX": [(0, f"mx{n}.example") for n in range(4)]})
        for n in range(4):
            post.resolver.set(f"mx{n}.example", {"A": ["127.0.0.1", "127.0.0.2", "127.0.0.3"]})
        sink.script("GREETING", "450 4.3.2 later", times=100)
        outcome = await post.sent("bob@example.net")
        assert isinstance(outcome, Deferred)
        # Only 127.0.0.1 has a listener: the first host has two of the five, so that each of the others has one.
        assert sink.sessions_seen == 4


async def test_a_dead_site_is_suspended(post: Any, dead_port: int) -> None:
    to = post.smarthost(("127.0.0.1", dead_port))
    waited = [post.send(to=to) for _ in range(3)]
    await post.results.wait_for(3)
    for consignment in waited:
        outcome = post.results.outcome(consignment)
        assert isinstance(outcome, Deferred)
        assert (outcome.cause, outcome.scope) == (Cause.CONNECT, Scope.SITE)
        assert outcome.place.ip == "127.0.0.1"
    late = post.send(to=to)
    result = post.results.of[late]
    assert isinstance(result, Postponed)
    assert result.until == post.clock.now() + 60
    assert "refused" in result.reason
    (view,) = post.transport.sites()
    assert view.suspended_until == result.until
    assert "refused" in view.last_failure
    assert (view.waiting, view.sessions, view.window, view.limit) == (0, 0, 1, 20)
    assert view.suspended_since == post.clock.now()
    (known,) = all_sites(post.transport)
    assert await all_sites_in_turns(post.transport) == [known]
    assert known == replace(view, destinations=(late.destination,))
    assert [event for _, event, _ in post.log.notes] == ["site_suspended"]
    post.clock.advance(60)
    again = await post.sent(to=to)
    assert isinstance(again, Deferred)
    (view,) = post.transport.sites()
    assert view.suspended_until == post.clock.now() + 120
    assert view.suspended_since == post.clock.now()
    resume_site(post.transport, "no such site")
    assert post.transport.sites()[0].suspended_until is not None
    resume_site(post.transport, view.key)
    assert post.transport.sites()[0].suspended_until is None


async def test_a_site_that_comes_back(post: Any) -> None:
    sink = SmtpSink()
    await sink.start()
    address = sink.address
    await sink.stop()
    to = post.smarthost(address)
    assert isinstance(await post.sent(to=to), Deferred)
    post.clock.advance(61)
    async with SmtpSink(port=address[1]) as sink:
        for _ in range(3):
            post.send(to=to)
        assert post.transport.sites()[0].opening == 1  # one finds out for all
        await post.results.wait_for(4)
        assert post.results.kinds() == "EDDD"
        assert post.transport.sites()[0].suspended_until is None


async def test_who_came_while_it_was_being_dialled_was_not_tried(make_post: Callable[..., Any]) -> None:
    post = make_post(sessions_per_site=1)
    async with SmtpSink() as sink:
        sink.script("GREETING", SILENCE)
        to = post.smarthost(sink.address)
        early = post.send(to=to)
        # The server may have taken the connection before we know: what is waited for is our wait for its greeting.
        await post.until(lambda: sink.sessions_seen and post.clock.next_timer() == post.clock.monotonic() + 300.0)
        late = post.send(to=to)
        post.clock.advance(301)
        await post.results.wait_for(2)
        assert post.results.outcome(early).cause is Cause.TIMEOUT
        assert isinstance(post.results.of[late], Postponed)


async def test_what_was_tried_in_part_is_not_postponed(make_post: Callable[..., Any]) -> None:
    post = make_post(sessions_per_site=1, recipients_per_transaction=1)
    async with SmtpSink() as sink:
        sink.script("MAIL", "421 4.7.0 not now")
        consignment = post.send("a@example.net", "b@example.net", to=post.smarthost(sink.address))
        await post.results.wait_for(1)
        outcomes = [post.results.outcome(consignment, ordinal) for ordinal in (0, 1)]
        assert [type(outcome) for outcome in outcomes] == [Deferred, Deferred]
        assert post.transport.sites()[0].suspended_until is not None


async def test_a_fresh_session_that_is_sent_away_suspends_an_empty_site(post: Any) -> None:
    async with SmtpSink() as sink:
        sink.script("MAIL", "421 4.7.0 too many connections")
        to = post.smarthost(sink.address)
        outcome = await post.sent(to=to)
        assert isinstance(outcome, Deferred)
        assert outcome.reply.code == 421
        assert isinstance(post.results.of[post.send(to=to)], Postponed)


async def test_who_is_sent_away_goes_to_a_session_that_rests(make_post: Callable[..., Any], scripted: Any) -> None:
    """The session opened for it is turned away, and the narrowed window allows no other: the idle one has to do."""
    post = make_post(sessions_per_site=2)
    hello = [(b"", b"220 there\r\n"), (b"EHLO us.example\r\n", b"250-there\r\n250 PIPELINING\r\n")]
    async with scripted(hello) as server:
        to = post.smarthost(server.address)
        post.send(to=to)
        await post.until(lambda: server.got and b"DATA" in server.got[0])
        post.send(to=to)
        await post.until(lambda: len(server.got) == 2 and b"DATA" in server.got[1])
        server.writers[0].write(b"250 ok\r\n250 ok\r\n354 go\r\n")
        await post.until(lambda: b"\r\n.\r\n" in server.got[0])
        server.writers[0].write(b"250 taken\r\n")
        await post.results.wait_for(1)
        server.writers[1].write(b"421 4.7.0 one session is enough\r\n")
        await post.until(lambda: server.got[0].count(b"DATA\r\n") == 2)
        server.writers[0].write(b"250 ok\r\n250 ok\r\n354 go\r\n")
        await post.until(lambda: server.got[0].count(b"\r\n.\r\n") == 2)
        server.writers[0].write(b"250 taken\r\n")
        await post.results.wait_for(2)
        assert post.results.kinds() == "DD"
        assert len(server.got) == 2


async def test_one_poisonous_message_does_not_stop_the_others(make_post: Callable[..., Any]) -> None:
    post = make_post(sessions_per_site=1)
    async with SmtpSink() as sink:
        sink.script("RCPT", CLOSE, contains="poison")
        to = post.smarthost(sink.address)
        for name in ("poison", "b", "c"):
            post.send(f"{name}@example.net", to=to)
        await post.results.wait_for(3)
        assert post.results.kinds() == "EDD"
        assert post.transport.sites()[0].suspended_until is None


async def test_a_failing_session_among_others_only_narrows_the_window(make_post: Callable[..., Any]) -> None:
    post = make_post()
    async with SmtpSink() as sink:
        sink.script("GREETING", "421 4.7.0 too many", times=2)
        to = post.smarthost(sink.address)
        for _ in range(20):
            post.send(to=to)
        await post.results.wait_for(20)
        assert post.results.kinds() == "D" * 20
        assert not post.log.notes


async def test_the_window_reaches_its_limit(make_post: Callable[..., Any]) -> None:
    post = make_post(sessions_per_site=20)
    async with SmtpSink() as sink:
        to = post.smarthost(sink.address)
        for _ in range(300):
            post.send(to=to)
        await post.results.wait_for(300)
        assert 15 <= sink.sessions_seen <= 20
        assert post.transport.sites()[0].window == 20
        assert len(sink.messages) == 300


async def test_a_narrowed_window_closes_sessions(make_post: Callable[..., Any]) -> None:
    post = make_post(sessions_per_site=2)
    async with SmtpSink() as sink:
        to = post.smarthost(sink.address)
        sink.script("RCPT", CLOSE, contains="poison", times=3)
        for n in range(40):
            post.send(f"{'poison' if n in (10, 20, 30) else 'b'}@example.net", to=to)
        await post.results.wait_for(40)
        assert sorted(post.results.kinds()) == ["D"] * 37 + ["E"] * 3
        assert len(sink.messages) == 37


async def test_a_message_that_no_server_of_the_site_can_take(post: Any) -> None:
    async with SmtpSink() as sink:
        to = post.smarthost(sink.address)
        await post.sent(to=to)
        outcome = await post.sent(to=to, large=60 * 1024 * 1024)
        assert isinstance(outcome, Failed)
        assert str(outcome.reply.enhanced) == "5.3.4"
        assert isinstance(await post.sent(to=to), Delivered)
        assert sink.sessions_seen == 1


async def test_equal_exchangers_share_the_load(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        post.resolver.set("example.net", {"MX": [(10, f"mx{n}.example") for n in range(3)]})
        hosts = set()
        for n in range(3):
            post.resolver.set(f"mx{n}.example", LOCALHOST)
        for salt in range(20):
            post.salt = salt
            hosts.add((await post.sent("bob@example.net")).place.host)
            post.clock.advance(7)
            await post.until(lambda: not sink.open_sessions)
        assert hosts == {"mx0.example", "mx1.example", "mx2.example"}


async def test_our_own_addresses_take_turns(make_post: Callable[..., Any]) -> None:
    peers = set()

    def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.add(writer.get_extra_info("peername")[0])
        writer.write(b"421 bye\r\n")
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    async with server:
        post = make_post(source_addresses=("127.0.0.5", "::1", "127.0.0.6"))
        address = server.sockets[0].getsockname()[:2]
        for salt in range(2):
            post.salt = salt
            to = post.smarthost(address, tls=("none", "require")[salt])
            assert isinstance(await post.sent(to=to), Deferred)
    assert peers == {"127.0.0.5", "127.0.0.6"}


# -- bugs, reload, memory, the end -------------------------------------------------------------------------------------


async def test_a_bug_in_a_transaction_costs_only_that_one(post: Any) -> None:
    async with SmtpSink() as sink:
        to = post.smarthost(sink.address)
        await post.sent(to=to)
        outcome = await post.sent(to=to, content=ZeroDivisionError())
        assert isinstance(outcome, Deferred)
        assert outcome.cause is Cause.INTERNAL
        assert isinstance(post.log.bugs[0], ZeroDivisionError)
        assert isinstance(await post.sent(to=to), Delivered)


async def test_a_bug_that_costs_the_only_session_leaves_nobody_waiting(make_post: Callable[..., Any]) -> None:
    post = make_post(sessions_per_site=1)
    async with SmtpSink() as sink:
        to = post.smarthost(sink.address)
        post.send(to=to, content=ZeroDivisionError())
        post.send(to=to)
        await post.results.wait_for(2)
        assert sorted(post.results.kinds()) == ["D", "E"]


async def test_a_bug_while_dialling(post: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(post.dialer, "open", broken)
    outcome = await post.sent(to=post.smarthost(("127.0.0.1", 9)))
    assert isinstance(outcome, Deferred)
    assert outcome.cause is Cause.INTERNAL
    assert isinstance(post.log.bugs[0], ZeroDivisionError)


async def test_a_bug_of_whoever_is_told(post: Any) -> None:
    def broken(consignment: Consignment, result: object) -> None:
        raise ZeroDivisionError

    async with SmtpSink() as sink:
        to = post.smarthost(sink.address)
        post.transport.deliver(post.message("bob@example.net", to=to), broken)
        await post.until(lambda: post.log.bugs)
        assert isinstance(await post.sent(to=to), Delivered)
        assert sink.sessions_seen == 1


async def test_a_bug_of_the_log_ends_the_session_and_not_the_service(post: Any) -> None:
    async with SmtpSink() as sink:
        to = post.smarthost(sink.address)
        await post.sent(to=to)
        attempt, post.log.attempt = post.log.attempt, None
        post.transport.deliver(post.message("bob@example.net", to=to), post.results)
        await post.until(lambda: post.log.bugs)
        post.log.attempt = attempt
        assert isinstance(await post.sent(to=to), Delivered)


async def test_a_changed_password_makes_a_new_site(post: Any) -> None:
    async with SmtpSink() as sink:
        to = post.smarthost(sink.address)
        await post.sent(to=to)
        host, port = sink.address
        post.routes[to] = Smarthost("x", (f"{host}:{port}",), "none", "me", "old")
        post.clock.advance(31)
        assert isinstance(await post.sent(to=to), Deferred)  # this sink has no AUTH
        post.routes[to] = Smarthost("x", (f"{host}:{port}",), "none", "me", "new")
        post.clock.advance(31)
        await post.sent(to=to)
        assert len(post.transport.sites()) == 2  # the first one was forgotten by now
        assert len({view.key for view in post.transport.sites()}) == 1


async def test_how_many_sessions_are_open(make_post: Callable[..., Any]) -> None:
    async with SmtpSink() as sink, SmtpSink() as other:
        post = make_post()
        assert sessions_of(post.transport) == 0
        for address in (sink.address, sink.address, other.address):
            await post.sent(to=post.smarthost(address))
        assert sessions_of(post.transport) == 2  # they rest
        for _ in range(20):
            post.clock.advance(1.0)
        assert sessions_of(post.transport) == 0


@pytest.mark.parametrize("at_once", [2_000, 7])
async def test_sites_that_nobody_uses_are_forgotten(
    make_post: Callable[..., Any], dead_port: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "TIDY_AT_ONCE", at_once)
    async with SmtpSink() as sink:
        post = make_post(port=sink.address[1])
        for n in range(20):
            post.resolver.set(f"d{n}.example", LOCALHOST)
            await post.sent(f"bob@d{n}.example")
        dead = post.smarthost(("127.0.0.1", dead_port))
        await post.sent(to=dead)
        assert len(post.transport.sites()) == 21
        post.clock.advance(100)
        await post.until(lambda: not sink.open_sessions)
        await post.sent("bob@d0.example")
        assert sorted(view.key for view in post.transport.sites()) == [
            "mx:d0.example",
            f"smarthost:127.0.0.1:{dead_port} none",
        ]
        post.clock.advance(2000)
        await post.sent("bob@d1.example")
        assert [view.key for view in post.transport.sites()] == ["mx:d1.example"]


async def test_closing(make_post: Callable[..., Any]) -> None:
    post = make_post(sessions_per_site=2)
    async with SmtpSink() as sink, SmtpSink() as other:
        idle = post.smarthost(other.address)
        await post.sent(to=idle)
        sink.script("DOT", SILENCE)
        to = post.smarthost(sink.address)
        busy = post.send(to=to)
        await post.until(lambda: any(line.startswith(("DATA", "BDAT")) for _, line in sink.commands))
        sink.script("GREETING", SILENCE)
        dialling = post.send(to=to)
        waiting = post.send(to=to)
        post.resolver.set("slow.example", LOCALHOST)
        await post.until(lambda: sink.sessions_seen == 2)
        located = post.send("bob@slow.example")
        many = post.message("x@fast.example", "y@slow.example")
        post.transport.deliver(many, post.results)
        await post.transport.close()
        for consignment in (busy, dialling, waiting, located, *many):
            assert isinstance(post.results.of[consignment], Postponed)
        await post.until(lambda: not other.open_sessions and not sink.open_sessions)
        assert other.commands[-1][1] == "QUIT"
        after = post.send(to=to)
        unknown = post.send("z@example.org")
        assert isinstance(post.results.of[after], Postponed)
        assert isinstance(post.results.of[unknown], Postponed)
        assert sink.messages == []
        assert not post.log.bugs


async def test_closing_while_dns_is_asked(make_post: Callable[..., Any]) -> None:
    post = await slow_post(make_post, 25, "one.example")
    post.send("a@one.example")
    await asyncio.sleep(0.01)
    await post.transport.close()
    assert post.results.kinds() == "P"


# -- both loops -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runner", [uvloop.run, asyncio.run])
@pytest.mark.parametrize("tls", ["none", "require"])
def test_a_transport_taken_over_on_either_loop(
    runner: Callable[..., list[Outcome]], tls: str, server_tls: ssl.SSLContext, system_tls: TlsContexts
) -> None:
    """Taking over the library's transport is where the two loops could differ, and TLS more so."""

    async def relay() -> list[Outcome]:
        outcomes: list[Outcome] = []

        class Log:
            def attempt(self, **facts: object) -> None:
                pass

            def note(self, level: str, event: str, /, **facts: object) -> None:
                raise AssertionError((event, facts))

        async with SmtpSink(SinkSettings(tls=server_tls)) as sink:
            host, port = sink.address
            clock = SystemClock()
            dialer = Dialer(
                clock=clock,
                resolver=FakeResolver(),
                settings=RemoteSettings(),
                hostname="us.example",
                tls=system_tls,
            )
            over = asyncio.Event()

            async def large() -> Any:
                for _ in range(100):
                    yield b"y" * 60_000 + b"\r\n"

            transport = RemoteTransport(
                clock=clock,
                dialer=dialer,
                read_content=lambda queue_id: large() if queue_id == 7 else (b"x" * 70 + b"\r\n",) * 600,
                maillog=Log(),
                route_of=lambda _: Smarthost("s", (f"{host}:{port}",), tls),
            )

            def done(consignment: Consignment, result: Mapping[int, Outcome] | Postponed) -> None:
                assert not isinstance(result, Postponed)
                outcomes.append(result[0])
                if len(outcomes) == 30:
                    over.set()

            envelope = Envelope(None, (Recipient(parse_address("bob@example.net")),))
            for n in range(30):
                size = 6_000_200 if n == 7 else 43_200
                consignment = Consignment(
                    QueueId(n), "smarthost:0", envelope, (0,), Content(size, b"", False, size), 0.0
                )
                transport.deliver([consignment], done)
            async with asyncio.timeout(10):
                await over.wait()
            assert not sink.violations
            await transport.close()
        return outcomes

    outcomes = runner(relay())
    assert {type(outcome) for outcome in outcomes} == {Delivered}
    assert {bool(outcome.place.tls) for outcome in outcomes} == {tls == "require"}
