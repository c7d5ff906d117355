"""inbound/lag and loop_watch: when nobody new is taken because the loop is late, and when again."""

from __future__ import annotations

import pytest

from asyncmta.inbound.lag import Lag, LagSettings
from asyncmta.inbound.listener import SmtpConnection
from asyncmta.inbound.loop_watch import LoopWatch
from asyncmta.mail import replies
from asyncmta.testing.clock import FakeClock
from tests.unit.inbound.inboundkit import Kit, KitTransport

TICK = LagSettings().tick


@pytest.mark.parametrize(
    ("late", "is_lagging", "changes"),
    [
        ((), False, 0),
        ((0.0,) * 9, False, 0),
        ((60.0,), False, 0),
        ((3.0, 3.0), False, 0),
        ((2.0, 2.0, 2.0, 2.0), False, 0),
        ((3.0, 3.0, 0.0, 3.0, 3.0), False, 0),
        ((3.0, 3.0, 3.0), True, 1),
        ((3.0, 3.0, 3.0, 0.0, 0.0), True, 1),
        ((3.0, 3.0, 3.0, 0.0, 0.0, 1.0, 0.0, 0.0), True, 1),
        ((3.0,) * 8, True, 1),
        ((3.0, 3.0, 3.0, 0.0, 0.5, 0.0), False, 2),
        ((3.0, 3.0, 3.0, 0.0, 0.0, 0.0, 3.0, 3.0, 3.0), True, 3),
    ],
)
def test_a_lag_is_several_ticks_in_a_row(late: tuple[float, ...], is_lagging: bool, changes: int) -> None:
    lag = Lag()
    assert sum(map(lag.observe, late)) == changes
    assert lag.is_lagging is is_lagging


def stall(connection: SmtpConnection, clock: FakeClock, times: int, seconds: float = 5.0) -> None:
    """The loop comes to its timers so late: the clock is found moved on, as by a callback that took so long."""
    for _ in range(times):
        connection.data_received(b"NOOP\r\n")
        clock._move(clock.monotonic() + TICK + seconds)
        clock.advance(0)


def test_new_sessions_are_refused_while_the_loop_lags() -> None:
    kit = Kit()
    clock = kit.clock
    live, there = kit.greeted()
    stall(live, clock, 3)
    there.take()
    _, refused = kit.connect(KitTransport(("192.0.2.7", 1)))
    assert refused.take() == replies.OVERLOADED.wire
    assert refused.closed
    live.data_received(b"NOOP\r\n")
    assert there.take().startswith(b"250 2.0.0 ")
    clock.advance(3 * TICK)
    _, taken = kit.connect(KitTransport(("192.0.2.7", 1)))
    assert taken.take().startswith(b"220 ")
    assert [event for event, _ in kit.log.lines if event.startswith("loop_")] == ["loop_lags", "loop_recovered"]


def test_nobody_waits_for_a_recovery_that_nobody_looks_at() -> None:
    """All sessions have gone while the loop lagged: the watch goes on until it has recovered, and then ends."""
    kit = Kit()
    connection, _ = kit.greeted()
    stall(connection, kit.clock, 3)
    connection.connection_lost(None)
    watch = kit.reception.watch
    assert watch is not None
    assert watch.is_lagging
    kit.clock.advance(3 * TICK)
    assert not watch.is_lagging
    assert kit.clock.next_timer() is None


def test_there_is_no_timer_while_nothing_happens() -> None:
    kit = Kit()
    watch = LoopWatch(clock=kit.clock, maillog=kit.log)  # type: ignore[arg-type]
    watch.begin()
    watch.begin()
    watch.end()
    kit.clock.advance(10 * TICK)
    assert kit.clock.next_timer() == kit.clock.monotonic() + TICK
    watch.end()
    assert kit.clock.next_timer() is None
    watch.begin()
    assert kit.clock.next_timer() is not None


def test_how_late_it_is_is_measured_also_where_it_is_not_too_late() -> None:
    kit = Kit()
    live, _ = kit.greeted()
    watch = live._sessions.watch
    kit.clock.advance(TICK)
    before = watch.lateness.read().count
    stall(live, kit.clock, 2, seconds=0.75)
    found = watch.lateness.read()
    assert found.count == before + 2
    assert found.total == pytest.approx(1.5)
