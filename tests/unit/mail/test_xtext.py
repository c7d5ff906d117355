"""mail/xtext: decoding of DSN parameters that never fails."""

from __future__ import annotations

import pytest

from asyncmta.inbound.parameters import is_orcpt
from asyncmta.mail.xtext import decode_orcpt, decode_xtext, encode_orcpt, in_ascii


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("", ""),
        ("plain", "plain"),
        ("a+2Bb+3Dc", "a+b=c"),
        ("a+0D+0Ab", "a\r\nb"),
        ("+", "+"),
        ("+2b", "+2b"),
        ("+G1", "+G1"),
        ("+2B2B", "+2B"),
        ("é+E9", "éé"),
    ],
)
def test_xtext_is_decoded_once(text: str, meaning: str) -> None:
    assert decode_xtext(text) == meaning


@pytest.mark.parametrize(
    "orcpt", [None, "", "rfc822", "rfc822;", ";a@b", "rfc 822;a@b", "rfc822\r\nX:;a@b", "x" * 41 + ";a"]
)
def test_what_is_no_orcpt_is_none(orcpt: str | None) -> None:
    assert decode_orcpt(orcpt, utf8=True) is None


@pytest.mark.parametrize(
    ("orcpt", "utf8", "meaning"),
    [
        ("rfc822;a+2Bb@example.org", False, ("rfc822", "a+b@example.org")),
        ("RFC822;a;b", True, ("RFC822", "a;b")),
        (r"utf-8;j\x{FC}rgen@example.org", True, ("utf-8", "jürgen@example.org")),
        (r"utf-8;j\x{FC}rgen@example.org", False, ("utf-8", r"j\x{FC}rgen@example.org")),
        (r"UTF-8;\x{1F4E7}\x{FFFFFF}", True, ("UTF-8", "\U0001f4e7\U0010ffff")),
        (r"rfc822;\x{FC}", True, ("rfc822", r"\x{FC}")),
        ("utf-8;jürgen@example.org", True, ("utf-8", "jürgen@example.org")),
    ],
)
def test_orcpt_is_split_and_decoded(orcpt: str, utf8: bool, meaning: tuple[str, str]) -> None:
    assert decode_orcpt(orcpt, utf8=utf8) == meaning


def test_an_orcpt_in_ascii_means_the_same() -> None:
    assert in_ascii("rfc822;a+2Bb@c") == "rfc822;a+2Bb@c"
    plain = in_ascii("utf-8;jörg😀@bücher.example")
    assert plain == "utf-8;j\\x{F6}rg\\x{1F600}@b\\x{FC}cher.example"
    assert decode_orcpt(plain, utf8=True) == ("utf-8", "jörg😀@bücher.example")


@pytest.mark.parametrize(
    ("address", "orcpt"),
    [
        ("alice@example.org", "rfc822;alice@example.org"),
        ("a+b=c@example.org", "rfc822;a+2Bb+3Dc@example.org"),
        ('"a b\\\\c"@example.org', 'rfc822;"a+20b+5C+5Cc"@example.org'),
        ("jürgen+x@example.org", r"utf-8;jürgen\x{2B}x@example.org"),
    ],
)
def test_an_address_becomes_an_orcpt_and_comes_back(address: str, orcpt: str) -> None:
    assert encode_orcpt(address) == orcpt
    assert is_orcpt(orcpt, smtputf8=True)
    assert decode_orcpt(orcpt, utf8=True) == (orcpt.partition(";")[0], address)
