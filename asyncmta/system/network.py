"""The network: what the kernel knows of an address before anything is sent there.

A question is a socket that is made and closed again, in some microseconds and without a packet. Promises: never
blocks; the answer is that of this moment, so that a network that comes or goes is seen at once. Never: a connection.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

DISCARD_PORT = 9

_ANY = {False: str(IPv4Address(0)), True: str(IPv6Address(0))}  # what a listener on all addresses is bound to

_NO_WAY = {
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.EADDRNOTAVAIL,
    errno.EAFNOSUPPORT,
    errno.EACCES,  # a route that prohibits
    errno.EINVAL,  # a link-local address without its link
}


def obstacle(ip: str, source: str = "") -> str:
    """Why nothing can be sent to this address (from that one of ours), such as a missing route; "" for no reason."""
    try:
        with _socket(ip) as probe:
            if source:
                probe.bind((source, 0))
            probe.connect((ip, DISCARD_PORT))
    except OSError as error:
        if error.errno in _NO_WAY:
            return os.strerror(error.errno) + (f" (from {source})" if source else "")
    return ""


def is_own(ip: str, port: int, listening: Iterable[tuple[str, int]]) -> bool:
    """Would a connection there reach one of these listeners of ours? Each is an address of the machine, or all."""
    return any(
        port == at and (ip == address or (address == _ANY[":" in ip] and is_ours(ip))) for address, at in listening
    )


def is_ours(ip: str) -> bool:
    """Is it an address of this machine?"""
    try:
        with _socket(ip) as probe:
            probe.bind((ip, 0))
    except OSError:
        return False
    return True


def _socket(ip: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM)
