"""The queue handed over to another relay: the transport before all others while that goes on, and how it stands.

Promises: an envelope goes over as it is, past rewriting and the making of copies; what the other relay refuses is kept
and not reported to its sender, since it may go elsewhere later; of what the other relay may have and the journal does
not know yet there is never more than MOST_UNSURE, so that no kill doubles more; while nothing is handed over there is
one question in the way of mail. Never: who is handed over (`pausing`).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial

from msgspec import Struct

from asyncmta.mail.envelope import Consignment
from asyncmta.mail.outcome import Delivered, Postponed, Recorded, Result
from asyncmta.mail.transport import Done, Transport
from asyncmta.pausing import HAND_OVER
from asyncmta.routing import Route, Routing, Smarthost
from asyncmta.scheduling.settle import softened

MOST_REASONS = 20
MOST_UNSURE = 50
"""Consignments on their way to the other relay, or answered and not durable. Other mail has no such bound, since its
outcomes ride with the next batch; here a whole queue goes at once, and goes on elsewhere if this process is killed."""

Sync = Callable[[Callable[[object], None]], None]
"""Have all that was noted made durable now, and then call this with what failed."""


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
    """`transport`: who delivers otherwise; `remote`: the network; `sync`: of the journal."""

    def __init__(self, *, transport: Transport, remote: Transport, sync: Sync) -> None:
        self.transport = transport
        self._remote = remote
        self._sync = sync
        self.next_hop: Smarthost | None = None
        self._last: Smarthost | None = None  # what is in hand when a hand-over ends comes to its end there
        self.total = 0
        self.taken = 0
        self.reasons: Counter[str] = Counter()
        self._waiting: deque[tuple[list[Consignment], Done]] = deque()
        self._unsure = 0
        self._answered = 0  # of these, since a sync was asked for last
        self._is_syncing = self._is_going = self._is_stopping = False

    def begin(self, next_hop: Smarthost, total: int) -> None:
        """From now on; said again for the same relay it only forgets why it has failed so far."""
        self._last = next_hop
        self.reasons.clear()
        self._record()
        if self.next_hop != next_hop:
            self.next_hop, self.total, self.taken = next_hop, total, 0

    def end(self) -> None:
        """What waits for its turn is due again, where the routes say."""
        self.next_hop = None
        self._give_back()

    def let_go(self) -> None:
        """The MTA stops: nothing more sets out."""
        self._is_stopping = True
        self._give_back()

    def route_of(self, destination: str, routing: Routing) -> Route:
        """The route of the destination, also of that of a hand-over, or of one that has just ended."""
        if destination == HAND_OVER and self._last is not None:
            return self._last
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
            self._waiting.append((theirs, done))
            if self._is_stopping:
                self._give_back()
            self._go_on()

    def _go_on(self) -> None:
        """As many as may be unsure. Who is answered at once does not begin this anew."""
        if self._is_going:
            return
        self._is_going = True
        while self._waiting and self._unsure < MOST_UNSURE:
            theirs, done = self._waiting.popleft()
            self._unsure += len(theirs)
            self._remote.deliver(theirs, partial(self._done, done))
        self._is_going = False

    def _give_back(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for theirs, done in waiting:
            for consignment in theirs:
                done(consignment, Postponed(consignment.accepted_at, "the hand-over has ended"))

    def _done(self, done: Done, consignment: Consignment, result: Result) -> None:
        result = softened(result)
        if isinstance(result, Postponed):
            self._unsure -= 1
            self._note(result.reason)
        else:
            self._answered += 1
            for outcome in (result.outcomes if isinstance(result, Recorded) else result).values():
                if isinstance(outcome, Delivered):
                    self.taken += 1
                else:
                    self._note(str(outcome.reply))
        done(consignment, result)
        self._record()
        self._go_on()

    def _record(self) -> None:
        """What was answered is made durable, all that came meanwhile with the next sync."""
        if self._answered and not self._is_syncing:
            self._is_syncing = True
            covered, self._answered = self._answered, 0
            self._sync(lambda failure: self._synced(covered, failure))

    def _synced(self, covered: int, failure: object) -> None:
        """A disk that is full is asked again with the next answer, or when the hand-over is said again."""
        self._is_syncing = False
        if failure is not None:
            self._answered += covered
            return
        self._unsure -= covered
        self._record()
        self._go_on()

    def _note(self, reason: str) -> None:
        if reason in self.reasons or len(self.reasons) < MOST_REASONS:
            self.reasons[reason] += 1
