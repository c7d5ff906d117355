"""What a journal says and an outbox does not: events that were about to be written when the process was killed.

Promises: every record of the journal since the outbox's last line becomes its events, with the ids that they would have
had; those that are there already are left out. Never: a lock, a write; it is asked before the spool is opened.
"""

from __future__ import annotations

from asyncmta.mail.envelope import QueueId
from asyncmta.spool.records import Accepted, Attempted, Carried, Record, Reported
from asyncmta.spool.survey import Seen, walk
from asyncmta.system.disk import Disk
from asyncmta.webhooks.events import About, Event, events_of

MARGIN = 60.0  # seconds before the last line: records and lines of one moment need not be in the same order


def missed(disk: Disk, spool: str, since: float, there: frozenset[str], kinds: frozenset[str]) -> list[Event]:
    """Events of these kinds since then (Unix seconds) whose ids are not `there`. Raises OSError and SpoolRefused."""
    records: list[Record] = []
    for seen in walk(disk, spool):
        if not isinstance(seen, Seen) or not isinstance(seen.record, Accepted | Attempted | Reported):
            continue
        if seen.record.at >= since - MARGIN:
            records.append(seen.record)
    messages = _messages(disk, spool, {record.queue_id for record in records}) if records else {}
    found: list[Event] = []
    for record in records:
        about = messages.get(record.queue_id)
        if about is not None:
            found += [event for event in events_of(record, about, kinds) if event.id not in there]
    return found


def _messages(disk: Disk, spool: str, wanted: set[QueueId]) -> dict[QueueId, About]:
    found: dict[QueueId, About] = {}
    for seen in walk(disk, spool):
        if isinstance(seen, Seen) and isinstance(seen.record, Accepted | Carried) and seen.record.queue_id in wanted:
            found.setdefault(seen.record.queue_id, About(seen.record.envelope, seen.record.at))
    return found
