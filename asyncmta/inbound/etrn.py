"""ETRN: a client that knows a host to be awake asks that what waits for a domain be tried now.

Promises: only clients of ours (`relay.networks`, `relay.etrn_from`) are heard, each a few times a minute, and what is
kept of them is bounded; the answer says nothing of whether anything waits. Never: the queue; who starts it is given.

RFC 1985; seeds D-58, P-90.
"""

from __future__ import annotations

from collections.abc import Callable

from asyncmta.inbound.events import Event, Refused
from asyncmta.inbound.limits import client_key
from asyncmta.inbound.session import SessionState
from asyncmta.mail import replies
from asyncmta.mail.address import InvalidAddress, domain_key

MOST = 20  # by one client
WITHIN = 60.0  # seconds
CLIENTS = 10_000

Start = Callable[[str, bool], bool | None]
"""Try what waits for this domain (or, with True, for those below it) now. False: not at the moment; None: nothing ever
waits for it here."""


class Turns:
    """Who has asked, and how often. One for all listeners."""

    __slots__ = ("_asked", "_start")

    def __init__(self, start: Start) -> None:
        self._start = start
        self._asked: dict[int | str, tuple[float, int]] = {}

    def ask(self, ip: str, domain: str, *, below: bool, now: float) -> bool | None:
        """See `Start`."""
        return self._start(domain, below) if self._may(client_key(ip), now) else False

    def _may(self, client: int | str, now: float) -> bool:
        since, count = self._asked.pop(client, (now, 0))
        if not since <= now < since + WITHIN:  # a clock that was set back begins anew too
            since, count = now, 0
        if len(self._asked) >= CLIENTS:
            del self._asked[next(iter(self._asked))]  # who asked longest ago
        self._asked[client] = (since, min(count + 1, MOST + 1))
        return count < MOST


def offered(state: SessionState) -> tuple[str, ...]:
    """Lines of the reply to EHLO for this client."""
    return ("ETRN",) if state.acceptance.turns is not None and state.client.may_turn else ()


def etrn(state: SessionState, argument: str) -> bytes | Event:
    turns = state.acceptance.turns
    if turns is None:
        return Refused("ETRN", replies.NOT_IMPLEMENTED)
    if not state.extended:
        return Refused("ETRN", replies.NEED_EHLO)
    if state.envelope is not None:
        return Refused("ETRN", replies.DURING_TRANSACTION)
    node = argument.strip(" ")
    if not node or " " in node:
        return Refused("ETRN", replies.SYNTAX_PARAMETERS)
    if not state.client.may_turn or node.startswith("#"):  # the queues that we have are no business of others
        return Refused("ETRN", replies.NODE_NOT_ALLOWED)
    try:
        domain = domain_key(node.removeprefix("@"))
    except InvalidAddress:
        return Refused("ETRN", replies.SYNTAX_PARAMETERS)
    started = turns.ask(state.client.ip, domain, below=node.startswith("@"), now=state.acceptance.now())
    if started:
        return replies.QUEUING_STARTED.wire
    return Refused("ETRN", replies.NODE_NOT_ALLOWED if started is None else replies.NODE_NOT_NOW)
