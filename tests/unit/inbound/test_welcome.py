"""inbound/welcome and entrance: what comes before a greeting, and clients that do not wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from asyncmta.inbound.acceptance import parse_networks
from asyncmta.inbound.gate import Gate
from asyncmta.inbound.throttle import Rate
from asyncmta.mail import replies
from asyncmta.policy.rules import Rules, listed
from asyncmta.policy.verdict import About, Findings, Peer, Verdict
from tests.unit.inbound.inboundkit import Kit, KitTransport

GREETING = b"220 mx.example.org ESMTP\r\n"

TRUSTED = ("10.0.0.1", 4321)


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def gated(**options: Any) -> Callable[[Kit], Gate]:
    return lambda kit: Gate(**({"rules": Rules(), "now": kit.clock.monotonic} | options))


def asking(*verdicts: Verdict, stage: str = "connect") -> dict[str, Any]:
    async def ask(about: About) -> tuple[Verdict, ...]:
        return verdicts

    return {"ask": ask, "stages": frozenset({stage})}


# -- delay ----------------------------------------------------------------------------------------------------------


def test_a_stranger_waits_for_the_greeting_and_who_may_relay_does_not() -> None:
    kit = Kit(greet_delay=3.0)
    connection, transport = kit.connect()
    assert transport.take() == b""
    kit.clock.advance(2.9)
    assert transport.take() == b""
    kit.clock.advance(0.1)
    assert transport.take() == GREETING
    connection.data_received(b"NOOP\r\n")
    assert transport.take() == replies.NOOP_OK.wire
    _, trusted = kit.connect(KitTransport(TRUSTED))
    assert trusted.take() == GREETING


def test_who_does_not_wait_is_turned_away_and_never_greeted() -> None:
    kit = Kit(greet_delay=3.0)
    connection, transport = kit.connect()
    kit.clock.advance(1.0)
    connection.data_received(b"EHLO spam.example\r\n")
    said = transport.take()
    assert said.startswith(b"554 mx.example.org ")
    assert transport.closed
    assert kit.log.of("refused")[0]["stage"] == "greeting"
    kit.clock.advance(3.0)
    assert transport.writes == []


def test_who_leaves_before_the_greeting_costs_nothing_more() -> None:
    kit = Kit(greet_delay=3.0)
    connection, transport = kit.connect()
    connection.connection_lost(None)
    kit.clock.advance(10.0)
    assert transport.take() == b""
    assert not kit.listener.sessions.live
    assert kit.clock.next_timer() is None


def test_the_server_stops_while_somebody_waits() -> None:
    kit = Kit(greet_delay=3.0)
    connection, transport = kit.connect()
    connection.drain()
    assert transport.take() == replies.SHUTTING_DOWN.wire
    assert transport.closed
    kit.clock.advance(3.0)
    assert transport.writes == []


# -- a hook ---------------------------------------------------------------------------------------------------------


async def test_a_hook_may_turn_a_client_away() -> None:
    kit = Kit(gate=gated(**asking(Verdict("tag", text="x"), Verdict("reject", replies.RELAY_DENIED, by="hook"))))
    _, transport = kit.connect()
    assert transport.take() == b""
    await turns()
    assert transport.take() == b"550 mx.example.org Relaying denied\r\n"
    assert transport.closed
    (line,) = kit.log.of("refused")
    assert (line["stage"], line["by"]) == ("greeting", "hook")


async def test_the_greeting_comes_when_hook_and_delay_are_over() -> None:
    release = asyncio.Event()

    async def ask(about: About) -> tuple[Verdict, ...]:
        assert (about.stage, about.peer.ip) == ("connect", "192.0.2.1")
        await release.wait()
        return ()

    kit = Kit(gate=gated(ask=ask, stages=frozenset({"connect"})), greet_delay=3.0)
    _, transport = kit.connect()
    await turns()
    kit.clock.advance(3.0)
    assert transport.take() == b""
    release.set()
    await turns()
    assert transport.take() == GREETING


async def test_a_hook_that_turns_away_who_has_talked_already_says_nothing_more() -> None:
    release = asyncio.Event()

    async def ask(about: About) -> tuple[Verdict, ...]:
        await release.wait()
        return (Verdict("reject", replies.RELAY_DENIED),)

    kit = Kit(gate=gated(ask=ask, stages=frozenset({"connect"})))
    connection, transport = kit.connect()
    connection.data_received(b"EHLO x\r\n")
    transport.take()
    release.set()
    await turns()
    assert transport.take() == b""


@pytest.mark.parametrize("found", [None, ValueError("a bug")])
async def test_a_hook_is_cancelled_with_its_client(found: object) -> None:
    cancelled = []

    async def ask(about: About) -> tuple[Verdict, ...]:
        if isinstance(found, Exception):
            raise found
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(about)
            raise
        return ()

    kit = Kit(gate=gated(ask=ask, stages=frozenset({"connect"})))
    connection, transport = kit.connect()
    await turns()
    connection.connection_lost(None)
    await turns()
    assert len(cancelled) == (found is None)
    assert transport.take() == b""


# -- DNS ------------------------------------------------------------------------------------------------------------


async def test_dns_is_asked_while_the_client_connects_and_waited_for_at_mail() -> None:
    release = asyncio.Event()
    asked: list[Peer] = []

    async def screen(peer: Peer) -> Findings:
        asked.append(peer)
        await release.wait()
        return Findings(name="host.example", score=3, least=3, lists=("bad.example",))

    kit = Kit(gate=gated(screen=screen, rules=Rules(last=[listed(3, "reject")])))
    connection, transport = kit.connect()
    assert transport.take() == GREETING
    connection.data_received(b"EHLO client.example\r\n")
    transport.take()
    connection.data_received(
        b"MAIL FROM:<a@example.com>\r\nRCPT TO:<alice@example.org>\r\nRCPT TO:<postmaster@example.org>\r\n"
    )
    await turns()
    assert transport.take() == b""
    release.set()
    await turns()
    said = transport.take().split(b"\r\n")
    assert said[0] == b"250 2.1.0 Sender OK"
    assert said[1].startswith(b"554 5.7.1 ")
    assert said[2] == b"250 2.1.5 Recipient OK"
    connection.data_received(b"DATA\r\n")
    connection.data_received(b"a: b\r\n.\r\n")
    assert b"from client.example (host.example [192.0.2.1])" in b"".join(kit.store.records[0].parts)
    assert [peer.ip for peer in asked] == ["192.0.2.1"]


async def test_what_was_found_before_mail_is_there_at_once() -> None:
    async def screen(peer: Peer) -> object:
        return None  # a bug

    kit = Kit(gate=gated(screen=screen))
    connection, transport = kit.connect()
    await turns()
    transport.take()
    connection.data_received(b"EHLO c\r\n")
    transport.take()
    connection.data_received(b"MAIL FROM:<a@example.com>\r\n")
    assert transport.take() == replies.SENDER_OK.wire


@pytest.mark.parametrize(("everybody", "count"), [(False, 0), (True, 1)])
async def test_who_may_relay_is_asked_about_for_a_rule_about_names_alone(everybody: bool, count: int) -> None:
    asked = []

    async def screen(peer: Peer) -> Findings:
        asked.append(peer)
        return Findings()

    kit = Kit(gate=gated(screen=screen, screens_everybody=everybody))
    kit.connect(KitTransport(TRUSTED))
    await turns()
    assert len(asked) == count


async def test_a_proxy_tells_of_another_client_and_dns_is_asked_about_that_one() -> None:
    asked = []
    release = asyncio.Event()

    async def screen(peer: Peer) -> Findings:
        asked.append(peer.ip)
        if peer.ip == "192.0.2.1":
            await release.wait()
        return Findings(score=3, least=3, lists=("bad.example",))

    networks = parse_networks(["192.0.2.1/32"])
    kit = Kit(gate=gated(screen=screen, rules=Rules(last=[listed(3, "reject")])), xclient_from=networks)
    connection, transport = kit.connect()
    connection.data_received(b"EHLO proxy.example\r\n")
    connection.data_received(b"XCLIENT ADDR=198.51.100.9 NAME=host.example\r\n")
    transport.take()
    connection.data_received(b"EHLO client.example\r\n")
    await turns()
    transport.take()
    connection.data_received(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<alice@example.org>\r\n")
    assert transport.take().split(b"\r\n")[1].startswith(b"554 5.7.1 ")
    assert asked == ["198.51.100.9"]  # the other was given up before it began
    assert connection._conversation.state.peer().findings.name == "host.example"


async def test_xclient_without_a_gate() -> None:
    kit = Kit(xclient_from=parse_networks(["192.0.2.1/32"]))
    connection, transport = kit.connect()
    connection.data_received(b"EHLO proxy.example\r\n")
    transport.take()
    connection.data_received(b"XCLIENT ADDR=198.51.100.9\r\n")
    assert transport.take() == GREETING


# -- rates ----------------------------------------------------------------------------------------------------------


def test_a_rate_of_connections_is_for_strangers_and_decays() -> None:
    kit = Kit(gate=gated(connections=Rate(2, 60.0)))
    for greeted in (True, True, False):
        connection, transport = kit.connect()
        assert transport.take() == (GREETING if greeted else replies.RATE_OF_CONNECTIONS.wire)
        assert transport.closed is not greeted
        connection.connection_lost(None)
    assert kit.log.of("refused")[0]["reply"] is replies.RATE_OF_CONNECTIONS
    for _ in range(5):
        _, transport = kit.connect(KitTransport(TRUSTED))
        assert transport.take() == GREETING
    kit.clock.advance(30.0)
    _, transport = kit.connect()
    assert transport.take() == GREETING
    assert kit.listener.sessions.counts.sessions == 6
