"""Content with eight bits, or binary content, as seven-bit content: for a server that takes nothing else.

Parts that need it become quoted-printable or base64, and say so in their header; every other octet stays as it is.
Promises: the decoded content of each part is what it was; nothing inside of a signed or encrypted part is touched; what
is not understood is not recoded, and the answer says why. Never: charsets, wrapping, a message made anew.

RFC 6152 3 and RFC 3030 3 (what a relay may do), RFC 2045 6 (encodings), RFC 1847 (signed parts), RFC 1428 (eight bits
without MIME), RFC 2046 5.2 (messages in messages).
"""

from __future__ import annotations

from binascii import b2a_base64, b2a_qp

from msgspec import Struct

from asyncmta.mail.mime import NOT_UNDERSTOOD, Head, cut, pieces, read_head
from asyncmta.mail.wire import clean_line_ends, longest_line_ok

MOST_LEVELS = 40
IDENTITIES = ("7bit", "8bit", "binary")
UNTOUCHABLE = ("multipart/signed", "multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime")
WIDTH = 76
_MASK = bytes(range(128)) + b"?" * 128
_ABOVE_ASCII = bytes(range(128, 256))


class Unrecodable(Struct, frozen=True):
    """Why it cannot be done, for the sender."""

    reason: str


def recode(content: bytes, *, binary: bool = False) -> bytes | Unrecodable:
    """Content (without doubled dots) -> the same in seven bits; `binary`: also in proper lines, as DATA wants them."""
    work = _Recoding(binary)
    recoded = work.entity(content, "text/plain", MOST_LEVELS, is_message=True)
    if not recoded.endswith(b"\r\n"):
        recoded += b"\r\n"
    if not work.fault and not work.is_fit(recoded):
        work.fault = "what is left of it has no encoding"
    return Unrecodable(work.fault) if work.fault else recoded


def has_ascii_header(content: bytes) -> bool:
    """Can its header go where there is no SMTPUTF8? What traces say is for people to look at, and does not count."""
    section, _, _ = cut(content)
    return section.isascii() or _without_traces(section).isascii()


class _Recoding:
    """One message on its way; `fault` is the first reason why it cannot be done."""

    def __init__(self, binary: bool) -> None:
        self.fault = ""
        self._binary = binary

    def is_fit(self, octets: bytes) -> bool:
        if not octets.isascii():
            return False
        return not self._binary or (b"\0" not in octets and clean_line_ends(octets) and longest_line_ok(octets))

    def entity(self, octets: bytes, usual: str, levels: int, *, is_message: bool) -> bytes:
        """A message or a part, recoded as far as it is needed. `usual`: what it is if it does not say so."""
        if self.fault or self.is_fit(octets):
            return octets
        section, gap, body = cut(octets)
        if is_message and not section.isascii():
            section = _without_traces(section)
            if self.is_fit(section) and self.is_fit(body):
                return section + gap + body
        if not self.is_fit(section):
            return self._give_up(octets, "a header of it cannot be encoded")
        head = read_head(section, usual)
        if head is None or head.kind == NOT_UNDERSTOOD or not levels:
            return self._give_up(octets, "its structure is not understood")
        if head.kind in UNTOUCHABLE:
            return self._give_up(octets, "a part of it is signed or encrypted")
        if head.encoding not in IDENTITIES:
            return self._give_up(octets, f"a part of it is no {head.encoding}, and says so")
        if head.kind.startswith("multipart/"):
            return _with_fields(head, "7bit", is_message) + gap + self._multipart(head, body, levels)
        if head.kind == "message/rfc822":
            inner = self.entity(body, "text/plain", levels - 1, is_message=True)
            return _with_fields(head, "7bit", is_message) + gap + inner
        if head.kind.startswith("message/") and not head.kind.startswith("message/global"):
            return self._give_up(octets, f"{head.kind} may not be encoded")
        return self._leaf(head, gap, body, is_message=is_message)

    def _multipart(self, head: Head, body: bytes, levels: int) -> bytes:
        found = pieces(body, head.boundary) if head.boundary else None
        if found is None:
            return self._give_up(body, "its structure is not understood")
        usual = "message/rfc822" if head.kind == "multipart/digest" else "text/plain"
        last = len(found) - 1
        is_closed = found[last - 1].rstrip(b" \t").endswith(b"--" + head.boundary + b"--")
        for at in range(0, last + 1, 2):
            if at == 0 or (at == last and is_closed):
                found[at] = found[at].translate(_MASK)  # preamble and epilogue are shown to nobody
            else:
                found[at] = found[at][:2] + self.entity(found[at][2:], usual, levels - 1, is_message=False)
        return b"".join(found)

    def _leaf(self, head: Head, gap: bytes, body: bytes, *, is_message: bool) -> bytes:
        section, body = encoded(head, body, is_message=is_message, binary=self._binary)
        return section + gap + body

    def _give_up(self, octets: bytes, reason: str) -> bytes:
        self.fault = self.fault or reason
        return octets


def encoded(head: Head, body: bytes, *, is_message: bool, binary: bool) -> tuple[bytes, bytes]:
    """The header section and the body of a part, encoded: text that a person could still read so, else base64.
    `binary`: its lines are more than lines."""
    if not binary and head.kind.startswith("text/") and 3 * _count_above_ascii(body) < len(body):
        return _with_fields(head, "quoted-printable", is_message, body), _quoted_printable(body)
    return _with_fields(head, "base64", is_message, body), _base64(body)


def _with_fields(head: Head, encoding: str, is_message: bool, body: bytes = b"") -> bytes:
    """The header section with its new encoding, and with what a message needs so that it is believed."""
    section = head.section
    line = b"Content-Transfer-Encoding: %b\r\n" % encoding.encode()
    if head.has(b"content-transfer-encoding"):
        field = next(field for field in head.fields if field.name == b"content-transfer-encoding")
        section = section[: field.start] + line + section[field.end :]
    elif encoding != "7bit":
        section += line
    if is_message and not head.has(b"mime-version"):
        section += b"MIME-Version: 1.0\r\n"
        if not head.has(b"content-type"):
            section += b"Content-Type: text/plain; charset=%b\r\n" % (b"utf-8" if _is_utf8(body) else b"unknown-8bit")
    return section


def _without_traces(section: bytes) -> bytes:
    """The header section with `?` for what is not ASCII in its Received fields, where a name may be in UTF-8."""
    head = read_head(section, "")
    if head is None:
        return section
    return b"".join(
        [
            section[field.start : field.end].translate(_MASK if field.name == b"received" else None)
            for field in head.fields
        ]
    )


def _quoted_printable(body: bytes) -> bytes:
    if body.endswith(b"\r\n"):
        return b2a_qp(body)
    return b2a_qp(body + b"\r\n")[:-2]  # the library learns from line ends which ones to write


def _base64(body: bytes) -> bytes:
    text = b2a_base64(body, newline=False)
    return b"\r\n".join([text[at : at + WIDTH] for at in range(0, len(text), WIDTH)])


def _count_above_ascii(body: bytes) -> int:
    return len(body) - len(body.translate(None, _ABOVE_ASCII))


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
