"""A batch: the commits and notes that one sync covers, encoded when they come.

Promises: a commit comes in whole or, with an error, not at all; records stand in the order in which they came. Never:
when it is written, nor what its records do.

docs/journal-format.md 6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asyncmta.spool.codec import encode
from asyncmta.spool.failures import JournalFailed
from asyncmta.spool.framing import Draft
from asyncmta.spool.records import Checkpoint, Record
from asyncmta.spool.tail import Written

OnDurable = Callable[[JournalFailed | None], None]
Step = tuple[Sequence[Record | Checkpoint], OnDurable | None]
"""One commit, and who is told of it; a note has nobody."""


class Batch:
    """What one sync covers. `drafts` are the records of all `steps`, encoded; `written` and `failure` its end;
    `error` is what the machine said of it, and whether of its sync, before it is known what follows."""

    __slots__ = ("drafts", "error", "failure", "fresh", "seconds", "size", "steps", "urgent", "written")

    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self.steps: list[Step] = []
        self.size = 0
        self.seconds = 0.0
        self.urgent = False
        self.fresh = False
        self.error: tuple[OSError, bool] | None = None
        self.written: Written | None = None
        self.failure: JournalFailed | None = None

    def add(self, records: Sequence[Record | Checkpoint], on_durable: OnDurable | None) -> None:
        """Raises ValueError or TypeError as `encode` does."""
        if len(records) == 1:  # as nearly all come
            draft = encode(records[0])
            self.drafts.append(draft)
            self.size += draft.size
        else:
            drafts = [encode(record) for record in records]
            self.drafts += drafts
            self.size += sum([draft.size for draft in drafts])
        self.steps.append((records, on_durable))
