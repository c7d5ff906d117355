"""Eight bits into seven: which parts change, how, and what is never touched."""

from __future__ import annotations

import email

import pytest

from asyncmta.mail.recode import Unrecodable, has_ascii_header, recode

UMLAUTS = "Grüße aus München\r\n".encode()
CYRILLIC = "Привет, мир\r\n".encode()


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def recoded(content: bytes, *, binary: bool = False) -> bytes:
    found = recode(content, binary=binary)
    assert isinstance(found, bytes), found
    assert found.isascii()
    return found


def reason(content: bytes, *, binary: bool = False) -> str:
    found = recode(content, binary=binary)
    assert isinstance(found, Unrecodable)
    return found.reason


def test_what_has_seven_bits_stays_as_it_is() -> None:
    content = crlf("Subject: x\nContent-Type: multipart/signed\n\nno structure\n")
    assert recoded(content) is content


def test_text_becomes_quoted_printable() -> None:
    content = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + UMLAUTS
    assert recoded(content) == (
        b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe aus M=C3=BCnchen\r\n"
    )


def test_text_with_few_latin_letters_becomes_base64() -> None:
    content = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + CYRILLIC
    assert recoded(content).endswith(
        b"\r\nContent-Transfer-Encoding: base64\r\n\r\n0J/RgNC40LLQtdGCLCDQvNC40YANCg==\r\n"
    )


def test_the_field_that_says_how_it_is_encoded_is_replaced_in_its_place() -> None:
    content = b"MIME-Version: 1.0\r\nContent-transfer-encoding:\r\n 8bit (really)\r\nSubject: x\r\n\r\n" + UMLAUTS
    assert recoded(content).startswith(
        b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\nSubject: x\r\n\r\nGr=C3"
    )


@pytest.mark.parametrize(
    ("body", "charset"), [(UMLAUTS, b"utf-8"), (b"Gr\xfc\xdfe aus M\xfcnchen\r\n", b"unknown-8bit")]
)
def test_what_was_no_mime_becomes_it(body: bytes, charset: bytes) -> None:
    found = recoded(b"Subject: x\r\n\r\n" + body)
    assert found.startswith(
        b"Subject: x\r\nContent-Transfer-Encoding: quoted-printable\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=" + charset + b"\r\n\r\n"
    )
    assert email.message_from_bytes(found).get_payload(decode=True) == body


def test_a_message_without_mime_version_but_with_a_type_gets_one() -> None:
    found = recoded(b"Content-Type: text/html\r\n\r\n" + UMLAUTS)
    assert found.startswith(
        b"Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\nMIME-Version: 1.0\r\n\r\n"
    )


def test_only_parts_that_need_it_change() -> None:
    before = crlf(
        'MIME-Version: 1.0\nContent-Type: multipart/mixed;\n\tboundary="a b\'c"\nContent-Transfer-Encoding: 8bit\n'
        "\nFür alte Programme\n--a b'c  \nX: untouched \n\nsame  \n--a b'cd\n--a b'c\n\n"
    )
    after = crlf("\n--a b'c\nContent-Type: application/x\n\n") + b"\xff\x00" + crlf("\n--a b'c--\nEpilög\n")
    found = recoded(before + UMLAUTS + after)
    head = before.replace(b"Content-Transfer-Encoding: 8bit", b"Content-Transfer-Encoding: 7bit")
    head = head.replace("Für".encode(), b"F??r").removesuffix(b"\r\n")
    assert found == (
        head
        + b"Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe aus M=C3=BCnchen\r\n"
        + b"\r\n--a b'c\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\n/wA=\r\n"
        + b"--a b'c--\r\nEpil??g\r\n"
    )


def test_messages_in_messages() -> None:
    content = (
        crlf("MIME-Version: 1.0\nContent-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: inner\n\n")
        + UMLAUTS
        + crlf("\n--d\nContent-Type: message/rfc822\nContent-Transfer-Encoding: binary\n\nMIME-Version: 1.0\n\n")
        + UMLAUTS
        + crlf("\n--d--\n")
    )
    found = recoded(content)
    assert b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n" in found
    parts = email.message_from_bytes(found).get_payload()
    assert isinstance(parts, list)
    assert [part.get_payload(0).get_payload(decode=True) for part in parts] == [UMLAUTS, UMLAUTS]  # type: ignore[union-attr]
    assert [part.get_payload(0)["MIME-Version"] for part in parts] == ["1.0", "1.0"]  # type: ignore[union-attr,index]


def test_a_multipart_that_does_not_end() -> None:
    found = recoded(crlf("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=d\n\n--d\n\n") + CYRILLIC)
    assert found.endswith(b"--d\r\nContent-Transfer-Encoding: base64\r\n\r\n0J/RgNC40LLQtdGCLCDQvNC40YANCg==\r\n")


def test_a_multipart_with_an_empty_part_and_an_end_without_line_end() -> None:
    content = crlf("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=d\n\n--d\n--d\n\n") + UMLAUTS
    found = recoded(content + b"\r\n--d--", binary=True)
    assert found.endswith(b"\r\n--d--\r\n")
    assert b"--d\r\n--d\r\n" in found


