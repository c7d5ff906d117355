"""What is shown of a session, line by line, in the cases that matter."""

from __future__ import annotations

import base64

import pytest

from asyncmta.tracing import masking
from asyncmta.tracing.masking import Masking
from asyncmta.tracing.secrets import MOST, Secrets

SECRET = base64.b64encode(b"\0alice\0hunter22")


def play(machine, *turns):
    """`("C", octets)` of the client, `("S", octets)` of the server; what is shown, as "C: ..." and "S: ..."."""
    shown = []
    for who, octets in turns:
        shown += (machine.client if who == "C" else machine.server)(octets)
    return [("C: " if each.by_client else "S: ") + each.octets.decode("latin-1") for each in shown]


def test_a_plain_login_and_its_refusal():
    assert play(
        Masking(),
        ("S", b"220 mx ESMTP\r\n"),
        ("C", b"AUTH PLAIN " + SECRET + b"\r\n"),
        ("S", b"535 5.7.8 hunter22 is wrong, alice: " + SECRET[:14] + b"\r\n"),
        ("C", b"QUIT\r\n"),
    ) == [
        "S: 220 mx ESMTP",
        "C: AUTH PLAIN ***",
        "S: 535 5.7.8 *** is wrong, alice: ***",
        "C: QUIT",
    ]


def test_a_login_by_challenges_and_one_that_is_cancelled():
    assert play(
        Masking(greeting=False),
        ("C", b"AUTH LOGIN\r\n"),
        ("S", b"334 VXNlcm5hbWU6\r\n"),
        ("C", base64.b64encode(b"alice") + b"\r\n"),
        ("S", b"334 UGFzc3dvcmQ6\r\n"),
        ("C", b"*\r\n"),
        ("S", b"501 cancelled\r\n"),
        ("C", b"VRFY alice\r\n"),
    ) == ["C: AUTH LOGIN", "S: 334 ***", "C: ***", "S: 334 ***", "C: *", "S: 501 cancelled", "C: VRFY alice"]


def test_a_secret_sent_after_a_refusal_is_masked_as_no_command():
    assert play(
        Masking(greeting=False),
        ("C", b"FOO bar\r\nAUTH LOGIN\r\n"),
        ("S", b"500 what?\r\n538 5.7.11 not in clear\r\n"),
        ("C", b"YWxpY2U=\r\n\r\n"),
        ("S", b"500 YWxpY2U= is no command\r\n"),
    ) == [
        "C: FOO bar",
        "C: AUTH LOGIN",
        "S: 500 what?",
        "S: 538 5.7.11 not in clear",
        "C: ***",
        "C: ***",
        "S: 500 *** is no command",
    ]


def test_what_is_sent_without_being_asked_waits_for_the_reply_to_auth():
    machine = Masking(greeting=False)
    assert play(machine, ("C", b"AUTH LOGIN\r\nYWxpY2U=\r\naHVudGVyMjI=\r\nRSET\r\n")) == ["C: AUTH LOGIN"]
    assert play(machine, ("S", b"334 \r\n334 \r\n235 aHVudGVyMjI= it is\r\n")) == [
        *("S: 334 ***", "C: ***", "S: 334 ***", "C: ***", "S: 235 *** it is", "C: RSET")
    ]


def test_a_challenge_that_nobody_asked_for_makes_the_next_line_a_secret():
    assert play(Masking(), ("S", b"334 say it\r\n"), ("C", b"hunter22\r\n"), ("S", b"500 hunter22\r\n")) == [
        *("S: 334 ***", "C: ***", "S: 500 ***")
    ]


def test_a_challenge_within_content_changes_nothing():
    machine = Masking(greeting=False)
    play(machine, ("C", b"DATA\r\n"), ("S", b"354 go\r\n"))
    assert play(machine, ("S", b"334 \r\n"), ("C", b"x\r\n.\r\n")) == ["S: 334 ***", "C: ... 6 octets of content"]


def test_a_354_is_for_data_alone():
    assert play(
        Masking(greeting=False),
        ("C", b"AUTH PLAIN\r\n" + SECRET + b"\r\n"),
        ("S", b"354 go on\r\n"),
        ("C", b"NOOP\r\n"),
    ) == ["C: AUTH PLAIN", "S: 354 go on", "C: ***", "C: NOOP"]


def test_data_that_is_refused_is_followed_by_commands():
    assert play(
        Masking(greeting=False),
        ("C", b"MAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nRSET\r\n"),
        ("S", b"250 ok\r\n550 no\r\n554 nobody\r\n"),
    ) == [
        "C: MAIL FROM:<>",
        "C: RCPT TO:<b@example.org>",
        "C: DATA",
        "S: 250 ok",
        "S: 550 no",
        "S: 554 nobody",
        "C: RSET",
    ]


def test_content_is_shown_where_it_is_asked_for_and_only_its_beginning():
    machine = Masking(greeting=False, content=True)
    play(machine, ("C", b"DATA\r\n"), ("S", b"354 go\r\n"))
    assert play(machine, ("C", b"Subject: x\r\n"), ("C", b"\r\nhello\r\n.\r\nRSET\r\n")) == [
        *("C: Subject: x", "C: ", "C: hello", "C: .", "C: ... 24 octets of content", "C: RSET")
    ]
    play(machine, ("S", b"250 ok\r\n250 ok\r\n"), ("C", b"BDAT 20000\r\n"))
    said = play(machine, ("C", b"x" * 9000), ("C", b"y" * 9000))
    assert said == ["C: " + "x" * masking.MOST_CONTENT]
    assert play(machine, ("C", b"z" * 2000)) == ["C: ... 20,000 octets of content"]


