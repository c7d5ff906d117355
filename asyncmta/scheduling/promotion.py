"""What waits is due now: since an operator says so, or since somebody was reached where it goes.

Never: who waits where (`agenda`, `waiting`).
"""

from __future__ import annotations

from collections.abc import Iterable

from asyncmta.mail.envelope import QueueId
from asyncmta.scheduling.agenda import Agenda
from asyncmta.scheduling.unreached import Unreached
from asyncmta.scheduling.waiting import Waiting


def promote(
    agenda: Agenda, waiting: Waiting, now: float, queue_ids: Iterable[QueueId] | None, destination: str | None
) -> int:
    """What waits of these messages, for this destination, or (with neither) at all, is due now; but a destination is
    not given what its sender wants to go later. How many messages, or for destinations how many tasks."""
    if queue_ids is not None:
        return sum(1 for each in queue_ids if agenda.promote(each, now) or waiting.promote(each, now))
    names = [destination] if destination is not None else agenda.destinations()
    promoted = sum(agenda.promote_destination(name, now, scheduled=not destination) for name in names)
    return promoted + waiting.promote_destination(destination, now)


def follow(unreached: Unreached, agenda: Agenda, waiting: Waiting, now: float, tag: int, host: str) -> int:
    """Something was delivered there: some of those who had reached nobody are due now; how many were to wait longer."""
    followers = unreached.follow(tag, host)
    return sum(1 for each, of in followers if agenda.promote(each, now, of) or waiting.bring_forward(each, now))
