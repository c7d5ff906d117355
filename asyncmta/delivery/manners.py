"""What it takes to open a session, as values: which address, how we present ourselves there; and what has been opened.

Never: sockets, a decision; `session` opens.
"""

from __future__ import annotations

import asyncio

from msgspec import Struct

from asyncmta.credentials import Login
from asyncmta.delivery.client_tls import TlsContexts
from asyncmta.delivery.commands import Capabilities
from asyncmta.delivery.logging_in import GivesTokens
from asyncmta.delivery.tls_policy import JudgeCertificate
from asyncmta.delivery.tls_record import TlsRecord
from asyncmta.mail.outcome import Place
from asyncmta.tracing.tap import Tap


class Target(Struct, frozen=True):
    """One address of one exchanger, or `unix:/path`; and the address of ours to connect from ("" for any)."""

    host: str
    ip: str
    port: int
    source: str = ""


class Manners(Struct, frozen=True):
    """How we present ourselves, and what we insist on. `tls`: "none", "opportunistic", "require" or "verify".

    `implicit_tls`: TLS from the first octet also at other ports than 465. `tokens`: what `login` shows in place of a
    password. `judge`: what a policy says of the certificate, beside `tls`. `record`: who is told how TLS went.
    `is_stranger`: DNS named the host, and not an operator; if it has our own name, mail goes in a circle.
    `protocol`: "smtp", "lmtp" or "qmtp". `tap`: of those who look on.
    """

    hostname: str
    contexts: TlsContexts
    tls: str = "opportunistic"
    login: Login | None = None
    connect_timeout: float = 30.0
    implicit_tls: bool = False
    tokens: GivesTokens | None = None
    judge: JudgeCertificate | None = None
    record: TlsRecord | None = None
    is_stranger: bool = False
    protocol: str = "smtp"
    tap: Tap | None = None


class Opened(Struct, frozen=True):
    """A session ready for MAIL: whoever takes it sets the transport's protocol before giving way to the loop."""

    transport: asyncio.Transport
    peer: Capabilities
    place: Place
    protocol: str = "smtp"
    is_verified: bool = False  # by TLS: it is who it says
