"""QMTP as a server: packages into the SMTP of a conversation, its replies into an answer for each recipient."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmta.inbound.qmtp import SLICE, Stage, Translator, answer_of
from asyncmta.mail.netstring import netstring
from asyncmta.mail.reply import reply

OFFER = b"250-us.example\r\n250 CHUNKING\r\n"


def package(content: bytes, sender: bytes, *recipients: bytes) -> bytes:
    return netstring(content) + netstring(sender) + netstring(b"".join(map(netstring, recipients)))


def greeted(most_octets: int = 10_000, most_recipients: int = 10) -> Translator:
    translator = Translator(most_octets=most_octets, most_recipients=most_recipients)
    translator.hear(b"220 us.example ESMTP\r\n")
    assert translator.smtp == [b"EHLO unknown\r\n"]
    translator.smtp.clear()
    translator.hear(OFFER)
    assert translator.stage is Stage.MESSAGE
    return translator


def said(translator: Translator) -> bytes:
    octets = b"".join(translator.smtp)
    translator.smtp.clear()
    return octets


MAIL = package(b"\r.Hi\r\nyou\r\n", b"me@a.example", b"x@b.example", b"y@b.example")


def test_a_package_becomes_a_transaction_and_each_recipient_gets_an_answer() -> None:
    translator = greeted()
    translator.feed(MAIL)
    assert said(translator) == (
        b"MAIL FROM:<me@a.example> SIZE=10\r\nRCPT TO:<x@b.example>\r\nRCPT TO:<y@b.example>\r\n"
    )
    assert translator.is_busy
    translator.hear(b"250 2.1.0 ok\r\n250 2.1.5 ok\r\n550 5.1.1 No such mailbox here\r\n")
    assert said(translator) == b"BDAT 10 LAST\r\n.Hi\r\nyou\r\n"
    assert not translator.out
    translator.hear(b"250 2.0.0 Queued as 17\r\n")
    assert translator.out == [netstring(b"KQueued as 17") + netstring(b"DNo such mailbox here (#5.1.1)")]
    assert (translator.stage, translator.is_busy, translator.held) == (Stage.MESSAGE, False, 0)


def test_lines_that_end_in_lf() -> None:
    translator = greeted()
    translator.feed(package(b"\nHi\nyou\n", b"", b"x@b.example"))
    assert said(translator).startswith(b"MAIL FROM:<> SIZE=9\r\n")
    translator.hear(b"250 ok\r\n250 ok\r\n")
    assert said(translator).endswith(b"BDAT 9 LAST\r\nHi\r\nyou\r\n")


def test_what_needs_an_extension_asks_for_it() -> None:
    translator = greeted()
    translator.feed(package("\nü\n".encode(), b"me@a.example", "jürgen@b.example".encode()))
    assert said(translator).startswith(b"MAIL FROM:<me@a.example> SIZE=4 BODY=8BITMIME SMTPUTF8\r\n")


def test_nothing_of_a_client_becomes_a_command() -> None:
    translator = greeted()
    bad = b"x@b.example>\r\nRCPT TO:<z@c.example"
    translator.feed(package(b"\nHi\n", b"me@a.example", bad, b"\xff@b.example", b"y@b.example", b""))
    assert said(translator).split(b"\r\n")[1:] == [b"RCPT TO:<y@b.example>", b""]
    translator.hear(b"250 ok\r\n250 ok\r\n")
    said(translator)
    translator.hear(b"250 2.0.0 queued\r\n")
    syntax = netstring(b"DNot a valid recipient address (#5.1.3)")
    assert translator.out == [syntax * 2 + netstring(b"Kqueued") + syntax]
    translator.out.clear()
    translator.feed(package(b"\nHi\n", b"me@a.example>\r\nQUIT", b"x@b.example"))
    assert translator.out == [netstring(b"DNot a valid sender address (#5.1.7)")]
    translator.feed(package(b"\nHi\n", b"", b"nobody"))
    assert translator.out[1:] == [syntax]
    assert not translator.smtp


def test_who_has_nobody_left_sends_no_content() -> None:
    translator = greeted()
    translator.feed(MAIL)
    said(translator)
    translator.hear(b"250 ok\r\n450 4.2.1 later\r\n550 5.1.1 never\r\n")
    assert said(translator) == b"RSET\r\n"
    assert not translator.out
    translator.hear(b"250 2.0.0 OK\r\n")
    assert translator.out == [netstring(b"Zlater (#4.2.1)") + netstring(b"Dnever (#5.1.1)")]


def test_a_refused_sender_is_the_answer_for_all() -> None:
    translator = greeted()
    translator.feed(MAIL)
    said(translator)
    translator.hear(b"452 4.3.1 full\r\n503 5.5.1 no\r\n503 5.5.1 no\r\n")
    assert translator.out == [netstring(b"Zfull (#4.3.1)") * 2]
    assert not translator.smtp


def test_refused_content_is_the_answer_for_those_who_were_left() -> None:
    translator = greeted()
    translator.feed(MAIL)
    translator.hear(b"250 ok\r\n550 5.1.1 who\r\n250 ok\r\n")
    translator.hear(b"550 5.6.0 NUL\r\n")
    assert translator.out == [netstring(b"Dwho (#5.1.1)") + netstring(b"DNUL (#5.6.0)")]


@pytest.mark.parametrize("replies", [b"421 4.3.2 bye\r\n", b"250 ok\r\n421 4.3.2 bye\r\n"])
def test_a_conversation_that_ends_takes_nothing(replies: bytes) -> None:
    translator = greeted()
    translator.feed(MAIL)
    translator.hear(replies)
    assert translator.out == [netstring(b"Zbye (#4.3.2)") * 2]
    assert translator.stage is Stage.OVER
    translator.feed(MAIL)
    translator.hear(b"250 ok\r\n")
    assert (translator.held, len(translator.out)) == (0, 1)


@pytest.mark.parametrize("word", [b"421 4.3.2 too many\r\n", b"554 5.7.1 no\r\n"])
def test_who_is_not_greeted_hears_nothing(word: bytes) -> None:
    translator = Translator(most_octets=10, most_recipients=1)
    translator.feed(MAIL)
    translator.hear(word)
    assert (translator.stage, translator.out) == (Stage.OVER, [])
    idle = greeted()
    idle.hear(b"421 4.4.2 too slow\r\n")
    assert (idle.stage, idle.out) == (Stage.OVER, [])


def test_a_message_that_is_too_big_is_read_and_not_kept() -> None:
    translator = greeted(most_octets=100)
    octets = package(b"\r" + b"x" * 1000, b"me@a.example", b"x@b.example", b"y@b.example")
    for at in range(0, len(octets), 50):
        translator.feed(octets[at : at + 50])
        assert translator.held < 200
    assert translator.out == [netstring(b"DMessage larger than the limit (#5.3.4)") * 2]
    assert not translator.smtp
    translator.feed(MAIL)
    assert translator.smtp


def test_a_large_message_goes_in_slices() -> None:
    translator = greeted(most_octets=1 << 20)
    translator.feed(package(b"\r" + b"x" * 200_000, b"", b"x@b.example"))
    translator.smtp.clear()
    translator.hear(b"250 ok\r\n250 ok\r\n")
    assert [len(piece) for piece in translator.smtp[1:]] == [SLICE, SLICE, SLICE, 200_000 - 3 * SLICE]
    assert translator.held == 0


@pytest.mark.parametrize(
    "octets",
    [
        b"EHLO x\r\n",
        b"0:,",
        b"3:xHi,",
        b"3:\rHi.",
        package(b"\r", b"me@a.example"),
        netstring(b"\r") + b"1001:",
        netstring(b"\r") + b"0:," + b"9999:",
        netstring(b"\r") + b"0:," + netstring(b"3:x@b"),
        b"9999999999999:",
    ],
)
def test_no_package_ends_the_session(octets: bytes) -> None:
    translator = greeted(most_recipients=1)
    translator.feed(octets)
    assert (translator.stage, translator.smtp, translator.out) == (Stage.OVER, [], [])


def play(pieces: list[bytes]) -> tuple[list[bytes], bytes]:
    """What is said to a conversation that consents to everything, and to the client."""
    translator = greeted()
    commands: list[bytes] = []
    for piece in pieces:
        translator.feed(piece)
        while translator.smtp:
            spoken = b"".join(translator.smtp)
            translator.smtp.clear()
            commands.append(spoken)
            count = 1 if spoken.startswith(b"BDAT") else spoken.count(b"\r\n")
            translator.hear(b"250 2.0.0 ok\r\n" * count)
    return commands, b"".join(translator.out)


THREE = MAIL + package(b"\nHi\n", b"", b"x@b.example") + MAIL


@given(st.sets(st.integers(1, len(THREE) - 1), max_size=20))
def test_split_anywhere_it_is_the_same(cuts: set[int]) -> None:
    edges = [0, *sorted(cuts), len(THREE)]
    assert play([THREE[a:b] for a, b in pairwise(edges)]) == play([THREE])


def test_every_single_split() -> None:
    whole = play([THREE])
    assert len(whole[0]) == 6
    assert whole[1] == netstring(b"Kok") * 5
    for cut in range(1, len(THREE)):
        assert play([THREE[:cut], THREE[cut:]]) == whole
    assert play([THREE[at : at + 1] for at in range(len(THREE))]) == whole


@given(st.lists(st.binary(max_size=20), max_size=6), st.lists(st.sampled_from([b"250 ok\r\n", b"5", b"50 no\r\n"])))
def test_whatever_comes_it_is_translated_or_over(pieces: list[bytes], replies: list[bytes]) -> None:
    translator = greeted()
    for piece in pieces:
        translator.feed(piece)
    assert translator.is_reading or translator.is_busy or translator.stage in (Stage.MESSAGE, Stage.OVER)
    assert translator.is_idle is (translator.stage not in (Stage.OVER, Stage.COMMANDS, Stage.END, Stage.GREETING))
    for octets in replies:
        translator.hear(octets) if octets.endswith(b"\r\n") and octets[:1] == b"2" else None
    assert all(b"\r\n" not in answer for answer in translator.out)


def test_replies_that_come_in_pieces_and_with_several_lines() -> None:
    translator = greeted()
    translator.feed(MAIL)
    for octet in b"250 ok\r\n550-5.1.1 no\r\n550 5.1.1 body\r\n250 ok\r\n":
        translator.hear(bytes([octet]))
    assert said(translator).endswith(b"BDAT 10 LAST\r\n.Hi\r\nyou\r\n")
    translator.hear(b"250 2.0.0 ok\r\n")
    assert translator.out[0].startswith(netstring(b"Dno body (#5.1.1)"))


def test_answers() -> None:
    assert answer_of(reply(250, "2.0.0", "ok")) == b"Kok"
    assert answer_of(reply(451, None, "later")) == b"Zlater"
    assert answer_of(reply(552, "5.3.4", "big")) == b"Dbig (#5.3.4)"
