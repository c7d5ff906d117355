"""The report of failure or delay as octets, from facts alone: boundary, date and Message-ID are arguments.

Promises: CRLF content without Received, no line above 998 octets; each recipient once in each part; the text has a
fixed order; no octet of a reply, an ORCPT or the returned message starts a field, a part or a line of its own. With
ASCII addresses the result is ASCII unless the message itself is returned whole. Never: a path, a rule, a command or
an exception of ours; what failed inside is called a local error.

RFC 3464 and 6522 (the report), 3461 (ORCPT, ENVID, RET), 3834 (Auto-Submitted), 6533 (the SMTPUTF8 forms).
"""

from __future__ import annotations

import re
from binascii import b2a_qp

from asyncmta.bounce.dsn_facts import Action, DsnFacts, ReportedRecipient, needs_smtputf8
from asyncmta.mail.envelope import format_queue_id
from asyncmta.mail.headers import field, header_section, printed, rfc5322_date
from asyncmta.mail.wire import clean_line_ends, crlf, longest_line_ok
from asyncmta.mail.xtext import decode_orcpt, decode_xtext

TEXT_WIDTH = 76
MAX_WORD = 240  # letters; at four octets each, a line still stays below 998
MAX_ENVID = 200

_CONTROLS = dict.fromkeys([*range(32), *range(127, 160), 0x2028, 0x2029, *range(0xD800, 0xE000)], "?") | {9: " "}
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,250}>\Z")
_FAILED = "Your message could not be delivered to the recipients named here. They will not be tried again."
_DELAYED = (
    "Your message could not yet be delivered to the recipients named here. They are still being tried; you need not "
    "send it again."
)
_NOT_TOKEN = re.compile(r"[^A-Za-z0-9]")
_NOT_HOST = re.compile(r"[^A-Za-z0-9._:\[\]-]")
_NOT_ID = re.compile(r"[^A-Za-z0-9.@_\[\]:-]")


def build_dsn(facts: DsnFacts) -> bytes:
    """The report. Its envelope needs the null reverse-path, SMTPUTF8 as `needs_smtputf8` says, and 8BITMIME unless
    the octets are ASCII."""
    utf8 = needs_smtputf8(facts)
    # "=_" cannot be in quoted-printable, and every line of ours begins with a field name, a space or a known word.
    boundary = f"=_{_NOT_TOKEN.sub('', facts.boundary)[:60]}"
    mark = f"--{boundary}".encode()
    parts = (_explanation(facts, utf8), _status(facts, utf8), _returned(facts, utf8, mark))
    body = b"".join(b"%b\r\n%b\r\n" % (mark, part) for part in parts) + mark + b"--\r\n"
    encoding = "" if body.isascii() else "Content-Transfer-Encoding: 8bit\r\n"
    host, is_late = _host(facts.reporting_mta), facts.worst is Action.DELAYED
    message_id = field(header_section(facts.content), "Message-ID") or ""
    thread = f"In-Reply-To: {message_id}\r\nReferences: {message_id}\r\n" if _MESSAGE_ID.match(message_id) else ""
    head = (
        f"From: Mail Delivery System <MAILER-DAEMON@{host}>\r\n"
        f"To: <{printed(facts.reverse_path)}>\r\n"
        f"Subject: {'Delayed mail, still being tried' if is_late else 'Undelivered mail returned to sender'}\r\n"
        f"Date: {rfc5322_date(facts.at)}\r\n"
        f"Message-ID: <{_NOT_ID.sub('', facts.message_id)[:250]}>\r\n"
        f"{thread}"
        "Auto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="{boundary}"\r\n'
        f"{encoding}\r\n"
    )
    return head.encode() + body


def _explanation(facts: DsnFacts, utf8: bool) -> bytes:
    """The text for people, in an order that never changes."""
    is_late = facts.worst is Action.DELAYED
    lines = [
        f"This is the mail system at {_host(facts.reporting_mta)}.",
        "",
        *_wrap(_DELAYED if is_late else _FAILED, ""),
        *_wrap(f"For help, send this report to <{_safe(facts.postmaster)}>.", "", " "),
        "",
    ]
    for members in _groups(facts.recipients):
        lines += [line for each in members for line in _recipient_lines(each)]
        lines += [*_reason(members[0], facts), ""]
    lines += [
        f"Message:             {format_queue_id(facts.queue_id)}",
        f"Received:            {rfc5322_date(facts.accepted_at)}",
        f"Recipients:          {facts.total}",
        f"Delivered:           {facts.delivered}",
        f"Reported before:     {facts.reported}",
        f"{'Late, told here:  ' if is_late else 'Failed, told here:'}   {len(facts.recipients)}",
        f"Still being tried:   {facts.pending + len(facts.recipients) * is_late}",
        "",
    ]
    return _part("text/plain", "\r\n".join(lines), utf8)


def _groups(recipients: tuple[ReportedRecipient, ...]) -> list[list[ReportedRecipient]]:
    """Those who share remote host and reply, in the order of the first of each."""
    groups: dict[object, list[ReportedRecipient]] = {}
    for each in recipients:
        place, expired = each.place, each.is_expired
        groups.setdefault((place.host, place.ip, each.is_heard, expired, each.reply), []).append(each)
    return list(groups.values())


