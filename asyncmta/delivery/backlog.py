"""What waits for one site, how many sessions it may have, and when it is suspended.

Consignments of one message become transactions: merged across their domains, also with what waits already, split at
a number of recipients, every ordinal in exactly one of them. A consignment that travels in several is given back when
the last is settled, once. The window grows by one with each success and shrinks by one when the site turns a session
away; with nobody left inside, the site is suspended, a minute at first and doubling up to a quarter of an hour.
Never: sockets, the time (an argument), content.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from asyncmta.mail.envelope import Consignment, QueueId
from asyncmta.mail.outcome import Deferred, Outcome, Postponed

Done = Callable[[Consignment, Mapping[int, Outcome] | Postponed], None]

FIRST_WINDOW = 5
FIRST_SUSPENSION = 60.0
LONGEST_SUSPENSION = 900.0


class Parcel:
    """A consignment that travels in more than one transaction, or in company: collects what becomes of its parts."""

    __slots__ = ("_done", "_left", "_outcomes", "_postponed", "consignment")

    def __init__(self, consignment: Consignment, done: Done) -> None:
        self.consignment = consignment
        self._done = done
        self._left = len(consignment.ordinals)
        self._outcomes: dict[int, Outcome] = {}
        self._postponed: list[tuple[tuple[int, ...], Postponed, Deferred]] = []

    def settle(self, ordinals: tuple[int, ...], outcomes: Mapping[int, Outcome]) -> None:
        for ordinal in ordinals:
            self._outcomes[ordinal] = outcomes[ordinal]
        self._part_ended(len(ordinals))

    def postpone(self, ordinals: tuple[int, ...], postponed: Postponed, instead: Deferred) -> None:
        self._postponed.append((ordinals, postponed, instead))
        self._part_ended(len(ordinals))

    def _part_ended(self, size: int) -> None:
        self._left -= size
        if self._left:
            return
        if not self._outcomes:
            self._done(self.consignment, self._postponed[0][1])
            return
        # Something was tried, so that the result has to be a mapping; what was not tried is deferred with the reason.
        for ordinals, _, instead in self._postponed:
            self._outcomes.update(dict.fromkeys(ordinals, instead))
        self._done(self.consignment, self._outcomes)


class Transaction:
    """Recipients of one message for one site, to be sent with one MAIL; `returns` counts how often it came back."""

    __slots__ = ("_done", "_legs", "consignment", "joined", "ordinals", "returns")

    def __init__(self, consignment: Consignment, done: Done | None) -> None:
        self.consignment = consignment  # the only one, or the first: envelope, content and queue id are the same
        self._done = done
        self._legs: list[tuple[Parcel, tuple[int, ...]]] = []
        self.ordinals = consignment.ordinals if done is not None else ()
        self.joined = 0
        self.returns = 0

    def add(self, parcel: Parcel, ordinals: tuple[int, ...]) -> None:
        self._legs.append((parcel, ordinals))
        self.ordinals += ordinals

    def absorb(self, other: Transaction) -> None:
        """Take over the recipients of another transaction of the same message."""
        self._unfold()
        other._unfold()
        self._legs += other._legs
        self.ordinals += other.ordinals

    def _unfold(self) -> None:
        if self._done is not None:
            self._legs = [(Parcel(self.consignment, self._done), self.ordinals)]
            self._done = None

    def settle(self, outcomes: Mapping[int, Outcome]) -> None:
        """Hand on what became of each recipient; `outcomes` has all ordinals of the transaction."""
        if self._done is not None:
            self._done(self.consignment, outcomes)
            return
        for parcel, ordinals in self._legs:
            parcel.settle(ordinals, outcomes)

    def settle_all(self, outcome: Outcome) -> None:
        self.settle(dict.fromkeys(self.ordinals, outcome))

    def postpone(self, postponed: Postponed, instead: Deferred) -> None:
        """Nothing was tried. `instead` is for recipients whose consignment was tried in part."""
        if self._done is not None:
            self._done(self.consignment, postponed)
            return
        for parcel, ordinals in self._legs:
            parcel.postpone(ordinals, postponed, instead)


def plan(consignments: Sequence[Consignment], done: Done, most: int) -> list[Transaction]:
    """The fewest transactions of at most `most` recipients for consignments of one message."""
    if len(consignments) == 1 and len(consignments[0].ordinals) <= most:
        return [Transaction(consignments[0], done)]
    transactions: list[Transaction] = []
    room = 0
    for consignment in consignments:
        parcel = Parcel(consignment, done)
        ordinals = consignment.ordinals
        at = 0
        while at < len(ordinals):
            if not room:
                transactions.append(Transaction(consignment, None))
                room = most
            part = ordinals[at : at + room]
            transactions[-1].add(parcel, part)
            at += len(part)
            room -= len(part)
    return transactions


class Backlog:
    """The transactions that wait, and the count of sessions: `opening` ones and `live` ones, within the `window`."""

    __slots__ = (
        "_failures",
        "_growing",
        "_joined",
        "live",
        "most_recipients",
        "most_sessions",
        "opening",
        "suspended_until",
        "waiting",
        "window",
    )

    def __init__(self, most_sessions: int, most_recipients: int = 100) -> None:
        self.most_sessions = most_sessions
        self.most_recipients = most_recipients
        self.window = min(FIRST_WINDOW, most_sessions)
        self.opening = 0
        self.live = 0
        self.suspended_until = 0.0
        self.waiting: deque[Transaction] = deque()
        self._failures = 0
        self._joined = 0
        # Of messages with more recipients than came so far: the waiting transaction that the next ones may join.
        # Large messages come in turns, some recipients each, so that others are not held up (D-62).
        self._growing: dict[QueueId, Transaction] = {}

    def join(self, transaction: Transaction) -> None:
        """Wait at the end, or with what waits of the same message."""
        self._joined += 1
        transaction.joined = self._joined
        consignment = transaction.consignment
        if len(consignment.envelope.recipients) > len(transaction.ordinals):
            growing = self._growing.get(consignment.queue_id)
            if growing is not None and len(growing.ordinals) + len(transaction.ordinals) <= self.most_recipients:
                growing.absorb(transaction)
                return
            self._growing[consignment.queue_id] = transaction
        self.waiting.append(transaction)

    def give_back(self, transaction: Transaction) -> None:
        """Wait at the front: it was begun on a session that turned out to be dead."""
        transaction.returns += 1
        self.waiting.appendleft(transaction)

    def take(self) -> Transaction | None:
        """The next one, for a live session; None also when there are more sessions than the window allows."""
        if not self.waiting or self.live > self.window:
            return None
        transaction = self.waiting.popleft()
        if self._growing and self._growing.get(transaction.consignment.queue_id) is transaction:
            del self._growing[transaction.consignment.queue_id]
        return transaction

    @property
    def may_open(self) -> bool:
        """Is another session of use, and allowed?"""
        return len(self.waiting) > self.opening and self.opening + self.live < self.window

    def resume(self) -> None:
        """Somebody who knows better says: try again now. How long the next suspension is begins anew."""
        self.suspended_until = 0.0
        self._failures = 0

    def begin_opening(self) -> int:
        """A session is being opened; returns the mark above which `joined` is of those who came later."""
        self.opening += 1
        return self._joined

    def opened(self) -> None:
        self.opening -= 1
        self.live += 1

    def not_opened(self) -> None:
        self.opening -= 1

    def closed(self) -> None:
        self.live -= 1

    def succeeded(self) -> None:
        """A transaction came to its end in good order."""
        self._failures = 0
        if self.window < self.most_sessions:
            self.window += 1

    def slow_down(self) -> None:
        """A session broke in the middle of its work."""
        self.window = max(1, self.window - 1)

    def turned_away(self, now: float) -> bool:
        """A session could not be opened, or was sent away at once. True: nobody is left inside, suspended from now."""
        self.slow_down()
        if self.opening or self.live:
            return False
        # The window stays at one until somebody gets through: one session finds out, not twenty.
        self.window = 1
        self.suspended_until = now + min(FIRST_SUSPENSION * 2**self._failures, LONGEST_SUSPENSION)
        self._failures = min(self._failures + 1, 10)
        return True

    def drain(self) -> list[Transaction]:
        """All that wait, taken out."""
        waiting = list(self.waiting)
        self.waiting.clear()
        self._growing.clear()
        return waiting

    @property
    def is_idle(self) -> bool:
        return not (self.waiting or self.opening or self.live)

    @property
    def has_failed(self) -> bool:
        """Did its last attempt to get a session fail?"""
        return self._failures > 0
