"""What a supervisor hears of us."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from asyncmta.system.supervisor import Supervisor, address_of, watchdog_of
from asyncmta.testing.clock import FakeClock


@pytest.fixture
def listening(tmp_path: Path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiving:
        receiving.bind(str(tmp_path / "notify"))
        receiving.setblocking(False)
        yield receiving


def heard(receiving: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(receiving.recv(4096).decode())
        except BlockingIOError:
            return found


def environ(receiving: socket.socket, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": receiving.getsockname(), **more}


def test_it_hears_what_is_said(listening: socket.socket, clock: FakeClock) -> None:
    supervisor = Supervisor(environ=environ(listening), clock=clock)
    supervisor.say("READY=1", "STATUS=in service")
    assert heard(listening) == ["READY=1\nSTATUS=in service"]


def test_a_reload_is_said_with_its_time(listening: socket.socket, clock: FakeClock) -> None:
    Supervisor(environ=environ(listening), clock=clock).say_reloading()
    assert heard(listening) == [f"RELOADING=1\nMONOTONIC_USEC={int(clock.monotonic() * 1_000_000)}"]


def test_without_one_nothing_is_done(clock: FakeClock) -> None:
    supervisor = Supervisor(environ={"WATCHDOG_USEC": "1000000"}, clock=clock)
    supervisor.say("READY=1")
    supervisor.watch(list)
    assert clock.next_timer() is None


def test_one_that_has_gone_costs_nothing(tmp_path: Path, clock: FakeClock) -> None:
    supervisor = Supervisor(environ={"NOTIFY_SOCKET": str(tmp_path / "gone")}, clock=clock)
    supervisor.say("READY=1")
    assert not (tmp_path / "gone").exists()


def test_the_watchdog_hears_of_us_twice_in_its_time_while_we_are_well(
    listening: socket.socket, clock: FakeClock
) -> None:
    reasons: list[str] = []
    supervisor = Supervisor(environ=environ(listening, WATCHDOG_USEC="10000000"), clock=clock)
    supervisor.watch(lambda: reasons)
    clock.advance(5.0)
    assert heard(listening) == ["WATCHDOG=1"] * 2
    reasons.append("the journal failed")
    clock.advance(5.0)
    assert heard(listening) == []
    supervisor.close()
    assert clock.next_timer() is None


def test_where_it_is() -> None:
    assert address_of("@abstract") == "\0abstract"
    assert address_of("/run/notify") == "/run/notify"
    assert address_of("vsock:2:1234") is None
    assert address_of("") is None


def test_whose_watchdog_it_is() -> None:
    assert watchdog_of({"WATCHDOG_USEC": "2500000"}, 7) == 2.5
    assert watchdog_of({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": "7"}, 7) == 2.5
    assert watchdog_of({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": "8"}, 7) == 0.0
    assert watchdog_of({"WATCHDOG_USEC": "often"}, 7) == 0.0
    assert watchdog_of({}, 7) == 0.0
