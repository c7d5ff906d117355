"""Content and its dot leave in two writes when the content comes from the disk: the second may not wait until the
first is acknowledged, which costs 40 ms for each message (Nagle's algorithm against delayed acknowledgements)."""

from __future__ import annotations

import socket

from asyncmta.delivery.session import Manners, Opened, Target, default_tls_contexts, open_session


async def test_segments_are_sent_at_once(world):
    sink = await world.sink("b.example")
    host, port = sink.address
    manners = Manners("mx.a.example", default_tls_contexts(), tls="none")
    opened = await open_session(Target("mx.b.example", host, port), manners, world.clock)
    assert isinstance(opened, Opened)
    connection = opened.transport.get_extra_info("socket")
    try:
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    finally:
        opened.transport.close()
        await world.clock.settle()
