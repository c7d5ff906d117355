"""The sandbox on the way out: before any transport, and whatever way a message came into the queue.

Copies for aliases, lists and forward files, blind copies, reports of ours, and what was queued before the sandbox was
switched on: who may have no mail for real is called delivered here, and nothing is delivered to him. Promises: a line
of the log for each; no transport hears of them. Never: a report (nobody is waiting for it who may have it), or who is
in the sandbox (`policy/sandbox`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from msgspec import structs

from asyncmta.mail import replies
from asyncmta.mail.envelope import Consignment
from asyncmta.mail.outcome import Delivered, Outcome, Postponed, Recorded, Result
from asyncmta.policy.sandbox import Sandbox

Done = Callable[[Consignment, Result], None]

DISCARDED = Delivered(replies.DISCARDED, discarded=True)


class Delivers(Protocol):
    def deliver(self, consignments: Sequence[Consignment], done: Done) -> None: ...


class Notes(Protocol):
    """What is asked of the log."""

    def note(self, level: str, event: str, /, *, error: BaseException | None = None, **facts: object) -> None: ...


class _Part:
    """A consignment of which some are left out: what it was, and what became of those."""

    __slots__ = ("gone", "whole")

    def __init__(self, whole: Consignment, gone: Mapping[int, Outcome]) -> None:
        self.whole = whole
        self.gone = gone


class Sandboxed:
    """Stands before all transports."""

    def __init__(self, *, sandbox: Sandbox, transport: Delivers, maillog: Notes) -> None:
        self._sandbox = sandbox
        self._transport = transport
        self._maillog = maillog

    def deliver(self, consignments: Sequence[Consignment], done: Done) -> None:
        passed: list[Consignment] = []
        parts: dict[Consignment, _Part] = {}
        for consignment in consignments:
            recipients = consignment.envelope.recipients
            left = tuple(at for at in consignment.ordinals if self._sandbox.allows(recipients[at].address))
            if len(left) == len(consignment.ordinals):
                passed.append(consignment)
                continue
            gone: dict[int, Outcome] = {at: DISCARDED for at in consignment.ordinals if at not in left}
            if not left:
                self._answer(_Part(consignment, gone), {}, done)
                continue
            some = structs.replace(consignment, ordinals=left)
            parts[some] = _Part(consignment, gone)
            passed.append(some)
        if passed:
            self._transport.deliver(passed, partial(self._ended, parts, done) if parts else done)

    def _ended(self, parts: Mapping[Consignment, _Part], done: Done, consignment: Consignment, result: Result) -> None:
        part = parts.get(consignment)
        if part is None:
            done(consignment, result)
        elif isinstance(result, Postponed):  # all of it comes back, and those who are left out with it
            done(part.whole, result)
        else:
            self._answer(part, result, done)

    def _answer(self, part: _Part, result: Mapping[int, Outcome] | Recorded, done: Done) -> None:
        whole = part.whole
        for ordinal in part.gone:
            recipient = whole.envelope.recipients[ordinal].address
            self._maillog.note("info", "sandboxed", queue_id=whole.queue_id, recipient=recipient, discarded=True)
        if isinstance(result, Recorded):
            done(whole, Recorded({**result.outcomes, **part.gone}, result.recorded))
        else:
            done(whole, {**result, **part.gone})
