"""The last door before all transports: recipients who may have no mail are stopped here, whatever way a message came.

Copies for aliases, lists and forward files, blind copies, reports of ours, and what was queued before it was said that
somebody may have none: of each recipient is asked here, when he is due. Promises: a line of the log for each who is
stopped; no transport hears of him; what became of the others is told together with that. Never: who may have mail
(`judge`), an envelope that is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from msgspec import Struct, structs

from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Consignment
from asyncmta.mail.outcome import Outcome, Postponed, Recorded, Result
from asyncmta.mail.transport import Done, Transport


class Stopped(Struct, frozen=True):
    """Why somebody has no mail, as the log calls it, and what becomes of him."""

    event: str
    outcome: Outcome


Judge = Callable[[Address, Address | None], Stopped | None]
"""A recipient and the sender (None: the null reverse-path) -> None: he may have it."""


class Notes(Protocol):
    """What is asked of the log."""

    def note(self, level: str, event: str, /, *, error: BaseException | None = None, **facts: object) -> None: ...


class _Part(Struct, frozen=True, eq=False):
    """A consignment of which some are left out: what it was, and why they are."""

    whole: Consignment
    stopped: dict[int, Stopped]


class ExitDoor:
    """A transport before another."""

    def __init__(self, *, judge: Judge, transport: Transport, maillog: Notes) -> None:
        self._judge = judge
        self._transport = transport
        self._maillog = maillog

    def deliver(self, consignments: Sequence[Consignment], done: Done) -> None:
        judge = self._judge
        for consignment in consignments:
            recipients, sender = consignment.envelope.recipients, consignment.envelope.reverse_path
            for at in consignment.ordinals:
                if judge(recipients[at].address, sender) is not None:
                    self._deliver_rest(consignments, done)
                    return
        self._transport.deliver(consignments, done)  # mostly it goes on as it is

    def _deliver_rest(self, consignments: Sequence[Consignment], done: Done) -> None:
        parts: dict[Consignment, _Part] = {}
        passed = [each for consignment in consignments if (each := self._passed(consignment, parts, done)) is not None]
        if passed:
            self._transport.deliver(passed, partial(self._ended, parts, done))

    def _passed(self, consignment: Consignment, parts: dict[Consignment, _Part], done: Done) -> Consignment | None:
        """What is left of it; None: nothing, and it has been answered."""
        envelope = consignment.envelope
        recipients, sender = envelope.recipients, envelope.reverse_path
        stopped: dict[int, Stopped] = {}
        for at in consignment.ordinals:
            found = self._judge(recipients[at].address, sender)
            if found is not None:
                stopped[at] = found
        if not stopped:
            return consignment
        part = _Part(consignment, stopped)
        left = tuple(at for at in consignment.ordinals if at not in stopped)
        if not left:
            self._answer(part, {}, done)
            return None
        some = structs.replace(consignment, ordinals=left)
        parts[some] = part
        return some

    def _ended(self, parts: Mapping[Consignment, _Part], done: Done, consignment: Consignment, result: Result) -> None:
        part = parts.get(consignment)
        if part is None:
            done(consignment, result)
        elif isinstance(result, Postponed):  # all of it comes back, and those who are stopped with it
            done(part.whole, result)
        else:
            self._answer(part, result, done)

    def _answer(self, part: _Part, result: Mapping[int, Outcome] | Recorded, done: Done) -> None:
        whole = part.whole
        for at, each in part.stopped.items():
            recipient = whole.envelope.recipients[at].address
            self._maillog.note("info", each.event, queue_id=whole.queue_id, recipient=recipient)
        gone = {at: each.outcome for at, each in part.stopped.items()}
        if isinstance(result, Recorded):
            done(whole, Recorded({**result.outcomes, **gone}, result.recorded))
        else:
            done(whole, {**result, **gone})
