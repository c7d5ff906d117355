"""Content that comes from ourselves (Python, HTTP, command line) -> wire form with the fields that a message needs.

Promises: what comes out would have been taken from a client too: CR LF only, no NUL, no line over 998 octets, a Date
and a Message-ID; and, where it is completed, a From, somebody in To or Cc, and no Bcc. Fields are added in front; what
is rewritten is line ends, and, unless it is signed, what has lines that are too long (`mail/long_lines`). Of these
fields Date, Message-ID and From for a submission by SMTP, and nothing else; what is relayed stays as it is (rows Q-47,
Q-49, D-06, D-22, D-23).

RFC 5322 2.1.1, 3.4, 3.6.1 to 3.6.4; RFC 6409 8 (what a submission server may add).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct, structs

from asyncmta.inbound.parameters import is_envid, parse_notify
from asyncmta.mail import replies
from asyncmta.mail.address import Address, parse_address
from asyncmta.mail.envelope import Envelope, Recipient
from asyncmta.mail.headers import field, header_section, printed, rfc5322_date
from asyncmta.mail.long_lines import unwrapped
from asyncmta.mail.reply import Reply
from asyncmta.mail.wire import crlf, is_dotted, longest_line_ok, stuff

UNDISCLOSED = b"To: undisclosed-recipients:;\r\n"

_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")
_HIDDEN = re.compile(rb"(?i)^(?:resent-)?bcc[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*", re.MULTILINE)


class Prepared(Struct, frozen=True):
    """Content in wire form, its header section (unstuffed), and what is known of it."""

    wire: bytes
    section: bytes
    size: int
    dotted: bool
    eight_bit: bool


class Reports(Struct, frozen=True, omit_defaults=True):
    """What its author wants to hear of a message, as the parameters NOTIFY, RET and ENVID have it; None: as usual.
    `verp`: of each recipient by itself, at a reverse-path made for it (`lists/verp`)."""

    notify: str | None = None
    ret: str | None = None
    envid: str | None = None
    verp: bool = False


AS_USUAL = Reports()


def envelope_of(reverse_path: str | None, recipients: Iterable[str], wanted: Reports = AS_USUAL) -> Envelope | Reply:
    """Addresses as text, each mailbox once; raises InvalidAddress. None and "" are the null reverse-path."""
    notify = 0 if wanted.notify is None else parse_notify(wanted.notify)
    ret = None if wanted.ret is None else wanted.ret.upper()
    if notify is None or ret not in (None, "FULL", "HDRS") or not (wanted.envid is None or is_envid(wanted.envid)):
        return replies.PARAMETER_INVALID
    sender = parse_address(reverse_path, smtputf8=True) if reverse_path else None
    mailboxes: dict[str, Recipient] = {}
    for recipient in recipients:
        address = parse_address(recipient, smtputf8=True)
        mailboxes.setdefault(address.mailbox_key, Recipient(address, notify))
    return Envelope(
        sender, tuple(mailboxes.values()), ret=ret, envid=wanted.envid, verp=wanted.verp and sender is not None
    )


def prepare(
    content: bytes,
    *,
    at: float,
    message_id: str,
    size_limit: int,
    completes: bool = False,
    author: Address | None = None,
) -> Prepared | Reply:
    """`message_id` (with angle brackets) and the date `at` are used where the content has none of its own. `completes`:
    it is made a message of `author` that hides whom Bcc names, and lines that are too long are encoded."""
    if b"\0" in content:
        return replies.NUL_IN_CONTENT
    content = crlf(content)
    section = header_section(content)
    if not _begins_with_header(content):
        content, section = b"\r\n" + content, b""  # a body alone
    if completes:
        content = without_hidden(content, section)
        if not longest_line_ok(content):
            content = unwrapped(content)
        section = header_section(content)
    added = _missing(section, at, message_id, author)
    if completes and field(section, "To") is None and field(section, "Cc") is None:
        added += UNDISCLOSED
    content = added + content
    if len(content) > size_limit:
        return replies.TOO_BIG
    if not longest_line_ok(content):
        return replies.LINE_TOO_LONG
    wire = stuff(content)
    return Prepared(wire, added + section, len(content), is_dotted(wire), not content.isascii())


def without_hidden(content: bytes, section: bytes) -> bytes:
    """The content without the Bcc fields of its header section."""
    kept = _HIDDEN.sub(b"", section)
    return content if kept == section else kept + content[len(section) :]


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


def fitting(envelope: Envelope, eight_bit: bool) -> Envelope:
    """The envelope with BODY and SMTPUTF8 as content and addresses need them."""
    addresses = [recipient.address for recipient in envelope.recipients]
    if envelope.reverse_path is not None:
        addresses.append(envelope.reverse_path)
    smtputf8 = envelope.smtputf8 or not all(address.is_ascii for address in addresses)
    body = "8BITMIME" if eight_bit and envelope.body == "7BIT" else envelope.body
    if (body, smtputf8) == (envelope.body, envelope.smtputf8):
        return envelope
    return structs.replace(envelope, body=body, smtputf8=smtputf8)
