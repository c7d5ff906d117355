"""Who is looked after once a second: those who asked for it, as long as they need it, and nobody else."""

from __future__ import annotations

import pytest

from asyncmta.delivery.sweeping import INTERVAL, Sweeper
from asyncmta.testing.clock import FakeClock


class Site:
    def __init__(self, *, needs: int) -> None:
        self.left = needs
        self.times: list[float] = []

    def sweep(self, now: float) -> None:
        self.left -= 1
        self.times.append(now)

    @property
    def needs_sweep(self) -> bool:
        return self.left > 0


class Broken(Site):
    def sweep(self, now: float) -> None:
        super().sweep(now)
        raise RuntimeError("a bug")


def test_each_is_swept_once_a_second_as_long_as_it_needs_it():
    clock = FakeClock()
    sweeper, began = Sweeper(clock), clock.monotonic()
    short, long = Site(needs=1), Site(needs=3)
    for site in (short, long, long):
        sweeper.watch(site)
    clock.advance(10.0)
    assert [round(at - began) for at in short.times] == [1]
    assert [round(at - began) for at in long.times] == [1, 2, 3]


def test_who_is_looked_after_just_now():
    clock = FakeClock()
    sweeper, short, long = Sweeper(clock), Site(needs=1), Site(needs=2)
    sweeper.watch(short)
    sweeper.watch(long)
    assert list(sweeper.watched) == [short, long]
    clock.advance(INTERVAL)
    assert list(sweeper.watched) == [long]


def test_who_needs_it_again_is_swept_again():
    clock = FakeClock()
    sweeper, site = Sweeper(clock), Site(needs=1)
    sweeper.watch(site)
    clock.advance(5.0)
    site.left = 1
    sweeper.watch(site)
    clock.advance(5.0)
    assert len(site.times) == 2


def test_a_sweep_may_ask_for_another():
    clock = FakeClock()
    sweeper = Sweeper(clock)
    other = Site(needs=1)

    class Waking(Site):
        def sweep(self, now: float) -> None:
            super().sweep(now)
            sweeper.watch(other)

    site = Waking(needs=2)
    sweeper.watch(site)
    clock.advance(2.5 * INTERVAL)
    assert len(site.times) == 2
    assert len(other.times) == 1


def test_nobody_is_forgotten_for_a_bug_of_another():
    clock = FakeClock()
    sweeper, broken, site = Sweeper(clock), Broken(needs=1), Site(needs=1)
    sweeper.watch(broken)
    sweeper.watch(site)
    with pytest.raises(RuntimeError, match="a bug"):
        sweeper._sweep()
    broken.sweep = lambda now: None  # type: ignore[method-assign]
    sweeper.watch(broken)
    clock.advance(2 * INTERVAL)
    assert len(site.times) == 1


def test_closed_it_sweeps_nobody():
    clock = FakeClock()
    sweeper, site = Sweeper(clock), Site(needs=1)
    sweeper.watch(site)
    sweeper.close()
    clock.advance(5.0)
    assert not site.times
