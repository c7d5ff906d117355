"""The transport for our own domains: aliases become copies, mailboxes are for the transport behind this one.

Who has moved is refused with where to; who is unknown in a domain with a relay goes there. Promises: one answer for
each consignment; where nobody has an alias, nothing is added to the way of a message but one question; what was found
wrong in the files of aliases is said to the postmaster and to nobody else. Never: writing into a mailbox, or a decision
about retries.

seeds P-04, P-09, W-236.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from msgspec import Struct, structs

from asyncmta.forwarding.forwarder import Forwarder, Tells
from asyncmta.forwarding.services import Services
from asyncmta.mail import replies
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Consignment
from asyncmta.mail.outcome import Cause, Deferred, Failed, Outcome, Postponed, Recorded, Result
from asyncmta.mail.reply import reply
from asyncmta.mail.transport import Done, Transport
from asyncmta.mailboxes.directory import Directory, Moved
from asyncmta.mailboxes.expansion import Ending, Endless, Expanded, Reached, Untold
from asyncmta.routing import unknown_key

_PEOPLE = frozenset({Ending.MAILBOX, Ending.ELSEWHERE, Ending.LATER})
UNSURE = Deferred(Cause.STORAGE, replies.MAILBOX_UNSURE)
ENDLESS = Deferred(Cause.STORAGE, reply(451, "4.3.5", "Its aliases lead in a circle, or to too many addresses"))
INTERNAL = Deferred(Cause.INTERNAL, replies.LOCAL_ERROR)
NOT_REACHED = Deferred(Cause.CONNECT, replies.NEXT_HOP_UNREACHABLE)


class _Sorted(Struct, frozen=True):
    """Who of a consignment has a mailbox here (or nobody's), who is for the relay, and who stands for others; and of
    whom the journal knows already what became."""

    here: list[int]
    relayed: list[int]
    reached: dict[int, Sequence[Reached]]
    recorded: set[int]


class _Answer:
    """What became of a consignment that went several ways; said when all of it is known."""

    def __init__(self, consignment: Consignment, done: Done) -> None:
        self.consignment = consignment
        self._done = done
        self.outcomes: dict[int, Outcome] = {}
        self.recorded: frozenset[int] = frozenset()

    def part(self, part: Consignment, result: Result) -> None:
        """One of the ways is over."""
        if isinstance(result, Postponed):
            if len(part.ordinals) == len(self.consignment.ordinals):
                self._done(self.consignment, result)
                return
            result = dict.fromkeys(part.ordinals, NOT_REACHED)
        outcomes = result.outcomes if isinstance(result, Recorded) else result
        self.add({ordinal: outcomes.get(ordinal, INTERNAL) for ordinal in part.ordinals})

    def add(self, outcomes: Mapping[int, Outcome]) -> None:
        self.outcomes |= outcomes
        if len(self.outcomes) == len(self.consignment.ordinals):
            self._done(self.consignment, Recorded(self.outcomes, self.recorded))


class LocalTransport:
    """`mailboxes` takes what is for a mailbox, `remote` what is for the relay of a domain, `services` what the MTA
    itself answers."""

    def __init__(
        self,
        *,
        directory: Directory,
        forwarder: Forwarder,
        mailboxes: Transport,
        remote: Transport,
        maillog: Tells,
        services: Services | None = None,
    ) -> None:
        self._directory = directory
        self._services = services
        self._forwarder = forwarder
        self._mailboxes = mailboxes
        self._remote = remote
        self._maillog = maillog
        self._tasks: set[asyncio.Task[None]] = set()

    def deliver(self, consignments: Sequence[Consignment], done: Done) -> None:
        """Take consignments of one message."""
        plain = []
        for consignment in consignments:
            if self._is_plain(consignment):
                plain.append(consignment)
            else:
                self._spawn(self._follow(_Answer(consignment, done)))
        if plain:
            self._mailboxes.deliver(plain, done)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _is_plain(self, consignment: Consignment) -> bool:
        recipients = consignment.envelope.recipients
        return all(
            (recipients[ordinal].is_final and not self._claims(recipients[ordinal].address))
            or self._directory.is_plain(recipients[ordinal].address)
            for ordinal in consignment.ordinals
        )

    def _claims(self, address: Address) -> bool:
        return self._services is not None and self._services.claims(address)

    async def _follow(self, answer: _Answer) -> None:
        """Forward whom it stands for; the others go their ways."""
        consignment = answer.consignment
        outcomes: dict[int, Outcome] = {}
        try:
            found = await self._sort(consignment, outcomes)
            answer.recorded = frozenset(found.recorded)
            if found.reached:
                forwarded = await self._forwarder.forward(consignment, found.reached)
                outcomes |= forwarded.outcomes
                answer.recorded |= forwarded.recorded
            answer.add(outcomes)
            if found.here:
                part = structs.replace(consignment, ordinals=tuple(found.here))
                self._mailboxes.deliver([part], answer.part)
            if found.relayed:
                domain = consignment.envelope.recipients[found.relayed[0]].address.domain_key
                part = structs.replace(consignment, ordinals=tuple(found.relayed), destination=unknown_key(domain))
                self._remote.deliver([part], answer.part)
        except Exception as error:
            self._maillog.note("error", "forwarding_failed", queue_id=consignment.queue_id, error=error)
            answer.add(dict.fromkeys(consignment.ordinals, INTERNAL) | outcomes | answer.outcomes)

    async def _sort(self, consignment: Consignment, outcomes: dict[int, Outcome]) -> _Sorted:
        """Who is who; of whom that cannot be said, or who is not here any more, that is the outcome."""
        found = _Sorted([], [], {}, set())
        for ordinal in consignment.ordinals:
            recipient = consignment.envelope.recipients[ordinal]
            if self._claims(recipient.address):
                await self._serve(consignment, ordinal, outcomes, found)
                continue
            if recipient.is_final:
                found.here.append(ordinal)
                continue
            finding = await self._directory.expand(recipient.address)
            if not isinstance(finding, Expanded):
                outcomes[ordinal] = self._unsure(consignment, ordinal, finding)
            elif not finding.reached:
                found.here.append(ordinal)  # an empty list: nobody of that name, as RCPT is told
            elif not _is_himself(finding, recipient.address):
                found.reached[ordinal] = finding.reached
            elif finding.reached[0].ending is Ending.MOVED:
                outcomes[ordinal] = await self._moved(recipient.address)
            else:
                (found.relayed if finding.reached[0].ending is Ending.RELAYED else found.here).append(ordinal)
        return found

    async def _serve(
        self, consignment: Consignment, ordinal: int, outcomes: dict[int, Outcome], found: _Sorted
    ) -> None:
        """The MTA itself is meant; and then somebody may be who is to have the message too."""
        assert self._services is not None
        taken = await self._services.take(consignment, ordinal)
        outcomes[ordinal] = taken.outcome
        if taken.recorded:
            found.recorded.add(ordinal)
        people: dict[str, Reached] = {}
        for address in taken.onward:
            finding = await self._directory.expand(address)
            if not isinstance(finding, Expanded):
                outcomes[ordinal] = self._unsure(consignment, ordinal, finding)
                return
            for one in finding.reached:
                if one.ending in _PEOPLE:
                    people.setdefault(one.address.mailbox_key, structs.replace(one, owner=taken.owner or one.owner))
        if people:
            found.reached[ordinal] = tuple(people.values())

    async def _moved(self, address: Address) -> Outcome:
        """Where somebody is who was here."""
        moved = await self._directory.moved(address)
        return Failed(Cause.REFUSED, replies.moved(moved.to)) if isinstance(moved, Moved) else UNSURE

    def _unsure(self, consignment: Consignment, ordinal: int, why: Endless | Untold) -> Deferred:
        """What was found in the files is for the postmaster, and no business of the sender."""
        self._maillog.note(
            "warning",
            "not_expanded",
            queue_id=consignment.queue_id,
            recipient=consignment.envelope.recipients[ordinal].address,
            reason=why.reason,
        )
        return ENDLESS if isinstance(why, Endless) else UNSURE

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _is_himself(found: Expanded, address: Address) -> bool:
    """Nobody else than this address: there is no alias, or one that leads to its own mailbox alone."""
    if found.is_itself:
        return True
    if len(found.reached) != 1:
        return False
    [one] = found.reached
    return one.owner is None and one.address == address and one.ending is Ending.MAILBOX
