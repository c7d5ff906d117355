"""Those who look on: how many, how far behind, and how it ends."""

from __future__ import annotations

import asyncio

import pytest

from asyncmta.testing.clock import FakeClock
from asyncmta.tracing.events import Session, TraceEvent
from asyncmta.tracing.looking import MOST, MOST_EVENTS, TooMany, Tracing
from asyncmta.tracing.wanted import Wanted

CLIENT = Session("i1", "in", "192.0.2.7", 4000, "relay 127.0.0.1:2525", "relay")


@pytest.fixture
def tracing():
    return Tracing(FakeClock())


async def test_there_are_only_so_many(tracing):
    assert not tracing.is_on
    lookers = [tracing.look(Wanted()) for _ in range(MOST)]
    assert (tracing.is_on, tracing.lookers) == (True, MOST)
    with pytest.raises(TooMany):
        tracing.look(Wanted())
    lookers[0].close()
    lookers[0].close()
    tracing.look(Wanted())
    tracing.close()
    assert (tracing.is_on, tracing.lookers) == (False, 0)


async def test_a_slow_reader_loses_the_oldest_and_is_told(tracing):
    looker = tracing.look(Wanted())
    for number in range(MOST_EVENTS + 7):
        looker.put(TraceEvent(float(number), "line", "x"))
    told, first, *rest = await looker.take(1.0)
    assert (told.kind, told.count, looker.dropped) == ("dropped", 7, 7)
    assert first.time == 7.0
    assert len(rest) == MOST_EVENTS - 1
    looker.put(TraceEvent(1.0, "line", "y"))
    assert [event.line for event in await looker.take(1.0)] == ["y"]


async def test_waiting_ends_with_an_event_with_the_time_and_with_the_end(tracing):
    looker = tracing.look(Wanted())
    waiting = asyncio.ensure_future(looker.take(60.0))
    await asyncio.sleep(0)
    looker.put(TraceEvent(1.0, "line", "y"))
    assert [event.line for event in await waiting] == ["y"]
    assert await looker.take(0.0) == []
    waiting = asyncio.ensure_future(looker.take(60.0))
    await asyncio.sleep(0)
    tracing.close()
    assert await waiting == []
    assert looker.is_closed
    assert await looker.take(60.0) == []


async def test_a_tap_is_for_who_wants_it_and_is_joined_by_who_comes_later(tracing):
    assert tracing.tap(CLIENT) is None
    first = tracing.look(Wanted(listener="relay"))
    other = tracing.look(Wanted(listener="submission"))
    tap = tracing.tap(CLIENT)
    second = tracing.look(Wanted())
    tap.us(b"220 hello\r\n")
    assert len(await first.take(0.0)) == 1
    assert len(await second.take(0.0)) == 1
    assert await other.take(0.0) == []
    first.close()
    assert tap.is_on
    second.close()
    assert not tap.is_on
    assert tracing.tap(CLIENT) is None


async def test_sessions_have_numbers(tracing):
    assert [tracing.next_id("in"), tracing.next_id("out")] == ["i1", "o2"]
