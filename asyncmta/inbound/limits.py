"""How much a client may ask of us: the settings of `[limits]`, and the counts of live sessions that some of them need.

Promises: the table of clients holds one small entry for each address with a live session and nothing else, so that it
is bounded by the sessions themselves. An IPv6 client is counted by its /64, which is what one customer has. Never: a
clock, sockets, or a decision about anything but sessions.

RFC 5321 4.5.3 (sizes and time-outs).
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from msgspec import Struct

from asyncmta.inbound.throttle import Rate
from asyncmta.mail import replies
from asyncmta.mail.reply import Reply

LEAST_RECIPIENTS = 100  # RFC 5321 4.5.3.1.8
LEAST_RATE = 500.0  # octets of content a second, on the whole; a modem of 1990 has twice that


class Limits(Struct, frozen=True, kw_only=True):
    """`[limits]` of config.toml, and the numbers beside them that have no key."""

    message_size: int = 25 * 1024 * 1024
    recipients: int = 1000
    hops: int = 100
    session_idle: float = 300.0
    sessions_per_client: int = 50
    future_release: float = 30 * 86400.0  # the longest time for which a message is held for its sender; 0: none
    messages_per_login: Rate | None = None
    recipients_per_login: Rate | None = None
    messages_per_client: Rate | None = None
    recipients_per_client: Rate | None = None
    accept_long_lines: bool = False
    messages_per_session: int = 0  # 0: as many as they like
    errors: int = 20
    junk_commands: int = 100  # NOOP, RSET and the like without a message between them, before they count as errors
    spare_recipients: int = 1000  # refused as too many before they count as errors: an honest client may send them all
    auth_failures: int = 5
    soft: bool = False  # `bounce.soft`: what is refused for good is refused for now

    def __post_init__(self) -> None:
        if self.recipients < LEAST_RECIPIENTS:
            raise ValueError(f"limits.recipients: at least {LEAST_RECIPIENTS} (RFC 5321 4.5.3.1.8)")
        if min(self.message_size, self.hops, self.sessions_per_client) < 1:
            raise ValueError("limits.message_size, limits.hops and limits.sessions_per_client: at least 1")
        if self.session_idle < 1:
            raise ValueError("limits.session_idle: at least 1s")


def content_due(due: float, *, octets: int, now: float, patience: float) -> float:
    """Until when more content has to come: each octet buys its share of time, up to `patience` seconds from now. So
    a pause may be as long as that, and whoever keeps to LEAST_RATE has for ever; a drip uses up what it had."""
    return min(max(due, now) + octets / LEAST_RATE, now + patience)


class SessionCounts:
    """Live sessions in all (of one listener) and of each client (of all listeners that share `clients`)."""

    __slots__ = ("_clients", "_max_sessions", "_per_client", "sessions")

    def __init__(self, *, max_sessions: int, per_client: int, clients: dict[int | str, int]) -> None:
        self._max_sessions = max_sessions
        self._per_client = per_client
        self._clients = clients
        self.sessions = 0

    def allow(self, per_client: int) -> None:
        """From now on so many."""
        self._per_client = per_client

    def admit(self, ip: str) -> Reply | None:
        """Count one more session of this client, or say why not; what was admitted is given back by `release`."""
        if self.sessions >= self._max_sessions:
            return replies.TOO_MANY_SESSIONS
        key = client_key(ip)
        count = self._clients.get(key, 0)
        if count >= self._per_client:
            return replies.TOO_MANY_SESSIONS_OF_CLIENT
        self._clients[key] = count + 1
        self.sessions += 1
        return None

    def release(self, ip: str) -> None:
        key = client_key(ip)
        self.sessions -= 1
        count = self._clients[key] - 1
        if count:
            self._clients[key] = count
        else:
            del self._clients[key]


def client_key(ip: str) -> int | str:
    """Under what a client is counted: the IPv4 address, also of the mapped form; the /64 of an IPv6 address."""
    if ":" not in ip:
        return ip
    address = ip_address(ip)
    assert isinstance(address, IPv6Address)
    return str(address.ipv4_mapped) if address.ipv4_mapped is not None else int(address) >> 64
