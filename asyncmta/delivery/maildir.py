"""Local delivery: consignments into the Maildirs of their recipients, in batches, one thread hop for each batch.

Deliveries that come while a batch is on the disk form the next one, so that they share its syncs; there is no task and
no timer for a message. Promises: one outcome for each ordinal; content that is not in memory is streamed in blocks,
so that memory is bounded; content that turns out to be damaged is never visible in a mailbox; no exception leaves but
cancellation (a bug is `Deferred`, cause internal, and is told to the loop's exception hook). The order of steps on the
disk, and how a repeat is seen, are in `maildir_files.py`. Never: when to try again.

RFC 5321 4.4 (Return-Path).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor

from asyncmta.delivery.archive import Archive
from asyncmta.delivery.mailbox_form import MailboxForm, mailbox_form
from asyncmta.delivery.maildir_batches import BATCH, Delivery, Done, Lane, Parcel
from asyncmta.delivery.maildir_copy import Copy, copy_for, original_of
from asyncmta.delivery.maildir_files import MaildirFiles
from asyncmta.delivery.maildir_places import MaildirSettings
from asyncmta.mail import replies
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Consignment, ContentUnavailable, Origin, QueueId, ReadContent, format_queue_id
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Outcome, Scope
from asyncmta.mailboxes.quota import Quota
from asyncmta.mailboxes.resolver import Answer, Mailbox, Mailboxes, MailboxUnknown, NoMailbox
from asyncmta.system.disk import Disk

WORKERS = 3  # batches on the disk at once; the journal of the file system joins their syncs
LARGE_WORKERS = 1  # large messages go one by one beside them, so that they hold up no small one
ASKERS = 32  # addresses that are looked up at once: a message to a thousand is no thousand tasks
LARGE = 256 * 1024  # from here on content is streamed when it is not in memory

NO_SUCH_MAILBOX = Failed(Cause.REFUSED, replies.NO_SUCH_MAILBOX)
UNSURE = Deferred(Cause.STORAGE, replies.MAILBOX_UNSURE)
UNAVAILABLE = Deferred(Cause.STORAGE, replies.LOCAL_ERROR, Scope.MESSAGE)
INTERNAL = Deferred(Cause.INTERNAL, replies.LOCAL_ERROR)


class MaildirTransport:
    """The `Transport` for local destinations.

    minted_from: the first queue id of this life, where it is known. What was minted since and not tried yet can be in
    no mailbox, so that cur/ need not be listed for it; without it, it is listed once for each mailbox of a batch.
    """

    def __init__(
        self,
        *,
        disk: Disk,
        mailboxes: Mailboxes,
        read_content: ReadContent,
        hostname: str,
        journal_tag: str,
        minted_from: QueueId | None = None,
        settings: MaildirSettings | None = None,
        quota: Quota | None = None,
        archive: str = "",
    ) -> None:
        self._settings = settings or MaildirSettings()
        self._files = MaildirFiles(disk, self._settings, quota)
        self._mailboxes = mailboxes
        self._read_content = read_content
        self._minted_from = minted_from
        # maildir(5): no slash and no colon in the host part of a name; a comma parts it from the sizes.
        host = hostname.replace("/", "_057").replace(":", "_072").replace(",", "_054")
        self._name_end = f"j{journal_tag}.{host}"
        self._archive = Archive(archive, disk, self._settings, self._name_end) if archive else None
        self._small = Lane(WORKERS)
        self._large = Lane(LARGE_WORKERS)
        self._asking: dict[tuple[str, str], list[tuple[Parcel, int]]] = {}
        self._unasked: deque[Address] = deque()
        self._askers = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(WORKERS + LARGE_WORKERS, thread_name_prefix="asyncmta-maildir")

    def deliver(self, consignments: Sequence[Consignment], done: Done) -> None:
        """Take them in hand. Where a mailbox is known not to exist, `done` is called before this returns."""
        for consignment in consignments:
            parcel = Parcel(consignment, done)
            for ordinal in consignment.ordinals:
                address = consignment.envelope.recipients[ordinal].address
                answer = self._mailboxes.cached(address)
                if answer is None:
                    self._ask(address, parcel, ordinal)
                else:
                    self._answered(answer, parcel, ordinal)

    async def close(self) -> None:
        """Cut off what still runs; it was not delivered, as far as anybody was told."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    # Who has a mailbox

    def _ask(self, address: Address, parcel: Parcel, ordinal: int) -> None:
        """Everything for one address waits for the same answer."""
        key = (address.local_part, address.domain_key)
        waiting = self._asking.get(key)
        if waiting is not None:
            waiting.append((parcel, ordinal))
            return
        self._asking[key] = [(parcel, ordinal)]
        self._unasked.append(address)
        if self._askers < ASKERS:
            self._askers += 1
            self._spawn(self._look_up())

    async def _look_up(self) -> None:
        """One address after another, as long as there is one."""
        try:
            while self._unasked:
                address = self._unasked.popleft()
                answer: Answer | None = None
                try:
                    answer = await self._mailboxes.lookup(address)
                except Exception as error:
                    self._tell(error)
                for parcel, ordinal in self._asking.pop((address.local_part, address.domain_key)):
                    self._answered(answer, parcel, ordinal)
        finally:
            self._askers -= 1

    def _answered(self, answer: Answer | None, parcel: Parcel, ordinal: int) -> None:
        match answer:
            case Mailbox():
                self._queue(parcel, ordinal, answer)
            case NoMailbox():
                self._settle(parcel, ordinal, NO_SUCH_MAILBOX)
            case MailboxUnknown():
                self._settle(parcel, ordinal, UNSURE)
            case None:
                self._settle(parcel, ordinal, INTERNAL)

    # Batches

    def _queue(self, parcel: Parcel, ordinal: int, mailbox: Mailbox) -> None:
        consignment = parcel.consignment
        queue_id, envelope = consignment.queue_id, consignment.envelope
        recipient, content = envelope.recipients[ordinal], consignment.content
        name = f"{int(consignment.accepted_at)}.{format_queue_id(queue_id)}r{ordinal}{self._name_end}"
        copy = copy_for(
            mailbox,
            name,
            recipient=recipient.address,
            reverse_path=envelope.reverse_path,
            original=original_of(recipient),
        )
        copy.shows_size, copy.expected = self._settings.size_in_name, content.wire_size
        copy.crlf_size = None if envelope.is_binary else content.size
        copy.may_be_repeat = self._minted_from is None or queue_id < self._minted_from or consignment.attempts > 0
        if self._settings.once:
            origin = envelope.origin or Origin(format_queue_id(queue_id), consignment.accepted_at)
            copy.base = f"{int(origin.at)}.{origin.queue_id}d{self._name_end}"
            copy.may_be_repeat, copy.shows_size = True, False
        lane = self._large if content.wire_size > LARGE else self._small
        lane.waiting.append(Delivery(parcel, ordinal, copy))
        if lane.running < lane.workers and not lane.is_starting:
            lane.is_starting = True  # in the next turn, so that all that comes in this one is one batch
            asyncio.get_running_loop().call_soon(self._start, lane)

    def _start(self, lane: Lane) -> None:
        lane.is_starting = False
        wanted = -(-len(lane.waiting) // BATCH)
        for _ in range(min(lane.workers - lane.running, wanted)):
            lane.running += 1
            self._spawn(self._work(lane))

    async def _work(self, lane: Lane) -> None:
        """One batch after another, as long as there is one."""
        try:
            while lane.waiting:
                await self._deliver_batch(lane.take())
        finally:
            lane.running -= 1

    async def _deliver_batch(self, batch: list[Delivery]) -> None:
        try:
            in_memory = [delivery for delivery in batch if await self._collect(delivery)]
            if in_memory:
                await self._in_thread(self._put, in_memory)
        except Exception as error:
            self._tell(error)
        for delivery in batch:
            self._settle(delivery.parcel, delivery.ordinal, delivery.copy.outcome or INTERNAL)

    def _put(self, deliveries: Sequence[Delivery]) -> None:
        """In a thread."""
        contents = []
        for delivery in deliveries:
            parcel = delivery.parcel
            if parcel.in_mailbox_form is None:
                consignment = parcel.consignment
                parcel.in_mailbox_form = mailbox_form(
                    parcel.parts, consignment.content.dotted, consignment.envelope.is_binary
                )
            contents.append(parcel.in_mailbox_form)
        self._files.deliver_batch([delivery.copy for delivery in deliveries], contents)
        if self._archive is not None:
            self._archive.put(deliveries)

    # Content

    async def _collect(self, delivery: Delivery) -> bool:
        """Get the content into memory. False: it could not be had, or it was large and has been streamed."""
        parcel, copy = delivery.parcel, delivery.copy
        if parcel.parts:
            return True
        try:
            source = self._read_content(parcel.consignment.queue_id)
            if isinstance(source, tuple):
                parcel.parts = source
            elif parcel.consignment.content.wire_size <= LARGE:
                parcel.parts = tuple([chunk async for chunk in source])
            else:
                await self._stream(self._files, copy, source, parcel.consignment)
                await self._stream_archived(delivery)
                return False
        except ContentUnavailable:
            copy.outcome = UNAVAILABLE
            return False
        return True

    async def _stream_archived(self, delivery: Delivery) -> None:
        """Once more, for the archive."""
        archive, parcel = self._archive, delivery.parcel
        if archive is None or archive.has(delivery) or not isinstance(delivery.copy.outcome, Delivered):
            return
        source = self._read_content(parcel.consignment.queue_id)
        assert not isinstance(source, tuple), "it was not in memory a moment ago"
        copy = archive.copy_of(delivery)
        await self._stream(archive.files, copy, source, parcel.consignment)
        archive.settle(delivery, copy)

    async def _stream(
        self, files: MaildirFiles, copy: Copy, source: AsyncIterator[bytes], consignment: Consignment
    ) -> None:
        """Content in blocks. The copy is published after the iterator's end alone, where its digest was right."""
        form = MailboxForm(consignment.content.dotted, consignment.envelope.is_binary)
        block: list[bytes] = []
        size = 0
        try:
            async for chunk in source:
                block.append(form.feed(chunk))
                size += len(chunk)
                if size >= LARGE:
                    await self._in_thread(files.write_block, copy, b"".join(block))
                    block, size = [], 0
                    if copy.outcome is not None:
                        return
            await self._in_thread(files.write_block, copy, b"".join([*block, form.end()]))
            await self._in_thread(files.publish, [copy])
        finally:
            await self._in_thread(files.abandon, [copy])
            if isinstance(source, AsyncGenerator):
                await source.aclose()

    # What all of it needs

    def _settle(self, parcel: Parcel, ordinal: int, outcome: Outcome) -> None:
        parcel.outcomes[ordinal] = outcome
        if len(parcel.outcomes) == len(parcel.consignment.ordinals):
            try:
                parcel.done(parcel.consignment, parcel.outcomes)
            except Exception as error:
                self._tell(error)

    async def _in_thread(self, function: Callable[..., None], *arguments: object) -> None:
        """One hop. When we are cancelled, what the thread has begun comes to its end first: it has files open."""
        hop = asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
        try:
            await asyncio.shield(hop)
        except asyncio.CancelledError:
            await asyncio.wait([hop])
            raise

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell(self, error: Exception) -> None:
        message = {"message": "a bug in local delivery; it was deferred", "exception": error}
        asyncio.get_running_loop().call_exception_handler(message)
