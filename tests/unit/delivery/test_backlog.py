"""What waits for a site: transactions, window, suspension."""

from __future__ import annotations

from collections.abc import Mapping

from asyncmta.delivery import transaction as transaction_module
from asyncmta.delivery.backlog import FIRST_WINDOW, Backlog
from asyncmta.delivery.transaction import Done, Leg, Parcel, Shape, Transaction
from asyncmta.delivery.way import Way
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Consignment, Content, Envelope, QueueId, Recipient
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Outcome, Postponed
from asyncmta.mail.reply import reply

TAKEN = Delivered(reply(250, "2.0.0", "ok"))
DOWN = Deferred(Cause.CONNECT, reply(451, "4.4.1", "down"))
LATER = Postponed(99.0, "suspended")
ENVELOPE = Envelope(None, tuple(Recipient(parse_address(f"r{n}@example.net")) for n in range(1000)))

Result = Mapping[int, Outcome] | Postponed


WAY = Way(())


def plan(consignments: list[Consignment], done: Done, most: int, domains: int = 0) -> list[Transaction]:
    legs = [Leg(Parcel(each, WAY, done), each.ordinals) for each in consignments]
    return transaction_module.plan(legs, Shape(most, domains))


class Results(dict[str, Result]):
    """What was said of each consignment, by destination."""

    def __call__(self, consignment: Consignment, result: Result) -> None:
        assert consignment.destination not in self
        self[consignment.destination] = result


def consignment(destination: str, *ordinals: int) -> Consignment:
    return Consignment(QueueId(7), destination, ENVELOPE, ordinals, Content(1, b"", False, 1), 0.0)


def test_one_consignment_is_one_transaction() -> None:
    done = Results()
    (transaction,) = plan([consignment("a", 3, 5)], done, 100)
    assert transaction.ordinals == (3, 5)
    transaction.settle_all(TAKEN)
    assert done == {"a": {3: TAKEN, 5: TAKEN}}


def test_consignments_of_one_message_share_a_transaction() -> None:
    done = Results()
    (transaction,) = plan([consignment("a", 0, 2), consignment("b", 1)], done, 100)
    assert transaction.ordinals == (0, 2, 1)
    transaction.settle({0: TAKEN, 1: DOWN, 2: TAKEN})
    assert done == {"a": {0: TAKEN, 2: TAKEN}, "b": {1: DOWN}}


def test_a_large_consignment_is_split_and_settled_once() -> None:
    done = Results()
    transactions = plan([consignment("a", *range(250))], done, 100)
    assert [len(transaction.ordinals) for transaction in transactions] == [100, 100, 50]
    for transaction in transactions:
        assert done == {}
        transaction.settle_all(TAKEN)
    assert done == {"a": dict.fromkeys(range(250), TAKEN)}


def test_a_thousand_recipients_in_a_hundred_domains_need_ten_transactions() -> None:
    done = Results()
    transactions = plan([consignment(f"d{n}", *range(n * 10, n * 10 + 10)) for n in range(100)], done, 100)
    assert [len(transaction.ordinals) for transaction in transactions] == [100] * 10
    assert sorted(ordinal for transaction in transactions for ordinal in transaction.ordinals) == list(range(1000))


def test_a_postponed_consignment_was_not_tried() -> None:
    done = Results()
    (transaction,) = plan([consignment("a", 1)], done, 100)
    transaction.postpone(LATER, DOWN)
    assert done == {"a": LATER}


def test_in_company_all_are_postponed() -> None:
    done = Results()
    (transaction,) = plan([consignment("a", 1), consignment("b", 2)], done, 100)
    transaction.postpone(LATER, DOWN)
    assert done == {"a": LATER, "b": LATER}


def test_a_consignment_tried_in_part_is_not_postponed() -> None:
    done = Results()
    first, second = plan([consignment("a", 0, 1, 2)], done, 2)
    second.postpone(LATER, DOWN)
    first.settle_all(TAKEN)
    assert done == {"a": {0: TAKEN, 1: TAKEN, 2: DOWN}}