def test_a_traced_name_in_utf_8_is_masked_and_nothing_else_changes() -> None:
    content = "Received: from x by y\r\n\tfor <jörg@bücher.example>;\r\n\tnow\r\nSubject: x\r\n\r\nplain\r\n".encode()
    assert recoded(content) == content.replace("ö".encode(), b"??").replace("ü".encode(), b"??")
    assert recoded(content + UMLAUTS).count(b"??") == 2


def multipart(kind: str, part: bytes) -> bytes:
    return crlf(f"MIME-Version: 1.0\nContent-Type: {kind}; boundary=d\n\n--d\n") + part + crlf("\n--d--\n")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("Subject: Grüße\r\n\r\nplain\r\n".encode(), "a header of it cannot be encoded"),
        (multipart("multipart/mixed", "Subject: Grüße\r\n\r\nplain".encode()), "a header of it cannot be encoded"),
        (multipart("multipart/mixed", "Grüße".encode()), "a header of it cannot be encoded"),
        (multipart("multipart/signed", b"\r\n" + UMLAUTS), "a part of it is signed or encrypted"),
        (multipart("Multipart/Encrypted", b"\r\n" + UMLAUTS), "a part of it is signed or encrypted"),
        (b"Content-Type: application/pkcs7-mime\r\n\r\n" + UMLAUTS, "a part of it is signed or encrypted"),
        (b"Content-Transfer-Encoding: base64\r\n\r\n" + UMLAUTS, "a part of it is no base64, and says so"),
        (b"Content-Transfer-Encoding: a b\r\n\r\n" + UMLAUTS, "a part of it is no ?, and says so"),
        (b"Content-Type: multipart/mixed\r\n\r\n--d\r\n" + UMLAUTS, "its structure is not understood"),
        (b"Content-Type: multipart/mixed; boundary=e\r\n\r\n--d\r\n" + UMLAUTS, "its structure is not understood"),
        (b"Content-Type: multipart\r\n\r\n--d\r\n" + UMLAUTS, "its structure is not understood"),
        (b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n" + UMLAUTS, "its structure is not understood"),
        (b"what\r\n\r\n" + UMLAUTS, "its structure is not understood"),
        (b"Received: x\r\n\xff\r\n\r\nplain\r\n", "a header of it cannot be encoded"),
        (b"Content-Type: message/delivery-status\r\n\r\n" + UMLAUTS, "message/delivery-status may not be encoded"),
        (UMLAUTS, "a header of it cannot be encoded"),
    ],
)
def test_what_cannot_be_recoded(content: bytes, why: str) -> None:
    assert reason(content) == why


def test_a_message_about_a_message_with_a_header_in_utf_8() -> None:
    content = crlf("MIME-Version: 1.0\nContent-Type: message/global-headers\n\n") + "Subject: Grüße\r\n".encode()
    assert b"Content-Transfer-Encoding: base64" in recoded(content)


def test_a_part_that_does_not_end_its_last_line() -> None:
    found = recoded(multipart("multipart/mixed", b"\r\n" + UMLAUTS.rstrip() + b" "))
    assert b"\r\n\r\nGr=C3=BC=C3=9Fe aus M=C3=BCnchen=20\r\n--d--" in found


def test_too_many_levels_are_not_understood() -> None:
    content = UMLAUTS
    for level in range(60):
        content = crlf(f"Content-Type: multipart/mixed; boundary=d{level}.\n\n--d{level}.\n") + content
    assert reason(content) == "its structure is not understood"


def test_binary_content_becomes_base64() -> None:
    content = b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\nContent-Type: text/plain\r\n\r\n"
    body = bytes(range(256)) * 10
    found = recoded(content + body, binary=True)
    assert email.message_from_bytes(found).get_payload(decode=True) == body
    assert max(map(len, found.split(b"\r\n"))) == 76
    assert found.endswith(b"\r\n")


@pytest.mark.parametrize("body", [b"bare\nline", b"bare\rline\r\n", b"x" * 1200 + b"\r\n", b"nul\0\r\n"])
def test_binary_content_in_ascii_is_no_text(body: bytes) -> None:
    content = b"MIME-Version: 1.0\r\n\r\n" + body
    assert email.message_from_bytes(recoded(content, binary=True)).get_payload(decode=True) == body


def test_binary_octets_where_nothing_can_be_encoded() -> None:
    content = multipart("multipart/mixed", b"\r\nplain").replace(b"--d\r\n", b"pre\namble\r\n--d\r\n", 1)
    assert reason(content, binary=True) == "what is left of it has no encoding"


def test_a_header_that_needs_smtputf8_or_not() -> None:
    assert has_ascii_header(b"Subject: x\r\n\r\n" + UMLAUTS)
    assert has_ascii_header("Received: for <ü@x>\r\nSubject: x\r\n\r\n".encode() + UMLAUTS)
    assert not has_ascii_header("Subject: ü\r\n\r\nplain\r\n".encode())
    assert not has_ascii_header(UMLAUTS)
