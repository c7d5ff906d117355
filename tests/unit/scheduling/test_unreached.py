"""Who waits because nobody could be reached, and who follows a delivery."""

from __future__ import annotations

import pytest

from asyncmta.mail.envelope import QueueId
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Outcome, Scope, is_unreached
from asyncmta.mail.reply import reply
from asyncmta.scheduling import unreached
from asyncmta.scheduling.unreached import AT_ONCE, Unreached


def waiter(number: int, tag: int = 8) -> tuple[QueueId, int]:
    return QueueId(number), tag


def test_a_delivery_to_the_destination_is_followed_once() -> None:
    waiting = Unreached()
    waiting.add(waiter(1))
    waiting.add(waiter(2, 16))
    assert waiting.follow(8, "mx.example.org") == [waiter(1)]
    assert waiting.follow(8, "mx.example.org") == []
    assert list(waiting.hosts) == [waiter(2, 16)]


def test_a_delivery_by_the_host_is_followed_by_other_destinations() -> None:
    waiting = Unreached()
    waiting.add(waiter(1), "mx.example.org")
    waiting.add(waiter(2, 16), "mx.example.org")
    waiting.add(waiter(3, 24), "mx.example.net")
    assert waiting.follow(8, "mx.example.org") == [waiter(1), waiter(2, 16)]
    assert list(waiting.hosts) == [waiter(3, 24)]


def test_the_name_of_no_host_is_none() -> None:
    waiting = Unreached()
    waiting.add(waiter(1))
    assert waiting.follow(16, "") == []


def test_so_many_follow_and_the_oldest_first() -> None:
    waiting = Unreached()
    for number in range(2 * AT_ONCE + 1):
        waiting.add(waiter(number), "mx.example.org")
    first, second, third = (waiting.follow(8, "mx.example.org") for _ in range(3))
    assert [each[0] for each in first + second + third] == list(range(2 * AT_ONCE + 1))
    assert [len(first), len(second), len(third)] == [AT_ONCE, AT_ONCE, 1]
    assert not waiting.hosts
    assert not waiting._groups, "nothing is kept of those that are gone"


def test_who_has_had_another_answer_does_not_follow() -> None:
    waiting = Unreached()
    waiting.add(waiter(1), "mx.example.org")
    waiting.drop(waiter(1))
    waiting.drop(waiter(1))
    assert waiting.follow(8, "mx.example.org") == []


def test_who_is_told_again_has_the_host_of_last_time() -> None:
    waiting = Unreached()
    waiting.add(waiter(1), "mx.example.org")
    waiting.add(waiter(1), "mx.example.net")
    assert waiting.follow(16, "mx.example.org") == []
    assert waiting.follow(16, "mx.example.net") == [waiter(1)]


def test_beyond_the_limit_the_oldest_are_left_to_their_own_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unreached, "MOST", 3)
    waiting = Unreached()
    for number in range(5):
        waiting.add(waiter(number))
    assert [each[0] for each in waiting.follow(8, "")] == [2, 3, 4]


REFUSED = reply(451, "4.4.1", "no connection (connecting): Connection refused")


@pytest.mark.parametrize(
    ("outcome", "is_so"),
    [
        (Deferred(Cause.CONNECT, REFUSED, Scope.SITE), True),
        (Deferred(Cause.TIMEOUT, REFUSED, Scope.SITE), True),
        (Deferred(Cause.REFUSED, REFUSED, Scope.SITE), False),
        (Deferred(Cause.CONNECT, REFUSED, Scope.RECIPIENT), False),
        (Deferred(Cause.CONNECT, reply(451, "4.4.2", "the connection was lost (RCPT)"), Scope.SITE), False),
        (Failed(Cause.CONNECT, REFUSED, Scope.SITE), False),
        (Delivered(reply(250, "2.0.0", "taken")), False),
    ],
)
def test_what_says_that_nobody_was_reached(outcome: Outcome, is_so: bool) -> None:
    assert is_unreached(outcome) is is_so
