"""The header section of a message as lines for people. Pure.

Promises: however it is made, there is an answer, and a bounded one; nothing is interpreted but the fold of lines, and
the encoded words of a subject, which is shown beside. Never: a promise that what stands there is true.
"""

from __future__ import annotations

from email.errors import HeaderParseError
from email.header import decode_header, make_header

from msgspec import Struct

from asyncmta.mail.headers import field, header_section

MOST_OCTETS = 64 * 1024
MOST_FIELDS = 200
LONGEST = 4_000  # characters of one field


class Field(Struct, frozen=True):
    """`name` is "" of a line that is no field."""

    name: str
    value: str


class Heading(Struct, frozen=True):
    """`subject` decoded, "" where there is none; `is_cut`: there is more than is shown."""

    subject: str
    fields: tuple[Field, ...]
    is_cut: bool


def heading(content: bytes) -> Heading:
    """Of content, or of its beginning, which should go beyond the header section or be longer than MOST_OCTETS."""
    section = header_section(content)
    lines = section[:MOST_OCTETS].replace(b"\r\n", b"\n").split(b"\n")
    found: list[list[str]] = []
    for line in lines:
        text = line.decode("utf-8", "backslashreplace")
        if line[:1] in (b" ", b"\t") and found:
            found[-1].append("    " + text.lstrip(" \t"))
        elif line:
            found.append([text])
    fields = tuple(_field("\n".join(each)) for each in found[:MOST_FIELDS])
    is_cut = len(section) > MOST_OCTETS or len(found) > MOST_FIELDS
    return Heading(_decoded(field(section, "Subject") or ""), fields, is_cut)


def _field(text: str) -> Field:
    name, colon, value = text.partition(":")
    is_field = bool(colon) and name.isascii() and all(33 <= ord(letter) < 127 for letter in name.rstrip(" \t"))
    if not (is_field and name.strip()):
        name, value = "", text
    value = value.strip()
    return Field(name.strip(), value if len(value) <= LONGEST else f"{value[:LONGEST]}…")


def _decoded(value: str) -> str:
    """Encoded words as text (RFC 2047); what is none, or wrong, as it stands."""
    value = value[:LONGEST]
    try:
        return " ".join(str(make_header(decode_header(value))).split())
    except (HeaderParseError, LookupError, ValueError):
        return value