def alone(number: int) -> Consignment:
    envelope = Envelope(None, ENVELOPE.recipients[:1])
    return Consignment(QueueId(number), "a", envelope, (0,), Content(1, b"", False, 1), 0.0)


def waiting(backlog: Backlog, count: int = 1) -> list[Transaction]:
    transactions = [plan([alone(number)], Results(), 100)[0] for number in range(count)]
    for transaction in transactions:
        backlog.join(transaction)
    return transactions


def test_first_come_first_served() -> None:
    backlog = Backlog(20)
    first, second = waiting(backlog, 2)
    assert (backlog.take(), backlog.take(), backlog.take()) == (first, second, None)


def test_more_of_a_message_joins_what_waits_of_it() -> None:
    done = Results()
    backlog = Backlog(20, Shape(5))
    for at in range(4):
        for transaction in plan([consignment(f"d{at}", 2 * at, 2 * at + 1)], done, 5):
            backlog.join(transaction)
    first, second = backlog.drain()
    assert (first.ordinals, second.ordinals) == ((0, 1, 2, 3), (4, 5, 6, 7))
    first.settle_all(TAKEN)
    second.settle_all(DOWN)
    assert done == {
        "d0": {0: TAKEN, 1: TAKEN},
        "d1": {2: TAKEN, 3: TAKEN},
        "d2": {4: DOWN, 5: DOWN},
        "d3": {6: DOWN, 7: DOWN},
    }


def test_what_comes_later_stands_behind_what_has_left() -> None:
    backlog = Backlog(20)
    (first,) = plan([consignment("a", 0)], Results(), 100)
    (second,) = plan([consignment("b", 1)], Results(), 100)
    (third,) = plan([consignment("c", 2)], Results(), 100)
    backlog.join(first)
    assert backlog.take() is first
    backlog.join(second)
    backlog.join(third)
    assert not backlog.may_open
    assert (first.ordinals, second.ordinals) == ((0,), (1, 2))
    backlog.ended(first)
    assert backlog.take() is second
    backlog.ended(second)
    (fourth,) = plan([consignment("d", 3)], Results(), 100)
    backlog.join(fourth)
    assert backlog.drain() == [fourth]


def test_ten_of_a_message_stand_in_a_row() -> None:
    backlog = Backlog(20, Shape(10))
    for transaction in plan([consignment("a", *range(250))], Results(), 10):
        backlog.join(transaction)
    assert [head.ordinals[0] for head in backlog.waiting] == [0, 100, 200]
    assert [each.ordinals[0] for each in backlog.drain()] == list(range(0, 250, 10))
    assert backlog.is_idle


def test_what_is_planned_anew_takes_along_what_stands_behind_it() -> None:
    """And what comes later of the message stands behind that."""
    done = Results()
    backlog = Backlog(20, Shape(4))
    for transaction in plan([consignment("a", *range(12))], done, 4):
        backlog.join(transaction)
    first = backlog.take()
    assert first is not None
    legs = backlog.row_of(first)
    assert [leg.ordinals for leg in legs] == [(4, 5, 6, 7), (8, 9, 10, 11)]
    assert backlog.row_of(first) == []
    head = backlog.instead(first, transaction_module.plan(legs, Shape(3)))
    backlog.waiting.appendleft(head)
    (late,) = plan([consignment("b", 12, 13, 14, 15)], done, 4)
    backlog.join(late)
    row = backlog.drain()
    assert [each.ordinals for each in row] == [(4, 5, 6), (7, 8, 9), (10, 11), (12, 13, 14, 15)]
    first.legs()[0].settle(dict.fromkeys(range(4), TAKEN))
    for transaction in row:
        transaction.settle_all(TAKEN)
    assert done == {"a": dict.fromkeys(range(12), TAKEN), "b": dict.fromkeys(range(12, 16), TAKEN)}