def test_an_empty_chunk_and_a_chunk_without_size():
    assert play(Masking(greeting=False), ("C", b"BDAT 0 LAST\r\nBDAT x\r\nBDAT\r\nBDAT " + b"9" * 30 + b"\r\n")) == [
        *("C: BDAT 0 LAST", "C: BDAT x", "C: BDAT", "C: BDAT " + "9" * 30)
    ]


def test_lmtp_answers_the_content_once_for_each_recipient():
    machine = Masking()
    play(
        machine,
        ("S", b"220 lmtp\r\n"),
        ("C", b"LHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<a@x>\r\nRCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\nDATA\r\n"),
        ("S", b"250-me\r\n250 ok\r\n250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n"),
        ("C", b"x\r\n.\r\n"),
        ("C", b"AUTH PLAIN\r\n" + SECRET + b"\r\n"),
    )
    assert play(machine, ("S", b"250 a\r\n250 c\r\n")) == ["S: 250 a", "S: 250 c"]  # not yet the reply to AUTH
    assert play(machine, ("S", b"334 \r\n")) == ["S: 334 ***", "C: ***"]


def test_a_line_without_end_is_not_shown(monkeypatch):
    machine = Masking(greeting=False)
    long = b"x" * (masking.MOST_HELD + 1)
    said = play(machine, ("C", long), ("C", b"\r\nNOOP\r\n"), ("S", b"334 \r\n"), ("C", b"NOOP\r\n"))
    assert said == ["C: (too much to be read: the client's lines are not shown any more)", "S: 334 ***"]
    assert play(machine, ("S", long), ("S", b"y\r\n250 ok\r\n"), ("S", long + b"\r\n")) == [
        *(f"S: {masking.TOO_LONG.decode()}", "S: 250 ok", f"S: {masking.TOO_LONG.decode()}")
    ]
    machine.restart()
    assert play(machine, ("C", b"NOOP\r\n")) == ["C: NOOP"]


def test_the_end_shows_what_was_cut_off():
    machine = Masking(greeting=False)
    machine.client(b"AUTH PLAIN AGF")
    machine.server(b"421 by")
    assert [each.octets for each in machine.end()] == [b"AUTH PLAIN ***", b"421 by"]
    machine = Masking(greeting=False)
    play(machine, ("C", b"DATA\r\n"), ("S", b"354 go\r\n"), ("C", b"hello"))
    assert [each.octets for each in machine.end()] == [b"... 5 octets of content; then the connection was over"]
    machine = Masking(greeting=False)
    machine.client(b"AUTH PLAIN\r\nAGF")
    assert machine.end() == []


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"AUTH", b"AUTH"),
        (b"AUTH EXTERNAL =", b"AUTH EXTERNAL ***"),
        (b"auth: PLAIN c2VjcmV0IQ==", b"AUTH ***"),
        (b"  AUTH  cram-md5", b"AUTH CRAM-MD5"),
    ],
)
def test_whatever_begins_with_auth(line, shown):
    (seen,) = Masking(greeting=False).client(line + b"\r\n")
    assert seen.octets == shown


def test_short_texts_are_no_secrets_and_old_ones_are_forgotten():
    secrets = Secrets()
    secrets.learn(b"abc")
    secrets.learn(base64.b64encode(b"pw"))
    assert secrets.redact(b"abc pw") == b"abc pw"
    secrets.learn(b"\xff not base64")
    assert secrets.redact(b"\xff not base64, you see") == b"***, you see"
    for number in range(2 * MOST):
        secrets.learn(b"secret number %d!" % number)
    assert secrets.redact(b"\xff not base64") == b"\xff not base64"
    assert secrets.redact(b"SECRET NUMBER %d!!" % (2 * MOST - 1)) == b"***!"


def test_very_many_lines_at_once_are_not_read_one_by_one():
    machine = Masking(greeting=False)
    shown = machine.client(b"AUTH PLAIN\r\n") + machine.server(b"334 \r\n") + machine.client(b"*\r\n")
    assert len(shown) == 3
    shown = machine.server(b"\n" * 200_000)
    assert len(shown) == masking.MOST_LINES + 1
    assert shown[-1].octets == b"(too many lines at once: 197000 octets of them are not shown)"
    assert machine.server(b"the end of that line\r\n501 cancelled\r\n")[1].octets == b"501 cancelled"
    shown = machine.client(b"password\n" * 20_000)
    assert len(shown) == masking.MOST_LINES + 1
    assert {each.octets for each in shown[:-1]} == {b"***"}
    assert shown[-1].octets.startswith(b"(too much")
    assert machine.client(b"NOOP\r\n" * 20_000) == []


def test_content_of_very_many_lines_is_shown_in_part():
    machine = Masking(greeting=False, content=True)
    machine.client(b"BDAT 100000 LAST\r\n")
    shown = machine.client(b"\n" * 100_000)
    assert len(shown) == masking.MOST_CONTENT // masking.LINE_COSTS + 2


def test_a_long_secret_is_known_by_its_beginning_and_costs_no_more():
    secrets = Secrets()
    word = b"correct horse " * 10
    secrets.learn(word)
    assert secrets.redact(b"you said: " + word + b"indeed") == b"you said: ***"
    machine = Masking(greeting=False)
    play(machine, ("C", b"AUTH PLAIN\r\n"), ("S", b"502 no\r\n"))
    for number in range(2 * MOST):
        line = base64.b64encode(b"%d!" % number * 10_000)
        assert play(machine, ("C", line + b"\r\n"), ("S", b"500 " + line + b"\r\n")) == ["C: ***", "S: 500 ***"]
    pattern = machine._secrets._pattern
    assert pattern is not None
    assert len(pattern.pattern) < 20_000
