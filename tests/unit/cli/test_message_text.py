"""cli/message_text: where a message ends, its From and Date, and the addresses of arguments."""

from __future__ import annotations

import email
import email.policy

import pytest

from asyncmta.cli.message_text import Unreadable, authored, bare, ended, full_name, mailbox, people, qualified

AT = 1_750_000_000.0
DATE = b"Date: Sun, 15 Jun 2025 15:06:40 +0000\r\n"


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (b"Subject: x\n\nhello\n.\nbehind\n", b"Subject: x\n\nhello\n"),
        (b"Subject: x\r\n\r\nhello\r\n.\r\nbehind\r\n", b"Subject: x\r\n\r\nhello\r\n"),
        (b"x\n.", b"x\n"),
        (b".\nx\n", b""),
        (b"x\n..\n. \n.y\n", b"x\n..\n. \n.y\n"),
        (b"From me Sun Jun 15\n>From you\nSubject: x\n\nFrom here\n", b"Subject: x\n\nFrom here\n"),
        (b"", b""),
    ],
)
def test_where_a_message_ends(raw: bytes, kept: bytes) -> None:
    assert ended(raw, keeps_dot=False) == kept


def test_with_i_a_dot_is_a_line() -> None:
    assert ended(b"x\n.\ny\n", keeps_dot=True) == b"x\n.\ny\n"


@pytest.mark.parametrize(
    ("content", "made"),
    [
        (b"Subject: x\n\nhi\n", b'From: "A. Name" <a@b.example>\r\n' + DATE + b"Subject: x\r\n\r\nhi\r\n"),
        (b"FROM: x\ndate: y\n\nhi\n", b"FROM: x\r\ndate: y\r\n\r\nhi\r\n"),
        (b"From: x\n\n", b"Date: Sun, 15 Jun 2025 15:06:40 +0000\r\nFrom: x\r\n\r\n"),
        (b"a body alone\n", b'From: "A. Name" <a@b.example>\r\n' + DATE + b"\r\na body alone\r\n"),
        (b"\nwith its empty line\n", b'From: "A. Name" <a@b.example>\r\n' + DATE + b"\r\nwith its empty line\r\n"),
        (b"", b'From: "A. Name" <a@b.example>\r\n' + DATE + b"\r\n"),
    ],
)
def test_who_and_when(content: bytes, made: bytes) -> None:
    assert authored(content, address="a@b.example", name="A. Name", at=AT) == made


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("", "<a@b.example>"),
        ("CronDaemon", "CronDaemon <a@b.example>"),
        ('the "boss", of all', '"the \\"boss\\", of all" <a@b.example>'),
        ("x\r\nBcc: you@y.example", '"x Bcc: you@y.example" <a@b.example>'),
        ("Jürgen", "=?utf-8?q?J=C3=BCrgen?= <a@b.example>"),
    ],
)
def test_a_name_is_quoted_or_encoded(name: str, shown: str) -> None:
    assert mailbox("a@b.example", name) == shown
    message = email.message_from_string(f"From: {shown}\n\n", policy=email.policy.default)
    assert message["From"].addresses[0].addr_spec == "a@b.example"


def test_the_name_of_a_user() -> None:
    assert full_name("& Admin,Room 1,,", "root") == "Root Admin"
    assert full_name("", "me") == ""


@pytest.mark.parametrize(
    ("argument", "found"),
    [
        ("root", ["root"]),
        (" a@b ", ["a@b"]),
        ("  ", []),
        ("A Name <a@b>, c@d", ["a@b", "c@d"]),
        ('"a b"@c', ['"a b"@c']),
        ("friends: a@b, c@d;", ["a@b", "c@d"]),
        ("nobody:;", []),
        ("a@b, c@d, ", ["a@b", "c@d"]),
        ("a b <c@d> e@f", ["c@d", "e@f"]),
    ],
)
def test_people_of_an_argument(argument: str, found: list[str]) -> None:
    assert people(argument) == found


@pytest.mark.parametrize("argument", ["a@b,,<", "(" * 100_000, "<a@b>, @d"])
def test_an_argument_that_is_no_list(argument: str) -> None:
    with pytest.raises(Unreadable):
        people(argument)


def test_a_name_alone_is_here() -> None:
    assert qualified("root", "mx.example") == "root@mx.example"
    assert qualified("a@b", "mx.example") == "a@b"


@pytest.mark.parametrize(("sender", "found"), [("", ""), ("<>", ""), ("a@b", "a@b"), ("A <a@b>", "a@b"), ("me", "me")])
def test_the_sender(sender: str, found: str) -> None:
    assert bare(sender) == found


def test_a_sender_is_one() -> None:
    with pytest.raises(Unreadable):
        bare("a@b, c@d")
