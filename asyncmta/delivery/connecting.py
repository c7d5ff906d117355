"""A connected socket to one address of a host, or to a Unix socket of this machine; and, for QMTP, a session at that.

Promises: exactly the address that is given, from the source that is given, within its time. Never: what is said there.
"""

from __future__ import annotations

import asyncio
import os
import socket

from asyncmta.delivery.exchange import UNIX, is_unix
from asyncmta.delivery.manners import Manners, Opened, Target
from asyncmta.delivery.qmtp import PLAIN
from asyncmta.delivery.tapping import tapped
from asyncmta.delivery.verdict import Fault, Stage, blame
from asyncmta.mail.outcome import Deferred, Place
from asyncmta.system.clock import Clock
from asyncmta.system.deadline import Deadline


async def open_qmtp(target: Target, manners: Manners, clock: Clock) -> Opened | Deferred:
    """Nobody greets in QMTP: who is connected may begin."""
    place = Place(target.host, target.ip)
    try:
        connection = await connect(target, manners.connect_timeout, clock)
    except TimeoutError:
        return blame(Stage.CONNECT, Fault.TIMEOUT, place=place)
    except OSError as error:
        return blame(Stage.CONNECT, Fault.CONNECT, os.strerror(error.errno) if error.errno else "", place)
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=connection)
    return Opened(tapped(transport, manners.tap), PLAIN, place, "qmtp")


async def connect(target: Target, seconds: float, clock: Clock) -> socket.socket:
    """Raises OSError, or TimeoutError after so many seconds."""
    unix = is_unix(target.ip)
    family = socket.AF_UNIX if unix else socket.AF_INET6 if ":" in target.ip else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        if not unix:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio does it for its own sockets only
            if target.source:
                connection.bind((target.source, 0))
        address = target.ip.removeprefix(UNIX) if unix else (target.ip, target.port)
        async with Deadline(clock, seconds):
            await asyncio.get_running_loop().sock_connect(connection, address)
        connection.getpeername()  # of a Unix socket with a full queue asyncio says that it is connected
    except BaseException:
        connection.close()
        raise
    return connection