def _recipient_lines(failed: ReportedRecipient) -> list[str]:
    address = printed(failed.recipient.address)
    original = decode_orcpt(failed.recipient.orcpt, utf8=True)
    lines = [f"  <{address}>"]
    if original is not None and original[1] != str(failed.recipient.address):
        lines += _wrap(f"(sent to <{original[1]}>)", "    ")
    return lines


def _reason(failed: ReportedRecipient, facts: DsnFacts) -> list[str]:
    place, lines = failed.place, []
    if failed.is_expired or failed.action is Action.DELAYED:
        times = "once" if facts.attempts == 1 else f"{facts.attempts} times"
        age = _duration(facts.at - facts.accepted_at)
        which = "the last time" if failed.action is Action.DELAYED else "in the end"
        lines += _wrap(
            f"It could not be delivered within {age}. It was tried {times}, {which} with this result:", "    "
        )
    if failed.is_heard:
        lines += _wrap(f"{_where(place.host, place.ip)} said:", "    ")
    elif place.host:
        lines += _wrap(f"At {_where(place.host, place.ip)}:", "    ")
    return lines + _wrap(str(failed.reply) if failed.is_heard else failed.reply.text, "      ")


def _where(host: str, ip: str) -> str:
    return f"{_host(host) or 'The server'} [{_host(ip)}]" if ip else _host(host) or "The server"


def _duration(seconds: float) -> str:
    """In the largest unit of which there are at least two."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{int(seconds / size)} {unit}"
    return f"{max(0, int(seconds))} seconds"


def _status(facts: DsnFacts, utf8: bool) -> bytes:
    """The part for machines: a block for the message, then one for each recipient."""
    lines = [f"Reporting-MTA: dns; {_host(facts.reporting_mta)}"]
    if facts.envid is not None:
        lines = [*_wrap(f"Original-Envelope-Id: {_safe(decode_xtext(facts.envid)[:MAX_ENVID])}", "", " "), *lines]
    lines.append(f"Arrival-Date: {rfc5322_date(facts.accepted_at)}")
    if facts.deliver_by:
        lines.append(f"Deliver-By-Date: {rfc5322_date(facts.deliver_by)}")  # RFC 2852 5
    for each in facts.recipients:
        address, host = each.recipient.address, _host(each.place.host)
        original = decode_orcpt(each.recipient.orcpt, utf8=utf8)
        lines.append("")
        if original is not None:
            lines.append(f"Original-Recipient: {original[0]}; {_safe(original[1][:MAX_WORD])}")
        lines.append(f"Final-Recipient: {'rfc822' if address.is_ascii else 'utf-8'}; {printed(address)}")
        lines += [f"Action: {each.action.value}", f"Status: {each.status}"]
        if host:
            lines.append(f"Remote-MTA: dns; {host}")
        diagnostic = f"smtp; {each.reply}" if each.is_heard else f"x-asyncmta; {each.reply.text}"
        lines += _wrap(f"Diagnostic-Code: {diagnostic}", "", " ")
        if each.at is not None:
            lines.append(f"Last-Attempt-Date: {rfc5322_date(each.at)}")
    text = "\r\n".join([*lines, ""])
    if not utf8:
        text = text.encode("ascii", "replace").decode()
    return _part("message/global-delivery-status" if utf8 else "message/delivery-status", text, True)


def _returned(facts: DsnFacts, utf8: bool, mark: bytes) -> bytes:
    """The message, or its header section where that was asked for or where it cannot be carried as it is."""
    content = facts.content
    if facts.full and _is_plain(content, mark):
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


def _part(kind: str, text: str, raw: bool) -> bytes:
    """A part of our own making: as it is when it is ASCII or may be more, else in quoted-printable."""
    body, encoding, charset = text.encode(), "7bit", ""
    if not text.isascii():
        body, encoding = (body, "8bit") if raw else (b2a_qp(body, istext=True), "quoted-printable")
    if kind == "text/plain":
        charset = "; charset=us-ascii" if text.isascii() else "; charset=utf-8"
    return b"Content-Type: %b%b\r\nContent-Transfer-Encoding: %b\r\n\r\n%b" % (
        kind.encode(), charset.encode(), encoding.encode(), body
    )  # fmt: skip


def _wrap(text: str, indent: str, fold: str | None = None) -> list[str]:
    """Harmless lines, at most TEXT_WIDTH long where the words allow it, broken within a word above MAX_WORD."""
    lines: list[str] = []
    line = ""
    for word in _safe(text).split():
        for at in range(0, len(word), MAX_WORD):
            piece = word[at : at + MAX_WORD]
            if line and (at or len(line) + len(piece) >= TEXT_WIDTH):
                lines.append(line)
                line = (indent if fold is None else fold) + piece
            else:
                line = f"{line} {piece}" if line else indent + piece
    return [*lines, line] if line else lines


def _safe(text: str) -> str:
    return text.translate(_CONTROLS)


def _host(text: str) -> str:
    return _NOT_HOST.sub("?", text)[:255]
