"""The transport for our own domains: aliases become copies, mailboxes are for the transport behind this one.

Promises: one answer for each consignment; where nobody has an alias, nothing is added to the way of a message but one
question. Never: writing into a mailbox, or a decision about retries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from msgspec import structs

from asyncmta.forwarding.forwarder import Forwarder, Tells
from asyncmta.forwarding.services import Services
from asyncmta.mail import replies
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Consignment
from asyncmta.mail.outcome import Cause, Deferred, Outcome, Postponed, Recorded, Result
from asyncmta.mail.reply import reply
from asyncmta.mailboxes.directory import Directory
from asyncmta.mailboxes.expansion import Ending, Endless, Expanded, Reached, Untold

Done = Callable[[Consignment, Result], None]

UNSURE = Deferred(Cause.STORAGE, replies.MAILBOX_UNSURE)
ENDLESS = Deferred(Cause.STORAGE, reply(451, "4.3.5", "Its aliases lead in a circle, or to too many addresses"))
INTERNAL = Deferred(Cause.INTERNAL, replies.LOCAL_ERROR)


class Delivers(Protocol):
    """The transport behind this one, for mailboxes."""

    def deliver(self, consignments: Sequence[Consignment], done: Done) -> None: ...


class LocalTransport:
    """`mailboxes` takes what is for a mailbox, `services` what the MTA itself answers."""

    def __init__(
        self,
        *,
        directory: Directory,
        forwarder: Forwarder,
        mailboxes: Delivers,
        maillog: Tells,
        services: Services | None = None,
    ) -> None:
        self._directory = directory
        self._services = services
        self._forwarder = forwarder
        self._mailboxes = mailboxes
        self._maillog = maillog
        self._tasks: set[asyncio.Task[None]] = set()

    def deliver(self, consignments: Sequence[Consignment], done: Done) -> None:
        """Take consignments of one message."""
        plain = []
        for consignment in consignments:
            if self._is_plain(consignment):
                plain.append(consignment)
            else:
                self._spawn(self._expand(consignment, done))
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

    async def _expand(self, consignment: Consignment, done: Done) -> None:
        outcomes: dict[int, Outcome] = {}
        recorded: set[int] = set()
        try:
            here = await self._forward(consignment, outcomes, recorded)
            if here:
                self._deliver(consignment, here, done, outcomes, recorded)
                return
        except Exception as error:
            self._maillog.note("error", "forwarding_failed", queue_id=consignment.queue_id, error=error)
        done(consignment, Recorded(dict.fromkeys(consignment.ordinals, INTERNAL) | outcomes, frozenset(recorded)))

    async def _forward(self, consignment: Consignment, outcomes: dict[int, Outcome], recorded: set[int]) -> list[int]:
        """Forward whom it stands for; who is left has a mailbox, or nobody."""
        reached: dict[int, Sequence[Reached]] = {}
        here: list[int] = []
        for ordinal in consignment.ordinals:
            recipient = consignment.envelope.recipients[ordinal]
            if self._services is not None and self._services.claims(recipient.address):
                taken = await self._services.take(consignment, ordinal)
                outcomes[ordinal] = taken.outcome
                recorded |= {ordinal} if taken.recorded else set()
                if taken.onward is not None:
                    reached[ordinal] = taken.onward
                continue
            found = None if recipient.is_final else await self._directory.expand(recipient.address)
            if found is None or (isinstance(found, Expanded) and _is_himself(found, recipient.address)):
                here.append(ordinal)
            elif isinstance(found, Expanded):
                reached[ordinal] = found.reached
            else:
                outcomes[ordinal] = self._unsure(consignment, ordinal, found)
        if reached:
            forwarded = await self._forwarder.forward(consignment, reached)
            outcomes |= forwarded.outcomes
            recorded |= forwarded.recorded
        return here

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

    def _deliver(
        self, consignment: Consignment, here: list[int], done: Done, outcomes: dict[int, Outcome], recorded: set[int]
    ) -> None:
        """Those who are left; and then the answer for all."""

        def merged(part: Consignment, result: Result) -> None:
            rest = result.outcomes if isinstance(result, Recorded) else result
            if isinstance(rest, Postponed):
                rest = dict.fromkeys(part.ordinals, UNSURE)
            done(consignment, Recorded({**outcomes, **rest}, frozenset(recorded)))

        self._mailboxes.deliver([structs.replace(consignment, ordinals=tuple(here))], merged)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _is_himself(found: Expanded, address: Address) -> bool:
    """Nobody else than this address, and no alias made of it: its own mailbox, or nobody's."""
    if found.is_itself:
        return True
    [one, *others] = found.reached
    return not others and one.owner is None and one.address == address and one.ending is Ending.MAILBOX
