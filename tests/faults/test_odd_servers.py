"""Servers that are odd before they are wrong: what they offer (M12), how they greet (M13, L04), when they leave (M14),
and what has changed there since yesterday (M20).
"""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable

import pytest

from asyncmta.mail.outcome import Cause, Deferred, Delivered, Outcome
from tests.faults.faulty_server import FaultyServer, Manner
from tests.faults.words import Act, Step
from tests.unit.delivery.conftest import Post

EHLO = b"250-odd.example\r\n"


async def _sent(post: Post, server: FaultyServer, manner: Manner) -> Outcome:
    server.manner = manner
    post.resolver.set("example.net", {"A": ["127.0.0.1"]})
    return await post.sent("bob@example.net")


def _offers(*lines: bytes) -> Manner:
    *first, last = lines
    return Manner(
        act=Act(EHLO + b"".join(b"250-" + line + b"\r\n" for line in first) + b"250 " + last + b"\r\n"), at=Step.EHLO
    )


# -- M12: what is offered ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offered", "mail"),
    [
        ([b"SIZE", b"PIPELINING"], "MAIL FROM:<sender@example.org> SIZE=51"),
        ([b"SIZE 0"], "MAIL FROM:<sender@example.org> SIZE=51"),
        ([b"SIZE 1000 2000"], "MAIL FROM:<sender@example.org> SIZE=51"),
        ([b"SIZE many"], "MAIL FROM:<sender@example.org> SIZE=51"),
        ([b"SIZE -1"], "MAIL FROM:<sender@example.org> SIZE=51"),
        ([b"SIZE " + b"9" * 4000], "MAIL FROM:<sender@example.org> SIZE=51"),
        ([b"SIZE=10"], "MAIL FROM:<sender@example.org>"),
        ([b"pipelining", b"Pipelining", b"PIPELINING"], "MAIL FROM:<sender@example.org>"),
        ([b"PIPE\x00LINING", b"SI\x1bZE 1", b"\xff\xfe\xfd", b"", b"  "], "MAIL FROM:<sender@example.org>"),
        ([b"8BITMIME 8BITMIME", b"DSN yes", b"X-" + b"Y" * 4000], "MAIL FROM:<sender@example.org>"),
        ([b"K%d" % n for n in range(2000)], "MAIL FROM:<sender@example.org>"),
        ([b"AUTH=PLAIN LOGIN", b"AUTH PLAIN", b"AUTH"], "MAIL FROM:<sender@example.org>"),
        ([b"LIMITS RCPTMAX=0 MAILMAX=-1 RCPTDOMAINMAX=x", b"LIMITS"], "MAIL FROM:<sender@example.org>"),
    ],
)
async def test_odd_offers_are_read_as_far_as_they_make_sense(
    make_post: Callable[..., Post], offered: list[bytes], mail: str
) -> None:
    async with FaultyServer() as server:
        outcome = await _sent(make_post(port=server.port), server, _offers(*offered))
        assert isinstance(outcome, Delivered)
        assert [line for line in server.account.commands if line.startswith("MAIL")] == [mail]


async def test_ten_thousand_keywords_are_too_many(make_post: Callable[..., Post]) -> None:
    async with FaultyServer() as server:
        outcome = await _sent(make_post(port=server.port), server, _offers(*(b"K%d" % n for n in range(10_000))))
        assert isinstance(outcome, Deferred)
        assert (outcome.cause, str(outcome.reply.enhanced)) == (Cause.CONNECT, "4.5.0")


async def test_a_smaller_size_than_the_message_is_final_without_content(make_post: Callable[..., Post]) -> None:
    async with FaultyServer() as server:
        outcome = await _sent(make_post(port=server.port), server, _offers(b"SIZE 10"))
        assert f"{outcome.reply.code} {outcome.reply.enhanced}" == "552 5.3.4"
        assert "DATA" not in server.account.commands


# -- M13, L04: how they greet ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "greeting",
    [
        b"220-odd.example\r\n220-us.example is not our name\r\n220 ESMTP\r\n",
        b"220\r\n",
        b"220 \r\n",
        b"220 us.example.com ESMTP\r\n",
        b"220-" + b"*" * 8000 + b"\r\n220 ESMTP\r\n",
    ],
)
async def test_odd_greetings_that_are_greetings(make_post: Callable[..., Post], greeting: bytes) -> None:
    async with FaultyServer() as server:
        manner = Manner(act=Act(greeting), at=Step.GREETING)
        assert isinstance(await _sent(make_post(port=server.port), server, manner), Delivered)


