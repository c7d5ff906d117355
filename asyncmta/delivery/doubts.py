"""Doubts: messages whose content went out to a host that did not answer it, so that it may have them or not.

They are retried at the same host first, where the chance is best that a second copy is seen as one (RFC 1047). Kept
in memory, for a bounded number of messages, until they are tried again. Never: the decision to try again.
"""

from __future__ import annotations

from asyncmta.delivery.transaction import Leg
from asyncmta.delivery.way import Way, preferring
from asyncmta.mail.envelope import QueueId

MOST_DOUBTS = 10_000


class Doubts:
    """Of one transport. `count`: how often it has happened."""

    __slots__ = ("_hosts", "count")

    def __init__(self) -> None:
        self.count = 0
        self._hosts: dict[tuple[QueueId, str], str] = {}

    def __bool__(self) -> bool:
        return bool(self._hosts)

    def add(self, legs: list[Leg], host: str) -> None:
        """This host may have these."""
        self.count += 1
        for leg in legs:
            self._hosts[_name(leg)] = host
        while len(self._hosts) > MOST_DOUBTS:  # those of the oldest
            del self._hosts[next(iter(self._hosts))]

    def way(self, leg: Leg) -> Way:
        """The way of a leg that sets out: by the host that may have it, where there is one."""
        host = self._hosts.pop(_name(leg), "")
        return preferring(leg.parcel.way, host) if host else leg.parcel.way


def _name(leg: Leg) -> tuple[QueueId, str]:
    consignment = leg.parcel.consignment
    return (consignment.queue_id, consignment.destination)