def test_what_comes_later_joins_the_last_part_while_there_is_room() -> None:
    backlog = Backlog(20, Shape(4))
    (first,) = plan([consignment("a", 0, 1, 2)], Results(), 4)
    backlog.join(first)
    assert backlog.take() is first
    head = backlog.instead(first, transaction_module.plan(first.legs(), Shape(2)))
    assert head.behind is not None
    (late,) = plan([consignment("b", 3)], Results(), 4)
    backlog.join(late)
    assert (head.ordinals, head.behind.ordinals) == ((0, 1), (2, 3))


def test_what_comes_back_is_next() -> None:
    backlog = Backlog(20)
    first, _ = waiting(backlog, 2)
    taken = backlog.take()
    assert taken is first
    backlog.give_back(first)
    assert backlog.take() is first
    assert first.returns == 1


def open_all(backlog: Backlog) -> int:
    opened = 0
    while backlog.may_open:
        backlog.begin_opening()
        opened += 1
    return opened


def test_no_more_sessions_than_there_is_work_for() -> None:
    backlog = Backlog(20)
    waiting(backlog, 2)
    assert open_all(backlog) == 2


def test_the_window_opens_with_success_up_to_its_limit() -> None:
    backlog = Backlog(20)
    waiting(backlog, 100)
    assert open_all(backlog) == FIRST_WINDOW
    for _ in range(30):
        backlog.succeeded()
    assert backlog.window == 20
    assert open_all(backlog) == 20 - FIRST_WINDOW


def test_a_small_limit_is_kept() -> None:
    backlog = Backlog(1)
    waiting(backlog, 3)
    assert open_all(backlog) == 1


def test_sessions_beyond_the_window_get_nothing() -> None:
    backlog = Backlog(5)
    waiting(backlog, 9)
    for _ in range(open_all(backlog)):
        backlog.opened()
    backlog.slow_down()
    assert backlog.take() is None
    backlog.closed()
    assert backlog.take() is not None


def test_one_session_turned_away_makes_the_window_smaller() -> None:
    backlog = Backlog(20)
    waiting(backlog, 9)
    open_all(backlog)
    backlog.opened()
    backlog.not_opened()
    assert not backlog.turned_away(1000.0)
    assert backlog.window == FIRST_WINDOW - 1
    assert not backlog.has_failed


def test_nobody_inside_suspends_the_site_for_longer_each_time() -> None:
    backlog = Backlog(20)
    now = 1000.0
    lengths = []
    for _ in range(15):
        backlog.begin_opening()
        backlog.not_opened()
        assert backlog.turned_away(now)
        lengths.append(backlog.suspended_until - now)
        now = backlog.suspended_until
    assert lengths[:6] == [60, 120, 240, 480, 900, 900]
    assert lengths[-1] == 900
    assert backlog.has_failed
    waiting(backlog, 9)
    assert open_all(backlog) == 1
    backlog.opened()
    backlog.succeeded()
    assert not backlog.has_failed
    backlog.closed()
    assert backlog.turned_away(now)
    assert backlog.suspended_until == now + 60


def test_drain_takes_all() -> None:
    backlog = Backlog(20)
    transactions = waiting(backlog, 3)
    assert not backlog.is_idle
    assert backlog.drain() == transactions
    assert backlog.is_idle
    backlog.begin_opening()
    assert not backlog.is_idle


def test_who_waited_is_known_by_the_mark() -> None:
    backlog = Backlog(20)
    (early,) = waiting(backlog)
    mark = backlog.begin_opening()
    (late,) = waiting(backlog)
    assert early.joined <= mark < late.joined


def test_whoever_knows_better_ends_a_suspension_and_how_long_the_next_one_is() -> None:
    backlog = Backlog(20)
    backlog.begin_opening()
    backlog.not_opened()
    assert backlog.turned_away(100.0)
    first = backlog.suspended_until - 100.0
    assert first > 0.0
    backlog.resume()
    assert backlog.suspended_until == 0.0
    backlog.begin_opening()
    backlog.not_opened()
    assert backlog.turned_away(200.0)
    assert backlog.suspended_until - 200.0 == first
