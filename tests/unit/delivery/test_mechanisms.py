"""AUTH as a client: which mechanism, and what each of them says."""

from __future__ import annotations

import pytest

from asyncmta.auth.oauth import bearer
from asyncmta.credentials import Grant, Identity, Login
from asyncmta.delivery.mechanisms import Secret, answer, candidates, first_words

ALL = ("PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER", "GSSAPI")
GRANT = Grant(file="/token")
SECRET = Secret("me", "pass", "smtp.example", 587)


@pytest.mark.parametrize(
    ("login", "offered", "is_private", "expected"),
    [
        (Login("me", "x"), ALL, True, ["plain", "login", "cram-md5"]),
        (Login("me", "x"), ALL, False, ["cram-md5", "login", "plain"]),
        (Login("me", "x"), ["login"], True, ["login"]),
        (Login("me", "x"), ["XOAUTH2"], True, []),
        (Login("me", "x", "cram-md5"), ALL, True, ["cram-md5"]),
        (Login("me", "x", "cram-md5"), ["PLAIN"], True, []),
        (Login("me", "", "auto", GRANT), ALL, True, ["xoauth2", "oauthbearer"]),
        (Login("me", "", "auto", GRANT), ["OAUTHBEARER", "PLAIN"], True, ["oauthbearer"]),
        (Login("me", "", "oauthbearer", GRANT), ALL, True, ["oauthbearer"]),
        (Login("me", "", "auto", GRANT), ["PLAIN", "LOGIN"], True, []),
    ],
)
def test_mechanisms_in_order(login: Login, offered: list[str], is_private: bool, expected: list[str]) -> None:
    assert candidates(login, offered, is_private=is_private) == expected


def test_what_goes_with_the_command() -> None:
    assert first_words("plain", SECRET) == b"\0me\0pass"
    assert first_words("login", SECRET) == b"me"
    assert first_words("cram-md5", SECRET) is None
    assert first_words("xoauth2", SECRET) == b"user=me\x01auth=Bearer pass\x01\x01"
    assert first_words("oauthbearer", SECRET) == b"n,a=me,\x01host=smtp.example\x01port=587\x01auth=Bearer pass\x01\x01"


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
@pytest.mark.parametrize("host", ["smtp.example", ""])
def test_what_we_say_is_what_we_would_understand(mechanism: str, host: str) -> None:
    said = first_words(mechanism.lower(), Secret("a=b,c@example.org", "tok.en", host, 587))
    assert said is not None
    heard = bearer(mechanism, said)
    assert heard is not None
    assert (heard.login, heard.token) == ("a=b,c@example.org", "tok.en")


def test_what_challenges_are_answered_with() -> None:
    assert answer("login", SECRET, b"Password:") == b"pass"
    assert answer("login", SECRET, b"User Name\0") == b"me"
    tim = Secret("tim", "tanstaaftanstaaf")  # RFC 2195 2
    assert (
        answer("cram-md5", tim, b"<1896.697170952@postoffice.reston.mci.net>")
        == b"tim b913a602c7eda7a495b4e6e7334d3890"
    )
    assert answer("xoauth2", SECRET, b'{"status":"401"}') == b""
    assert answer("oauthbearer", SECRET, b'{"status":"invalid_token"}') == b"\x01"
    assert answer("plain", SECRET, b"") is None


def test_secrets_do_not_show() -> None:
    grant = Grant(url="https://id.example/token", client_id="we", client_secret="hush", refresh_token="hush")
    shown = repr([SECRET, Login("me", "hush", "auto", grant), grant, Grant(command=("get", "hush")), Grant()])
    assert "hush" not in shown
    assert "pass" not in shown
    assert "id.example" in shown
    assert [Grant(file="f").name, Grant(command=("get", "x")).name, Grant().name] == ["f", "get", ""]
    assert Identity("cert.pem").key == ""
