"""inbound/parameters: what may stand behind the path of MAIL and RCPT."""

from __future__ import annotations

import pytest

from asyncmta.inbound.parameters import is_envid, is_orcpt, is_xtext, parse_notify, parse_parameters, parse_size
from asyncmta.mail import replies
from asyncmta.mail.envelope import NOTIFY_DELAY, NOTIFY_FAILURE, NOTIFY_NEVER, NOTIFY_SUCCESS

KNOWN = frozenset({"SIZE", "BODY", "X-Y"})


def test_keywords_have_no_case_and_values_keep_theirs() -> None:
    assert parse_parameters("size=10  Body=8BitMime x-y", KNOWN) == {"SIZE": "10", "BODY": "8BitMime", "X-Y": ""}


@pytest.mark.parametrize("text", ["=1", "-X=1", "SIZE=", "SIZE=1=2", "SIZE=1 size=2", "S\u00efZE=1", "a_b"])
def test_what_is_no_parameter(text: str) -> None:
    assert parse_parameters(text, KNOWN) is replies.SYNTAX_PARAMETERS


def test_an_unknown_one_is_told_apart() -> None:
    assert parse_parameters("SIZE=1 COLOUR=red", KNOWN) is replies.PARAMETER_UNKNOWN


@pytest.mark.parametrize(
    ("value", "size"),
    [("0", 0), ("26214400", 26214400), ("9" * 20, 10**20 - 1), ("9" * 21, None), ("", None), ("-1", None),
     ("1_0", None), ("\u0661", None), ("\u00b2", None), ("0x1", None)],
)  # fmt: skip
def test_size(value: str, size: int | None) -> None:
    assert parse_size(value) == size


def test_notify() -> None:
    assert parse_notify("never") == NOTIFY_NEVER
    assert parse_notify("Success,FAILURE,delay") == NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY
    assert parse_notify("FAILURE,FAILURE") == NOTIFY_FAILURE
    for wrong in ("", "NEVER,SUCCESS", "SUCCESS,", "ALWAYS", "SUCCESS DELAY"):
        assert parse_notify(wrong) is None


def test_xtext_holds_no_control_in_any_disguise() -> None:
    assert is_xtext("a+2Bb+3Dc")
    assert is_xtext(r"\x{48}\x{1F600}\x{70}\x{7E}")
    for wrong in ("", "a b", "a=b", "a+", "a+2", "a+2b", "+0D+0A", "+00", "+1F", "+7F", r"\x{0D}", r"\x{a}",
                  r"\x{0000A}", r"\x{85}", r"\x{7F}", r"\x{2028}", "\u00e9"):  # fmt: skip
        assert not is_xtext(wrong), wrong


def test_envid_is_printable_ascii_behind_its_encoding() -> None:
    assert is_envid("QQ+20314")
    assert is_envid("x" * 100)
    assert not is_envid("x" * 101)
    assert not is_envid("+C3+A9")


def test_orcpt_is_a_type_and_an_address() -> None:
    assert is_orcpt("rfc822;alice+40example.org", smtputf8=False)
    assert is_orcpt("x400;+2Fc=de".replace("=", "+3D"), smtputf8=False)
    assert is_orcpt("UTF-8;j\u00f6rg@example.org", smtputf8=True)
    assert not is_orcpt("utf-8;j\u00f6rg@example.org", smtputf8=False)
    assert not is_orcpt("rfc822;j\u00f6rg@example.org", smtputf8=True)
    for wrong in ("alice", "rfc822;", ";alice", "rfc 822;a", "rfc822;" + "x" * 500):
        assert not is_orcpt(wrong, smtputf8=True), wrong


def test_orcpt_has_at_most_500_octets() -> None:
    assert is_orcpt("rfc822;" + "x" * 493, smtputf8=False)
    assert not is_orcpt("rfc822;" + "x" * 494, smtputf8=False)
    assert is_orcpt("utf-8;" + "ö" * 247, smtputf8=True)
    assert not is_orcpt("utf-8;" + "ö" * 248, smtputf8=True)


@pytest.mark.parametrize("point", ["5C", "20", "E9", "3B1", "FFFD", "1F600", "10FFFF"])
def test_characters_by_their_number_in_the_utf_8_type(point: str) -> None:
    assert is_orcpt(f"utf-8;a\\x{{{point}}}b@example.org", smtputf8=False)
    assert is_orcpt(f"UTF-8;ö\\x{{{point}}}", smtputf8=True)


@pytest.mark.parametrize(
    "text", ["\\", "a\\b", "\\x{}", "\\x{e9}", "\\x{D800}", "\\x{DFFF}", "\\x{110000}", "\\x{E9", "\\x{0E9}", "\\x{G1}"]
)
def test_a_backslash_begins_a_number_in_the_utf_8_type_and_nothing_else(text: str) -> None:
    assert not is_orcpt(f"utf-8;{text}", smtputf8=True)


def test_a_backslash_is_a_letter_like_others_in_other_types() -> None:
    assert is_orcpt("x400;a\\b", smtputf8=False)
