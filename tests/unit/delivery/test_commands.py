"""What goes on the command lines of a transaction, and what may not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from asyncmta.delivery.commands import Capabilities, Obstacle, compose, read_capabilities
from asyncmta.mail.address import Address, parse_address
from asyncmta.mail.envelope import (
    NOTIFY_DELAY,
    NOTIFY_FAILURE,
    NOTIFY_NEVER,
    NOTIFY_SUCCESS,
    Content,
    Envelope,
    Recipient,
    Timing,
)

ALL = Capabilities(
    pipelining=True, announces_size=True, size=0, eight_bit=True, smtputf8=True, dsn=True, requiretls=True
)
NONE = Capabilities()
CONTENT = Content(1234, b"d" * 16, False, 1236)
EIGHT_BIT = Content(1234, b"d" * 16, False, 1236, eight_bit=True)


def address(text: str) -> Address:
    return parse_address(text, smtputf8=True)


def envelope(*recipients: str | Recipient, sender: str | None = "a@example.org", **facts: object) -> Envelope:
    return Envelope(
        address(sender) if sender is not None else None,
        tuple(Recipient(address(text)) if isinstance(text, str) else text for text in recipients),
        **facts,  # type: ignore[arg-type]
    )


def lines(peer: Capabilities, mail: Envelope, content: Content = CONTENT) -> list[str]:
    octets = compose(peer, mail, tuple(range(len(mail.recipients))), content)
    assert isinstance(octets, bytes)
    assert octets.endswith(b"\r\n")
    return octets.decode().split("\r\n")[:-1]


def obstacle(peer: Capabilities, mail: Envelope, content: Content = CONTENT) -> Obstacle:
    octets = compose(peer, mail, tuple(range(len(mail.recipients))), content)
    assert isinstance(octets, Obstacle)
    return octets


def test_a_plain_server_gets_plain_commands() -> None:
    mail = envelope("b@example.net", "c@example.com", body="8BITMIME", ret="FULL", envid="x", smtputf8=True)
    assert lines(NONE, mail, EIGHT_BIT) == [
        "MAIL FROM:<a@example.org>",
        "RCPT TO:<b@example.net>",
        "RCPT TO:<c@example.com>",
    ]


def test_only_the_ordinals_asked_for() -> None:
    octets = compose(NONE, envelope("b@example.net", "c@example.net", "d@example.net"), (0, 2), CONTENT)
    assert octets == b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<d@example.net>\r\n"


def test_the_null_reverse_path() -> None:
    assert lines(ALL, envelope("b@example.net", sender=None))[0] == "MAIL FROM:<> SIZE=1234"


def test_what_is_offered_is_used() -> None:
    mail = envelope("b@example.net", smtputf8=True, body="8BITMIME", ret="HDRS", envid="QQ314159", requiretls=True)
    assert lines(ALL, mail)[0] == (
        "MAIL FROM:<a@example.org> SIZE=1234 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ314159 REQUIRETLS"
    )
    assert lines(ALL, envelope("b@example.net"), EIGHT_BIT)[0] == "MAIL FROM:<a@example.org> SIZE=1234 BODY=8BITMIME"


@pytest.mark.parametrize(
    ("recipient", "expected"),
    [
        (Recipient(address("b@example.net"), NOTIFY_NEVER), " NOTIFY=NEVER"),
        (Recipient(address("b@example.net"), NOTIFY_SUCCESS | NOTIFY_DELAY), " NOTIFY=SUCCESS,DELAY"),
        (Recipient(address("b@example.net"), NOTIFY_FAILURE, "rfc822;o@example.net"), None),
        (Recipient(address("b@example.net"), 0, "rfc822;o@example.net"), " ORCPT=rfc822;o@example.net"),
        (Recipient(address("b@example.net"), 0, "rfc822;a b"), ""),
        (Recipient(address("b@example.net"), 0, "rfc822;a\r\nQUIT"), ""),
        (Recipient(address("b@example.net"), 0, "utf-8;ä"), " ORCPT=utf-8;\\x{E4}"),
        (Recipient(address("b@example.net"), 0, "rfc822;ä"), ""),
        (Recipient(address("b@example.net"), 0, ""), ""),
        (Recipient(address("b@example.net")), ""),
    ],
)
def test_dsn_parameters_of_a_recipient(recipient: Recipient, expected: str | None) -> None:
    expected = " NOTIFY=FAILURE ORCPT=rfc822;o@example.net" if expected is None else expected
    assert lines(ALL, envelope(recipient))[1] == f"RCPT TO:<b@example.net>{expected}"
    assert lines(NONE, envelope(recipient))[1] == "RCPT TO:<b@example.net>"


def test_an_envelope_id_that_is_no_word_is_left_out() -> None:
    assert "ENVID" not in lines(ALL, envelope("b@example.net", envid="a b"))[0]


def test_a_message_above_the_size_limit_is_refused_for_all() -> None:
    found = obstacle(Capabilities(announces_size=True, size=1000), envelope("b@example.net", "c@example.net"))
    assert found.commands == b""
    assert {ordinal: f"{said.code} {said.enhanced}" for ordinal, said in found.refused.items()} == {
        0: "552 5.3.4",
        1: "552 5.3.4",
    }
    assert lines(Capabilities(announces_size=True, size=1234), envelope("b@example.net"))


def test_required_tls_that_the_server_does_not_promise() -> None:
    found = obstacle(NONE, envelope("b@example.net", requiretls=True))
    assert [str(said.enhanced) for said in found.refused.values()] == ["5.7.30"]


def test_internationalised_addresses_need_smtputf8() -> None:
    mail = envelope("jörg@bücher.example", sender="ä@example.org")
    assert lines(ALL, mail)[:2] == [
        "MAIL FROM:<ä@example.org> SIZE=1234 SMTPUTF8",
        "RCPT TO:<jörg@bücher.example>",
    ]
    found = obstacle(NONE, envelope("jörg@bücher.example", "plain@example.net"))
    assert [str(said.enhanced) for said in found.refused.values()] == ["5.6.7"]
    assert found.commands == b"MAIL FROM:<a@example.org>\r\nRCPT TO:<plain@example.net>\r\n"


def test_nobody_left_without_smtputf8() -> None:
    assert obstacle(NONE, envelope("jörg@example.net")).commands == b""
    found = obstacle(NONE, envelope("b@example.net", "c@example.net", sender="ä@example.org"))
    assert (set(found.refused), found.commands) == ({0, 1}, b"")


def test_a_domain_can_do_without_smtputf8() -> None:
    mail = envelope("b@bücher.example", sender="a@bücher.example", ret="FULL", envid="x")
    assert lines(Capabilities(dsn=True), mail) == [
        "MAIL FROM:<a@xn--bcher-kva.example> RET=FULL ENVID=x",
        "RCPT TO:<b@xn--bcher-kva.example>",
    ]
    bounce = envelope("b@bücher.example", sender=None)
    assert lines(NONE, bounce)[:2] == ["MAIL FROM:<>", "RCPT TO:<b@xn--bcher-kva.example>"]


@pytest.mark.parametrize(
    ("extensions", "size", "announces"),
    [
        ({"size": "1000"}, 1000, True),
        ({"size": "0"}, 0, True),
        ({"size": ""}, 0, True),
        ({"size": "lots"}, 0, True),
        ({"size": "-5"}, 0, True),
        ({"size": "²"}, 0, True),
        ({"size": "9" * 5000}, 0, True),
        ({}, 0, False),
    ],
)
def test_size_of_servers_that_say_nonsense(extensions: Mapping[str, str], size: int, announces: bool) -> None:
    peer = read_capabilities(extensions, verified_tls=False)
    assert (peer.size, peer.announces_size) == (size, announces)


def test_capabilities() -> None:
    offered = dict.fromkeys(("pipelining", "8bitmime", "smtputf8", "dsn", "requiretls", "size"), "")
    assert read_capabilities(offered, verified_tls=True) == ALL
    assert not read_capabilities(offered, verified_tls=False).requiretls
    assert read_capabilities({}, verified_tls=True) == NONE


def test_binary_content_needs_a_server_that_takes_it() -> None:
    mail = envelope("b@example.net", body="BINARYMIME")
    assert obstacle(ALL, mail).refused[0].enhanced is not None
    assert str(obstacle(ALL, mail).refused[0]).startswith("550 5.6.1 ")
    assert obstacle(ALL, mail).commands == b""
    assert lines(Capabilities(binary=True, eight_bit=True), mail) == [
        "MAIL FROM:<a@example.org> BODY=BINARYMIME",
        "RCPT TO:<b@example.net>",
    ]


def test_binary_is_offered_only_with_chunks() -> None:
    assert read_capabilities({"binarymime": "", "chunking": ""}, verified_tls=False).binary
    assert not read_capabilities({"binarymime": ""}, verified_tls=False).binary
    assert not read_capabilities({"chunking": ""}, verified_tls=False).binary


def test_limits_that_a_server_declares() -> None:
    peer = read_capabilities({"limits": "RCPTMAX=20 MailMax=5 RCPTDOMAINMAX=1 NEW=9"}, verified_tls=False)
    assert peer == Capabilities(most_recipients=20, most_messages=5, most_domains=1)


@pytest.mark.parametrize("text", ["", "RCPTMAX", "RCPTMAX=", "RCPTMAX=0", "RCPTMAX=-1", "RCPTMAX=x RCPTMAX=²", "=5"])
def test_limits_that_are_none(text: str) -> None:
    assert read_capabilities({"limits": text}, verified_tls=False) == Capabilities()


def test_chunks_are_offered() -> None:
    assert read_capabilities({"chunking": ""}, verified_tls=False) == Capabilities(chunking=True)


def test_a_priority_is_passed_on_to_those_who_offer_it() -> None:
    peer = read_capabilities({"mt-priority": "MIXER"}, verified_tls=False)
    assert peer == Capabilities(priority=True)
    urgent = envelope("b@example.net", timing=Timing(-3, release_at=5.0))
    assert lines(peer, urgent)[0] == "MAIL FROM:<a@example.org> MT-PRIORITY=-3"
    assert lines(NONE, urgent)[0] == "MAIL FROM:<a@example.org>"
    assert lines(peer, envelope("b@example.net", timing=Timing(0, release_at=5.0)))[0] == "MAIL FROM:<a@example.org>"
    downgraded = envelope("b@bücher.example", timing=Timing(9))
    assert lines(peer, downgraded)[0] == "MAIL FROM:<a@example.org> MT-PRIORITY=9"


def test_an_orcpt_in_utf_8_is_passed_on_in_ascii_unless_that_is_too_long() -> None:
    mail = envelope(Recipient(address("b@example.net"), orcpt="utf-8;jörg@example.org"))
    assert lines(ALL, mail)[1] == "RCPT TO:<b@example.net> ORCPT=utf-8;j\\x{F6}rg@example.org"
    mail = envelope(Recipient(address("b@example.net"), NOTIFY_NEVER, "utf-8;" + "ö" * 247))
    assert lines(ALL, mail)[1] == "RCPT TO:<b@example.net> NOTIFY=NEVER"


def deadline(mode: str, *recipients: str) -> Envelope:
    return envelope(*(recipients or ("b@example.net",)), timing=Timing(deliver_by=1_100.0, by_mode=mode))


def mail_line(peer: Capabilities, mail: Envelope, now: float) -> str:
    octets = compose(peer, mail, tuple(range(len(mail.recipients))), CONTENT, now)
    assert isinstance(octets, bytes)
    return octets.decode().partition("\r\n")[0]


def test_a_deadline_is_passed_on_as_what_is_left_of_it() -> None:
    peer = read_capabilities({"deliverby": "60"}, verified_tls=False)
    assert peer == Capabilities(deliver_by=True, shortest_deadline=60)
    assert read_capabilities({"deliverby": ""}, verified_tls=False) == Capabilities(deliver_by=True)
    assert mail_line(peer, deadline("RT"), 1_000.5) == "MAIL FROM:<a@example.org> BY=99;RT"
    assert mail_line(peer, deadline("N"), 1_300.0) == "MAIL FROM:<a@example.org> BY=-200;N"
    assert mail_line(peer, deadline("N"), 1e12) == "MAIL FROM:<a@example.org> BY=-999999999;N"
    assert mail_line(peer, deadline("N", "b@bücher.example"), 1_000.0) == "MAIL FROM:<a@example.org> BY=100;N"
    smtputf8 = Capabilities(deliver_by=True, smtputf8=True)
    assert mail_line(smtputf8, deadline("N", "b@bücher.example"), 1_000.0).endswith(" SMTPUTF8 BY=100;N")


def test_without_deliverby_a_message_goes_only_if_its_sender_is_told_instead() -> None:
    assert mail_line(NONE, deadline("NT"), 1_000.0) == "MAIL FROM:<a@example.org>"
    refused = compose(NONE, deadline("R"), (0,), CONTENT, 1_000.0)
    assert isinstance(refused, Obstacle)
    assert (str(refused.refused[0])[:9], refused.commands) == ("554 5.3.3", b"")


@pytest.mark.parametrize("now", [1_041.0, 1_100.0, 2_000.0])
def test_what_is_to_be_returned_does_not_go_when_its_time_is_over_or_too_short(now: float) -> None:
    peer = Capabilities(deliver_by=True, shortest_deadline=60)
    refused = compose(peer, deadline("R"), (0,), CONTENT, now)
    assert isinstance(refused, Obstacle)
    assert str(refused.refused[0]).startswith("554 5.4.7")
