"""The drop directory while we run: what users leave there is taken soon, and what waited at the start, too.

Promises: a file goes away after its message is durable; one that was being taken when we died is looked up in the
journal by its id before it is taken again, so that a message comes twice only if it was delivered, too, in that moment;
what is refused for now stays, what is refused for good is set aside, and the log says so. One task for all. Never:
what a file looks like (`drop_file`), or where it lies (`drop_directory`).

Rows P-71, D-34.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Protocol

from asyncmta.inbound.drop_directory import MOST_AT_ONCE, DropDirectory, Taken
from asyncmta.inbound.injection import envelope_of
from asyncmta.mail import replies
from asyncmta.mail.address import InvalidAddress
from asyncmta.mail.envelope import Envelope, QueueId, format_queue_id
from asyncmta.mail.reply import Reply
from asyncmta.system.clock import Clock

PERIOD = 5.0  # seconds between two looks when nobody wakes us
BREATH = 0.05  # seconds between two looks in any case: many who leave one each are taken together
_FIFO_CHUNK = 1 << 16


class Submit(Protocol):
    """`Intake.submit`."""

    def __call__(
        self, envelope: Envelope, content: bytes, *, queue_id: QueueId, userid: int
    ) -> Awaitable[QueueId | Reply]: ...


class Pickup:
    """One for each running MTA. `is_known`: is a message of this id in the queue? `note` takes level, event, facts."""

    def __init__(
        self,
        *,
        directory: DropDirectory,
        clock: Clock,
        submit: Submit,
        is_known: Callable[[QueueId], bool],
        next_queue_id: Callable[[], QueueId],
        refusal: Callable[[], Reply | None],
        note: Callable[..., None],
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._submit = submit
        self._is_known = is_known
        self._next_queue_id = next_queue_id
        self._refusal = refusal
        self._note = note
        self._done: set[QueueId] = set()  # durable, and their files may still be there
        self._woken = asyncio.Event()
        self._is_closing = False
        self._fifo = -1
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin. That the directory cannot be had is said, and no reason not to run."""
        try:
            self._fifo, closed = await asyncio.to_thread(self._directory.prepare, self._clock.now())
        except (OSError, KeyError) as error:
            self._note("warning", "drop_unavailable", reason=str(error))
            return
        for reason in closed:
            self._note("warning", "drop_unreachable", reason=reason)
        asyncio.get_running_loop().add_reader(self._fifo, self._wake)
        self._task = asyncio.ensure_future(self._run())

    async def close(self) -> None:
        """What is being taken is taken to its end."""
        self._is_closing = True
        self._woken.set()
        if self._task is not None:
            await self._task
            asyncio.get_running_loop().remove_reader(self._fifo)
            os.close(self._fifo)
            self._task = None

    def _wake(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._fifo, _FIFO_CHUNK)
        self._woken.set()

    async def _run(self) -> None:
        while not self._is_closing:
            self._woken.clear()
            has_more = False
            try:
                has_more = await self.empty()
            except Exception as error:
                self._note("error", "drop_failed", error=error)
            if not has_more and not self._is_closing:
                timer = self._clock.call_at(self._clock.monotonic() + PERIOD, self._woken.set)
                await self._woken.wait()
                timer.cancel()
            if not self._is_closing:
                await self._clock.sleep_until(self._clock.monotonic() + BREATH)

    async def empty(self) -> bool:
        """One round: as much as fits into memory. Is there more?"""
        if self._refusal() is not None:
            return False
        names, left = await asyncio.to_thread(self._directory.look)
        if not names and not left:
            return False
        known = {queue_id for queue_id in left if queue_id in self._done or self._is_known(queue_id)}
        wanted = [(name, self._next_queue_id()) for name in names]
        await asyncio.to_thread(self._directory.take, wanted)
        # The new ones first: those that were refused for now may be so for long.
        queue_ids = [queue_id for _, queue_id in wanted] + [each for each in left if each not in known]
        taken = await asyncio.to_thread(self._directory.read, queue_ids)
        outcomes = await asyncio.gather(*map(self._enter, taken))
        both = list(zip(taken, outcomes, strict=True))
        self._done.update(each.queue_id for each, outcome in both if outcome is None)
        bad = [(each, outcome) for each, outcome in both if isinstance(outcome, str)]
        self._say_bad(bad)
        await asyncio.to_thread(self._directory.finish, known | self._done, [each.queue_id for each, _ in bad])
        self._done.clear()
        return len(taken) < len(queue_ids) or len(names) == MOST_AT_ONCE

    async def _enter(self, taken: Taken) -> str | Reply | None:
        """None: it is durable. A reply: not now. A text: never, and why."""
        message = taken.message
        if isinstance(message, str):
            return message
        directions = message.directions
        try:
            envelope = envelope_of(directions.sender, directions.recipients, directions.reports)
        except InvalidAddress as error:
            return f"an address is none: {error}"
        if isinstance(envelope, Reply):
            return str(envelope)
        try:
            answer = await self._submit(envelope, message.content, queue_id=taken.queue_id, userid=taken.userid)
        except Exception as error:
            self._note("error", "drop_failed", error=error, queue_id=format_queue_id(taken.queue_id))
            return replies.LOCAL_ERROR
        if not isinstance(answer, Reply):
            return None
        return answer if answer.is_transient and answer is not replies.TOO_MANY_RECIPIENTS else str(answer)

    def _say_bad(self, bad: Sequence[tuple[Taken, str]]) -> None:
        """One line for a round, however many somebody left."""
        if bad:
            first, reason = bad[0]
            self._note(
                "warning",
                "drop_refused",
                queue_id=format_queue_id(first.queue_id),
                userid=first.userid,
                reason=reason,
                count=len(bad),
            )
