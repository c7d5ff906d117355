"""What waits for one site, how many sessions it may have, and when it is suspended.

Transactions of one message stand behind one another, up to ten, and are sent so on one session; what comes of that
message later joins the last of them while it waits, or stands behind it. The window grows by one with each success and
shrinks by one when the site turns a session away or says that it is too much, after which it takes twice as many
successes to grow; with nobody left inside, the site is suspended, a minute at first and doubling up to a quarter of an
hour. Never: sockets, the time (an argument), content.

Seeds Q-13, Q-30, D-62, D-102.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import pairwise

from asyncmta.delivery.pace import Pace
from asyncmta.delivery.transaction import Done, Leg, Parcel, Shape, Transaction, plan
from asyncmta.mail.envelope import QueueId

__all__ = ["Backlog", "Done", "Leg", "Parcel", "Shape", "Transaction", "plan"]

FIRST_WINDOW = 5
FIRST_SUSPENSION = 60.0
LONGEST_SUSPENSION = 900.0
MOST_IN_A_ROW = 10
MOST_NEEDED = 128


class Backlog:
    """The transactions that wait, and the count of sessions: `opening` ones and `live` ones, within the `window`."""

    __slots__ = (
        "_failures",
        "_good",
        "_growing",
        "_joined",
        "_needed",
        "live",
        "most_sessions",
        "opening",
        "pace",
        "shape",
        "suspended_until",
        "waiting",
        "window",
    )

    def __init__(self, most_sessions: int, shape: Shape | None = None, pace: Pace | None = None) -> None:
        self.most_sessions = most_sessions
        self.shape = shape if shape is not None else Shape()
        self.pace = pace
        self.window = min(FIRST_WINDOW, most_sessions)
        self.opening = 0
        self.live = 0
        self.suspended_until = 0.0
        self.waiting: deque[Transaction] = deque()  # those at the head of a row
        self._failures = 0
        self._good = 0  # transactions since the window was last opened
        self._needed = 1  # how many it takes: more for each time it was too wide
        self._joined = 0
        # Of messages with more recipients than came so far: the last of its row, which the next ones may join. Large
        # messages come in turns, some recipients each, so that others are not held up (D-62).
        self._growing: dict[QueueId, Transaction] = {}

    def join(self, transaction: Transaction) -> None:
        """Wait at the end, or with what is here of the same message."""
        self._joined += 1
        transaction.joined = self._joined
        consignment = transaction.consignment
        if len(consignment.envelope.recipients) > len(transaction.ordinals):
            growing = self._growing.get(consignment.queue_id)
            if growing is not None:
                if self._fits(growing, transaction):
                    growing.absorb(transaction)
                    return
                if growing.place < MOST_IN_A_ROW - 1:
                    growing.behind = transaction
                    transaction.place = growing.place + 1
                    self._growing[consignment.queue_id] = transaction
                    return
            self._growing[consignment.queue_id] = transaction
        self.waiting.append(transaction)

    def _fits(self, growing: Transaction, transaction: Transaction) -> bool:
        if growing.is_begun or self.shape.most_domains or growing.behind is not None:
            return False
        return len(growing.ordinals) + len(transaction.ordinals) <= self.shape.most_recipients

    def give_back(self, transaction: Transaction) -> None:
        """Wait at the front, with who stands behind it: its session came to an end before it was heard."""
        transaction.returns += 1
        self.waiting.appendleft(transaction)

    def take(self, now: float = 0.0) -> Transaction | None:
        """The next one, for a live session; None also when there are more sessions than the window allows, or when
        its turn has not come yet (`now` counts only where there is a pace)."""
        if not self.waiting or self.live > self.window:
            return None
        if self.pace is not None:
            if not self.pace.room(now):
                return None
            self.pace.take(now)
        transaction = self.waiting.popleft()
        transaction.is_begun = True
        return transaction

    def ended(self, transaction: Transaction) -> None:
        """Who stands behind it is next."""
        behind, transaction.behind = transaction.behind, None
        if behind is not None:
            self.waiting.appendleft(behind)
        elif self._growing and self._growing.get(transaction.consignment.queue_id) is transaction:
            del self._growing[transaction.consignment.queue_id]

    def row_of(self, transaction: Transaction) -> list[Leg]:
        """What stands behind it, taken out of the row, to be planned anew with what is left of it."""
        legs = []
        queue_id = transaction.consignment.queue_id
        for each in _row(transaction):
            if each is not transaction:
                legs += each.legs()
                if self._growing.get(queue_id) is each:
                    self._growing[queue_id] = transaction
        return legs

    def instead(self, transaction: Transaction, parts: list[Transaction]) -> Transaction:
        """Other ones take its place, in rows, and who stood behind it behind them; returns the first, which is to be
        sent or to wait at the front. Further rows wait there already."""
        last = parts[-1]
        for place, (ahead, behind) in enumerate(pairwise(parts), 1):
            if place % MOST_IN_A_ROW:
                ahead.behind = behind
        for head in reversed(parts[MOST_IN_A_ROW::MOST_IN_A_ROW]):
            self.waiting.appendleft(head)
        last.behind, transaction.behind = transaction.behind, None
        if self._growing.get(transaction.consignment.queue_id) is transaction:
            self._growing[transaction.consignment.queue_id] = last
            last.place = transaction.place
        for part in parts:
            part.joined = transaction.joined
        return parts[0]

    @property
    def may_open(self) -> bool:
        """Is another session of use, and allowed?"""
        return len(self.waiting) > self.opening and self.has_room

    @property
    def has_room(self) -> bool:
        """Does the window allow another session?"""
        return self.opening + self.live < self.window

    def has_turn(self, now: float) -> bool:
        """Has the turn come of one more than there are sessions being opened?"""
        return self.pace is None or self.pace.room(now) > self.opening

    @property
    def is_clear(self) -> bool:
        """Has nobody who comes now to wait for others, or for his turn?"""
        return not self.waiting and self.pace is None

    @property
    def is_crowded(self) -> bool:
        """Are there more sessions than the window allows, and work that they keep from each other?"""
        return bool(self.waiting) and self.live > self.window

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
        self._needed = max(1, self._needed // 2)

    def not_opened(self) -> None:
        self.opening -= 1

    def closed(self) -> None:
        self.live -= 1

    def succeeded(self, *, is_too_much: bool = False) -> None:
        """A transaction came to its end in good order. `is_too_much`: and the server said that we send too much."""
        self._failures = 0
        if is_too_much:
            self.slow_down()
        elif self.window < self.most_sessions:
            self._good += 1
            if self._good >= self._needed:
                self._good = 0
                self.window += 1

    def slow_down(self) -> None:
        """A session broke in the middle of its work, or was told that we are too many."""
        self.window = max(1, self.window - 1)
        self._good = 0
        self._needed = min(2 * self._needed, MOST_NEEDED)

    def turned_away(self, now: float) -> bool:
        """A session could not be opened, or was sent away at once. True: nobody is left inside, suspended from now."""
        self.slow_down()
        if self.opening or self.live:
            return False
        # The window stays at one until somebody gets through: one session finds out, not twenty.
        self.window = 1
        self._failures = min(self._failures + 1, 10)
        self.suspended_until = now + self.suspension
        return True

    @property
    def suspension(self) -> float:
        """How long the last one is, in seconds; 0 while there was none."""
        return min(FIRST_SUSPENSION * 2 ** (self._failures - 1), LONGEST_SUSPENSION) if self._failures else 0.0

    def drain(self) -> list[Transaction]:
        """All that wait, taken out, each for itself."""
        waiting = [each for head in self.waiting for each in _row(head)]
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


def _row(head: Transaction | None) -> Iterator[Transaction]:
    while head is not None:
        following, head.behind = head.behind, None
        yield head
        head = following
