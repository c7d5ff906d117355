"""An `Appender` writes to a file and syncs it for an event loop: what is expected of one.

Promises: one task at a time; buffers and file are left alone until its result was asked for. It is compiled
(_appending.c), and not everywhere: without it a thread of Python does the same, and waits for the interpreter's lock.
Never: which octets, and what follows from an error.

reliability.md R5, F1, F6; docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

VERSION = 2
"""Of what is said here, as the compiled one knows it: one that a tree installed in place has from older sources is not
taken."""

Buffer = bytes | bytearray | memoryview


class Appender(Protocol):
    """A thread that writes and syncs, one task at a time, without the interpreter's lock."""

    def fileno(self) -> int:
        """What an event loop watches: it is readable when a task is done."""
        ...

    def start(self, file: int, buffers: Sequence[Buffer], offset: int, sync: bool) -> None:
        """Write all buffers one behind the other from `offset` on, and have them synced (fdatasync) if `sync`. The
        buffers and the file stay as they are until `result`. RuntimeError: there is a task already, or `close` was."""
        ...

    def result(self) -> tuple[OSError | None, bool, float] | None:
        """How the task went: its error, if there is one, whether it is the sync's, and the seconds that the kernel
        took, however late this is asked. None: it is not done."""
        ...

    def close(self) -> None:
        """End the thread when it has done what it has. Nobody waits for that."""
        ...
