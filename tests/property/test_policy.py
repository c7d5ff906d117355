"""Policy under whatever comes: nobody relays by a rule, nobody adds an attribute, no answer of a service breaks us."""

from __future__ import annotations

from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st

from asyncmta.mail.address import Address
from asyncmta.policy.delegation import InvalidAnswer, answer_length, encode_request, parse_answer
from asyncmta.policy.dnsbl import InvalidList, parse_list
from asyncmta.policy.rules import Rule, Rules
from asyncmta.policy.verdict import About, Findings, Handling, Peer, Verdict, header_line
from asyncmta.routing import parse_pattern
from tests.dialogs.player import Player, World

ACTIONS = ["accept", "hold", "discard", "tag"]
FOREIGN = [
    "x@elsewhere.example",
    "x%elsewhere.example@relay.example",
    '"x@elsewhere.example"@relay.example',
    "x@[192.0.2.1]",
]


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    action = draw(st.sampled_from(ACTIONS))
    return Rule(
        label="rule",
        verdict=Verdict(action, text="x" if action == "tag" else ""),  # type: ignore[arg-type]
        clients=draw(st.sampled_from([(), (ip_network("0.0.0.0/0"),)])),
        helos=draw(st.sampled_from([(), ("client.example",)])),
        senders=draw(st.sampled_from([(), (None,), (parse_pattern("example.org"),)])),
        recipients=draw(
            st.sampled_from([(), (parse_pattern("elsewhere.example"),), (parse_pattern("relay.example"),)])
        ),
    )


@given(st.lists(rules(), max_size=5), st.sampled_from(["", "alice@example.org"]), st.sampled_from(FOREIGN))
def test_no_table_without_a_refusal_lets_a_stranger_relay(table: list[Rule], sender: str, recipient: str) -> None:
    world = World(rules="[]")
    assert world.gate is not None
    world.gate.rules = Rules(table)
    player: Player = world.player()
    player.say(b"HELO client.example\r\n", b"MAIL FROM:<%s>\r\n" % sender.encode())
    assert player.say(b"RCPT TO:<%s>\r\n" % recipient.encode()).startswith(b"550 5.7.1 Relaying denied")
    assert player.say(b"DATA\r\n").startswith(b"554 5.5.1")


@given(st.text(), st.text(), st.text(), st.text())
def test_a_request_has_the_same_lines_whatever_a_client_says(helo: str, login: str, name: str, local_part: str) -> None:
    peer = Peer(ip="192.0.2.1", helo=helo, login=login, findings=Findings(name=name))
    evil = Address(local_part, "example.org", "example.org")
    request = encode_request(About(stage="RCPT", peer=peer, reverse_path=evil, recipient=evil))
    honest = encode_request(About(stage="RCPT", peer=Peer(ip="192.0.2.1")))
    assert [line.partition(b"=")[0] for line in request.split(b"\n")] == [
        line.partition(b"=")[0] for line in honest.split(b"\n")
    ]


@given(st.binary(max_size=300), st.sampled_from([b"", b"action=", b"action=PREPEND ", b"action=550 "]))
def test_any_answer_is_a_verdict_or_an_invalid_answer(octets: bytes, before: bytes) -> None:
    whole = before + octets + b"\n\n"
    length = answer_length(whole)
    assert 0 < length <= len(whole)
    try:
        verdict = parse_answer(whole[:length])
    except InvalidAnswer:
        return
    if verdict is not None and verdict.reply is not None:
        assert 400 <= verdict.reply.code < 600
        assert verdict.reply.wire.count(b"\n") == 1
    if verdict is not None and verdict.action == "prepend":
        header = Handling(peer=Peer(ip=""), lines=(verdict.text,)).header
        assert header.count(b"\n") == 1


@given(st.text())
def test_a_header_line_is_one_line(text: str) -> None:
    if header_line(text) is not None:
        assert Handling(peer=Peer(ip=""), lines=(text,)).header == text.encode("ascii") + b"\r\n"


@given(st.text(alphabet="abz.=*-[];0123456789", max_size=40))
def test_any_text_is_a_list_or_none(text: str) -> None:
    try:
        entry = parse_list(text)
    except InvalidList:
        return
    assert not entry.takes("192.0.2.1")
