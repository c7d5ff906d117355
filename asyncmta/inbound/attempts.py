"""Who may still try to log in: failures are counted by the client's network and by the login that was tried.

Promises: an attempt is counted before it is checked and given back when it was right, so that many at once are no way
around; a login in a network from which it has logged in before is counted for itself, so that nobody is locked out by
others, be they strangers or neighbours; all tables are bounded, and logins are kept as digests. Never: the check, the
clock.

reliability.md A01 and A06.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from msgspec import Struct

from asyncmta.inbound.limits import client_key
from asyncmta.inbound.throttle import CAPACITY, Rate, Throttle
from asyncmta.mail import replies
from asyncmta.mail.reply import Reply

Home = tuple[int | str, bytes]
"""A network, and a login as its digest."""


class Counted(Struct, frozen=True, eq=False):
    """An attempt that was counted; it is ended by `Attempts.end`."""

    home: Home
    by_client: bool = False
    by_login: bool = False
    by_home: bool = False


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
        self._clients = _throttle(per_client, capacity)
        self._logins = _throttle(per_login, capacity)
        self._at_home = _throttle(per_login or per_client, capacity)
        self._now = now
        self._capacity = capacity
        self._homes: dict[Home, None] = {}  # networks from which a login has logged in; the last one last

    def begin(self, ip: str, login: str) -> Counted | Reply:
        """Count an attempt, or say why not. "" is no login: a token may name nobody."""
        now = self._now()
        home = client, digest = client_key(ip), _digest(login)
        if home in self._homes:
            if self._at_home is not None and not self._at_home.take(home, now):
                return replies.AUTH_NOT_NOW
            return Counted(home, by_home=True)
        if self._clients is not None and not self._clients.take(client, now):
            return replies.AUTH_TOO_MANY_FAILURES
        counted = Counted(home, by_client=True, by_login=bool(login))
        if counted.by_login and self._logins is not None and not self._logins.take(digest, now):
            if self._clients is not None:
                self._clients.give_back(client)
            return replies.AUTH_NOT_NOW
        return counted

    def end(self, counted: Counted, *, is_right: bool | None) -> None:
        """How it went; None: nothing was found out."""
        if is_right is False:
            return
        home = client, digest = counted.home
        if counted.by_client and self._clients is not None:
            self._clients.give_back(client)
        if counted.by_login and self._logins is not None:
            self._logins.give_back(digest)
        if counted.by_home and self._at_home is not None:
            self._at_home.give_back(home)
        if is_right and (counted.by_login or counted.by_home):
            self._homes.pop(home, None)
            if len(self._homes) >= self._capacity:
                del self._homes[next(iter(self._homes))]
            self._homes[home] = None


def _throttle(rate: Rate | None, capacity: int) -> Throttle | None:
    return None if rate is None else Throttle(rate, capacity=capacity)


def _digest(login: str) -> bytes:
    return hashlib.blake2b(login.casefold().encode("utf-8", "surrogatepass"), digest_size=16).digest()
