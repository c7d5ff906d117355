"""Random MIME trees recoded: the library's parser finds the same parts with the same content, and only seven bits."""

from __future__ import annotations

import email
import email.message

from hypothesis import given
from hypothesis import strategies as st

from asyncmta.mail.mime import cut, pieces, read_head
from asyncmta.mail.recode import Unrecodable, recode
from asyncmta.mail.wire import clean_line_ends, longest_line_ok

WORDS = ("Grüße", "plain", "--", "=", "=20", " ", "\t", ".", "..", "From x", "Привет", "日本語", "x" * 74, "ü" * 40, "")
lines = st.lists(st.sampled_from(WORDS), max_size=6).map(lambda words: " ".join(words).encode())
texts = st.lists(lines, max_size=8).map(lambda found: b"".join(line + b"\r\n" for line in found))
latin = texts.map(lambda text: text.decode().encode("latin-1", "replace"))
binaries = st.binary(max_size=300)


@st.composite
def leaves(draw: st.DrawFn, *, binary: bool) -> bytes:
    kind = draw(
        st.sampled_from(["", "text/plain; charset=utf-8", "text/html", "image/png", "application/octet-stream"])
    )
    encoding = draw(st.sampled_from(["", "8bit", "binary", "7BIT"]))
    head = f"Content-Type: {kind}\r\n" if kind else ""
    head += f"Content-Transfer-Encoding: {encoding}\r\n" if encoding else ""
    body = draw(st.one_of(texts, latin, binaries) if binary else st.one_of(texts, latin))
    return head.encode() + b"\r\n" + body


@st.composite
def entities(draw: st.DrawFn, level: int, *, binary: bool) -> bytes:
    choice = draw(st.integers(0, 5)) if level else 0
    if choice < 3:
        return draw(leaves(binary=binary))
    if choice == 3:
        inner = draw(entities(level - 1, binary=binary))
        return b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n" + inner
    kind = draw(st.sampled_from(["mixed", "alternative", "related"]))
    boundary = b"=_%d" % level if draw(st.booleans()) else b"b%d x'" % level
    parts = draw(st.lists(entities(level - 1, binary=binary), min_size=1, max_size=3))
    head = b'Content-Type: multipart/%b; boundary="%b"\r\n\r\n' % (kind.encode(), boundary)
    preamble = draw(st.sampled_from([b"", b"preamble\r\n", "prä\r\n".encode()]))
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    return head + preamble + body + b"--" + boundary + b"--\r\n"


def leaves_of(message: email.message.Message) -> list[tuple[str, bytes]]:
    """Each part that is no container: what it is, and its decoded content."""
    return [
        (part.get_content_type(), part.get_payload(decode=True) or b"")  # type: ignore[misc]
        for part in message.walk()
        if not part.is_multipart()
    ]


def check(content: bytes, *, binary: bool) -> None:
    found = recode(content, binary=binary)
    assert not isinstance(found, Unrecodable), found
    assert found.isascii()
    assert found.endswith(b"\r\n")
    assert clean_line_ends(found)
    if binary:
        assert longest_line_ok(found)
        assert b"\0" not in found
    before, after = leaves_of(email.message_from_bytes(content)), leaves_of(email.message_from_bytes(found))
    if found == content + b"\r\n":  # only the last line was not ended
        before[-1] = (before[-1][0], before[-1][1] + b"\r\n")
    assert before == after
    again = recode(found, binary=binary)
    assert again is found


@given(entities(3, binary=False))
def test_eight_bits_become_seven(tree: bytes) -> None:
    content = b"MIME-Version: 1.0\r\nSubject: x\r\n" + tree
    check(content if content.endswith(b"\r\n") else content + b"\r\n", binary=False)


@given(entities(3, binary=True))
def test_binary_content_becomes_lines_of_seven_bits(tree: bytes) -> None:
    check(b"MIME-Version: 1.0\r\nSubject: x\r\n" + tree, binary=True)


@given(
    st.lists(
        st.sampled_from(
            [
                b"Content-Type: multipart/mixed; boundary=b\r\n",
                b"Content-Type: multipart/signed; boundary=b\r\n",
                b"Content-Transfer-Encoding: base64\r\n",
                b"\r\n",
                b"--b\r\n",
                b"--b--\r\n",
                b"\xff",
                b"x\r\n",
                b"\r",
                b"\n",
                b"\0",
            ]
        ),
        max_size=14,
    ).map(b"".join),
    st.booleans(),
)
def test_whatever_comes_becomes_seven_bits_or_a_reason(content: bytes, binary: bool) -> None:
    found = recode(content, binary=binary)
    if isinstance(found, Unrecodable):
        assert found.reason
    else:
        assert found.isascii()
        assert not binary or clean_line_ends(found)


@given(st.lists(st.sampled_from([b"--b", b"--", b"\r\n", b" ", b"x", b"--b--"]), max_size=12).map(b"".join))
def test_pieces_and_cuts_are_the_whole(octets: bytes) -> None:
    found = pieces(octets, b"b")
    assert found is None or b"".join(found) == octets
    assert b"".join(cut(octets)) == octets
    head = read_head(octets, "text/plain")
    assert head is None or b"".join(octets[field.start : field.end] for field in head.fields) == octets
