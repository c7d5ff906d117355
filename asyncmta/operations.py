"""What users and operators may ask of a running MTA: hand in a message, look at the queue, act on what is in it.

Promises: queue ids are text here and addresses are parsed strictly; whoever is told that a message was taken, held,
released or removed is told after that is durable. One that is given no ids means all, or those that `domain` (of a
recipient) and `sender` leave. Never: how any of it is done; that is in the rooms.

contract.md sections 2, 4 and 5.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from itertools import islice
from typing import Any

from msgspec import Struct

from asyncmta import why
from asyncmta.admin.shapes import Story
from asyncmta.config import Settings
from asyncmta.delivery.dialer import Resolves
from asyncmta.delivery.equipment import SiteView
from asyncmta.delivery.leading import all_sites
from asyncmta.delivery.remote import RemoteTransport
from asyncmta.inbound.injection import AS_USUAL, Reports, envelope_of
from asyncmta.inbound.intake import Intake
from asyncmta.mail.address import Address, domain_key, parse_address
from asyncmta.mail.envelope import QueueId, format_queue_id, parse_queue_id
from asyncmta.mail.reply import Reply
from asyncmta.mail.wire import Unstuffer
from asyncmta.mailboxes.directory import Directory
from asyncmta.mta_doors import warnings_of
from asyncmta.mta_policy import Asked, Policy
from asyncmta.mta_watching import Watching
from asyncmta.pausing import Paused
from asyncmta.route_report import RouteReport, report
from asyncmta.routing import Routing
from asyncmta.scheduling.scheduler import Scheduler
from asyncmta.scheduling.snapshot import QueueRow, damaged_row
from asyncmta.spool.ledger import Entry
from asyncmta.spool.store import Store
from asyncmta.suppression.keeper import Keeper

READ_AT_ONCE = 500  # messages that are read back together, when an operator's filter has to look at them


class SubmitRefused(Exception):
    """The message is not taken; `reply` says why, as a client would have been told."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class NotRunning(RuntimeError):
    """The MTA has not been entered, or has been left."""


class Rooms(Struct, frozen=True, eq=False):
    """The rooms of a running MTA, as far as they are needed here."""

    store: Store
    scheduler: Scheduler
    intake: Intake
    routing: Routing
    directory: Directory
    resolver: Resolves
    remote: RemoteTransport
    policy: Policy


