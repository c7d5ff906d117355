"""XCLIENT, XFORWARD and ETRN among other commands: whatever is said, trust follows the address that counts."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dialogs.player import Player, World, octet_by_octet

COMMANDS = [
    b"EHLO c.example",
    b"HELO c.example",
    b"MAIL FROM:<a@example.com>",
    b"MAIL FROM:<a@example.com> MT-PRIORITY=9 BY=600;N",
    b"RCPT TO:<alice@example.org>",
    b"RCPT TO:<x@anywhere.example>",
    b"DATA",
    b"RSET",
    b"XCLIENT ADDR=192.0.2.7 NAME=spike.example",
    b"XCLIENT ADDR=10.0.0.7",
    b"XCLIENT ADDR=[UNAVAILABLE]",
    b"XCLIENT HELO=h.example PROTO=SMTP",
    b"XCLIENT LOGIN=alice",
    b"XCLIENT LOGIN=[UNAVAILABLE]",
    b"XCLIENT NAME=a+0D+0Ab",
    b"XFORWARD ADDR=10.0.0.8 HELO=f.example",
    b"XFORWARD ADDR=[UNAVAILABLE]",
    b"XFORWARD",
    b"ETRN relay.example",
    b"ETRN @busy.example",
    b"ETRN #x",
]
PROXIES = ip_network("10.0.0.0/8")  # who may relay, too
commands = st.lists(st.sampled_from(COMMANDS), max_size=20)


def play(lines: list[bytes], *, by_octet: bool) -> Player:
    player = World(client="10.0.0.9", xclient_from=str(PROXIES), etrn="yes", errors="1000").player()
    for line in lines:
        octets = line + b"\r\n"
        player.say(*(octet_by_octet(octets) if by_octet else [octets]))
        state = player.conversation.state
        if state.reader is not None:
            player.say(b"x\r\n.\r\n")
        client = state.client
        is_inside = bool(client.ip) and ip_address(client.ip) in PROXIES
        assert (client.trusted, client.speaks_for_others, client.may_turn) == (is_inside,) * 3
        assert state.may_relay == (is_inside or state.login is not None)
    return player


@settings(deadline=None, max_examples=150)
@given(commands)
def test_trust_follows_the_address_and_a_split_changes_nothing(lines: list[bytes]) -> None:
    whole, split = play(lines, by_octet=False), play(lines, by_octet=True)
    assert (whole.out, whole.messages, whole.refused) == (split.out, split.messages, split.refused)


@settings(deadline=None, max_examples=150)
@given(commands)
def test_xforward_changes_no_reply_but_its_own(lines: list[bytes]) -> None:
    without = [line for line in lines if not line.startswith(b"XFORWARD")]
    heard, expected = play(lines, by_octet=False), play(without, by_octet=False)
    assert heard.messages == expected.messages
    assert heard.out.count(b"\r\n") >= expected.out.count(b"\r\n")
    assert heard.conversation.state.client == expected.conversation.state.client
    assert heard.conversation.state.may_relay == expected.conversation.state.may_relay


@settings(deadline=None, max_examples=100)
@given(commands, st.sampled_from(COMMANDS))
def test_nothing_behind_xclient_in_a_group_is_obeyed(lines: list[bytes], last: bytes) -> None:
    player = World(client="10.0.0.9", xclient_from=str(PROXIES), errors="1000").player()
    group = b"\r\n".join([*lines, b"RSET", b"XCLIENT ADDR=10.0.0.7", last]) + b"\r\n"
    player.say(group)
    assert player.closing is not None or player.conversation.state.client.ip != "10.0.0.7"
