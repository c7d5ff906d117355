"""A second look at what DNS does not have, before mail bounces for it or goes to another host.

One question over UDP, asked of one name server after the other until one answers. Promises: what is not said by an
answer to exactly this question, within the time, is a temporary failure. Never: a cache, TCP, a record.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from ipaddress import ip_address

from asyncmta.delivery.dns_packet import Absence, absence, question
from asyncmta.delivery.exchange import TemporaryFailure
from asyncmta.system.clock import Clock
from asyncmta.system.deadline import Deadline

MOST_SERVERS = 3
DNS_PORT = 53


async def second_look(name: str, kind: str, *, servers: Sequence[str], clock: Clock, seconds: float) -> Absence:
    """Is it true that the name has nothing of that kind? `servers` as `ip`, `ip:port` or `[ip]:port`."""
    asked = question(random.getrandbits(16), name, kind)
    if asked is None:
        return TemporaryFailure("not a name that DNS can be asked for")
    servers = servers[:MOST_SERVERS]
    for server in servers:
        try:
            async with Deadline(clock, seconds / len(servers)):
                return await _ask(server, asked)
        except (TimeoutError, OSError, ValueError):
            continue
    return TemporaryFailure("no answer when it was looked for again")


class _Ear(asyncio.DatagramProtocol):
    """Waits for the answer to one question, and for nothing else."""

    def __init__(self, asked: bytes) -> None:
        self._asked = asked
        self.heard: asyncio.Future[Absence] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        found = absence(data, self._asked)
        if found is not None and not self.heard.done():
            self.heard.set_result(found)

    def error_received(self, exc: Exception) -> None:
        if not self.heard.done():
            self.heard.set_exception(exc)


async def _ask(server: str, asked: bytes) -> Absence:
    transport, ear = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Ear(asked), remote_addr=_host_and_port(server)
    )
    try:
        transport.sendto(asked)
        return await ear.heard
    finally:
        transport.close()


def _host_and_port(server: str) -> tuple[str, int]:
    host, colon, port = server.rpartition(":")
    if colon and (server.startswith("[") or ":" not in host):
        return str(ip_address(host.strip("[]"))), int(port)
    return str(ip_address(server.strip("[]"))), DNS_PORT
