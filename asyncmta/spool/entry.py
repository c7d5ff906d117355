"""One queued message as the ledger has it: what is known of it, and the state of each of its recipients.

Promises: each recipient is in exactly one state; a record that does not follow raises `IllegalTransition` and changes
nothing. Never: changed by anybody but the ledger; time, files.

docs/journal-format.md 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from asyncmta.mail.envelope import Content
from asyncmta.mail.outcome import Deferred, Delivered, Failed
from asyncmta.spool.parked import NEVER, IllegalTransition, Parkable, Place
from asyncmta.spool.records import (
    DELIVERED,
    FAILED,
    PENDING,
    REPORTED,
    Accepted,
    Attempted,
    Carried,
    Reported,
)


class Entry(Parkable, eq=False, gc=False):
    """One message. `last` is the last deferral, with its time, of each recipient that is still pending; `segment` and
    `offset` say where the record with its content stands, and `tried` where the one with all of its last replies does
    (None: they are from several; NEVER: there are none). Written by the ledger alone.

    The cyclic collector does not look at it: nothing that it holds leads back to it, and to visit the many that wait
    was most of what a collection cost."""

    content: Content
    client: str
    login: str | None

    @classmethod
    def of(cls, record: Accepted | Carried, segment: int, offset: int) -> Entry:
        """As its first record has it, which stands there."""
        return cls(  # by position, which takes a quarter of the time
            record.queue_id,
            record.at,
            record.envelope,
            record.large,
            segment,
            offset,
            0,  # attempts
            {},  # last
            NEVER,  # tried
            False,  # held
            False,  # warned
            False,  # removed
            (1 << len(record.envelope.recipients)) - 1,  # pending
            0,  # reported
            {},  # failed
            None,  # owed
            record.content,
            record.client,
            record.login,
        )

    def pending(self) -> tuple[int, ...]:
        """The recipients that are neither delivered nor failed, in order."""
        return (0,) if self._pending == 1 else tuple(_ordinals(self._pending))

    def failed(self) -> dict[int, Failed]:
        """The recipients that failed and have not been reported yet."""
        return dict(self._failed)

    @property
    def is_closed(self) -> bool:
        return not (self._pending or self._failed or self._owed) or self.removed

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
            owed=self.owed(),
            parts=parts,
        )

    def restore(self, record: Carried) -> None:
        states = record.states
        self._pending = _bits(at for at, state in enumerate(states) if state == PENDING)
        self._reported = _bits(at for at, state in enumerate(states) if state == REPORTED)
        self._failed = dict(record.failed)
        self._owed = dict(record.owed) or None
        self.attempts = record.attempts
        self.last = dict(record.last)
        self.tried = (self.segment, self.offset) if self.last or self._failed else NEVER
        self.held = record.held
        self.warned = record.warned
        self.removed = False

    def attempt(self, record: Attempted, place: Place) -> None:
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
            elif outcome.owed:
                self._owed = self._owed or {}
                self._owed[ordinal] = (record.at, outcome)
        told = record.outcomes.keys()
        if self.last.keys() <= told and self._failed.keys() <= told:
            self.tried = place if self.last or self._failed else NEVER
        elif not all(isinstance(outcome, Delivered) for outcome in record.outcomes.values()):
            self.tried = None

    def report(self, record: Reported) -> None:
        told, owed = set(record.ordinals), self._owed or {}
        if not told <= self._failed.keys() | owed.keys():
            raise IllegalTransition(self.queue_id, "a report about a recipient that has not failed, and is not owed")
        for ordinal in told:
            if ordinal in owed:
                del owed[ordinal]  # delivered it stays
                continue
            del self._failed[ordinal]
            self._reported |= 1 << ordinal


def _ordinals(bits: int) -> Iterator[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def _bits(ordinals: Iterable[int]) -> int:
    return sum(1 << ordinal for ordinal in ordinals)
