"""Content that comes from ourselves (Python, HTTP, command line) -> wire form with the fields that a message needs.

Promises: what comes out would have been taken from a client too: CR LF only, no NUL, no line over 998 octets, a Date
and a Message-ID. Those fields are added in front, nothing of the content is rewritten but its line ends. The same
fields for a submission by SMTP, and nothing else; what is relayed stays as it is (rows Q-47, D-06).

RFC 5322 2.1.1, 3.6.1, 3.6.4; RFC 6409 8 (what a submission server may add).
"""

from __future__ import annotations

import re

from msgspec import Struct

from asyncmta.mail import replies
from asyncmta.mail.address import Address
from asyncmta.mail.headers import field, header_section, printed, rfc5322_date
from asyncmta.mail.reply import Reply
from asyncmta.mail.wire import crlf, is_dotted, longest_line_ok, stuff

_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")


class Prepared(Struct, frozen=True):
    """Content in wire form, its header section (unstuffed), and what is known of it."""

    wire: bytes
    section: bytes
    size: int
    dotted: bool
    eight_bit: bool


def prepare(content: bytes, *, at: float, message_id: str, size_limit: int) -> Prepared | Reply:
    """`message_id` (with angle brackets) and the date `at` are used where the content has none of its own."""
    if b"\0" in content:
        return replies.NUL_IN_CONTENT
    content = crlf(content)
    section = header_section(content)
    if not _begins_with_header(content):
        content, section = b"\r\n" + content, b""  # a body alone
    added = _missing(section, at, message_id, None)
    content = added + content
    if len(content) > size_limit:
        return replies.TOO_BIG
    if not longest_line_ok(content):
        return replies.LINE_TOO_LONG
    wire = stuff(content)
    return Prepared(wire, added + section, len(content), is_dotted(wire), not content.isascii())


def missing_fields(
    content: bytes, *, at: float, message_id: str, author: Address | None, is_whole: bool = True
) -> bytes:
    """What a submission lacks: Date, Message-ID, and From, which is its reverse-path. `content`: its beginning in wire
    form; of a header section that goes on behind it nobody can say what it lacks. A body alone gets its empty line."""
    if not _begins_with_header(content):
        return _missing(b"", at, message_id, author) + b"\r\n"
    if is_whole or content.startswith(b"\r\n") or b"\r\n\r\n" in content:
        return _missing(header_section(content), at, message_id, author)
    return b""


def _begins_with_header(content: bytes) -> bool:
    return content.startswith(b"\r\n") or _FIELD.match(content) is not None


def _missing(section: bytes, at: float, message_id: str, author: Address | None) -> bytes:
    added = b""
    if field(section, "Date") is None:
        added += f"Date: {rfc5322_date(at)}\r\n".encode()
    if field(section, "Message-ID") is None:
        added += f"Message-ID: {message_id}\r\n".encode()
    if author is not None and field(section, "From") is None:
        added += f"From: <{printed(author)}>\r\n".encode()
    return added
