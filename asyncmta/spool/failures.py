"""How the journal fails: what it raises, and which errors of the system say nothing about the disk.

Promises: a failed write can be undone and tried again, a failed sync is final. Never: what follows from it.

reliability.md R5, F1, F6, F7.
"""

from __future__ import annotations

import errno

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
# What cannot be done for one of these may be done later; for anything else the disk is broken.
PASSING = NO_SPACE | {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN}


def may_pass(error: BaseException | None) -> bool:
    """Is it the machine that is short of something, and not the disk that is broken?"""
    return isinstance(error, OSError) and error.errno in PASSING


def raise_if_it_may_pass(error: BaseException | None) -> None:
    """For whoever takes an error for an answer about the disk: such a one is none."""
    if error is not None and may_pass(error):
        raise error


class JournalFailed(Exception):
    """A commit did not become durable. `full`: for want of space, later it may. `final`: the journal takes nothing any
    more; whether the records of the failed batch are on the disk is not known."""

    def __init__(self, reason: str, *, full: bool = False, final: bool = False) -> None:
        super().__init__(reason)
        self.full = full
        self.final = final


class WriteFailed(JournalFailed):
    """Nothing of the batch counts; the journal goes on, unless this is final."""

    def __init__(self, what: str, error: OSError) -> None:
        super().__init__(f"{what}: {error}", full=error.errno in NO_SPACE)
        self.error = error


class SyncFailed(JournalFailed):
    """Final."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, final=True)
