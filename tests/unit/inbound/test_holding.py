"""inbound/holding: what all sessions keep in memory, and who has to go when it is too much."""

from __future__ import annotations

import pytest

from asyncmta.inbound import sessions
from asyncmta.inbound.holding import RECIPIENT, WORTH, Holding
from asyncmta.mail import replies
from tests.unit.inbound.inboundkit import Kit, KitTransport

LINE = b"some text that goes on and on\r\n"


def test_who_keeps_more_than_its_part_of_too_much() -> None:
    holding = Holding(1000)
    assert not holding.change(0, 900)
    assert not holding.change(0, 90)
    assert not holding.change(0, 20)  # above the limit, but below its part
    assert not holding.change(900, 900)
    assert not holding.change(900, 890)
    assert holding.change(890, 891)
    assert holding.change(0, 600)
    assert (holding.octets, holding.holders) == (891 + 90 + 20 + 600, 4)
    holding.change(891, 0)
    assert (holding.octets, holding.holders) == (710, 3)
    holding.change(0, 0)
    assert (holding.octets, holding.holders) == (710, 3)


def test_when_memory_is_worth_giving_back() -> None:
    holding = Holding()
    assert not holding.is_worth_giving_back(0)
    holding.change(0, 2 * WORTH)
    assert not holding.is_worth_giving_back(0)
    holding.change(2 * WORTH, 0)
    assert holding.is_worth_giving_back(0)
    holding.gave_back()
    assert not holding.is_worth_giving_back(0)
    holding.entered(4000)
    holding.entered(3999)
    assert not holding.is_worth_giving_back(3999)
    assert holding.is_worth_giving_back(100)


def test_memory_is_given_back_when_nothing_happens_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[bool] = []
    monkeypatch.setattr(sessions, "give_back", lambda: given.append(True))
    kit = Kit()
    connection, _ = kit.in_content()
    kit.reception.holding.change(0, 2 * WORTH)
    kit.reception.holding.change(2 * WORTH, 0)
    connection.data_received(LINE)
    assert not given
    kit.clock.advance(5)
    assert given == [True]
    kit.reception.holding.entered(10_000)
    connection.connection_lost(None)
    assert given == [True]
    kit.clock.advance(5)
    assert given == [True, True]
    assert kit.clock.next_timer() is None


def test_no_more_than_twice_the_limit() -> None:
    holding = Holding(1 << 20)
    held = [0] * 1000
    for _ in range(100):
        for at, before in enumerate(held):
            held[at] += 100
            if holding.change(before, held[at]):
                holding.change(held[at], 0)
                held[at] = 0
    assert holding.octets == sum(held)
    assert holding.octets <= 2 << 20


def test_big_content_is_turned_away_and_small_mail_goes_on() -> None:
    kit = Kit()
    holding = kit.reception.holding
    holding.limit = 100_000
    (big, big_there), (other, other_there) = kit.in_content(), kit.in_content()
    big.data_received(LINE * 2000)
    other.data_received(LINE * 2000)
    assert other_there.take() == replies.OVERLOADED.wire
    assert other_there.closed
    assert big_there.take() == b""
    small, small_there = kit.in_content()
    small.data_received(LINE + b".\r\n")
    assert small_there.take() == replies.queued(kit.queued[-1]).wire
    for connection in (big, other, small):
        connection.connection_lost(None)
    assert (holding.octets, holding.holders) == (0, 0)


def test_what_is_counted() -> None:
    kit = Kit()
    holding = kit.reception.holding
    connection, transport = kit.in_content()
    assert holding.octets == RECIPIENT
    connection.data_received(LINE * 100)
    assert holding.octets == RECIPIENT + 100 * len(LINE)
    connection.data_received(b".\r\n")
    assert holding.octets == 0
    transport.take()
    connection.data_received(b"NOOP of which the end is still to co")
    assert holding.octets == len(b"NOOP of which the end is still to co")
    connection.data_received(b"me\r\n")
    assert holding.octets == 0


def test_content_in_a_file_counts_for_what_its_writer_keeps() -> None:
    kit = Kit()
    holding = kit.reception.holding
    connection, _ = kit.in_content()
    connection.data_received(LINE * 20_000)
    assert RECIPIENT < holding.octets < len(LINE) * 20_000
    holding.limit = 1000
    _, transport = kit.connect(KitTransport(("192.0.2.9", 1)))
    assert transport.take().startswith(b"220 ")
    connection.data_received(LINE * 20_000)
    connection.connection_lost(None)
    assert holding.octets == 0


def test_content_that_is_refused_is_not_kept() -> None:
    kit = Kit()
    connection, _ = kit.in_content()
    connection.data_received(LINE * 100 + b"\0" + LINE * 100)
    assert kit.reception.holding.octets == RECIPIENT
