"""auth/scram: the example of RFC 7677, a client of our own, and everything that is not quite right."""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest

from asyncmta.auth import scram
from asyncmta.auth.scram import ScramServer, Verifier, client_first, make_verifier
from tests.unit.auth.scramclient import ScramClient

SALT = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
PENCIL = make_verifier("pencil", SALT, 4096)
FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
NONCE = b"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
SERVER_FIRST = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
LAST = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
SERVER_LAST = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def server(first: bytes = FIRST, verifier: Verifier = PENCIL, nonce: bytes = NONCE) -> ScramServer:
    parsed = client_first(first)
    assert parsed is not None
    return ScramServer(parsed, verifier, nonce)


def test_the_example_of_the_rfc() -> None:
    talk = server()
    assert talk.server_first == SERVER_FIRST
    assert talk.finish(LAST) == SERVER_LAST


def test_our_client_agrees_with_the_rfc() -> None:
    client = ScramClient("user", "pencil", nonce=b"rOprNGfwEbeRWgbNEkqO")
    assert client.first == FIRST
    assert client.last(SERVER_FIRST) == LAST
    assert client.expected == SERVER_LAST


@pytest.mark.parametrize("header", [b"n,,", b"y,,", b"n,a=user,", b"y,a=user,"])
def test_headers_that_are_taken(header: bytes) -> None:
    client = ScramClient("user", "pencil", header=header)
    talk = server(client.first)
    assert talk.finish(client.last(talk.server_first)) == client.expected


def test_a_name_with_commas_and_equals_signs() -> None:
    first = client_first(ScramClient("a,b=c", "x").first)
    assert first is not None
    assert first.login == "a,b=c"
    grown = client_first("n,,n=gru\u0308n,r=x,ext=1".encode())
    assert grown is not None
    assert grown.login == "grün"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"n",
        b"n,,",
        b"n,,n=user",
        b"p=tls-unique,,n=user,r=x",
        b"x,,n=user,r=x",
        b"n,b=user,n=user,r=x",
        b"n,a=other,n=user,r=x",
        b"n,,m=ext,n=user,r=x",
        b"n,,n=,r=x",
        b"n,,n=us=er,r=x",
        b"n,,n=us=2cer,r=x",
        b"n,,n=\xff,r=x",
        b"n,,n=us\x07er,r=x",
        b"n,,n=user,r=",
        b"n,,n=user,r=a b",
        b"n,,n=user,r=\xc3\xa9",
        b"n,,n=user,r=" + b"x" * 257,
        b"n,,r=x,n=user",
    ],
)
def test_first_messages_that_are_none(message: bytes) -> None:
    assert client_first(message) is None


@pytest.mark.parametrize(
    "message",
    [
        b"",
        LAST.replace(b"c=biws", b"c=eSws"),
        LAST.replace(b",r=rOpr", b",r=rOps"),
        LAST.replace(b"%hvY", b""),
        LAST.replace(b",p=dHz", b",p=eHz"),
        LAST.replace(b",p=dHz", b",p=!!!"),
        LAST.replace(b",p=", b",q="),
        LAST[:-8],
        b"c=biws,p=" + b64encode(bytes(32)),
        b",p=" + b64encode(bytes(32)),
        LAST + b",x=y",
    ],
)
def test_last_messages_that_are_not_right(message: bytes) -> None:
    assert server().finish(message) is None


def test_another_password_nonce_or_header_is_wrong() -> None:
    wrong = ScramClient("user", "pen")
    talk = server(wrong.first)
    assert talk.finish(wrong.last(talk.server_first)) is None
    right = ScramClient("user", "pencil")
    talk = server(right.first)
    assert talk.finish(right.last(talk.server_first, nonce=b"fyko+d2lbbFgONRv9qkxdawL")) is None
    assert talk.finish(right.last(talk.server_first, header=b"y,,")) is None


def test_a_verifier_knows_the_password() -> None:
    assert scram.verify(PENCIL, "pencil")
    assert not scram.verify(PENCIL, "Pencil")


def test_a_verifier_as_text() -> None:
    text = scram.show(PENCIL)
    assert text.startswith("4096,W22ZaJ0SNY7soEsUEjb6gQ==,")
    assert scram.read(text) == PENCIL
    assert "W22" not in repr(PENCIL)
    key = b64encode(bytes(32)).decode()
    for wrong in (
        "",
        "4096",
        text + ",x",
        text.replace("4096", "4095"),
        text.replace("4096", "1000001"),
        text.replace("4096", "99999999"),
        text.replace("4096", "x"),
        text.replace("4096", "४०९६"),
        text.replace("W22", "!!!"),
        f"4096,,{key},{key}",
        f"4096,{b64encode(bytes(65)).decode()},{key},{key}",
        f"4096,AA==,AA==,{key}",
        f"4096,AA==,{key},AA==",
        f"4096,AA==,,{key}",
        f"4096,AA==,{key},",
    ):
        assert scram.read(wrong) is None, wrong


def test_a_name_that_nobody_has_looks_like_one_that_somebody_has() -> None:
    one = scram.nobodys_verifier(b"secret", "eve", PENCIL)
    assert one == scram.nobodys_verifier(b"secret", "eve", PENCIL)
    assert one.salt != scram.nobodys_verifier(b"secret", "mallory", PENCIL).salt
    assert one.salt != scram.nobodys_verifier(b"another", "eve", PENCIL).salt
    assert (one.iterations, len(one.salt)) == (4096, len(SALT))
    assert not scram.verify(one, "pencil")
