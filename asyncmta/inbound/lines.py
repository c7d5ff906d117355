"""A command line as octets -> text, or what is wrong with it; and when to stop keeping a line that does not end.

Promises: text has no control character and is valid UTF-8; the longest line that is ever kept is MAX_AUTH_LINE
octets; the judgement of a line that is cut off early is the one it would get whole, so that a split changes nothing.
Never: what the command means.

RFC 5321 2.3.8 (only CR LF), 4.5.3.1.4 (512 octets at least); RFC 4954 4 (12,288 for AUTH).
"""

from __future__ import annotations

from asyncmta.inbound.events import Refused
from asyncmta.mail import replies
from asyncmta.mail.reply import reply

MAX_LINE = 2048  # octets with CR LF
MAX_AUTH_LINE = 12288

NOT_SMTP = reply(554, "5.5.0", "This is an SMTP server")

_NO_COMMAND = frozenset([*range(10), 11, 12, *range(14, 32), *range(127, 256)])

COMMAND_TOO_LONG = Refused("command", replies.COMMAND_TOO_LONG)
OTHER_PROTOCOL = Refused("command", NOT_SMTP, closes=True)
_BARE_LINE_END = Refused("command", replies.COMMAND_BARE_LINE_END)
_SYNTAX = Refused("command", replies.SYNTAX)
_CONTROL_CHARACTER = Refused("command", replies.SYNTAX_PARAMETERS)


def is_other_protocol(line: bytes) -> bool:
    """Does it begin with what no command begins with? A TLS ClientHello does, and may hold no LF to wait for."""
    return line[0] in _NO_COMMAND


def is_too_long(line: bytes) -> bool:
    """A line, or what came of it, without LF."""
    return len(line) >= MAX_LINE and (len(line) >= MAX_AUTH_LINE or line[:5].upper() != b"AUTH ")


def as_text(line: bytes) -> str | Refused:
    """A whole line without its LF -> text without blanks at its end."""
    if line.isascii() and line.endswith(b"\r") and len(line) < MAX_LINE:
        text = line[:-1].decode()
        if text.isprintable():  # as nearly all are; so it does not begin with what no command begins with, either
            return text.rstrip(" ") or _SYNTAX
    return judged(line)


def judged(line: bytes) -> str | Refused:
    """`as_text`, whatever the line holds."""
    if line and is_other_protocol(line):
        return OTHER_PROTOCOL
    if is_too_long(line):
        return COMMAND_TOO_LONG
    if not line.endswith(b"\r"):
        return _BARE_LINE_END
    try:
        text = line[:-1].decode()
    except UnicodeDecodeError:
        return _SYNTAX
    if not text.isprintable():
        if "\r" in text:
            return _BARE_LINE_END
        if any(letter < " " or "\x7f" <= letter <= "\x9f" for letter in text):
            return _CONTROL_CHARACTER
    return text.rstrip(" ") or _SYNTAX
