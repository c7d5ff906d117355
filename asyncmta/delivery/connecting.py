"""A connected socket to one address of a host, or to a Unix socket of this machine; and, for QMTP, a session at that.

Promises: exactly the address that is given, from the source that is given, within its time. Never: what is said there.
"""

from __future__ import annotations

import asyncio
import contextlib
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
        async with Deadline(clock, seconds):
            if unix:
                await asyncio.get_running_loop().sock_connect(connection, target.ip.removeprefix(UNIX))
            else:
                await _reach(connection, target.ip, target.port)
        connection.getpeername()  # of a Unix socket with a full queue asyncio says that it is connected
    except BaseException:
        connection.close()
        raise
    return connection


async def _reach(connection: socket.socket, ip: str, port: int) -> None:
    """As the loop's `sock_connect`, which looks the address up like a name and takes a third longer for all of it."""
    with contextlib.suppress(BlockingIOError, InterruptedError):
        connection.connect((ip, port))
        return
    loop = asyncio.get_running_loop()
    is_writable = loop.create_future()
    loop.add_writer(connection, _resolve, is_writable)
    try:
        await is_writable
    finally:
        loop.remove_writer(connection)
    error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
