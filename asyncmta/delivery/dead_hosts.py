"""Dead hosts: which exchangers could not be reached of late, and until when nobody needs to try them again.

One table for all sites, so that a dead host is dialled once in a while and not once for each site that names it (Q-40).
A host stays dead for three quarters of a minute, then for twice as long after each further failure, up to a quarter of
an hour: always a little less than the suspension of a site, so that a site that comes back does look. When the time is
over one attempt is made, and for others the host stays dead meanwhile. Promises: bounded. Never: sockets, the time.
"""

from __future__ import annotations

from collections import OrderedDict

from msgspec import Struct

from asyncmta.mail.outcome import Deferred

FIRST_TIME = 45.0
LONGEST_TIME = 675.0
MOST_HOSTS = 10_000


class _Dead(Struct, gc=False):
    until: float
    time: float
    why: Deferred
    is_probed: bool = False


class DeadHosts:
    def __init__(self, most: int = MOST_HOSTS) -> None:
        self._most = most
        self._hosts: OrderedDict[tuple[str, int], _Dead] = OrderedDict()

    def __len__(self) -> int:
        return len(self._hosts)

    def why(self, host: str, port: int, now: float) -> Deferred | None:
        """What was seen when it was dialled last, while that counts; None when it is to be dialled."""
        dead = self._hosts.get((host, port))
        return dead.why if dead is not None and dead.until > now else None

    def probe(self, host: str, port: int, until: float) -> None:
        """Somebody dials it: if it was dead it stays so for all others until then, or until it is known."""
        dead = self._hosts.get((host, port))
        if dead is not None:
            dead.until, dead.is_probed = until, True

    def failed(self, host: str, port: int, now: float, why: Deferred) -> None:
        """None of its addresses could be reached. Who says so at the same time as others adds nothing."""
        dead = self._hosts.get((host, port))
        if dead is None:
            time = FIRST_TIME
        elif dead.until > now and not dead.is_probed:
            return
        else:
            time = min(2 * dead.time, LONGEST_TIME)
        self._hosts[host, port] = _Dead(now + time, time, why)
        self._hosts.move_to_end((host, port))
        while len(self._hosts) > self._most:
            self._hosts.popitem(last=False)

    def forget(self, host: str, port: int) -> None:
        """It was reached, or somebody wants to know."""
        self._hosts.pop((host, port), None)
