"""What became of a queued message so far, what is next, and what decides about it: `Mta.why` and `asyncmta why`.

Promises: what the journal knows and how scheduler and sites stand at one moment, together; nothing is changed and
nobody is asked. Never: what was forgotten (of a delivery the fact alone is kept), nor a decision of its own: the rules
and limits are those of the rooms, and `reasons` names the one that counts.

contract.md sections 2 and 4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from asyncmta.admin.shapes import LastAttempt, RecipientStory, Story
from asyncmta.config import Settings
from asyncmta.delivery.equipment import SiteView
from asyncmta.delivery.leading import sites_of
from asyncmta.delivery.remote import RemoteTransport
from asyncmta.mail.envelope import QueueId, format_queue_id
from asyncmta.mail.outcome import Deferred, Failed
from asyncmta.mta_bounce import scheduler_settings
from asyncmta.pausing import Paused
from asyncmta.reasons import COMMAND, MAILBOX, NETWORK, Decision, Facts, decide
from asyncmta.routing import Local, Pipe, Routing
from asyncmta.scheduling.settle import end_of
from asyncmta.scheduling.snapshot import QueueRow, RecipientRow
from asyncmta.spool.ledger import Entry
from asyncmta.spool.records import DELIVERED, REPORTED
from asyncmta.spool.store import Store

EXACTLY = 0.01  # seconds; two scales of floats
DONE = {DELIVERED: "delivered", REPORTED: "reported"}


class Knowing(Protocol):
    """What is asked of a scheduler."""

    def view(self, queue_id: QueueId) -> QueueRow | None: ...


class Witnesses(Protocol):
    """Who is asked; the rooms of a running MTA are such."""

    @property
    def store(self) -> Store: ...

    @property
    def scheduler(self) -> Knowing: ...

    @property
    def routing(self) -> Routing: ...

    @property
    def remote(self) -> RemoteTransport: ...


def explain(rooms: Witnesses, settings: Settings, queue_id: QueueId, paused: Paused) -> Story | None:
    """The story of one message; None when it is not queued (any more). Reads from the disk if it is parked."""
    entry, row = rooms.store.peek(queue_id), rooms.scheduler.view(queue_id)
    if entry is None or row is None:
        return None
    ends_at = end_of(entry, scheduler_settings(settings).retry)
    known: dict[str, list[SiteView]] = {}
    suspended = [each for each in rooms.remote.sites() if each.suspended_until is not None]

    def ask(person: RecipientRow, rule: str, pause: str) -> Decision:
        hop = person.next_hop
        if hop not in known:
            known[hop] = sites_of(rooms.remote, hop)
        sites = known[hop]
        if not sites and person.next_due is not None:
            sites = _awaited(suspended, person.next_due)
        return decide(
            Facts(
                state=person.state,
                rule=rule,
                pause=pause if person.state == "held" else paused.of_output(),
                way=_way(rooms.routing, hop),
                is_held=entry.held,
                release=row.reason,
                next_due=person.next_due,
                ends_at=ends_at,
                is_crowded=person.is_crowded,
                sites=sites,
            )
        )

    return Story(
        queue_id=format_queue_id(queue_id),
        state=row.state,
        sender=row.sender,
        size=row.size,
        accepted_at=row.accepted_at,
        client=entry.client or None,
        login=entry.login,
        attempts=row.attempts,
        ends_at=ends_at,
        sender_was_warned=entry.warned,
        reason=row.reason or None,
        recipients=_recipients(entry, row, rooms.routing, paused, ask),
    )


def damaged(row: QueueRow) -> Story:
    """All that can be said of a message that was set aside."""
    return Story(
        queue_id=row.queue_id,
        state=row.state,
        sender=row.sender,
        size=row.size,
        accepted_at=row.accepted_at,
        client=None,
        login=None,
        attempts=row.attempts,
        ends_at=None,
        sender_was_warned=False,
        reason=row.reason or None,
        recipients=[],
    )


def _recipients(
    entry: Entry,
    row: QueueRow,
    routing: Routing,
    paused: Paused,
    ask: Callable[[RecipientRow, str, str], Decision],
) -> list[RecipientStory]:
    waiting = {person.address: person for person in row.recipients}
    failed, told = entry.failed(), []
    for ordinal, recipient in enumerate(entry.envelope.recipients):
        address, last = str(recipient.address), None
        if ordinal in failed:
            last = _attempt(None, failed[ordinal])
        elif ordinal in entry.last:
            last = _attempt(*entry.last[ordinal])
        person = waiting.get(address)
        done = DONE.get(entry.state_of(ordinal))
        if done is not None or person is None:  # one that is neither has ended a moment ago, and that is being recorded
            told.append(RecipientStory(address, done or "active", None, None, None, None, None, last))
            continue
        # The last but one of the lines is about the route that was chosen.
        rule = routing.explain(recipient.address, entry.envelope.reverse_path)[-2]
        pause = ""
        if paused.steers:
            destination = routing.destination(recipient.address, entry.envelope.reverse_path)
            pause = paused.in_the_way(recipient.address, destination)
            rule = pause or rule
        decision = ask(person, rule, pause)
        told.append(
            RecipientStory(
                address, person.state, person.next_hop, rule, person.next_due, decision.by, decision.says, last
            )
        )
    return told


def _awaited(sites: list[SiteView], due: float) -> list[SiteView]:
    """The transport forgets soon which site a destination leads to. What is postponed is due to the moment when the
    suspension of its site ends; where that is so of one site alone, it is that one."""
    found = [each for each in sites if abs((each.suspended_until or 0.0) - due) < EXACTLY]
    return found if len(found) == 1 else []


def _attempt(at: float | None, outcome: Deferred | Failed) -> LastAttempt:
    place = outcome.place
    return LastAttempt(
        at=at,
        outcome="failed" if isinstance(outcome, Failed) else "deferred",
        cause=outcome.cause.name.lower(),
        scope=outcome.scope.name.lower(),
        reply=str(outcome.reply),
        host=place.host or None,
        ip=place.ip or None,
        tls=place.tls or None,
    )


def _way(routing: Routing, destination: str) -> str:
    try:
        route = routing.route_of(destination)
    except LookupError:  # a route of settings that are gone
        return NETWORK
    return MAILBOX if isinstance(route, Local) else COMMAND if isinstance(route, Pipe) else NETWORK