@pytest.mark.parametrize("greeting", [b"220-" + b"x" * 1_000_000, b"220-x\r\n" * 100_000], ids=["line", "lines"])
async def test_a_greeting_of_a_megabyte(make_post: Callable[..., Post], greeting: bytes) -> None:
    async with FaultyServer() as server:
        outcome = await _sent(make_post(port=server.port), server, Manner(act=Act(greeting), at=Step.GREETING))
        assert isinstance(outcome, Deferred)
        assert len(str(outcome.reply)) < 1000


async def test_nothing_bounces_when_every_exchanger_greets_with_a_refusal(make_post: Callable[..., Post]) -> None:
    async with FaultyServer() as server:
        post = make_post(port=server.port)
        post.resolver.set("example.net", {"MX": [(10, "a.example"), (20, "b.example")]})
        for host in ("a.example", "b.example"):
            post.resolver.set(host, {"A": ["127.0.0.1"]})
        server.manner = Manner(act=Act(b"554 5.7.1 your address is on a list\r\n"), at=Step.GREETING)
        outcome = await post.sent("bob@example.net")
        assert isinstance(outcome, Deferred)
        assert "554 5.7.1 your address is on a list" in str(outcome.reply)
        assert server.account.connections == 2


@pytest.mark.parametrize(
    ("step", "says"), [(Step.GREETING, b"220 us.example\r\n"), (Step.EHLO, b"250 us.example Hello\r\n")]
)
async def test_a_host_with_our_own_name_is_a_loop(make_post: Callable[..., Post], step: Step, says: bytes) -> None:
    """And so is whoever stands beside or behind it: it is not asked."""
    async with FaultyServer() as server:
        post = make_post(port=server.port)
        post.resolver.set("example.net", {"MX": [(10, "a.example"), (20, "b.example")]})
        for host in ("a.example", "b.example"):
            post.resolver.set(host, {"A": ["127.0.0.1"]})
        server.manner = Manner(act=Act(says), at=step)
        outcome = await post.sent("bob@example.net")
        assert isinstance(outcome, Deferred)
        assert (outcome.cause, f"{outcome.reply.code} {outcome.reply.enhanced}") == (Cause.LOOP, "451 4.4.6")
        assert server.account.connections == 1
        assert not any(line.startswith("MAIL") for line in server.account.commands)
        # A filter on this machine may have our name: an operator said to go there.
        assert isinstance(await post.sent(to=post.smarthost(("127.0.0.1", server.port))), Delivered)


# -- M14: when they leave ----------------------------------------------------------------------------------------------


async def test_a_session_that_is_closed_as_it_is_used_again_costs_nobody_anything(
    make_post: Callable[..., Post],
) -> None:
    """A thousand times: the server leaves between zero and six turns of the loop after it has taken a message."""
    turns = random.Random(14)
    async with FaultyServer() as server:
        post = make_post(port=server.port)
        to = post.smarthost(("127.0.0.1", server.port))
        for _ in range(1000):
            server.manner = Manner(leaves_after=turns.randrange(7))
            assert isinstance(await post.sent("bob@example.net", to=to), Delivered)
        assert server.account.copies("bob@example.net") == 1000
        assert len(post.log.attempts) == 1000
        assert not post.log.bugs
        assert post.transport.sites()[0].suspended_until is None


# -- M20: what has changed since yesterday -----------------------------------------------------------------------------


@pytest.mark.parametrize("tls", ["opportunistic", "require"])
async def test_a_password_is_not_sent_in_clear_after_starttls_has_gone(
    make_post: Callable[..., Post], server_tls: ssl.SSLContext, tls: str
) -> None:
    async with FaultyServer() as server:
        post = make_post(port=server.port)
        to = post.smarthost(("127.0.0.1", server.port), tls=tls, username="user", password="secret")
        server.manner = Manner(extensions=("STARTTLS", "AUTH PLAIN"), tls=server_tls)
        assert isinstance(await post.sent(to=to), Delivered)
        post.clock.advance(3600)
        server.account.commands.clear()
        server.manner = Manner(extensions=("AUTH PLAIN LOGIN",))
        outcome = await post.sent(to=to)
        assert isinstance(outcome, Deferred)
        assert outcome.cause is Cause.TLS
        assert not any(line.startswith(("AUTH", "MAIL")) for line in server.account.commands)


async def test_a_relay_that_wants_a_login_which_it_did_not_want_before(make_post: Callable[..., Post]) -> None:
    async with FaultyServer() as server:
        post = make_post(port=server.port)
        to = post.smarthost(("127.0.0.1", server.port))
        server.manner = Manner(
            extensions=("PIPELINING", "AUTH PLAIN"), act=Act(b"530 5.7.0 Authentication required\r\n"), at=Step.MAIL
        )
        outcome = await post.sent(to=to)
        assert isinstance(outcome, Deferred)
        assert "530 5.7.0 Authentication required" in str(outcome.reply)
        assert not any(line.startswith("AUTH") for line in server.account.commands)
