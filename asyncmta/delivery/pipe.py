"""Delivery to commands of ours, for routes with `via = "pipe"`: one run for each recipient, or for a hundred of them.

Each route has its own queue and its own number of processes at once, so that a slow command holds up no other. The
content comes on standard input with dots unstuffed; the environment is a path and what is known of the message.
Promises: `done` exactly once for each consignment; one outcome for each ordinal; bounded memory; no exception leaves.
Never: a shell, another user than our own, a decision about the next attempt, or a wait on the loop.

docs/remote.md, Routes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence

from msgspec import Struct

from asyncmta.delivery import process
from asyncmta.delivery.arguments import Hazard, fields_of, fill
from asyncmta.delivery.backlog import Done
from asyncmta.delivery.equipment import AttemptLog
from asyncmta.delivery.mailbox_form import MailboxForm
from asyncmta.delivery.sysexits import fault, outcome_of
from asyncmta.delivery.verdict import Fault, Stage, blame
from asyncmta.mail.envelope import Consignment, ContentUnavailable, ReadContent, format_queue_id
from asyncmta.mail.outcome import NOWHERE, Cause, Failed, Outcome, Postponed
from asyncmta.mail.reply import reply
from asyncmta.mail.wire import Unstuffer
from asyncmta.routing import Pipe, Route
from asyncmta.system.clock import Clock

MOST_RECIPIENTS = 100  # of one run with per = "message": the arguments of a process are bounded
PATH = "/usr/local/bin:/usr/bin:/bin"

STOPPING = fault("cut off, since we are stopping")


class PipeSettings(Struct, frozen=True, kw_only=True):
    """`[pipe]` of config.toml; `processes` is for each route."""

    processes: int = 10
    timeout: float = 300.0


class _Parcel:
    """A consignment in our hands, and what it has come to so far."""

    __slots__ = ("consignment", "done", "outcomes")

    def __init__(self, consignment: Consignment, done: Done) -> None:
        self.consignment = consignment
        self.done = done
        self.outcomes: dict[int, Outcome] = {}


class _Lane:
    """The runs of one route that wait, and how many go on."""

    __slots__ = ("running", "waiting")

    def __init__(self) -> None:
        self.running = 0
        self.waiting: deque[tuple[_Parcel, Pipe, tuple[int, ...]]] = deque()


class PipeTransport:
    """The transport for `pipe:` destinations. Needs a running loop from the first consignment on."""

    def __init__(
        self,
        *,
        clock: Clock,
        read_content: ReadContent,
        route_of: Callable[[str], Route],
        settings: PipeSettings,
        maillog: AttemptLog,
    ) -> None:
        self._clock = clock
        self._read_content = read_content
        self._route_of = route_of
        self._settings = settings
        self._maillog = maillog
        self._lanes: dict[str, _Lane] = {}
        self._parcels: set[_Parcel] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def deliver(self, consignments: Sequence[Consignment], done: Done) -> None:
        """Take consignments of one message, one for each destination."""
        for consignment in consignments:
            route = self._route_of(consignment.destination)
            assert isinstance(route, Pipe)
            parcel = _Parcel(consignment, done)
            self._parcels.add(parcel)
            lane = self._lanes.setdefault(consignment.destination, _Lane())
            size = MOST_RECIPIENTS if route.per == "message" else 1
            ordinals = consignment.ordinals
            lane.waiting.extend((parcel, route, ordinals[at : at + size]) for at in range(0, len(ordinals), size))
            self._start(lane)

    async def close(self) -> None:
        """Kill what runs. What was not delivered comes back; what was cut off may be delivered twice."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for parcel in tuple(self._parcels):
            if not parcel.outcomes:
                self._parcels.discard(parcel)
                parcel.done(parcel.consignment, Postponed(self._clock.now(), "stopping"))
            else:
                left = tuple(at for at in parcel.consignment.ordinals if at not in parcel.outcomes)
                self._settle(parcel, left, STOPPING)

    def _start(self, lane: _Lane) -> None:
        for _ in range(min(self._settings.processes - lane.running, len(lane.waiting))):
            lane.running += 1
            task = asyncio.get_running_loop().create_task(self._work(lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self, lane: _Lane) -> None:
        """One run after another, as long as there is one."""
        try:
            while lane.waiting:
                parcel, route, ordinals = lane.waiting.popleft()
                began = self._clock.monotonic()
                try:
                    outcome = await self._attempt(parcel.consignment, route, ordinals)
                    self._tell(parcel.consignment, outcome, len(ordinals), self._clock.monotonic() - began)
                except Exception as error:
                    self._maillog.note("error", "internal_error", error=error, queue_id=parcel.consignment.queue_id)
                    outcome = blame(Stage.CONNECT, Fault.INTERNAL)
                self._settle(parcel, ordinals, outcome)
        finally:
            lane.running -= 1

    async def _attempt(self, consignment: Consignment, route: Pipe, ordinals: tuple[int, ...]) -> Outcome:
        envelope = consignment.envelope
        recipients = [envelope.recipients[ordinal].address for ordinal in ordinals]
        try:
            arguments = fill(
                route.command, sender=envelope.reverse_path, recipients=recipients, queue_id=consignment.queue_id
            )
            content = self._content(consignment, route)
            environment = _environment(consignment, ordinals)
            ended = await process.run(
                arguments, environment, content, clock=self._clock, seconds=self._settings.timeout
            )
        except Hazard as error:
            return Failed(Cause.POLICY, reply(553, "5.1.3", str(error)))
        except TimeoutError:
            return fault(f"the command took longer than {self._settings.timeout:g} s", Cause.TIMEOUT)
        except ContentUnavailable as error:
            return blame(Stage.DATA, Fault.CONTENT, str(error))
        if isinstance(ended, process.NotStarted):
            return fault(f"the command could not be run: {ended.reason}")
        return outcome_of(ended.status, ended.output)

    async def _content(self, consignment: Consignment, route: Pipe) -> AsyncIterator[bytes]:
        """As the command is to have it."""
        content, binary = consignment.content, consignment.envelope.is_binary
        form = MailboxForm(content.dotted, binary) if route.line_end == "lf" else None
        unstuffer = Unstuffer() if content.dotted and not binary else None
        source = self._read_content(consignment.queue_id)
        try:
            async for chunk in _chunks(source) if isinstance(source, tuple) else source:
                if form is not None:
                    yield form.feed(chunk)
                else:
                    yield chunk if unstuffer is None else unstuffer.feed(chunk)
            if form is not None and (rest := form.end()):
                yield rest
        finally:
            if isinstance(source, AsyncGenerator):
                await source.aclose()

    def _tell(self, consignment: Consignment, outcome: Outcome, recipients: int, seconds: float) -> None:
        self._maillog.attempt(
            queue_id=consignment.queue_id,
            destination=consignment.destination,
            place=NOWHERE,
            recipients=recipients,
            seconds=seconds,
            reply=outcome.reply,
        )

    def _settle(self, parcel: _Parcel, ordinals: tuple[int, ...], outcome: Outcome) -> None:
        parcel.outcomes.update(dict.fromkeys(ordinals, outcome))
        if len(parcel.outcomes) < len(parcel.consignment.ordinals):
            return
        self._parcels.discard(parcel)
        try:
            parcel.done(parcel.consignment, parcel.outcomes)
        except Exception as error:  # a bug of whoever is told must not end the lane
            self._maillog.note("error", "internal_error", error=error, queue_id=parcel.consignment.queue_id)


async def _chunks(parts: tuple[bytes, ...]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def _environment(consignment: Consignment, ordinals: tuple[int, ...]) -> Mapping[str, str]:
    """All that the command finds there: nothing of ours, and no name that a stranger could choose."""
    envelope = consignment.envelope
    found = {
        "PATH": PATH,
        "LANG": "C.UTF-8",
        "SENDER": str(envelope.reverse_path) if envelope.reverse_path is not None else "",
        "QUEUE_ID": format_queue_id(consignment.queue_id),
    }
    if len(ordinals) == 1:
        recipient = envelope.recipients[ordinals[0]]
        found |= {name.upper(): value for name, value in fields_of(recipient.address).items()}
        if recipient.orcpt is not None:
            found["ORIGINAL_RECIPIENT"] = recipient.orcpt
    return found
