"""inbound/injection: content of our own making becomes fit to be sent."""

from __future__ import annotations

import pytest

from asyncmta.inbound.injection import Prepared, Reports, envelope_of, missing_fields, prepare
from asyncmta.mail import replies
from asyncmta.mail.address import parse_address
from asyncmta.mail.reply import Reply

AT = 1_750_000_000.0


def made(content: bytes, *, limit: int = 100_000) -> Prepared | Reply:
    return prepare(content, at=AT, message_id="<id@mx.example.org>", size_limit=limit)


def wire(content: bytes) -> bytes:
    prepared = made(content)
    assert isinstance(prepared, Prepared)
    return prepared.wire


DATE = b"Date: Sun, 15 Jun 2025 15:06:40 +0000\r\n"
ID = b"Message-ID: <id@mx.example.org>\r\n"


def test_fields_that_are_missing_come_first() -> None:
    assert wire(b"Subject: x\n\nhello\n") == DATE + ID + b"Subject: x\r\n\r\nhello\r\n"
    assert wire(b"Date: now\nmessage-id: <a@b>\n\nx") == b"Date: now\r\nmessage-id: <a@b>\r\n\r\nx\r\n"


def test_a_body_alone_gets_a_header_section() -> None:
    assert wire(b"hello there\n") == DATE + ID + b"\r\nhello there\r\n"
    assert wire(b"\nhello\n") == DATE + ID + b"\r\nhello\r\n"
    assert wire(b"") == DATE + ID + b"\r\n"


def test_any_line_end_is_taken_and_dots_are_stuffed() -> None:
    prepared = made(b"A: b\r\r.x\n.\r\ny")
    assert isinstance(prepared, Prepared)
    assert prepared.wire.endswith(b"A: b\r\n\r\n..x\r\n..\r\ny\r\n")
    assert prepared.dotted
    assert prepared.size == len(prepared.wire) - 2
    assert prepared.section == DATE + ID + b"A: b\r\n"


def test_eight_bit_content_is_marked() -> None:
    prepared = made("A: b\n\né\n".encode())
    assert isinstance(prepared, Prepared)
    assert prepared.eight_bit
    assert not prepared.dotted


@pytest.mark.parametrize(
    ("content", "reply"),
    [
        (b"A: b\n\n\0\n", replies.NUL_IN_CONTENT),
        (b"A: b\n\n" + b"x" * 999, replies.LINE_TOO_LONG),
        (b"A: b\n\n" + b"x\n" * 60_000, replies.TOO_BIG),
    ],
)
def test_what_nobody_would_take(content: bytes, reply: Reply) -> None:
    assert made(content) is reply


def test_a_line_of_998_is_taken() -> None:
    assert isinstance(made(b"A: b\n\n." + b"x" * 997), Prepared)


FROM = b"From: <alice@example.org>\r\n"


def lacking(content: bytes, *, author: str | None = "alice@example.org", is_whole: bool = True) -> bytes:
    sender = None if author is None else parse_address(author)
    return missing_fields(content, at=AT, message_id="<id@mx.example.org>", author=sender, is_whole=is_whole)


def test_what_a_submission_lacks_is_put_in_front() -> None:
    assert lacking(b"Subject: x\r\n\r\nhello\r\n") == DATE + ID + FROM
    assert lacking(b"from: b@c\r\nDATE : x\r\nMessage-Id:\r\n <x@y>\r\nBcc: secret\r\n\r\n") == b""
    assert lacking(b"To: x\r\nDate: x\r\n\r\nFrom: in the body\r\n") == ID + FROM
    assert lacking(b"\r\nDate: in the body\r\n") == DATE + ID + FROM


def test_a_report_has_no_author_to_name() -> None:
    assert lacking(b"Subject: x\r\n\r\n", author=None) == DATE + ID


def test_a_submitted_body_alone_gets_its_empty_line() -> None:
    assert lacking(b"hello there\r\n") == DATE + ID + FROM + b"\r\n"
    assert lacking(b"", author=None) == DATE + ID + b"\r\n"


def test_of_a_header_section_that_goes_on_nothing_is_said_to_be_missing() -> None:
    assert lacking(b"a: b\r\n" * 100, is_whole=False) == b""
    assert lacking(b"a: b\r\n" * 100, is_whole=True) == DATE + ID + FROM
    assert lacking(b"a: b\r\n\r\nbody", is_whole=False) == DATE + ID + FROM
    assert lacking(b"\r\nbody", is_whole=False) == DATE + ID + FROM


def completed(content: bytes, *, author: str | None = "alice@example.org") -> bytes:
    sender = None if author is None else parse_address(author)
    prepared = prepare(
        content, at=AT, message_id="<id@mx.example.org>", size_limit=100_000, completes=True, author=sender
    )
    assert isinstance(prepared, Prepared)
    assert prepared.wire.startswith(prepared.section)
    return prepared.wire.removeprefix(DATE + ID)


NOBODY = b"To: undisclosed-recipients:;\r\n"


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (b"Bcc: a@b\nSubject: x\n\nBcc: in the body\n", FROM + NOBODY + b"Subject: x\r\n\r\nBcc: in the body\r\n"),
        (b"From: x@y\nTo: a@b\nBCC : c@d,\n\te@f\nSubject: x\n\n", b"From: x@y\r\nTo: a@b\r\nSubject: x\r\n\r\n"),
        (b"From: x@y\nCc: a@b\nResent-Bcc: c@d\nbcc:\n\n", b"From: x@y\r\nCc: a@b\r\n\r\n"),
        (b"From: x@y\nTo: friends:;\nX-Bcc: a\n\n", b"From: x@y\r\nTo: friends:;\r\nX-Bcc: a\r\n\r\n"),
        (b"a body alone\n", FROM + NOBODY + b"\r\na body alone\r\n"),
    ],
)
def test_a_message_is_completed(content: bytes, kept: bytes) -> None:
    assert completed(content) == kept


def test_the_null_reverse_path_is_no_author() -> None:
    assert completed(b"To: a@b\n\n", author=None) == b"To: a@b\r\n\r\n"


def test_a_completed_message_has_no_long_lines() -> None:
    assert completed(b"From: x@y\nTo: a@b\n\n" + b"x" * 999).startswith(
        b"From: x@y\r\nTo: a@b\r\nContent-Transfer-Encoding: quoted-printable\r\nMIME-Version: 1.0\r\n"
    )


def test_an_envelope_of_texts() -> None:
    envelope = envelope_of("a@x.example", ["b@y.example", "B@Y.example", "b@Y.EXAMPLE"], Reports("NEVER", "hdrs", "id"))
    assert not isinstance(envelope, Reply)
    assert [str(each.address) for each in envelope.recipients] == ["b@y.example", "B@Y.example"]
    assert ({each.notify for each in envelope.recipients}, envelope.ret, envelope.envid) == ({8}, "HDRS", "id")
    for null in (None, ""):
        found = envelope_of(null, ["b@y.example"])
        assert not isinstance(found, Reply)
        assert (found.reverse_path, found.recipients[0].notify, found.ret, found.envid) == (None, 0, None, None)


@pytest.mark.parametrize("wanted", [Reports(notify="SOMETIMES"), Reports(ret="HALF"), Reports(envid="a b")])
def test_what_nobody_can_report(wanted: Reports) -> None:
    assert envelope_of("a@x.example", ["b@y.example"], wanted) is replies.PARAMETER_INVALID
