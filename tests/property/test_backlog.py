"""The backlog as a machine: nothing lost, nothing doubled, never a session opened above the window."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from asyncmta.delivery import transaction as transaction_module
from asyncmta.delivery.backlog import Backlog
from asyncmta.delivery.transaction import Done, Leg, Parcel, Shape, Transaction
from asyncmta.delivery.way import Way
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Consignment, Content, Envelope, QueueId, Recipient
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Outcome, Postponed
from asyncmta.mail.reply import reply

TAKEN = Delivered(reply(250, "2.0.0", "ok"))
DOWN = Deferred(Cause.CONNECT, reply(451, "4.4.1", "down"))
ENVELOPE = Envelope(None, tuple(Recipient(parse_address(f"r{n}@example.net")) for n in range(40)))
CONTENT = Content(1, b"", False, 1)

WAY = Way(())


def plan(consignments: list[Consignment], done: Done, most: int) -> list[Transaction]:
    legs = [Leg(Parcel(each, WAY, done), each.ordinals) for each in consignments]
    return transaction_module.plan(legs, Shape(most))


shapes = st.lists(st.integers(1, 9), min_size=1, max_size=4)


def consignments(sizes: list[int], queue_id: int = 1, first: int = 0) -> list[Consignment]:
    """One message for several destinations; the sizes say for how many recipients each."""
    made = []
    for size in sizes:
        ordinals = tuple(range(first, first + size))
        made.append(Consignment(QueueId(queue_id), f"mx:{first}", ENVELOPE, ordinals, CONTENT, 0.0))
        first += size
    return made


@given(shapes, st.integers(1, 12), st.data())
def test_merging_and_splitting_keep_every_ordinal_once(sizes: list[int], most: int, data: st.DataObject) -> None:
    results: dict[Consignment, Mapping[int, Outcome] | Postponed] = {}

    def done(consignment: Consignment, result: Mapping[int, Outcome] | Postponed) -> None:
        assert consignment not in results
        results[consignment] = result

    given_out = consignments(sizes)
    transactions = plan(given_out, done, most)
    assert sorted(ordinal for transaction in transactions for ordinal in transaction.ordinals) == list(
        range(sum(sizes))
    )
    assert all(len(transaction.ordinals) <= most for transaction in transactions)
    assert len(transactions) == -(-sum(sizes) // most)
    postponed = Postponed(1.0, "later")
    tried: set[int] = set()
    for transaction in data.draw(st.permutations(transactions)):
        if data.draw(st.booleans()):
            transaction.settle_all(TAKEN)
            tried.update(transaction.ordinals)
        else:
            transaction.postpone(postponed, DOWN)
    assert set(results) == set(given_out)
    for consignment, result in results.items():
        if isinstance(result, Postponed):
            assert not tried.intersection(consignment.ordinals)
        else:
            assert sorted(result) == list(consignment.ordinals)
            assert {ordinal for ordinal, outcome in result.items() if outcome == TAKEN} == tried.intersection(
                consignment.ordinals
            )


class BacklogMachine(RuleBasedStateMachine):
    """Sessions come and go; transactions join, are taken, come back, are settled."""

    taken = Bundle("taken")

    def __init__(self) -> None:
        super().__init__()
        self.backlog = Backlog(6, Shape(5))
        self.queue_id = 0
        self.next_ordinal = 0
        self.now = 1000.0
        self.open: list[Consignment] = []
        self.answered: list[Consignment] = []
        self.in_hand = 0

    def done(self, consignment: Consignment, result: Mapping[int, Outcome] | Postponed) -> None:
        assert consignment in self.open
        self.open.remove(consignment)
        self.answered.append(consignment)

    @rule(sizes=shapes, is_new=st.booleans())
    def join(self, sizes: list[int], is_new: bool) -> None:
        """A new message, or more recipients of the last one."""
        if is_new or self.next_ordinal + sum(sizes) > len(ENVELOPE.recipients):
            self.queue_id += 1
            self.next_ordinal = 0
        given_out = consignments(sizes, self.queue_id, self.next_ordinal)
        self.next_ordinal += sum(sizes)
        self.open += given_out
        for transaction in plan(given_out, self.done, 5):
            self.backlog.join(transaction)

    @precondition(lambda self: self.backlog.may_open)
    @rule()
    def begin_opening(self) -> None:
        assert self.backlog.opening + self.backlog.live < self.backlog.window
        self.backlog.begin_opening()
        assert self.backlog.opening <= len(self.backlog.waiting)

    @precondition(lambda self: self.backlog.opening)
    @rule()
    def opened(self) -> None:
        self.backlog.opened()

    @precondition(lambda self: self.backlog.opening)
    @rule(seconds=st.floats(0, 2000))
    def not_opened(self, seconds: float) -> None:
        self.now += seconds
        self.backlog.not_opened()
        if self.backlog.turned_away(self.now):
            assert self.backlog.live == self.backlog.opening == 0
            assert self.now + 60 <= self.backlog.suspended_until <= self.now + 900
            for transaction in self.backlog.drain():
                transaction.postpone(Postponed(0.0, "suspended"), DOWN)

    @precondition(lambda self: self.backlog.live > self.in_hand)
    @rule(target=taken)
    def take(self) -> Transaction | None:
        transaction = self.backlog.take()
        if transaction is not None:
            self.in_hand += 1
            assert 0 < len(transaction.ordinals) == len(set(transaction.ordinals)) <= 5
        else:
            assert not self.backlog.waiting or self.backlog.live > self.backlog.window
        return transaction

    @rule(transaction=consumes(taken), is_good=st.booleans())
    def finish(self, transaction: Transaction | None, is_good: bool) -> None:
        if transaction is None:
            return
        self.in_hand -= 1
        if is_good:
            self.backlog.succeeded()
        else:
            self.backlog.closed()
            self.backlog.slow_down()
        behind = transaction.behind
        self.backlog.ended(transaction)
        assert behind is None or self.backlog.waiting[0] is behind
        transaction.settle_all(TAKEN)

    @rule(transaction=consumes(taken), at=st.integers(1, 4))
    def cut(self, transaction: Transaction | None, at: int) -> None:
        """The server takes fewer: it is sent in parts, and what is behind it is not lost."""
        if transaction is None or len(transaction.ordinals) == 1:
            self.in_hand -= transaction is not None
            if transaction is not None:
                self.backlog.ended(transaction)
                transaction.settle_all(TAKEN)
            return
        self.in_hand -= 1
        parts = transaction_module.plan(transaction.legs(), Shape(at))
        self.backlog.waiting.appendleft(self.backlog.instead(transaction, parts))

    @rule(transaction=consumes(taken))
    def give_back(self, transaction: Transaction | None) -> None:
        if transaction is None:
            return
        self.in_hand -= 1
        self.backlog.closed()
        self.backlog.give_back(transaction)
        assert self.backlog.waiting[0] is transaction

    @precondition(lambda self: self.backlog.live > self.in_hand)
    @rule()
    def idle_session_ends(self) -> None:
        self.backlog.closed()

    @invariant()
    def the_window_is_within_its_limits(self) -> None:
        assert 1 <= self.backlog.window <= 6
        assert self.backlog.live >= self.in_hand
        assert self.backlog.opening >= 0

    @invariant()
    def somebody_can_come_for_what_waits(self) -> None:
        if self.backlog.waiting and not self.backlog.opening and not self.backlog.live:
            assert self.backlog.may_open

    @invariant()
    def what_waits_is_unanswered(self) -> None:
        for transaction in self.backlog.waiting:
            assert transaction.consignment in self.open

    def teardown(self) -> None:
        for transaction in self.backlog.drain():
            transaction.settle_all(DOWN)
        if not self.in_hand:
            assert self.open == []
        assert len(self.answered) == len(set(self.answered))


BacklogMachine.TestCase.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)
TestBacklog = BacklogMachine.TestCase
