"""mail/reply: strict reading of what a peer says, and printing that cannot be broken."""

from __future__ import annotations

import pytest

from asyncmta.mail.reply import (
    MAX_LINES,
    MAX_OWN_LINE,
    MAX_TEXT,
    EnhancedStatus,
    InvalidReply,
    Reply,
    parse_reply,
    reply,
)


def status(text: str) -> EnhancedStatus:
    return EnhancedStatus.parse(text)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"250 2.1.0 Sender OK\r\n", Reply(250, status("2.1.0"), ("Sender OK",))),
        (b"250 Ok\r\n", Reply(250, None, ("Ok",))),
        (b"250 Ok\n", Reply(250, None, ("Ok",))),
        (b"250 Ok", Reply(250, None, ("Ok",))),
        (b"250\r\n", Reply(250, None, ("",))),
        (b"250 \r\n", Reply(250, None, ("",))),
        (b"250 2.0.0\r\n", Reply(250, status("2.0.0"), ("",))),
        (b"250 2.0.0 \r\n", Reply(250, status("2.0.0"), ("",))),
        (b"354 Go ahead\r\n", Reply(354, None, ("Go ahead",))),
        (b"354 2.0.0 Go ahead\r\n", Reply(354, None, ("Go ahead",))),
        (b"550 2.1.1 Odd\r\n", Reply(550, None, ("Odd",))),  # another class than the code's
        (b"550 5.1.1234 No status\r\n", Reply(550, None, ("5.1.1234 No status",))),
        (b"550 5.1.1\tTab\r\n", Reply(550, status("5.1.1"), ("Tab",))),
        (b"550-5.1.1 One\r\n550 5.1.1 Two\r\n", Reply(550, status("5.1.1"), ("One", "Two"))),
        (b"550-One\r\n550 5.1.1 Two\r\n", Reply(550, None, ("One", "Two"))),
        (b"250-\r\n250 x\r\n", Reply(250, None, ("", "x"))),
        (b"250-a\n250 b\n", Reply(250, None, ("a", "b"))),
        ("550 5.1.1 Größe\r\n".encode(), Reply(550, status("5.1.1"), ("Größe",))),
        (b"550 \xff\x00\x1b\rx\xe2\x80\xa8\r\n", Reply(550, None, ("\ufffd???x?",))),
    ],
)
def test_replies_of_peers_are_read(raw: bytes, expected: Reply) -> None:
    assert parse_reply(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"\r\n",
        b"25\r\n",
        b"250OK\r\n",
        b"199 x\r\n",
        b"600 x\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"250-goes on\r\n",
        b"250 ends\r\n250 again\r\n",
        b"250-a\r\n550 b\r\n",
        b"250-a\r\n\r\n250 b\r\n",
        b"250-x\r\n" * MAX_LINES + b"250 x\r\n",
    ],
)
def test_what_is_no_reply_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidReply):
        parse_reply(raw)


def test_long_text_is_cut_over_all_lines() -> None:
    read = parse_reply(b"550-" + b"a" * 1500 + b"\r\n550-" + b"b" * 1500 + b"\r\n550 c\r\n")
    assert read.lines == ("a" * 1500, "b" * (MAX_TEXT - 1500), "")


def test_severity_follows_the_first_digit() -> None:
    for code in (220, 250, 354):
        assert (reply(code, None).is_positive, reply(code, None).is_transient) == (True, False)
    assert reply(451, "4.3.0").is_transient
    assert reply(550, "5.1.1").is_permanent
    assert not reply(451, None).is_positive
    assert not reply(451, None).is_permanent
    assert not reply(550, None).is_transient


def test_reply_is_printed_for_the_wire_and_for_people() -> None:
    one = reply(250, "2.1.0", "Sender OK")
    assert (one.wire, str(one), one.text) == (b"250 2.1.0 Sender OK\r\n", "250 2.1.0 Sender OK", "Sender OK")
    two = reply(550, "5.1.1", "No such", "mailbox")
    assert two.wire == b"550-5.1.1 No such\r\n550 5.1.1 mailbox\r\n"
    assert str(two) == "550 5.1.1 No such mailbox"
    assert reply(354, None, "Go", "on").wire == b"354-Go\r\n354 on\r\n"
    assert reply(250, None).wire == b"250 \r\n"
    assert str(reply(250, None)) == "250"


def test_our_own_text_cannot_start_a_line() -> None:
    assert reply(250, "2.0.0", "a\r\nb\x00\x85\u2028\udc80\tc").wire == b"250 2.0.0 a??b???? c\r\n"
    assert Reply(250, None, ("\udc80",)).wire == b"250 ?\r\n"


def test_our_own_line_fits_the_protocol() -> None:
    wire = reply(550, "5.999.999", "ä" * 400).wire
    assert len(wire) <= 512
    assert wire.decode().endswith("ä\r\n")
    assert reply(550, None, "x" * 300).text == "x" * 300
    assert len(reply(550, None, "x" * 999).text) == MAX_OWN_LINE


@pytest.mark.parametrize(
    ("code", "enhanced"), [(199, None), (600, None), (250, "5.1.1"), (550, "4.1.1"), (354, "2.0.0")]
)
def test_a_reply_that_contradicts_itself_is_a_bug(code: int, enhanced: str | None) -> None:
    with pytest.raises(ValueError, match="not a reply"):
        reply(code, enhanced, "text")


@pytest.mark.parametrize(
    "text", ["", "5", "5.1", "5.1.1 ", "5.1.1\n", "3.1.1", "5.1.1234", "5.1.1.1", "a.b.c", "٥.1.1"]
)
def test_what_is_no_enhanced_status_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an enhanced status"):
        EnhancedStatus.parse(text)


def test_enhanced_status_is_printed_as_it_was_read() -> None:
    assert str(EnhancedStatus.parse("5.7.11")) == "5.7.11"
    assert EnhancedStatus.parse("5.7.11") == EnhancedStatus(5, 7, 11)
