"""mail/long_lines: parts with long lines are encoded, long header lines folded, and what is signed stays."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage

import pytest

from asyncmta.mail.long_lines import unwrapped
from asyncmta.mail.wire import crlf, longest_line_ok

LONG = "word " * 300


def parsed(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def text_of(message: EmailMessage) -> str:
    found = message.get_content()
    assert isinstance(found, str)
    return found.replace("\r\n", "\n")


def made(text: str) -> bytes:
    content = crlf(text.encode())
    changed = unwrapped(content)
    assert longest_line_ok(changed)
    return changed


def stays(text: str) -> bool:
    content = crlf(text.encode())
    assert not longest_line_ok(content)
    return unwrapped(content) == content


def test_a_plain_text_becomes_quoted_printable() -> None:
    message = parsed(made(f"Subject: x\n\n{LONG}\nshort\n"))
    assert message["Content-Transfer-Encoding"] == "quoted-printable"
    assert message["MIME-Version"] == "1.0"
    assert text_of(message) == f"{LONG}\nshort\n"


def test_of_a_multipart_only_the_part_that_needs_it() -> None:
    other = "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n<p>é</p>\n"
    changed = made(
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n"
        f"{LONG}\n--b\n{other}--b\nContent-Type: application/x\n\n{'y' * 2000}\n--b--\n"
    )
    assert crlf(other.encode()) in changed
    first, second, third = parsed(changed).iter_parts()
    assert text_of(first).rstrip("\n") == LONG
    assert second["Content-Transfer-Encoding"] == "8bit"
    assert third["Content-Transfer-Encoding"] == "base64"
    assert third.get_content().rstrip() == b"y" * 2000


def test_a_message_within_a_message() -> None:
    changed = made(f"MIME-Version: 1.0\nContent-Type: message/rfc822\n\nSubject: inner\n\n{LONG}\n")
    inner = parsed(changed).get_content()
    assert text_of(inner) == f"{LONG}\n"


@pytest.mark.parametrize("end", ["", "\n"])
def test_base64_in_one_line_is_wrapped(end: str) -> None:
    changed = made(f"Content-Transfer-Encoding: base64\n\n{'QUJD' * 500}{end}")
    assert parsed(changed).get_payload(decode=True) == b"ABC" * 500


def test_base64_within_a_part_without_a_line_end() -> None:
    changed = made(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png\n"
        f"Content-Transfer-Encoding: base64\n\n{'QUJD' * 500}\n--b--\n"
    )
    (part,) = parsed(changed).iter_parts()
    assert part.get_content() == b"ABC" * 500


def test_quoted_printable_in_long_lines_is_done_again() -> None:
    changed = made(f"Content-Transfer-Encoding: quoted-printable\n\n{LONG}=3D\n")
    assert text_of(parsed(changed)) == f"{LONG}=\n"


def test_what_quoted_printable_would_not_bring_back_is_base64() -> None:
    changed = made(f"Content-Transfer-Encoding: quoted-printable\n\n{LONG}=0A.\n")
    message = parsed(changed)
    assert message["Content-Transfer-Encoding"] == "base64"
    assert message.get_payload(decode=True) == f"{LONG}\n.\r\n".encode()


def test_a_long_header_line_is_folded_before_a_blank() -> None:
    people = ", ".join(f"person{number}@example.org" for number in range(200))
    changed = made(f"To: {people}\nSubject: {'a' * 200}\n\nx\n")
    assert changed.replace(b"\r\n ", b" ") == crlf(f"To: {people}\nSubject: {'a' * 200}\n\nx\n".encode())
    assert b"\r\n\r\nx" in changed


def test_header_and_body_both() -> None:
    changed = made(f"Subject:{' x' * 600}\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n{LONG}\n--b--\n")
    assert str(parsed(changed)["Subject"]).count("x") == 600


@pytest.mark.parametrize(
    "text",
    [
        f"DKIM-Signature: v=1\nSubject: x\n\n{LONG}\n",
        f"Content-Type: multipart/signed; boundary=b\n\n--b\n\n{LONG}\n--b--\n",
        f"Content-Type: application/pkcs7-mime\n\n{LONG}\n",
        f"Content-Type: multipart/mixed\n\n--b\n\n{LONG}\n--b--\n",
        f"Content-Type: multipart/mixed; boundary=c\n\n--b\n\n{LONG}\n--b--\n",
        f"Content-Type: multipart/mixed; boundary=b\n\n--b\nDKIM-Signature: x\n\n{LONG}\n--b--\n",
        f"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n{LONG}",
        f"Content-Type: multipart/digest; boundary=b\n\n--b\n\nDKIM-Signature: x\n\n{LONG}\n--b--\n",
        f"Content-Type: message/delivery-status\n\n{LONG}\n",
        f"Content-Transfer-Encoding: x-uuencode\n\n{LONG}\n",
        f"Content-Transfer-Encoding: base64\n\nnot base 64!{LONG}\n",
        f"Content-Type: text\n\n{LONG}\n",
        f"no field\nSubject: x\n\n{LONG}\n",
        f"Subject: {'x' * 2000}\n\nx\n",
        f"Subject: {' ' * 2000}x\n\nx\n",
        "Content-Type: message/rfc822\n\n" * 50 + LONG,
    ],
)
def test_what_stays_too_long(text: str) -> None:
    assert stays(text)


def test_what_fits_is_the_same() -> None:
    content = b"Subject: x\r\n\r\n" + b"short\r\n" * 1000
    assert unwrapped(content) is content


def test_a_message_in_utf_8_about_a_message() -> None:
    changed = made(f"Content-Type: message/global-headers\n\nSubject: {LONG}\n")
    assert b"Content-Transfer-Encoding: base64" in changed
