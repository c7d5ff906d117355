"""A report as octets, from facts and a template alone: its header, its three parts, what is returned of the message.

Promises: CRLF content without Received, no line above 998 octets; each recipient once in each part; no octet of a
reply, an ORCPT, a template or the returned message starts a field, a part or a line of its own. With ASCII addresses
the result is ASCII unless the message itself is returned whole. Never: a path, a rule, a command or an exception of
ours; what failed inside is called a local error.

RFC 3464 and 6522 (the report), 3461 (ORCPT, ENVID, RET), 3834 (Auto-Submitted), 6533 (the SMTPUTF8 forms).
"""

from __future__ import annotations

import re
from binascii import b2a_qp

from asyncmta.bounce.dsn_facts import Action, DsnFacts, needs_smtputf8
from asyncmta.bounce.dsn_lines import host, phrase, unstructured
from asyncmta.bounce.dsn_status import status_part
from asyncmta.bounce.dsn_template import Template
from asyncmta.bounce.dsn_text import text_part
from asyncmta.bounce.templates import ENGLISH
from asyncmta.mail.headers import field, header_section, printed, rfc5322_date
from asyncmta.mail.wire import clean_line_ends, crlf, longest_line_ok

_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,250}>\Z")
_NOT_TOKEN = re.compile(r"[^A-Za-z0-9]")
_NOT_ID = re.compile(r"[^A-Za-z0-9.@_\[\]:-]")


def build_dsn(facts: DsnFacts, template: Template = ENGLISH) -> bytes:
    """The report. Its envelope needs the null reverse-path, SMTPUTF8 as `needs_smtputf8` says, and 8BITMIME unless
    the octets are ASCII."""
    utf8 = needs_smtputf8(facts)
    # "=_" cannot be in quoted-printable, and no line of the two other parts begins with two hyphens.
    boundary = f"=_{_NOT_TOKEN.sub('', facts.boundary)[:60]}"
    mark = f"--{boundary}".encode()
    parts = (
        text_part(facts, template, utf8=utf8),
        status_part(facts, utf8=utf8),
        _returned(facts, utf8, mark),
    )
    body = b"".join(b"%b\r\n%b\r\n" % (mark, part) for part in parts) + mark + b"--\r\n"
    return _header(facts, template, boundary, body.isascii()).encode() + body


def _header(facts: DsnFacts, template: Template, boundary: str, is_ascii: bool) -> str:
    message_id = field(header_section(facts.content), "Message-ID") or ""
    thread = f"In-Reply-To: {message_id}\r\nReferences: {message_id}\r\n" if _MESSAGE_ID.match(message_id) else ""
    encoding = "" if is_ascii else "Content-Transfer-Encoding: 8bit\r\n"
    return (
        f"From: {phrase(template.words['from'])} <MAILER-DAEMON@{host(facts.reporting_mta)}>\r\n"
        f"To: <{printed(facts.reverse_path)}>\r\n"
        f"Subject: {unstructured(template.words[f'subject.{_kind(facts)}'])}\r\n"
        f"Date: {rfc5322_date(facts.at)}\r\n"
        f"Message-ID: <{_NOT_ID.sub('', facts.message_id)[:250]}>\r\n"
        f"{thread}"
        "Auto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="{boundary}"\r\n'
        f"{encoding}\r\n"
    )


def _kind(facts: DsnFacts) -> str:
    """By what the report is called: the worst that is in it."""
    if facts.double:
        return "double"
    worst = facts.worst
    return "success" if worst.is_success else "failed" if worst is Action.FAILED else "delayed"


def _returned(facts: DsnFacts, utf8: bool, mark: bytes) -> bytes:
    """The message, or its header section where that was asked for or where it cannot be carried as it is."""
    content = facts.content
    if facts.full and facts.is_failure and _is_plain(content, mark):
        kind, encoding = "message/global" if utf8 else "message/rfc822", "7bit" if content.isascii() else "8bit"
    else:
        content = crlf(header_section(content))
        kind, encoding = "message/global-headers" if utf8 else "text/rfc822-headers", "8bit" if utf8 else "7bit"
        if not _is_plain(content, mark) or not (utf8 or content.isascii()):
            content, encoding = b2a_qp(content, istext=True), "quoted-printable"
    return b"Content-Type: %b\r\nContent-Transfer-Encoding: %b\r\n\r\n%b" % (kind.encode(), encoding.encode(), content)


def _is_plain(content: bytes, mark: bytes) -> bool:
    """Can these octets stand in a part as they are?"""
    return clean_line_ends(content) and longest_line_ok(content) and b"\0" not in content and mark not in content
