"""The control socket: where it is, how it is bound so that only its owner can open it, how it is reached.

Promises: from its first moment on the socket has mode 0600 (the mode is set on the descriptor before `bind`, which
Linux takes over; no umask of the whole process is touched); a path longer than the 107 octets of a Unix address still
works; the leftover of an ended process is replaced, a live socket of somebody else never. Never: HTTP.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Callable

LONGEST_PATH = 107


class SocketTaken(OSError):
    """Somebody answers there already."""


def bind(path: str) -> socket.socket:
    """A listening socket at this path, mode 0600; raises SocketTaken or another OSError."""
    if os.path.lexists(path):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise SocketTaken(f"{path} is there and is no socket")
        with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):
            connect(path, timeout=2.0).close()
            raise SocketTaken(f"{path}: another process answers there")
        os.unlink(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(sock.fileno(), 0o600)
        _at(path, sock.bind)
        os.chmod(path, 0o600)
        sock.listen(100)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def connect(path: str, *, timeout: float) -> socket.socket:
    """A connected socket; raises OSError."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    try:
        _at(path, sock.connect)
    except BaseException:
        sock.close()
        raise
    return sock


def _at(path: str, call: Callable[[str], object]) -> None:
    """Bind or connect; a path that is too long for the address is named through a descriptor of its directory."""
    if len(os.fsencode(path)) <= LONGEST_PATH:
        call(path)
        return
    directory, name = os.path.split(path)
    descriptor = os.open(directory or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        call(f"/proc/self/fd/{descriptor}/{name}")
    finally:
        os.close(descriptor)
