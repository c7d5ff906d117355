"""inbound/tunnel: facts about sockets, and a handshake that cannot be. Handshakes themselves are in test_listener."""

from __future__ import annotations

import os

from asyncmta.inbound.tunnel import describe_tls, has_input, plain_ip
from tests.unit.inbound.inboundkit import KitTransport


def test_an_address_without_zone_and_mapping() -> None:
    assert plain_ip("192.0.2.1") == "192.0.2.1"
    assert plain_ip("::ffff:192.0.2.1") == "192.0.2.1"
    assert plain_ip("fe80::1%eth0") == "fe80::1"


def test_input_is_seen_and_left_where_it_is() -> None:
    readable, writable = os.pipe()
    transport = KitTransport(fileno=readable)
    assert not has_input(transport)
    os.write(writable, b"x")
    assert has_input(transport)
    assert has_input(transport)
    assert not has_input(KitTransport())
    assert not has_input(None)
    os.close(readable)
    os.close(writable)


def test_clear_text_is_described_by_nothing() -> None:
    assert describe_tls(KitTransport()) == ""
    assert describe_tls(None) == ""
