"""The queue of a stopped MTA, out of its spool: read, never written, and no lock taken.

It shows what the journal says: nobody works on it, so nothing is active and nothing has a due time. The next hop is
what the present routes say. Never: a change.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from asyncmta.admin.rows import MessageView, Selection, Shown, page, show, stats
from asyncmta.cli.exits import Exit, Stop
from asyncmta.mail.envelope import ContentUnavailable, format_queue_id, parse_queue_id
from asyncmta.mail.wire import Unstuffer
from asyncmta.scheduling.snapshot import QueueRow, RecipientRow, damaged_row, release_reason
from asyncmta.spool.ledger import Entry
from asyncmta.spool.opening import ReadOnlySpool, read_only
from asyncmta.spool.recovery import SpoolRefused
from asyncmta.system.disk import PosixDisk

if TYPE_CHECKING:
    from asyncmta.config import Settings
    from asyncmta.routing import Routing

EVERYTHING = 1 << 62


class SpooledQueue:
    """See `queue_source.QueueSource`."""

    def __init__(self, settings: Settings) -> None:
        self._routing = settings.routing()
        try:
            self._spool: ReadOnlySpool | None = read_only(PosixDisk(), settings.spool)
        except FileNotFoundError:
            self._spool = None  # never started: nothing is queued
        except (OSError, SpoolRefused) as error:
            raise Stop(Exit.NO_INPUT, f"not running, and its spool cannot be read: {error}") from None

    def _views(self) -> Iterator[MessageView]:
        if self._spool is None:
            return
        for entry in self._spool.entries():
            yield view(entry, self._routing)
        for damage in self._spool.damaged():
            if damage.queue_id is not None:
                yield damaged_row(damage)

    def rows(self, selection: Selection, limit: int | None) -> list[Shown]:
        return page(self._views(), selection, limit=limit or EVERYTHING)[0]

    def row(self, queue_id: str) -> Shown:
        wanted = own_spelling(queue_id)
        for found in self._views():
            if found.queue_id == wanted:
                return show(found)
        raise Stop(Exit.DATA, "no such message is queued")

    def content(self, queue_id: str) -> Iterator[bytes]:
        unstuffer = Unstuffer()
        try:
            if self._spool is None:
                raise ContentUnavailable("no such message is queued")
            wanted = parse_queue_id(own_spelling(queue_id))
            entry = self._spool.entry(wanted)
            is_plain = entry is not None and entry.envelope.is_binary
            for chunk in self._spool.content(wanted):
                yield chunk if is_plain else unstuffer.feed(chunk)
        except (ContentUnavailable, OSError) as error:
            raise Stop(Exit.DATA, str(error)) from None

    def stats(self) -> Shown:
        return stats(self._views())


def own_spelling(queue_id: str) -> str:
    try:
        return format_queue_id(parse_queue_id(queue_id))
    except ValueError as error:
        raise Stop(Exit.DATA, str(error)) from None


def view(entry: Entry, routing: Routing) -> QueueRow:
    """One message as the journal has it."""
    envelope = entry.envelope
    reason = release_reason(entry)
    waiting = "held" if entry.held else "deferred" if entry.attempts or reason else "ready"
    failed = entry.failed()
    people = []
    for ordinal in sorted({*entry.pending(), *failed}):
        address = envelope.recipients[ordinal].address
        hop = routing.destination(address, envelope.reverse_path)
        said = failed[ordinal] if ordinal in failed else entry.last[ordinal][1] if ordinal in entry.last else None
        people.append(
            RecipientRow(
                address=str(address),
                state="failed" if ordinal in failed else "held" if hop == "hold" else waiting,
                next_hop=hop,
                last_reply=str(said.reply) if said is not None else None,
                next_due=None,
            )
        )
    return QueueRow(
        queue_id=format_queue_id(entry.queue_id),
        state="held" if {person.state for person in people} == {"held"} else waiting,
        sender=str(envelope.reverse_path) if envelope.reverse_path is not None else None,
        size=entry.content.size,
        accepted_at=entry.accepted_at,
        attempts=entry.attempts,
        recipients=tuple(people),
        total=len(envelope.recipients),
        reason=reason,
    )
