"""policy/delegation: what goes over the wire to a policy service, and what its answers mean."""

from __future__ import annotations

from typing import Any

import pytest

from asyncmta.mail.address import Address, parse_address
from asyncmta.mail.reply import reply
from asyncmta.policy.delegation import (
    BY,
    MAX_ANSWER,
    MAX_VALUE,
    InvalidAnswer,
    answer_length,
    encode_request,
    parse_action,
    parse_answer,
)
from asyncmta.policy.verdict import About, Findings, Peer, Stage, Verdict


def attributes(request: bytes) -> dict[str, str]:
    text = request.decode()
    assert text.endswith("\n\n")
    return dict(line.split("=", 1) for line in text[:-2].split("\n"))


def about(stage: Stage = "RCPT", **facts: Any) -> About:
    peer = Peer(
        ip="192.0.2.7",
        port=4321,
        helo="client.example",
        extended=True,
        login="carol",
        tls="TLSv1.3 TLS_AES_256_GCM_SHA384",
        findings=Findings(name="a.example", reverse_name="a.example"),
    )
    sender, recipient = parse_address("bob@example.com"), parse_address("alice@example.org")
    given = {"peer": peer, "reverse_path": sender, "recipient": recipient, "instance": "7", "size": 1000}
    return About(stage=stage, **(given | facts))


def test_a_request_says_what_is_known() -> None:
    said = attributes(encode_request(about()))
    assert (
        said
        | {
            "request": "smtpd_access_policy",
            "protocol_state": "RCPT",
            "protocol_name": "ESMTP",
            "helo_name": "client.example",
            "sender": "bob@example.com",
            "recipient": "alice@example.org",
            "recipient_count": "0",
            "client_address": "192.0.2.7",
            "client_name": "a.example",
            "reverse_client_name": "a.example",
            "client_port": "4321",
            "instance": "7",
            "sasl_username": "carol",
            "size": "1000",
            "encryption_protocol": "TLSv1.3",
            "encryption_cipher": "TLS_AES_256_GCM_SHA384",
        }
        == said
    )


def test_a_request_about_a_stranger_at_the_end() -> None:
    said = attributes(encode_request(about("dot", peer=Peer(ip=""), reverse_path=None, recipient=None, recipients=3)))
    assert said["protocol_state"] == "END-OF-MESSAGE"
    assert said["protocol_name"] == "SMTP"
    assert (said["sender"], said["recipient"], said["recipient_count"]) == ("", "", "3")
    assert said["client_name"] == said["reverse_client_name"] == "unknown"
    assert said["client_port"] == said["sasl_username"] == said["encryption_protocol"] == ""


def test_nobody_adds_an_attribute() -> None:
    attack = "x\naction=OK\r\n\n\0sasl_username=root\u2028y\x85z"
    evil = Address(attack, attack, attack)
    peer = Peer(ip="192.0.2.7", helo=attack, login=attack, findings=Findings(name=attack, reverse_name=attack))
    honest = attributes(encode_request(about()))
    said = encode_request(about(peer=peer, reverse_path=evil, recipient=evil, instance=attack))
    assert attributes(said).keys() == honest.keys()
    assert said.count(b"\n") == len(honest) + 1
    assert len(said.decode().splitlines()) == len(honest) + 1
    assert b"\0" not in said


def test_a_long_value_is_cut_where_it_stays_text() -> None:
    said = attributes(encode_request(about(peer=Peer(ip="", helo="é" * 2000))))
    assert len(said["helo_name"].encode()) == MAX_VALUE
    assert set(attributes(encode_request(about(peer=Peer(ip="", helo="\ud800"))))["helo_name"]) == {"?"}


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("DUNNO", None),
        ("dunno something", None),
        ("OK", None),
        ("250", None),
        ("PERMIT", None),
        ("DEFER_IF_REJECT later", None),
        ("REJECT", Verdict("reject", reply(554, "5.7.1", "Refused by a rule of the postmaster"), by=BY)),
        ("reject Go away", Verdict("reject", reply(554, "5.7.1", "Go away"), by=BY)),
        ("REJECT 5.7.23 SPF", Verdict("reject", reply(554, "5.7.23", "SPF"), by=BY)),
        ("REJECT 4.7.1 odd", Verdict("reject", reply(554, "5.7.1", "odd"), by=BY)),
        (
            "DEFER",
            Verdict("defer", reply(450, "4.7.1", "Not now, by a rule of the postmaster; try again later"), by=BY),
        ),
        ("DEFER_IF_PERMIT Greylisted", Verdict("defer", reply(450, "4.7.1", "Greylisted"), by=BY)),
        ("550 5.1.1 No such user", Verdict("reject", reply(550, "5.1.1", "No such user"), by=BY)),
        ("450 4.2.0 Greylisted", Verdict("defer", reply(450, "4.2.0", "Greylisted"), by=BY)),
        ("421 4.3.2 Bye", Verdict("defer", reply(421, "4.3.2", "Bye"), by=BY)),
        ("HOLD", Verdict("hold", by=BY)),
        ("DISCARD quietly", Verdict("discard", by=BY)),
        ("PREPEND X-Greylist: delayed 300 s", Verdict("prepend", text="X-Greylist: delayed 300 s", by=BY)),
        ("PREPEND Received-SPF: pass", Verdict("prepend", text="Received-SPF: pass", by=BY)),
    ],
)
def test_actions(text: str, verdict: Verdict | None) -> None:
    assert parse_action(text) == verdict


@pytest.mark.parametrize(
    "text",
    [
        "",
        "FILTER smtp:x",
        "REDIRECT a@b.example",
        "PREPEND nonsense",
        "PREPEND Received: x",
        "PREPEND X: é",
        "nonsense",
    ],
)
def test_what_we_do_not_have_is_no_consent(text: str) -> None:
    with pytest.raises(InvalidAnswer):
        parse_action(text)


def test_answers_end_with_an_empty_line() -> None:
    assert answer_length(b"action=DUN") == 0
    assert answer_length(b"action=DUNNO\n") == 0
    assert answer_length(b"action=DUNNO\n\nmore") == 14
    assert answer_length(b"action=DUNNO\r\n\r\n") == 16
    with pytest.raises(InvalidAnswer):
        answer_length(b"x" * (MAX_ANSWER + 1))
    with pytest.raises(InvalidAnswer):
        answer_length(b"x" * MAX_ANSWER + b"\n\n")


def test_an_answer_without_an_action_is_none() -> None:
    assert parse_answer(b"x\nACTION = HOLD\n\n") == Verdict("hold", by=BY)
    for octets in (b"\n\n", b"hello\n\n", b"action\n\n"):
        with pytest.raises(InvalidAnswer):
            parse_answer(octets)
