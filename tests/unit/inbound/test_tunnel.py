"""inbound/tunnel: facts about sockets, and a handshake that cannot be. Handshakes themselves are in test_listener."""

from __future__ import annotations

import os
import socket

from asyncmta.inbound.tunnel import TCP_CORK, describe_tls, has_input, join_the_end, plain_ip
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


def test_the_last_word_waits_for_the_end_where_the_socket_can() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        ours, _ = server.accept()
        transport = KitTransport()
        transport._extra = {"socket": ours}
        join_the_end(transport)
        assert TCP_CORK is None or ours.getsockopt(socket.IPPROTO_TCP, TCP_CORK)
        ours.sendall(b"221 Bye\r\n")
        ours.close()
        assert client.makefile("rb").read() == b"221 Bye\r\n"
    one, other = socket.socketpair()
    with one, other:
        transport._extra = {"socket": one}
        join_the_end(transport)
        one.sendall(b"221")
        assert other.recv(3) == b"221"
    join_the_end(KitTransport())
    join_the_end(None)


def test_nobody_waits_for_the_end_of_a_socket_that_is_gone() -> None:
    transport = KitTransport(fileno=-1)
    join_the_end(transport)
    assert not transport.closed
    readable, writable = os.pipe()  # and what is none is left open
    join_the_end(KitTransport(fileno=writable))
    assert os.write(writable, b"x") == 1
    os.close(readable)
    os.close(writable)


def test_clear_text_is_described_by_nothing() -> None:
    assert describe_tls(KitTransport()) == ""
    assert describe_tls(None) == ""
