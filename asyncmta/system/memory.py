"""Memory: what the process no longer needs is given back to the system, where the C library can.

After a flood of sessions most of the heap is free and none of it at its end, where glibc would see it by itself.
Never: what is worth it, or when (tens of milliseconds for hundreds of MiB).
"""

from __future__ import annotations

import ctypes


def give_back() -> bool:
    """Has anything been given back? Never with a C library that has no malloc_trim (musl, macOS)."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return False
    return bool(trim(0))
