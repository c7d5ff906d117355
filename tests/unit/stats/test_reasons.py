"""Replies that differ in what is of one case only are one reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmta.stats.reasons import MAX_TEXT, Reason, masked, reason_of


@pytest.mark.parametrize(
    ("reply", "class_", "text"),
    [
        ("550 5.1.1 <bob@example.net>: user unknown", "5xx", "<address>: user unknown"),
        ("550 5.1.1 bob@example.net... User unknown", "5xx", "<address> User unknown"),
        ('550 5.1.1 "b b"@example.net unknown', "5xx", "<address> unknown"),
        ("550 5.1.1 ***@example.net unknown", "5xx", "<address> unknown"),
        ("451 4.7.1 greylisted, come back in 297 seconds", "4xx", "greylisted, come back in <n> seconds"),
        ("421-4.7.0 [192.0.2.7] our system has", "4xx", "<ip> our system has"),
        ("554 5.7.1 client 2001:db8::7 is listed", "5xx", "client <ip> is listed"),
        ("554 5.7.1 [IPv6:2001:db8::7] is listed", "5xx", "<ip> is listed"),
        ("554 5.7.1 see https://example.net/why?ip=192.0.2.7 for why", "5xx", "see <url> for why"),
        ("450 4.2.0 deferred 5a1b2c3d4e5f - gsmtp", "4xx", "deferred <id> - gsmtp"),
        ("450 4.2.0 mail-lf1-f54.example.net says no", "4xx", "<id>.example.net says no"),
        ("552 5.2.2 mailbox full", "5xx", "mailbox full"),
        ("552", "5xx", ""),
        ("552 5.2.2", "5xx", ""),
        ("5520 strange", "", "<n> strange"),
        ("", "", ""),
        ("connection timed out", "", "connection timed out"),
        ("451 at 10:20:30 it was", "4xx", "at <n>:<n>:<n> it was"),
        ("550 esc\x1b[2Jape \u202e x", "5xx", "esc?[<n>Jape ? x"),
    ],
)
def test_what_is_left_of_a_reply(reply, class_, text):
    assert reason_of("refused", "5.1.1", reply) == Reason("refused", "5.1.1", class_, text)


def test_a_status_that_is_none_and_a_cause_that_is_odd():
    assert reason_of("a\nb\x1b", "5.1.1 x", "").status == ""
    assert reason_of("a\nb\x1b", "", "").cause == "a b?"


@given(st.text(max_size=2000))
def test_a_reason_is_one_short_printable_line(text):
    found = masked(text)
    assert len(found) <= MAX_TEXT
    assert found.isprintable()
    assert not any(letter.isdigit() and letter.isascii() for letter in found)


@pytest.mark.parametrize("unit", ["a@", "1.", "a:", "x1-", "http://", '"', "<", "é1"])
def test_text_made_to_be_slow_is_not(unit):
    assert len(masked(unit * 100_000)) <= MAX_TEXT
