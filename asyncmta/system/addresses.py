"""Addresses to listen on: what it means that one cannot be had, said in the same way whoever wanted it.

Never: sockets.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

# Met first by whoever runs as nobody in a container, whose runtime does not open all ports as Docker does.
PRIVILEGED = (
    "; ports below 1024 need the capability NET_BIND_SERVICE or the sysctl net.ipv4.ip_unprivileged_port_start=0:"
    " take another port, or one of these"
)


class AddressUnavailable(OSError):
    """It cannot be bound: taken, not ours, or not allowed. Number and text are those of the error that said so,
    with what helps where it is not allowed."""


@contextmanager
def binding() -> Iterator[None]:
    """Within it every OSError is about the address."""
    try:
        yield
    except OSError as error:
        hint = PRIVILEGED if error.errno == errno.EACCES else ""
        raise AddressUnavailable(error.errno, f"{error.strerror or error}{hint}") from error
