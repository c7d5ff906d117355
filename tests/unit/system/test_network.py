"""What the kernel knows of an address, on a machine that has at least a loopback."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest

from asyncmta.system import network


def test_a_network_that_is_there() -> None:
    assert network.obstacle("127.0.0.1") == ""
    assert network.obstacle("127.0.0.1", "127.0.0.9") == ""


def test_an_address_that_is_not_ours_cannot_be_the_source() -> None:
    said = network.obstacle("127.0.0.1", "192.0.2.77")
    assert "192.0.2.77" in said


@pytest.mark.parametrize(
    ("number", "is_obstacle"), [(errno.ENETUNREACH, True), (errno.EAFNOSUPPORT, True), (errno.EMFILE, False)]
)
def test_only_the_missing_way_is_an_obstacle(monkeypatch: pytest.MonkeyPatch, number: int, is_obstacle: bool) -> None:
    class Unreachable:
        def __init__(self, *_: Any) -> None:
            raise OSError(number, "no")

    monkeypatch.setattr(socket, "socket", Unreachable)
    assert bool(network.obstacle("2001:db8::1")) is is_obstacle


def test_addresses_of_this_machine() -> None:
    assert network.is_ours("127.0.0.1")
    assert not network.is_ours("192.0.2.77")
    assert not network.is_ours("2001:db8::77")


@pytest.mark.parametrize(
    ("ip", "port", "listening", "is_own"),
    [
        ("192.0.2.77", 25, [("192.0.2.77", 25)], True),
        ("192.0.2.77", 25, [("192.0.2.77", 2525), ("192.0.2.78", 25)], False),
        ("127.0.0.5", 25, [("0.0.0.0", 25)], True),
        ("192.0.2.77", 25, [("0.0.0.0", 25)], False),
        ("::1", 25, [("0.0.0.0", 25)], False),
        ("127.0.0.1", 25, [], False),
    ],
)
def test_where_we_listen_ourselves(ip: str, port: int, listening: list[tuple[str, int]], is_own: bool) -> None:
    assert network.is_own(ip, port, listening) is is_own
