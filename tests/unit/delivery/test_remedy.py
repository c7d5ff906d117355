"""What is done about a message that a server cannot take as it is."""

from __future__ import annotations

import pytest

from asyncmta.delivery.commands import Capabilities
from asyncmta.delivery.remedy import Fitted, Remedy, find_remedy, fit
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Content, Envelope, Recipient
from asyncmta.mail.reply import Reply

TO = (Recipient(parse_address("b@example.net")),)
FROM = parse_address("a@example.org")
EIGHT = Content(100, b"d", False, 100, True)
SEVEN = Content(100, b"d", False, 100)
NONE = Capabilities()
ALL = Capabilities(eight_bit=True, binary=True, smtputf8=True)


def mail(body: str = "8BITMIME", *, smtputf8: bool = False) -> Envelope:
    return Envelope(FROM, TO, body, smtputf8)


@pytest.mark.parametrize("setting", ["recode", "send", "bounce"])
@pytest.mark.parametrize(
    ("peer", "envelope", "facts"),
    [
        (ALL, mail(), EIGHT),
        (ALL, mail("BINARYMIME", smtputf8=True), EIGHT),
        (NONE, mail(smtputf8=True), SEVEN),
        (Capabilities(eight_bit=True), mail(), EIGHT),
        (Capabilities(binary=True), mail("BINARYMIME"), EIGHT),
    ],
)
def test_what_goes_as_it_is(setting: str, peer: Capabilities, envelope: Envelope, facts: Content) -> None:
    assert find_remedy(peer, envelope, facts, setting) is None


def test_eight_bits_without_8bitmime() -> None:
    assert find_remedy(NONE, mail(), EIGHT, "recode") == Remedy(mail("7BIT"), recodes=True)
    assert find_remedy(NONE, mail(), EIGHT, "send") is None
    said = find_remedy(NONE, mail(), EIGHT, "bounce")
    assert isinstance(said, Reply)
    assert str(said).startswith("554 5.6.3")


def test_binary_content_without_binarymime() -> None:
    expected = Remedy(mail("7BIT"), recodes=True, binary=True)
    assert find_remedy(NONE, mail("BINARYMIME"), SEVEN, "recode") == expected
    assert find_remedy(NONE, mail("BINARYMIME"), SEVEN, "send") == expected
    assert find_remedy(NONE, mail("BINARYMIME"), SEVEN, "bounce") is None  # the commands have the words for it


def test_an_internationalised_message_without_smtputf8() -> None:
    peer = Capabilities(eight_bit=True)
    envelope = mail(smtputf8=True)
    assert find_remedy(peer, envelope, EIGHT, "bounce") == Remedy(envelope, looks=True)
    recodes = find_remedy(NONE, envelope, EIGHT, "recode")
    assert recodes == Remedy(mail("7BIT", smtputf8=True), recodes=True, looks=True)
    assert find_remedy(NONE, envelope, EIGHT, "send") == Remedy(envelope, looks=True)


def test_eight_bits_are_recoded_and_measured_anew() -> None:
    wire = "Subject: x\r\n\r\n..Grüße, im übrigen\r\n".encode()
    fitted = fit(wire, Content(len(wire) - 1, b"d", True, len(wire), True), Remedy(mail("7BIT"), recodes=True))
    assert isinstance(fitted, Fitted)
    (content,) = fitted.content
    assert content.endswith(b"\r\n\r\n..Gr=C3=BC=C3=9Fe, im =C3=BCbrigen\r\n")
    assert fitted.facts == Content(len(content) - 1, b"d", True, len(content))
    assert fitted.envelope.body == "7BIT"


def test_binary_content_is_recoded() -> None:
    octets = b"MIME-Version: 1.0\r\n\r\n.\0\n"
    fitted = fit(
        octets, Content(len(octets), b"d", False, len(octets)), Remedy(mail("7BIT"), recodes=True, binary=True)
    )
    assert isinstance(fitted, Fitted)
    assert fitted.content[0].endswith(b"\r\n\r\nLgAK\r\n")
    assert not fitted.facts.dotted
    said = fit(b"\0", Content(1, b"d", False, 1), Remedy(mail("7BIT"), recodes=True, binary=True))
    assert isinstance(said, Reply)
    assert str(said).startswith("554 5.6.3 the server does not take binary content")


def test_what_cannot_be_recoded_says_why() -> None:
    wire = b"Content-Type: multipart/signed; boundary=x\r\n\r\n\xff\r\n"
    said = fit(wire, Content(len(wire), b"d", False, len(wire), True), Remedy(mail("7BIT"), recodes=True))
    assert str(said) == (
        "554 5.6.3 the server does not take eight bits, and it cannot be recoded: a part of it is signed or encrypted"
    )


def test_a_header_in_utf_8_does_not_go_without_smtputf8() -> None:
    remedy = Remedy(mail(smtputf8=True), looks=True)
    wire = "Subject: ü\r\n\r\nplain\r\n".encode()
    said = fit(wire, Content(len(wire), b"d", False, len(wire), True), remedy)
    assert isinstance(said, Reply)
    assert str(said).startswith("550 5.6.7")
    wire = "Subject: u\r\n\r\nnot plän\r\n".encode()
    facts = Content(len(wire), b"d", False, len(wire), True)
    assert fit(wire, facts, remedy) == Fitted(remedy.envelope, facts, (wire,))
