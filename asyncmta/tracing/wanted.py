"""Which sessions, and which transactions in them, somebody wants to look at. Pure.

Promises: filters of one session (client, listener, site) and of a transaction (sender, recipient, a recipient domain)
have all to be met; a transaction that turns out to be wanted is shown from its beginning, and the first one of a
session from the connection on, as far as MOST_KEPT events go back. Never: more of a session than that is kept for
nobody.
"""

from __future__ import annotations

import re
from collections import deque
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from msgspec import Struct

from asyncmta.tracing.events import Session, TraceEvent

MOST_KEPT = 100
_PATH = re.compile(r"\s*(MAIL|RCPT)\s+(?:FROM|TO):\s*<([^>]*)>", re.IGNORECASE)


class Wanted(Struct, frozen=True):
    """`client`: a network; `listener`: a role, an address or "address:port"; `site`: the name of a host, a site, an
    address, or a domain of recipients; `sender` "" is the null one. With `client` or `listener` alone nothing of what
    we open is meant, and with `site` alone nothing else. `content`: the beginning of content, too."""

    client: IPv4Network | IPv6Network | None = None
    listener: str | None = None
    site: str | None = None
    sender: str | None = None
    recipient: str | None = None
    content: bool = False

    def covers(self, session: Session) -> bool:
        """May anything of this session be meant?"""
        if session.direction == "out":
            return self.site is not None or (self.client is None and self.listener is None)
        if self.client is None and self.listener is None:
            return self.site is None
        if self.client is not None and not _is_in(session.ip, self.client):
            return False
        wanted = self.listener
        return wanted is None or wanted.lower() in (session.role, session.place, _address_of(session.place))

    def is_all_of(self, session: Session) -> bool:
        """Is all of a session that is covered meant, whatever is sent there?"""
        is_by_mail = self.sender is not None or self.recipient is not None
        return not is_by_mail and self._names(session)

    def _names(self, session: Session) -> bool:
        return session.direction == "in" or self.site is None or self.site.lower() in session.names

    def wants(self, session: Session, sender: str | None, recipients: list[str]) -> bool:
        """This transaction, as far as it is known."""
        if self.sender is not None and (sender is None or not _is_same(self.sender, sender)):
            return False
        if self.recipient is not None and not any(_is_same(self.recipient, each) for each in recipients):
            return False
        if self._names(session):
            return True
        assert self.site is not None
        return any(_domain(each) == self.site.lower() for each in recipients)


def network(text: str) -> IPv4Network | IPv6Network:
    """A network or an address; ValueError for what is neither."""
    return ip_network(text, strict=False)


class View:
    """What one who looks on sees of one session."""

    __slots__ = ("_is_shown", "_kept", "_recipients", "_sender", "_session", "_wanted")

    def __init__(self, wanted: Wanted, session: Session) -> None:
        self._wanted, self._session = wanted, session
        self._kept: deque[TraceEvent] = deque(maxlen=MOST_KEPT)
        self._is_shown = False
        self._sender: str | None = None
        self._recipients: list[str] = []

    def of(self, event: TraceEvent, *, by_client: bool) -> list[TraceEvent]:
        """What is to be told now that this has happened."""
        if by_client and event.kind == "line":
            self._command(event.line)
        if self._is_shown:
            told = [*self._kept, event]
            self._kept.clear()
            return told
        self._kept.append(event)
        return []

    def _command(self, line: str) -> None:
        found = _PATH.match(line)
        if found is None:
            return
        if found[1].upper() == "MAIL":
            if self._sender is not None:  # of a transaction that is over
                self._kept.clear()
            self._is_shown, self._sender, self._recipients = False, found[2], []
        elif len(self._recipients) < 10 * MOST_KEPT:
            self._recipients.append(found[2])
        self._is_shown = self._is_shown or self._wanted.wants(self._session, self._sender, self._recipients)


def _is_in(ip: str, wanted: IPv4Network | IPv6Network) -> bool:
    try:
        return ip_address(ip) in wanted
    except ValueError:  # a proxy could not say
        return False


def _is_same(wanted: str, address: str) -> bool:
    """An address, or "@domain" for all of its addresses; "" and "<>" are the null reverse-path."""
    wanted, address = wanted.lower().removeprefix("<").removesuffix(">"), address.lower()
    return address.endswith(wanted) if wanted.startswith("@") else address == wanted


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()


def _address_of(place: str) -> str:
    """Of "relay 127.0.0.1:2525" what stands behind the role."""
    return place.partition(" ")[2]