class Operations:
    """The part of `Mta` that is about messages."""

    _rooms: Rooms | None
    _handing_in: set[asyncio.Future[Any]]  # for which a drain waits
    settings: Settings
    suppressions: Keeper  # who gets no mail
    _watching: Watching
    _paused: Paused

    @property
    def rooms(self) -> Rooms:
        if self._rooms is None:
            raise NotRunning("this MTA is not running: use `async with Mta(settings)`")
        return self._rooms

    # -- handing in --------------------------------------------------------------------------------------------------

    async def submit(
        self,
        reverse_path: str | None,
        recipients: Sequence[str],
        content: bytes,
        reports: Reports = AS_USUAL,
        traceparent: str = "",
    ) -> str:
        """Take a message; its queue id, when it is durable. What it lacks is added (`inbound/injection`).
        `traceparent`: the trace of whoever hands it in, as W3C has it (docs/telemetry.md).

        Raises InvalidAddress for an address that is none; SubmitRefused with the reply a client would have got.
        """
        envelope = envelope_of(reverse_path, recipients, reports)
        if isinstance(envelope, Reply):
            raise SubmitRefused(envelope)
        queue_id = self.rooms.store.next_queue_id()
        if traceparent:
            self._watching.take_up(queue_id, traceparent)
        taking = asyncio.ensure_future(self.rooms.intake.submit(envelope, content, queue_id=queue_id))
        self.keep_until_drained(taking)
        taken = await asyncio.shield(taking)
        if isinstance(taken, Reply):
            raise SubmitRefused(taken)
        return format_queue_id(taken)

    # -- looking -----------------------------------------------------------------------------------------------------

    def queue(self) -> list[QueueRow]:
        """All messages that wait or are being tried, and those that were found damaged, newest first."""
        rows = list(self.rooms.scheduler.rows())
        rows += [damaged_row(each) for each in self.rooms.store.damaged() if each.queue_id is not None]
        rows.sort(key=lambda row: row.queue_id, reverse=True)
        return rows

    async def newest(self, before: str | None = None) -> AsyncIterator[QueueRow]:
        """The same, or those below that id, a few at a time: the loop goes on however many there are."""
        first = parse_queue_id(before) if before is not None else None
        found = {each.queue_id: each for each in self.rooms.store.damaged() if each.queue_id is not None}
        damaged = sorted((each for each in found if first is None or each < first), reverse=True)
        at = 0
        async for row in self.rooms.scheduler.newest(first):
            while at < len(damaged) and format_queue_id(damaged[at]) > row.queue_id:
                yield damaged_row(found[damaged[at]])
                at += 1
            yield row
        for queue_id in damaged[at:]:
            yield damaged_row(found[queue_id])

    def message(self, queue_id: str) -> QueueRow | None:
        """One of them, or None; ValueError for a text that is no queue id."""
        wanted = parse_queue_id(queue_id)
        for damage in self.rooms.store.damaged():
            if damage.queue_id == wanted:
                return damaged_row(damage)
        return self.rooms.scheduler.view(wanted)

    async def content(self, queue_id: str) -> AsyncIterator[bytes] | bytes:
        """The octets of a message as they will be sent, dots unstuffed; ContentUnavailable when they cannot be had."""
        store, wanted = self.rooms.store, parse_queue_id(queue_id)
        (entry,) = await store.peek_many((wanted,))
        found = store.read_content(wanted)
        is_plain = entry is not None and entry.envelope.is_binary
        if not isinstance(found, tuple):
            return found if is_plain else _unstuffed(found)
        return b"".join(found if is_plain else map(Unstuffer().feed, found))

    async def idle(self, timeout: float | None = None) -> None:
        """Return when nothing is due and nothing in hand, and all outcomes are durable; TimeoutError after `timeout`
        seconds. What waits for a later attempt does not keep it."""
        async with asyncio.timeout(timeout):
            await self.rooms.scheduler.wait_idle()
            await self.rooms.store.flush()

    def warnings(self) -> list[str]:
        """What whoever asks how this MTA is should know, although mail may be sent here."""
        return warnings_of(self.settings)

    def next_due(self) -> float | None:
        """When the next attempt is due, in Unix seconds; None when nothing waits."""
        return self.rooms.scheduler.next_due()

    async def route(
        self, recipient: str, sender: str | None = None, client: str | None = None, login: str | None = None
    ) -> RouteReport:
        """What would happen to a message; sends nothing. Asks DNS where the route is by MX, and about the client."""
        address = parse_address(recipient, smtputf8=True)
        origin = parse_address(sender, smtputf8=True) if sender else None
        asked = Asked(client, login, self.settings.relay.networks, origin, address)
        found = await report(self.rooms, self.settings, asked)
        if (listed := self.suppressions.of(address)) is not None:
            found.rules.insert(0, f"suppressed: {listed.address} is on the list ({listed.reason or 'no reason given'})")
        return found

    def sites(self) -> list[SiteView]:
        """Where mail is sent, as far as it is known just now."""
        return all_sites(self.rooms.remote)

    async def why(self, queue_id: str) -> Story | None:
        """What became of it so far, what is next, and what decides; None when it is not queued (any more)."""
        row = self.message(queue_id)
        if row is not None and row.state == "damaged":
            return why.damaged(row)
        return why.explain(self.rooms, self.settings, parse_queue_id(queue_id), self._paused)

    # -- changing ----------------------------------------------------------------------------------------------------

    async def retry(
        self, ids: Sequence[str] | None = None, domain: str | None = None, sender: str | None = None
    ) -> int:
        """Make them due now, also at sites that are suspended; how many messages."""
        rooms = self.rooms
        await rooms.scheduler.loaded()
        if ids is None and domain is None and sender is None:  # a million messages are not to be asked one by one
            rooms.remote.resume(None)
            return rooms.scheduler.retry()
        selected = await self._select(ids, domain, sender)
        rooms.remote.resume(await self._destinations(selected))
        return rooms.scheduler.retry(selected)

    async def _destinations(self, queue_ids: Iterable[QueueId], below: str = "") -> set[str]:
        found = set()
        routing = self.rooms.routing
        async for entry in self._entries(queue_ids):
            if not entry.is_closed:
                envelope = entry.envelope
                for ordinal in entry.pending():
                    recipient = envelope.recipients[ordinal].address
                    if not below or f".{recipient.domain_key}".endswith(f".{below}"):
                        found.add(routing.destination(recipient, envelope.reverse_path))
        return found

    async def hold(self, ids: Sequence[str] | None = None, domain: str | None = None, sender: str | None = None) -> int:
        """Try them no more until they are released; a running attempt ends first."""
        return await self.rooms.scheduler.hold(await self._select(ids, domain, sender))

    async def release(
        self, ids: Sequence[str] | None = None, domain: str | None = None, sender: str | None = None
    ) -> int:
        return await self.rooms.scheduler.release(await self._select(ids, domain, sender))

    async def remove(
        self,
        ids: Sequence[str] | None = None,
        domain: str | None = None,
        sender: str | None = None,
        *,
        bounce: bool = False,
    ) -> int:
        """Take them out of the queue; `bounce`: report them to their senders."""
        selected = await self._select(ids, domain, sender)
        return await self.rooms.scheduler.remove(selected, by="operator", bounce=bounce)

    async def _select(self, ids: Sequence[str] | None, domain: str | None, sender: str | None) -> list[QueueId]:
        if ids is not None:
            return [parse_queue_id(text) for text in ids]
        covers = _filter(domain, sender)
        queue_ids = reversed(list(self.rooms.store.ids()))  # the oldest first, as they came
        return [entry.queue_id async for entry in self._entries(queue_ids) if covers(entry)]

    async def destinations_below(self, domain: str) -> AsyncIterator[set[str]]:
        """Where mail goes that waits for this domain or one below it, a chunk of the queue at a time; it ends early
        when this MTA is left."""
        queue_ids = iter(list(self.rooms.store.ids()))
        while (chunk := list(islice(queue_ids, READ_AT_ONCE))) and self._rooms is not None:
            yield await self._destinations(chunk, domain)

    def keep_until_drained(self, task: asyncio.Future[Any]) -> None:
        """A drain waits for it."""
        self._handing_in.add(task)
        task.add_done_callback(self._handing_in.discard)

    async def _entries(self, queue_ids: Iterable[QueueId]) -> AsyncIterator[Entry]:
        """Those that can be had, a chunk at a time."""
        left = iter(queue_ids)
        while chunk := list(islice(left, READ_AT_ONCE)):
            await asyncio.sleep(0)  # those that are not parked are at hand
            for entry in await self.rooms.store.peek_many(chunk):
                if entry is not None:
                    yield entry


def _filter(domain: str | None, sender: str | None) -> Callable[[Entry], bool]:
    """Which messages: those with a recipient in `domain`, and from `sender` ("" or "<>": the null reverse-path)."""
    wanted_domain = domain_key(domain) if domain is not None else None
    wanted_sender: Address | None = None
    if sender is not None and sender not in ("", "<>"):
        wanted_sender = parse_address(sender, smtputf8=True)

    def covers(entry: Entry) -> bool:
        envelope = entry.envelope
        if sender is not None and _key(envelope.reverse_path) != _key(wanted_sender):
            return False
        return wanted_domain is None or any(
            recipient.address.domain_key == wanted_domain for recipient in envelope.recipients
        )

    return covers


def _key(address: Address | None) -> str:
    return "" if address is None else address.mailbox_key.lower()


async def _unstuffed(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    unstuffer = Unstuffer()
    async for chunk in chunks:
        yield unstuffer.feed(chunk)
