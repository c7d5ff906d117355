"""Memory: what the process no longer needs is given back to the system, where the C library can.

After a flood of sessions most of the heap is free and none of it at its end, where glibc would see it by itself; and
what refers to itself (each TLS transport) waits for the cyclic collector, which has no reason to look. Never: whether
it is worth that, or when (tens of milliseconds after 10,000 sessions).
"""

from __future__ import annotations

import ctypes
import gc


def give_back() -> bool:
    """Has anything been given back? Never with a C library that has no malloc_trim (musl, macOS)."""
    gc.collect()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return False
    return bool(trim(0))
