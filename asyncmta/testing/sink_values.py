"""The values of the `SmtpSink`: what it offers, what a script may answer, what it took.

Never: a socket, or anything that changes.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from enum import Enum

from msgspec import Struct, field

EXTENSIONS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING", "DSN")
"""What is offered beside SIZE, and beside STARTTLS and AUTH where the sink has what they need."""

STEPS = ("GREETING", "EHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "DOT", "BDAT", "RSET", "NOOP", "QUIT")
"""Where a reply can be scripted. DOT is the end of the content, after DATA or the last BDAT."""


class Special(Enum):
    """Answers that are no reply."""

    CLOSE = "close the connection"
    SILENCE = "say nothing more in this session"


CLOSE = Special.CLOSE
SILENCE = Special.SILENCE

Answer = str | bytes | Special
"""A reply as text ("450 4.2.1 Later"; several lines are parted by LF, each with its code), or octets that are sent as
they are, or a `Special`."""


class SinkSettings(Struct, frozen=True, kw_only=True):
    """What a sink is and offers. tls: a server context, to offer STARTTLS; implicit_tls: to speak TLS from the first
    octet. logins: user to password, to offer AUTH with these mechanisms; check_token: whether a user's access token is
    good, to offer XOAUTH2 and OAUTHBEARER. max_size: the limit given with SIZE."""

    hostname: str = "sink.example"
    extensions: tuple[str, ...] = EXTENSIONS
    max_size: int = 50 * 1024 * 1024
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    logins: Mapping[str, str] = field(default_factory=dict)
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    check_token: Callable[[str, str], bool] | None = None


class TakenMessage(Struct, frozen=True, kw_only=True):
    """One message that the sink answered with 250. Paths are without angle brackets, "" is the null reverse-path."""

    session: int
    helo: str
    tls: bool
    login: str | None
    reverse_path: str
    mail_parameters: tuple[str, ...]
    recipients: tuple[str, ...]
    recipient_parameters: tuple[tuple[str, ...], ...]
    content: bytes
