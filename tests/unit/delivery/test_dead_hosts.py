"""Which hosts are left alone, for how long, and who may look again."""

from __future__ import annotations

from asyncmta.delivery.dead_hosts import FIRST_TIME, LONGEST_TIME, DeadHosts
from asyncmta.delivery.verdict import Fault, Stage, blame

WHY = blame(Stage.CONNECT, Fault.TIMEOUT)


def test_a_host_that_failed_is_dead_for_a_while() -> None:
    dead = DeadHosts()
    assert dead.why("mx.example", 25, 0.0) is None
    dead.failed("mx.example", 25, 0.0, WHY)
    assert dead.why("mx.example", 25, FIRST_TIME - 1) is WHY
    assert dead.why("mx.example", 587, 1.0) is None
    assert dead.why("mx.example", 25, FIRST_TIME) is None


def test_each_time_for_longer() -> None:
    dead, now, times = DeadHosts(), 0.0, []
    for _ in range(6):
        dead.failed("mx.example", 25, now, WHY)
        began = now
        while dead.why("mx.example", 25, now) is not None:
            now += 1
        times.append(now - began)
    assert times == [45, 90, 180, 360, 675, 675]
    assert times[-1] == LONGEST_TIME


def test_many_who_fail_at_once_count_as_one() -> None:
    dead = DeadHosts()
    for _ in range(5):
        dead.failed("mx.example", 25, 0.0, WHY)
    assert dead.why("mx.example", 25, FIRST_TIME) is None


def test_one_looks_while_the_others_leave_it_alone() -> None:
    dead = DeadHosts()
    dead.failed("mx.example", 25, 0.0, WHY)
    dead.probe("mx.example", 25, 150.0)
    assert dead.why("mx.example", 25, 100.0) is WHY
    assert dead.why("mx.example", 25, 150.0) is None  # whoever looked has not come back
    dead.probe("mx.example", 25, 160.0)
    dead.failed("mx.example", 25, 155.0, WHY)
    assert dead.why("mx.example", 25, 155.0 + 2 * FIRST_TIME - 1) is WHY
    dead.forget("mx.example", 25)
    assert dead.why("mx.example", 25, 156.0) is None


def test_looking_at_a_healthy_host_says_nothing_about_it() -> None:
    dead = DeadHosts()
    dead.probe("mx.example", 25, 100.0)
    dead.forget("mx.example", 25)
    assert dead.why("mx.example", 25, 0.0) is None
    assert len(dead) == 0


def test_what_failed_longest_ago_is_forgotten_first() -> None:
    dead = DeadHosts(most=2)
    for host in ("a.example", "b.example", "c.example"):
        dead.failed(host, 25, 0.0, WHY)
    assert [dead.why(host, 25, 1.0) is WHY for host in ("a.example", "b.example", "c.example")] == [False, True, True]
    assert len(dead) == 2
