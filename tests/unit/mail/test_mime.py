"""Header sections read for recoding, and multiparts in pieces."""

from __future__ import annotations

import pytest

from asyncmta.mail.mime import NOT_UNDERSTOOD, cut, pieces, read_head


@pytest.mark.parametrize(
    ("value", "kind", "boundary"),
    [
        ("text/plain", "text/plain", b""),
        (" Text/HTML ; charset=utf-8", "text/html", b""),
        ("multipart/mixed; boundary=abc", "multipart/mixed", b"abc"),
        ('multipart/mixed; charset="a;b"; BOUNDARY="a \\"b\\\\ "', "multipart/mixed", b'a "b\\'),
        ("multipart/mixed (a (nested \\) comment); boundary=no) ; boundary=yes", "multipart/mixed", b"yes"),
        ('multipart/mixed; boundary="(no comment)"', "multipart/mixed", b"(no comment)"),
        ("multipart/mixed (; boundary=x", NOT_UNDERSTOOD, b""),
        ("multipart/mixed; broken; boundary=x", "multipart/mixed", b""),
        ("multipart/mixed; boundary*0=a; boundary*1=b", "multipart/mixed", b""),
        ('x/y; a="b\\"; boundary=c', "x/y", b""),
        (") x/y", NOT_UNDERSTOOD, b""),
        ("text", NOT_UNDERSTOOD, b""),
        ("", NOT_UNDERSTOOD, b""),
    ],
)
def test_types(value: str, kind: str, boundary: bytes) -> None:
    head = read_head(f"Content-Type: {value}\r\n".encode(), "text/plain")
    assert head is not None
    assert (head.kind, head.boundary) == (kind, boundary) or (kind, value[-1:]) == (NOT_UNDERSTOOD, "x")


@pytest.mark.parametrize(
    ("section", "kind", "encoding"),
    [
        (b"", "usual/kind", "7bit"),
        (b"content-transfer-encoding : 8BIT\r\n", "usual/kind", "8bit"),
        (b"Content-Transfer-Encoding: x y\r\n", "usual/kind", NOT_UNDERSTOOD),
        (b"Content-Type:\r\n text/x\r\nContent-Transfer-Encoding:\r\n\tbase64 (so)\r\n", "text/x", "base64"),
    ],
)
def test_heads(section: bytes, kind: str, encoding: str) -> None:
    head = read_head(section, "usual/kind")
    assert head is not None
    assert (head.kind, head.encoding, head.section) == (kind, encoding, section)
    assert b"".join(section[field.start : field.end] for field in head.fields) == section


@pytest.mark.parametrize(
    "section",
    [
        b"no field\r\n",
        b"A: b\r\n\r\n",
        b" A: b\r\n",
        b"A: b\nC: d\r\n",
        b"A: b",
        b"Content-Type: a/b\r\ncontent-type: c/d\r\n",
        b"Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: 8bit\r\n",
    ],
)
def test_what_is_no_head(section: bytes) -> None:
    assert read_head(section, "text/plain") is None


@pytest.mark.parametrize(
    ("entity", "expected"),
    [
        (b"A: b\r\n\r\nbody", (b"A: b\r\n", b"\r\n", b"body")),
        (b"\r\nbody", (b"", b"\r\n", b"body")),
        (b"A: b\r\n", (b"A: b\r\n", b"", b"")),
        (b"", (b"", b"", b"")),
    ],
)
def test_an_entity_is_cut(entity: bytes, expected: tuple[bytes, bytes, bytes]) -> None:
    assert cut(entity) == expected
    assert b"".join(expected) == entity


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            b"pre\r\n--b\r\none\r\n--b \t\r\ntwo\r\n--b--\r\nepi",
            [b"pre", b"\r\n--b", b"\r\none", b"\r\n--b \t", b"\r\ntwo", b"\r\n--b--", b"\r\nepi"],
        ),
        (b"--b\r\none", [b"", b"--b", b"\r\none"]),
        (b"--b\r\n--b\r\n--b--", [b"", b"--b", b"", b"\r\n--b", b"", b"\r\n--b--", b""]),
        (b"--b--\r\n--b\r\n", [b"", b"--b--", b"\r\n--b\r\n"]),
        (b"--bc\r\n--b--c\r\n--b\r\nx", [b"--bc\r\n--b--c", b"\r\n--b", b"\r\nx"]),
        (b"x--b\r\n", None),
        (b"--bc", None),
        (b"", None),
    ],
)  # fmt: skip
def test_pieces(body: bytes, expected: list[bytes] | None) -> None:
    found = pieces(body, b"b")
    assert found == expected
    assert found is None or b"".join(found) == body
