"""What is known of a client and its transaction, and what may be decided: values for rules, hooks and services.

Promises: nothing a client sent can get into a header field from here: `header_line` takes printable ASCII alone. Never:
a decision, a look-up.

docs/policy.md.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from msgspec import Struct

from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Envelope
from asyncmta.mail.reply import Reply

Action = Literal["accept", "reject", "defer", "hold", "discard", "tag", "prepend"]
Stage = Literal["connect", "EHLO", "MAIL", "RCPT", "dot"]

MAX_TAG = 200
MAX_HEADER = 2000  # octets of all lines of one message; with our Received they fit into what intake leaves for them
TAG_FIELD = "X-Asyncmta-Tag"

_FIELD = re.compile(r"[!-9;-~]{1,76}: ?[ -~]{0,900}\Z")
# What a filter could take for the trace of another server, or for us; nobody else's word is needed for these.
_OURS = ("received:", "return-path:", "delivered-to:", "x-asyncmta-")


class Findings(Struct, frozen=True, kw_only=True):
    """What DNS says of a client. `name` is confirmed: the name of its address leads back to it; `reverse_name` is only
    what it is called. `is_name_unsure`: the DNS did not answer. `score` is the sum of the block lists; `least` what it
    would be had every allow list that did not answer listed the client (row W-219)."""

    name: str = ""
    reverse_name: str = ""
    is_name_unsure: bool = False
    score: int = 0
    least: int = 0
    lists: tuple[str, ...] = ()


NOTHING_FOUND = Findings()


class Peer(Struct, frozen=True, kw_only=True):
    """The other end of a session. All but `ip`, `port`, `login`, `tls` and the findings is its own word for it.

    address: `ip`, parsed; None where a proxy could not say who it is. tls: version and cipher, "" for none.
    may_relay: a client of `relay.networks`, or one with a login."""

    ip: str
    address: IPv4Address | IPv6Address | None = None
    port: int = 0
    helo: str = ""
    extended: bool = False
    login: str | None = None
    tls: str = ""
    may_relay: bool = False
    findings: Findings = Findings()


class About(Struct, frozen=True, kw_only=True):
    """What a hook or a policy service is asked about. `recipients`: how many were accepted before this one; at the dot,
    all. `size`: what MAIL declared (0: nothing); at the dot, what came. `instance` names the transaction.
    `is_accepted`: a rule said accept, so that policy services are not asked."""

    stage: Stage
    peer: Peer
    reverse_path: Address | None = None
    recipient: Address | None = None
    recipients: int = 0
    size: int = 0
    instance: str = ""
    is_accepted: bool = False


class Verdict(Struct, frozen=True):
    """What is to be done. `reply` for reject and defer; `text` the tag, or for prepend the header line; `by` who says
    it, for the log. `accept` ends the questions and grants nothing: relaying is for relay.networks, relay.domains and
    AUTH."""

    action: Action
    reply: Reply | None = None
    text: str = ""
    by: str = ""

    @property
    def refuses(self) -> Reply | None:
        return self.reply if self.action in ("reject", "defer") else None


class Handling(Struct, frozen=True, kw_only=True):
    """What was said of an open transaction, beside refusals: kept with it until its message is taken. One recipient's
    hold, tag or header line is the message's, since there is one message; a discard is its recipient's alone."""

    peer: Peer
    instance: str = ""
    is_accepted: bool = False
    held_by: str = ""
    tags: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    discarded: tuple[tuple[Address, str], ...] = ()

    @property
    def header(self) -> bytes:
        """The fields that go above our own `Received`."""
        fields = [*self.lines, *(f"{TAG_FIELD}: {tag}" for tag in self.tags)]
        return "".join(f"{field}\r\n" for field in fields).encode("ascii")


Ask = Callable[[About], Awaitable[object]]
"""Hooks and services, at one stage: gives a `Verdict`, or None: no opinion. Never raises."""

Inspect = Callable[[About, Envelope, Callable[[], AsyncIterator[bytes]]], Awaitable[object]]
"""The same for a message whose dot came, with its content; called again, the callable reads it again."""


def header_line(text: str) -> str | None:
    """`Name: value` as somebody else wants it added, or None: not a field, or one that is not for others to add."""
    return text if _FIELD.match(text) and not text.lower().startswith(_OURS) else None


def tag_text(text: str) -> str | None:
    """The text of a tag, or None: it would not fit on a header line."""
    return text if 0 < len(text) <= MAX_TAG and text.isascii() and text.isprintable() else None
