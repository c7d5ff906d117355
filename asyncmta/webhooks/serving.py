"""One endpoint, for as long as an Mta runs: what it is to be told goes to it until it is taken.

Promises: in the order of the outbox; a batch that is not taken comes again as it was, and after some attempts in
smaller ones; one event that is refused for minutes while one behind it is taken is given up, counted and logged, so
that it holds up no other. Where nothing is taken nothing is given up, however long that lasts. Never: the loop waits
for the disk; another endpoint.

docs/webhooks.md.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

from msgspec import Struct

from asyncmta.system.clock import Clock
from asyncmta.system.deadline import Deadline
from asyncmta.webhooks.events import head
from asyncmta.webhooks.outbox import Batch, Outbox, Place
from asyncmta.webhooks.signing import body_of, headers, wait_after

AGAIN = 5.0  # seconds after which a disk that failed is asked again
SMALLER = 4  # attempts at a batch, after which fewer events are sent at once
PATIENCE = 8  # attempts at one event alone, after which one behind it is tried
AHEAD = 10  # events behind it that are tried, one after each attempt


class Posts(Protocol):
    """`posting.Posting`."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> str: ...

    async def close(self) -> None: ...


class Notes(Protocol):
    """What is asked of the log."""

    def note(self, level: str, event: str, /, *, error: BaseException | None = None, **facts: object) -> None: ...


InThread = Callable[..., Any]
"""Runs a job in the one thread that may touch the outbox; to be awaited."""


class Endpoint(Struct, frozen=True, kw_only=True):
    """Somebody who is told: of which kinds of events, at most how many at once, and with which key they are signed."""

    url: str
    key: bytes
    kinds: frozenset[str]
    batch: int = 100
    timeout: float = 10.0

    @property
    def name(self) -> str:
        """What its place is kept under."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:16]

    @property
    def host(self) -> str:
        """What may be logged of it: a path can be a secret."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


class Standing(Struct, frozen=True):
    """How it is with an endpoint: octets that it has not got, how many attempts in a row it did not take; and since the
    start events that it took or that were given up, and posts that it took or `refused`."""

    host: str
    backlog: int
    failures: int
    taken: int = 0
    given_up: int = 0
    posts: int = 0
    refused: int = 0


class Serving:
    """`grown` is set when there may be more for it."""

    def __init__(
        self, endpoint: Endpoint, *, outbox: Outbox, in_thread: InThread, posts: Posts, clock: Clock, maillog: Notes
    ) -> None:
        self.endpoint = endpoint
        self.grown = asyncio.Event()
        self._outbox = outbox
        self._in_thread = in_thread
        self._posts = posts
        self._clock = clock
        self._maillog = maillog
        self._most = endpoint.batch
        self._failures = self._taken = self._given_up = self._accepted = self._refused = 0

    def standing(self) -> Standing:
        return Standing(
            self.endpoint.host,
            self._outbox.backlog(self.endpoint.name),
            self._failures,
            self._taken,
            self._given_up,
            self._accepted,
            self._refused,
        )

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self._turn()
            except Exception as error:  # the disk, or a bug of ours: the others go on, and so does this one
                self._maillog.note("error", "webhook_broken", host=self.endpoint.host, error=error)
                await self._wait(AGAIN)

    async def _turn(self) -> None:
        self.grown.clear()
        place = self._outbox.place(self.endpoint.name)
        batch = await self._read(place, self._most)
        if batch.lines:
            batch = await self._until_over(place, batch)
        if batch.place != place:
            await self._in_thread(self._outbox.advance, self.endpoint.name, batch.place)
        if not batch.lines:
            await self.grown.wait()

    async def _until_over(self, place: Place, batch: Batch) -> Batch:
        """Until it, or a smaller one in its place, is taken or given up: which one."""
        attempts = 0
        while batch.lines and (reason := await self._post(batch.lines)):
            attempts += 1
            self._not_taken(batch, reason)
            if len(batch.lines) > 1 and (attempts >= SMALLER or self._most < self.endpoint.batch):
                self._most, attempts = len(batch.lines) // 2, 0
                await self._wait(wait_after(1))
                batch = await self._read(place, self._most)
                continue
            if len(batch.lines) == 1 and attempts >= PATIENCE and await self._takes_behind(batch.place, attempts):
                self._give_up(batch, reason)
                break
            await self._wait(wait_after(attempts))
        else:
            self._taken += len(batch.lines)
            self._accepted += bool(batch.lines)
        self._most = min(self.endpoint.batch, 2 * self._most)
        if self._failures:
            self._maillog.note("info", "webhook_recovered", host=self.endpoint.host, attempts=self._failures + 1)
            self._failures = 0
        return batch

    async def _takes_behind(self, place: Place, attempts: int) -> bool:
        """Does it take one of the next events, which it gets again in its turn? Another one after each attempt."""
        behind = await self._read(place, 1 + (attempts - PATIENCE) % AHEAD)
        return bool(behind.lines) and not await self._post(behind.lines[-1:])

    def _not_taken(self, batch: Batch, reason: str) -> None:
        self._refused += 1
        self._failures += 1
        if self._failures & (self._failures - 1) == 0:  # the first, the second, the fourth, ...
            self._maillog.note(
                "warning",
                "webhook_failed",
                host=self.endpoint.host,
                reason=reason,
                events=len(batch.lines),
                attempts=self._failures,
            )

    def _give_up(self, batch: Batch, reason: str) -> None:
        self._given_up += 1
        known = head(batch.lines[0])
        self._maillog.note(
            "error",
            "webhook_event_given_up",
            host=self.endpoint.host,
            id=known.id if known is not None else "",
            reason=reason,
            attempts=self._failures,
        )

    async def _read(self, place: Place, most: int) -> Batch:
        found: Batch = await self._in_thread(self._outbox.read, place, most, self.endpoint.kinds)
        return found

    async def _wait(self, seconds: float) -> None:
        await self._clock.sleep_until(self._clock.monotonic() + seconds)

    async def _post(self, lines: Sequence[bytes]) -> str:
        """Why it was not taken; an empty text: it was."""
        endpoint, body = self.endpoint, body_of(lines)
        signed = headers(body, endpoint.key, self._clock.now())
        try:
            async with Deadline(self._clock, endpoint.timeout):
                return await self._posts.post(endpoint.url, signed, body)
        except TimeoutError:
            return f"no answer within {endpoint.timeout:g} s"
