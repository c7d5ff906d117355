"""Who may still try to log in: failures are counted by the client's network and by the login that was tried.

Promises: an attempt is counted before it is checked and given back when it was right, so that many at once are no way
around; a login that strangers guess at stays open to networks from which it has logged in before, so that nobody can
be locked out by others; all tables are bounded, and logins are kept as digests. Never: the check, the clock.

reliability.md A01 and A06.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from asyncmta.inbound.limits import client_key
from asyncmta.inbound.throttle import CAPACITY, Rate, Throttle
from asyncmta.mail import replies
from asyncmta.mail.reply import Reply

Home = tuple[int | str, bytes]


class Attempts:
    """The counts of one Mta. A rate that is None does not limit."""

    def __init__(
        self,
        *,
        per_client: Rate | None,
        per_login: Rate | None,
        now: Callable[[], float],
        capacity: int = CAPACITY,
    ) -> None:
        self._clients = Throttle(per_client, capacity=capacity) if per_client is not None else None
        self._logins = Throttle(per_login, capacity=capacity) if per_login is not None else None
        self._now = now
        self._capacity = capacity
        self._homes: dict[Home, None] = {}  # networks from which a login has logged in; the last one last

    def refusal(self, ip: str) -> Reply | None:
        """May this client try at all? Asked at AUTH, before it sends a password in vain."""
        if self._clients is None or self._clients.has_room(client_key(ip), self._now()):
            return None
        return replies.AUTH_TOO_MANY_FAILURES

    def begin(self, ip: str, login: str) -> Reply | None:
        """Count an attempt, or say why not; `end` ends what was counted. "" (a token may name nobody) is no login."""
        now, client, digest = self._now(), client_key(ip), _digest(login)
        if self._clients is not None and not self._clients.take(client, now):
            return replies.AUTH_TOO_MANY_FAILURES
        logins = self._logins if login and (client, digest) not in self._homes else None
        if logins is not None and not logins.take(digest, now):
            if self._clients is not None:
                self._clients.give_back(client)
            return replies.AUTH_NOT_NOW
        return None

    def end(self, ip: str, login: str, *, is_right: bool | None) -> None:
        """How it went; None: nothing was found out."""
        if is_right is False:
            return
        client, digest = client_key(ip), _digest(login)
        home = (client, digest)
        if self._clients is not None:
            self._clients.give_back(client)
        if self._logins is not None and login and home not in self._homes:
            self._logins.give_back(digest)
        if is_right:
            self._homes.pop(home, None)
            if len(self._homes) >= self._capacity:
                del self._homes[next(iter(self._homes))]
            self._homes[home] = None


def _digest(login: str) -> bytes:
    return hashlib.blake2b(login.casefold().encode("utf-8", "surrogatepass"), digest_size=16).digest()
