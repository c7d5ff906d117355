"""What people are shown of a queued message: a snapshot, made from the ledger's facts and the agenda's times.

Promises: a value that does not change any more, with the keys and states of contract.md; a recipient that is delivered
or reported is counted and not listed. Never: a decision.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from msgspec import Struct

from asyncmta.mail.envelope import format_queue_id
from asyncmta.mail.headers import rfc5322_date
from asyncmta.mail.outcome import Failed
from asyncmta.scheduling.task import PARKED, WAITING, Lane, Task
from asyncmta.spool.ledger import Entry
from asyncmta.spool.recovery import Damage


class RecipientRow(Struct, frozen=True):
    """A recipient that is not done. `state`: "held", "deferred", "ready", "active", or "failed", which is about to be
    reported; `next_hop`: its destination; `next_due` in Unix seconds, None where it is on no agenda; `is_crowded`: it
    is due, and held back until others of its destination have ended."""

    address: str
    state: str
    next_hop: str
    last_reply: str | None
    next_due: float | None
    is_crowded: bool = False


class QueueRow(Struct, frozen=True):
    """A message. `state`: "held" by an operator or a route, "active" when any recipient is in hand or being reported,
    "ready" when any is due, else "deferred"; or "damaged", then with the `reason` and little else. `reason` also says
    of one that is deferred by its sender's wish when it is to go. `total` counts the recipients it came with."""

    queue_id: str
    state: str
    sender: str | None
    size: int
    accepted_at: float
    attempts: int
    recipients: tuple[RecipientRow, ...]
    total: int
    reason: str = ""


class Standing(Struct, frozen=True):
    """Where the scheduler has the recipients of a message. Whoever is in none of these is in hand. `to_wall`: from the
    agenda's scale to Unix seconds; `destination_of`: of an ordinal."""

    tasks: Iterable[Task]
    held: Collection[int]
    failures: Mapping[int, Failed]
    to_wall: Callable[[float], float]
    destination_of: Callable[[int], str]


def row(entry: Entry, standing: Standing) -> QueueRow:
    """The message as it is shown."""
    due = {ordinal: task for task in standing.tasks for ordinal in task.ordinals}
    failures = {**entry.failed(), **standing.failures}
    listed = []
    for ordinal in sorted({*entry.pending(), *failures}):
        said = None
        if ordinal in failures:
            said = failures[ordinal].reply
        elif ordinal in entry.last:
            said = entry.last[ordinal][1].reply
        task = due.get(ordinal)
        listed.append(
            RecipientRow(
                address=str(entry.envelope.recipients[ordinal].address),
                state=_state(ordinal, task, standing.held, failures),
                next_hop=standing.destination_of(ordinal),
                last_reply=str(said) if said is not None else None,
                next_due=standing.to_wall(task.due) if task is not None else None,
                is_crowded=task is not None and task.place == PARKED,
            )
        )
    sender = entry.envelope.reverse_path
    is_scheduled = any(task.lane is Lane.SCHEDULED and task.place == WAITING for task in due.values())
    return QueueRow(
        queue_id=format_queue_id(entry.queue_id),
        state="held" if entry.held else _state_of_all({each.state for each in listed}),
        sender=str(sender) if sender is not None else None,
        size=entry.content.size,
        accepted_at=entry.accepted_at,
        attempts=entry.attempts,
        recipients=tuple(listed),
        total=len(entry.envelope.recipients),
        reason=release_reason(entry) if is_scheduled else "",
    )


def release_reason(entry: Entry) -> str:
    """Why a message was not tried yet, if its sender has said when it is to go."""
    timing = entry.envelope.timing
    if timing is None or not timing.release_at or entry.attempts:
        return ""
    return f"to be released at {rfc5322_date(timing.release_at)}"


def damaged_row(damage: Damage) -> QueueRow:
    """A message that was set aside, as far as it is known: it must have been about one."""
    assert damage.queue_id is not None
    queue_id = format_queue_id(damage.queue_id)
    return QueueRow(queue_id, "damaged", None, 0, 0.0, 0, (), 0, damage.reason)


def _state(ordinal: int, task: Task | None, held: Collection[int], failures: Mapping[int, Failed]) -> str:
    if task is not None:
        return "deferred" if task.place == WAITING else "ready"
    if ordinal in failures:
        return "failed"
    return "held" if ordinal in held else "active"


def _state_of_all(states: set[str]) -> str:
    for state in ("active", "ready", "deferred", "held"):
        if state in states:
            return state
    return "active"  # its last recipients are being reported
