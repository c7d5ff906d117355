"""TLS on a transport that is open already, and the facts about sockets that the way in and the end need.

Promises: nothing that was read in clear text is ever taken for what comes through the tunnel, but for octets that are
its own beginning (they came behind a PROXY header in one segment). Never: certificates, or what TLS is needed for.

RFC 3207 4.2, RFC 8314 3.3.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from contextlib import suppress
from typing import cast

from asyncmta.inbound.x509 import NoCertificate, certificate_facts

HANDSHAKE = 30.0  # seconds
TCP_CORK = getattr(socket, "TCP_CORK", None)  # Linux has it
TCP_QUICKACK = getattr(socket, "TCP_QUICKACK", None)  # and this
_ANY_TCP = int(socket.AF_INET), int(socket.SOCK_STREAM), 0  # the family matters for addresses alone


class HandshakeFailed(Exception):
    """No TLS with this client; the text is for the log."""


async def start_tls(
    transport: asyncio.Transport, protocol: asyncio.Protocol, context: ssl.SSLContext, *, rest: bytes = b""
) -> asyncio.Transport:
    """The server's side of the handshake. `rest`: its first octets, where they were read already."""
    loop = asyncio.get_running_loop()
    handshake = loop.create_task(
        loop.start_tls(transport, protocol, context, server_side=True, ssl_handshake_timeout=HANDSHAKE)
    )
    if rest:
        # One turn later than the task's first step: behind the tunnel's connection_made, and before its transport is
        # read, in the same turn of the loop.
        loop.call_soon(loop.call_soon, _feed, transport, rest)
    try:
        secure = await handshake
    except (OSError, EOFError, RuntimeError) as error:  # ssl.SSLError and time-outs are OSErrors
        raise HandshakeFailed(getattr(error, "reason", None) or type(error).__name__) from None
    if secure is None:
        raise HandshakeFailed("the client is gone")
    return secure


def describe_tls(transport: asyncio.Transport | None) -> str:
    """Version and cipher, and whose certificate the client has shown where it was asked for one; "" in clear text."""
    tunnel = transport.get_extra_info("ssl_object") if transport is not None else None
    if tunnel is None:
        return ""
    shown = tunnel.getpeercert(binary_form=True)  # a handshake with one that is not to be trusted has failed
    said = f"{tunnel.version()} {tunnel.cipher()[0]}"
    return f"{said} client-certificate {_subject(shown)}" if shown else said


def _subject(certificate: bytes) -> str:
    try:
        return certificate_facts(certificate).subject or "without-a-name"
    except NoCertificate:
        return "that-cannot-be-read"


def plain_ip(ip: str) -> str:
    """Without the zone of a link-local address; the mapped form of IPv4 unmapped."""
    return ip.partition("%")[0].removeprefix("::ffff:") if ":" in ip else ip


def has_input(transport: asyncio.Transport | None) -> bool:
    """Has the client sent something already? One system call; nothing is read."""
    connection = transport.get_extra_info("socket") if transport is not None else None
    if connection is None:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def join_the_end(transport: asyncio.Transport | None) -> None:
    """What is written now goes out together with the end of the connection, which is to come at once: one segment
    instead of two, and the other side is woken once. In clear text only: the end of a tunnel waits for an answer."""
    connection = transport.get_extra_info("socket") if transport is not None else None
    if connection is not None and TCP_CORK is not None:
        # uvloop's `setsockopt` makes a `socket.socket` for each call; the type beneath it costs half as much.
        try:
            ours = socket.SocketType(*_ANY_TCP, connection.fileno())
        except (OSError, ValueError):
            return  # it is gone
        try:
            ours.setsockopt(socket.IPPROTO_TCP, TCP_CORK, 1)
        except OSError:
            pass  # it is no TCP
        finally:
            ours.detach()


def acknowledge_with_answers(server: asyncio.Server) -> None:
    """What a client says first is acknowledged with our answer and not before it, as all that it says later: one
    segment less for each connection. What a listening socket has, the sockets have that it accepts."""
    if TCP_QUICKACK is not None:
        for listening in server.sockets:
            with suppress(OSError):
                listening.setsockopt(socket.IPPROTO_TCP, TCP_QUICKACK, 0)


def _feed(transport: asyncio.Transport, octets: bytes) -> None:
    tunnel = cast(asyncio.BufferedProtocol, transport.get_protocol())
    while octets:
        room = memoryview(tunnel.get_buffer(len(octets)))
        taken = min(len(room), len(octets))
        room[:taken] = octets[:taken]
        tunnel.buffer_updated(taken)
        octets = octets[taken:]


async def stop_accepting(server: asyncio.Server) -> None:
    """asyncio loses a connection that it has accepted and not yet attached when the server is closed: neither closed
    nor served. So accepting ends first, and what was accepted gets its turn. (uvloop has no reader to remove.)"""
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        with suppress(RuntimeError, NotImplementedError):
            loop.remove_reader(listening.fileno())
    for _ in range(3):
        await asyncio.sleep(0)
