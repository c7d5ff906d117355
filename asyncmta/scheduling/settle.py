"""What follows from an attempt, as one value: what to record at once, whom to report, when to try again.

Promises: every recipient of the attempt is delivered, due again, or failed, and is exactly one of them, whatever the
transport said; a due time exists exactly when somebody is due again. Expiry is decided here and nowhere else, also
for what was only postponed: a failure with the last reply that was heard, so that the report says why. The same
functions give the due times after a restart. Never: a clock, the journal, who is told of a failure (`bounce/`).

RFC 5321 4.5.4.1, RFC 4865, RFC 2852; architecture.md 5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from asyncmta.mail.envelope import NOTIFY_SUCCESS, QueueId
from asyncmta.mail.notify import owing
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Outcome, Postponed, Recorded, Result, Scope
from asyncmta.mail.replies import LOCAL_ERROR
from asyncmta.mail.reply import reply
from asyncmta.scheduling.retry import RetrySchedule
from asyncmta.spool.ledger import Entry
from asyncmta.spool.records import Attempted

LEAD = 60.0  # seconds for each step of priority: an urgent message goes before what fell due minutes before it, no more

INTERNAL = Deferred(Cause.INTERNAL, LOCAL_ERROR, Scope.MESSAGE)
"""An attempt that a bug of ours ended, or that said nothing of this recipient."""


class Settlement(Struct, frozen=True):
    """The consequences of one attempt.

    attempted: to be noted at once; None when nothing was tried. failures: to be committed together with their report
    when the pass ends. deferred: who is tried again, at `due` (Unix seconds; None for nobody). recorded: what is in the
    journal already, to be said and not to be noted. owes: some delivery is one of which the sender is to be told.
    """

    attempted: Attempted | None
    failures: dict[int, Failed]
    deferred: tuple[int, ...] = ()
    due: float | None = None
    recorded: Mapping[int, Outcome] = {}
    owes: bool = False


def softened(result: Result) -> Result:
    """The same with a deferral for each failure, in the words that were heard: nothing bounces before its lifetime."""
    if isinstance(result, Postponed):
        return result
    if isinstance(result, Recorded):
        return Recorded(_softened(result.outcomes), result.recorded)
    return _softened(result)


def _softened(outcomes: Mapping[int, Outcome]) -> dict[int, Outcome]:
    return {
        ordinal: Deferred(said.cause, said.reply, said.scope, said.place) if isinstance(said, Failed) else said
        for ordinal, said in outcomes.items()
    }


def plain(entry: Entry, ordinals: tuple[int, ...], result: Result) -> Delivered | None:
    """The end of most attempts: one recipient, who has it, and nobody wants to be told. Nothing follows from it but
    that it is noted and said. None: it is not so plain."""
    if type(result) is not dict or len(ordinals) != 1 or entry.envelope.timing is not None:
        return None
    outcome = result.get(ordinals[0])
    if type(outcome) is not Delivered or entry.envelope.recipients[ordinals[0]].notify & NOTIFY_SUCCESS:
        return None
    return outcome


def settle(
    entry: Entry,
    ordinals: tuple[int, ...],
    result: Result,
    *,
    schedule: RetrySchedule,
    now: float,
    local: bool,
) -> Settlement:
    """Settle the attempt at `ordinals` that has just ended with `result`; `local`: its destination is one of ours."""
    if isinstance(result, Postponed):
        return _postpone(entry, ordinals, result, schedule, now)
    recorded: Mapping[int, Outcome] = {}
    owes = False
    if isinstance(result, Recorded):
        recorded = {ordinal: result.outcomes[ordinal] for ordinal in result.recorded}
        owes = any(isinstance(outcome, Delivered) and outcome.owed for outcome in recorded.values())
        result = result.outcomes
    noted: dict[int, Outcome] = {}
    failures: dict[int, Failed] = {}
    deferred: dict[int, Deferred] = {}
    recipients, is_timed = entry.envelope.recipients, entry.envelope.timing is not None
    for ordinal in ordinals:
        if ordinal in recorded:
            continue
        outcome = result.get(ordinal, INTERNAL)
        if isinstance(outcome, Failed):
            failures[ordinal] = outcome
            continue
        if isinstance(outcome, Deferred):
            deferred[ordinal] = outcome
        elif is_timed or recipients[ordinal].notify & NOTIFY_SUCCESS:
            outcome = owing(entry.envelope, ordinal, outcome)
            owes |= outcome.owed
        noted[ordinal] = outcome
    attempted = Attempted(entry.queue_id, now, noted) if noted else None
    if not deferred:
        return Settlement(attempted, failures, recorded=recorded, owes=owes)
    if now >= end_of(entry, schedule):
        # The deferral is noted all the same: it is what the report will quote.
        failures.update({ordinal: _expired(last) for ordinal, last in deferred.items()})
        return Settlement(attempted, failures, recorded=recorded, owes=owes)
    due = due_again(entry, now, schedule=schedule, local=local)
    return Settlement(attempted, failures, tuple(deferred), due, recorded, owes)


def _postpone(
    entry: Entry, ordinals: tuple[int, ...], postponed: Postponed, schedule: RetrySchedule, now: float
) -> Settlement:
    end = end_of(entry, schedule)
    if now < end:
        return Settlement(None, {}, ordinals, _not_beyond(entry, now, min(postponed.until, end)))
    never = Deferred(Cause.EXPIRED, reply(451, "4.4.7", f"It could not be tried: {postponed.reason}"), Scope.MESSAGE)
    return Settlement(None, {at: _expired(entry.last[at][1] if at in entry.last else never) for at in ordinals})


def _expired(last: Deferred) -> Failed:
    return Failed(Cause.EXPIRED, last.reply, last.scope, last.place)


def end_of(entry: Entry, schedule: RetrySchedule) -> float:
    """From then on a deferral is a failure. The lifetime of what is to be released later begins with that."""
    timing = entry.envelope.timing
    born = entry.accepted_at if timing is None else max(entry.accepted_at, timing.release_at)
    end = schedule.expires_at(born, bounce=entry.envelope.reverse_path is None)
    return min(end, timing.deliver_by) if timing is not None and timing.by_mode.startswith("R") else end


def is_too_late(entry: Entry, now: float) -> bool:
    """Its sender wants it delivered before now or returned (RFC 2852)."""
    timing = entry.envelope.timing
    return timing is not None and timing.by_mode.startswith("R") and now >= timing.deliver_by


def is_to_be_told(entry: Entry, now: float, warn_after: float = 0.0) -> bool:
    """Its sender is to know that it was not delivered before now, and does not know it yet: after `warn_after` seconds
    (0.0: never), or because he has said by when he wants to know. One that came too late already was told of by whom
    it came from."""
    timing = entry.envelope.timing
    if entry.warned or entry.envelope.reverse_path is None:
        return False
    born = entry.accepted_at if timing is None else max(entry.accepted_at, timing.release_at)
    if warn_after and now >= born + warn_after:
        return True
    if timing is None or not timing.by_mode.startswith("N"):
        return False
    return entry.accepted_at < timing.deliver_by <= now


def _not_beyond(entry: Entry, now: float, due: float) -> float:
    """One more attempt when its deadline comes; and what follows from that is decided when the attempt has ended."""
    timing = entry.envelope.timing
    return min(due, timing.deliver_by) if timing is not None and timing.deliver_by > now else due


def lead_of(entry: Entry) -> float:
    """By how much it goes before others, for its priority (`Task.lead`)."""
    timing = entry.envelope.timing
    return 0.0 if timing is None else timing.priority * LEAD


def wait_for_release(entry: Entry, now: float) -> float:
    """Seconds for which it may not be tried yet, because its sender said so and nobody has tried it before (which only
    an operator can have wanted); 0.0: it may."""
    timing = entry.envelope.timing
    if timing is None or entry.attempts:
        return 0.0
    return max(0.0, timing.release_at - now)


def due_again(entry: Entry, last_attempt: float, *, schedule: RetrySchedule, local: bool) -> float:
    """When recipients last tried at `last_attempt` are due, in Unix seconds. The attempt's own time is what tells it
    from others of this message, so that a restart computes the same jitter from what the ledger knows."""
    timing = entry.envelope.timing
    born, end = entry.accepted_at, None
    if timing is not None:
        end = end_of(entry, schedule)
        # Tried before its release, on an operator's word: then its age is that since it came.
        if last_attempt >= timing.release_at:
            born = max(born, timing.release_at)
    bounce = entry.envelope.reverse_path is None
    salt = salt_of(entry.queue_id, last_attempt)
    due = schedule.next_due(born, last_attempt, local=local, bounce=bounce, salt=salt, end=end)
    return _not_beyond(entry, last_attempt, due)


def salt_of(queue_id: QueueId, last_attempt: float) -> int:
    """What the jitter of the delay after this attempt is drawn from."""
    return queue_id + (int(last_attempt * 1000) << 20)


class Plan(Struct, frozen=True):
    """Pending recipients with one destination and one due time in Unix seconds; None: never tried, due at once."""

    destination: str
    ordinals: tuple[int, ...]
    due: float | None


def plan(
    entry: Entry,
    ordinals: Sequence[int],
    *,
    destination_of: Callable[[int], str],
    is_local: Callable[[str], bool],
    schedule: RetrySchedule,
    now: float,
) -> list[Plan]:
    """What the ledger's facts about these pending recipients mean for the agenda, now as after a restart."""
    groups: dict[tuple[str, float | None], list[int]] = {}
    for ordinal in ordinals:
        last = entry.last.get(ordinal)
        # A stamp from the future is that of a clock that has been set back since: it may not delay the message by that.
        tried = None if last is None else min(last[0], now)
        groups.setdefault((destination_of(ordinal), tried), []).append(ordinal)
    plans = []
    for (destination, tried), members in groups.items():
        due = None
        if tried is not None:
            due = due_again(entry, tried, schedule=schedule, local=is_local(destination))
        plans.append(Plan(destination, tuple(members), due))
    return plans
