"""The queue handed over to another relay: the transport before all others while that goes on, and how it stands.

Promises: an envelope goes over as it is, past rewriting and the making of copies; what the other relay refuses is kept
and not reported to its sender, since it may go elsewhere later; while nothing is handed over there is one question in
the way of mail. Never: who is handed over (`pausing`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from asyncmta.mail.envelope import Consignment
from asyncmta.mail.outcome import Delivered, Postponed, Recorded, Result
from asyncmta.mail.transport import Done, Transport
from asyncmta.pausing import HAND_OVER
from asyncmta.routing import Route, Routing, Smarthost
from asyncmta.scheduling.settle import softened

MOST_REASONS = 20


class Progress(Struct, frozen=True):
    """How a hand-over stands. `taken`: recipients that the other relay has taken; `left`: messages that are queued
    here, of which `held` are held by an operator and do not go; `reasons`: the replies, and to how many recipients."""

    to: str
    total: int
    left: int
    held: int
    taken: int
    reasons: dict[str, int]


class HandingOff:
    """`transport`: who delivers otherwise; `remote`: the network."""

    def __init__(self, *, transport: Transport, remote: Transport) -> None:
        self.transport = transport
        self._remote = remote
        self.next_hop: Smarthost | None = None
        self.total = 0
        self.taken = 0
        self.reasons: Counter[str] = Counter()

    def begin(self, next_hop: Smarthost, total: int) -> None:
        """From now on; said again for the same relay it only forgets why it has failed so far."""
        self.reasons.clear()
        if self.next_hop != next_hop:
            self.next_hop, self.total, self.taken = next_hop, total, 0

    def end(self) -> None:
        self.next_hop = None

    def route_of(self, destination: str, routing: Routing) -> Route:
        """The route of the destination, also of that of a hand-over."""
        if destination == HAND_OVER and self.next_hop is not None:
            return self.next_hop
        return routing.route_of(destination)

    def progress(self, *, left: int, held: int) -> Progress | None:
        """None: nothing is handed over."""
        if self.next_hop is None:
            return None
        total = max(self.total, left)
        return Progress(self.next_hop.hosts[0], total, left, held, self.taken, dict(self.reasons))

    def deliver(self, consignments: Sequence[Consignment], done: Done) -> None:
        """Take consignments of one message."""
        if self.next_hop is None:
            self.transport.deliver(consignments, done)
            return
        theirs = [each for each in consignments if each.destination == HAND_OVER]
        others = [each for each in consignments if each.destination != HAND_OVER]
        if others:
            self.transport.deliver(others, done)
        if theirs:
            self._remote.deliver(theirs, lambda consignment, result: self._done(consignment, result, done))

    def _done(self, consignment: Consignment, result: Result, done: Done) -> None:
        result = softened(result)
        if isinstance(result, Postponed):
            self._note(result.reason)
        else:
            for outcome in (result.outcomes if isinstance(result, Recorded) else result).values():
                if isinstance(outcome, Delivered):
                    self.taken += 1
                else:
                    self._note(str(outcome.reply))
        done(consignment, result)

    def _note(self, reason: str) -> None:
        if reason in self.reasons or len(self.reasons) < MOST_REASONS:
            self.reasons[reason] += 1
