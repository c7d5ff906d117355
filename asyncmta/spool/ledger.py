"""The ledger: the state of every queued message as a fold over records, used live and at replay alike.

Promises: `apply` is the only way in; a record either is applied whole or raises `IllegalTransition` and changes
nothing; each recipient is in exactly one state. The table is docs/journal-format.md 4. A record about a message that
is not known (its segment was dropped) or that an operator has removed is skipped and counted. Never: time, files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from asyncmta.mail.envelope import Content, Envelope, QueueId, format_queue_id
from asyncmta.mail.outcome import Deferred, Delivered, Failed
from asyncmta.spool.records import (
    DELIVERED,
    FAILED,
    PENDING,
    REPORTED,
    Accepted,
    Attempted,
    Carried,
    Held,
    Record,
    Released,
    Removed,
    Reported,
    Retired,
    Warned,
)


class IllegalTransition(Exception):
    """The record does not follow from what came before it: a bug of ours, or damage. Nothing was changed."""

    def __init__(self, queue_id: QueueId, reason: str) -> None:
        super().__init__(f"{format_queue_id(queue_id)}: {reason}")
        self.queue_id = queue_id


class Entry:
    """One message. `last` is the last deferral, with its time, of each recipient that is still pending; `segment` and
    `offset` say where the record with its content stands. Written by the ledger alone."""

    __slots__ = (
        "_failed",
        "_pending",
        "_reported",
        "accepted_at",
        "attempts",
        "client",
        "content",
        "envelope",
        "held",
        "large",
        "last",
        "login",
        "offset",
        "queue_id",
        "removed",
        "segment",
        "warned",
    )

    def __init__(self, record: Accepted | Carried, segment: int, offset: int) -> None:
        self.queue_id: QueueId = record.queue_id
        self.accepted_at: float = record.at
        self.envelope: Envelope = record.envelope
        self.content: Content = record.content
        self.client: str = record.client
        self.login: str | None = record.login
        self.large: bool = record.large
        self.segment = segment
        self.offset = offset
        self.attempts = 0
        self.last: dict[int, tuple[float, Deferred]] = {}
        self.held = False
        self.warned = False
        self.removed = False
        # Sets of ordinals are ints, a bit for each: for the usual one recipient that costs no object at all.
        self._pending = (1 << len(record.envelope.recipients)) - 1
        self._reported = 0
        self._failed: dict[int, Failed] = {}

    def pending(self) -> tuple[int, ...]:
        """The recipients that are neither delivered nor failed, in order."""
        return (0,) if self._pending == 1 else tuple(_ordinals(self._pending))

    def failed(self) -> dict[int, Failed]:
        """The recipients that failed and have not been reported yet."""
        return dict(self._failed)

    @property
    def is_closed(self) -> bool:
        return not (self._pending or self._failed) or self.removed

    def state_of(self, ordinal: int) -> int:
        """PENDING, DELIVERED, FAILED or REPORTED."""
        if self._pending >> ordinal & 1:
            return PENDING
        if ordinal in self._failed:
            return FAILED
        return REPORTED if self._reported >> ordinal & 1 else DELIVERED

    def carried(self, parts: tuple[bytes, ...] = ()) -> Carried:
        """The whole state as one record."""
        return Carried(
            queue_id=self.queue_id,
            at=self.accepted_at,
            envelope=self.envelope,
            content=self.content,
            client=self.client,
            login=self.login,
            large=self.large,
            attempts=self.attempts,
            states=bytes(map(self.state_of, range(len(self.envelope.recipients)))),
            last=dict(self.last),
            failed=dict(self._failed),
            held=self.held,
            warned=self.warned,
            parts=parts,
        )

    def _restore(self, record: Carried) -> None:
        states = record.states
        self._pending = _bits(at for at, state in enumerate(states) if state == PENDING)
        self._reported = _bits(at for at, state in enumerate(states) if state == REPORTED)
        self._failed = dict(record.failed)
        self.attempts = record.attempts
        self.last = dict(record.last)
        self.held = record.held
        self.warned = record.warned
        self.removed = False

    def _attempt(self, record: Attempted) -> None:
        pending = self._pending
        for ordinal in record.outcomes:
            if ordinal < 0 or not pending >> ordinal & 1:
                raise IllegalTransition(self.queue_id, f"an attempt at recipient {ordinal}, which is not pending")
        self.attempts += 1
        for ordinal, outcome in record.outcomes.items():
            if type(outcome) is Deferred:
                self.last[ordinal] = (record.at, outcome)
                continue
            self._pending ^= 1 << ordinal
            self.last.pop(ordinal, None)
            if type(outcome) is not Delivered:
                assert isinstance(outcome, Failed)
                self._failed[ordinal] = outcome

    def _report(self, record: Reported) -> None:
        told = set(record.ordinals)
        if not told <= self._failed.keys():
            raise IllegalTransition(self.queue_id, "a report about a recipient that has not failed")
        for ordinal in told:
            del self._failed[ordinal]
            self._reported |= 1 << ordinal


class Ledger:
    """All messages that are queued, in the order in which they came, and those that were set aside."""

    def __init__(self) -> None:
        self._entries: dict[QueueId, Entry] = {}
        self.skipped = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def get(self, queue_id: QueueId) -> Entry | None:
        return self._entries.get(queue_id)

    def discard(self, queue_id: QueueId) -> Entry | None:
        """Take a message out without a record: it is being set aside as damaged."""
        return self._entries.pop(queue_id, None)

    def apply(self, record: Record, segment: int = 0, offset: int = 0) -> Entry | None:
        """Fold one record in; where it stands matters for `Accepted` and `Carried`. The entry it was about, also when
        it has just been retired; None when the record was skipped. Raises IllegalTransition."""
        queue_id = record.queue_id
        kind = type(record)
        entry = self._entries.get(queue_id)
        if kind is Accepted or kind is Carried:
            return self._enter(record, entry, segment, offset)  # type: ignore[arg-type]
        if entry is None or (entry.removed and kind is not Retired):
            self.skipped += 1
            return None
        if kind is Retired:
            if not entry.is_closed:
                raise IllegalTransition(queue_id, "retired while it is open")
            del self._entries[queue_id]
        elif kind is Attempted:
            entry._attempt(record)  # type: ignore[arg-type]
        else:
            _rarely(entry, record)
        return entry

    def _enter(self, record: Accepted | Carried, known: Entry | None, segment: int, offset: int) -> Entry:
        if isinstance(record, Accepted):
            if known is not None:
                raise IllegalTransition(record.queue_id, "accepted twice")
            entry = self._entries[record.queue_id] = Entry(record, segment, offset)
            return entry
        recipients = len(record.envelope.recipients)
        failed = {at for at, state in enumerate(record.states) if state == FAILED}
        if len(record.states) != recipients or record.failed.keys() != failed:
            raise IllegalTransition(record.queue_id, "carried with states that do not fit its recipients")
        entry = known if known is not None else Entry(record, segment, offset)
        # One that is known stays the same object: whoever holds it must see where its content stands now.
        entry.envelope, entry.segment, entry.offset = record.envelope, segment, offset
        entry._restore(record)
        self._entries[record.queue_id] = entry
        return entry


def _rarely(entry: Entry, record: Record) -> None:
    """The records that most messages never see."""
    if isinstance(record, Reported):
        entry._report(record)
    elif entry.is_closed:
        raise IllegalTransition(entry.queue_id, f"{type(record).__name__.lower()} after it was closed")
    elif isinstance(record, Warned):
        entry.warned = True
    elif isinstance(record, Held | Released):
        entry.held = isinstance(record, Held)
    else:
        assert isinstance(record, Removed)
        entry.removed = True


def _ordinals(bits: int) -> Iterator[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def _bits(ordinals: Iterable[int]) -> int:
    return sum(1 << ordinal for ordinal in ordinals)
