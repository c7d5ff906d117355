"""Addresses to listen on: what it means that one cannot be had, said in the same way whoever wanted it.

Never: sockets.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class AddressUnavailable(OSError):
    """It cannot be bound: taken, not ours, or not allowed. Number and text are those of the error that said so."""


@contextmanager
def binding() -> Iterator[None]:
    """Within it every OSError is about the address."""
    try:
        yield
    except OSError as error:
        raise AddressUnavailable(error.errno, error.strerror or str(error)) from error
