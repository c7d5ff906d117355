"""A network of its own for a test: loopback, and nobody on it. For what needs one port (53, 25) or address.

What the test starts meanwhile is in it too. Other threads of this process, such as pytest-xdist's, are not.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from peerkit.programs import program

NETWORK = 0x40000000  # CLONE_NEWNET of sched.h; os.unshare is there from Python 3.12 on


@contextmanager
def own_network() -> Iterator[None]:
    libc = ctypes.CDLL(None, use_errno=True)
    ip = program("ip")
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(NETWORK):
            pytest.skip(f"only root can have a network of its own: {os.strerror(ctypes.get_errno())}")
        try:
            subprocess.run([ip, "link", "set", "lo", "up"], check=True)
            # OpenSMTPD asks for addresses only where there is one that is not of loopback's network.
            subprocess.run([ip, "address", "add", "192.0.2.1/32", "dev", "lo"], check=True)
            yield
        finally:
            assert libc.setns(before, NETWORK) == 0, os.strerror(ctypes.get_errno())
    finally:
        os.close(before)
