"""Content that comes from ourselves (Python, HTTP, command line) -> wire form with the fields that a message needs.

Promises: what comes out would have been taken from a client too: CR LF only, no NUL, no line over 998 octets, a Date
and a Message-ID. Those fields are added in front, nothing of the content is rewritten but its line ends. Never for
what comes by SMTP from others, which stays as it is (rows Q-47, D-06).

RFC 5322 2.1.1, 3.6.1, 3.6.4; RFC 6409 8 (what a submission server may add).
"""

from __future__ import annotations

import re

from msgspec import Struct

from asyncmta.mail import replies
from asyncmta.mail.headers import field, header_section, rfc5322_date
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
    if not (_FIELD.match(content) or content.startswith(b"\r\n")):
        content = b"\r\n" + content  # a body alone
    section = header_section(content)
    added = b""
    if field(section, "Date") is None:
        added += f"Date: {rfc5322_date(at)}\r\n".encode()
    if field(section, "Message-ID") is None:
        added += f"Message-ID: {message_id}\r\n".encode()
    content = added + content
    if len(content) > size_limit:
        return replies.TOO_BIG
    if not longest_line_ok(content):
        return replies.LINE_TOO_LONG
    wire = stuff(content)
    return Prepared(wire, added + section, len(content), is_dotted(wire), not content.isascii())
