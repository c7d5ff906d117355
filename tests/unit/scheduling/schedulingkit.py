"""A scheduler over the real store, ledger, journal, bouncer and log, on a disk in memory and a clock moved by hand.

Only the transport is a fake: a script says what becomes of each consignment, or that it stays in hand.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from asyncmta.bounce.bouncer import Bouncer
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Consignment, Content, Envelope, QueueId, Recipient, Timing, format_queue_id
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Outcome, Place, Postponed, Scope
from asyncmta.mail.reply import reply
from asyncmta.mail.transport import Done
from asyncmta.mail.wire import digest
from asyncmta.maillog import MailLog
from asyncmta.routing import Hold, Routing, Rule, parse_pattern
from asyncmta.scheduling.retry import RetrySchedule
from asyncmta.scheduling.scheduler import Scheduler, SchedulerSettings
from asyncmta.spool.ledger import Entry
from asyncmta.spool.records import Accepted
from asyncmta.spool.store import SpoolSettings, Store
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk

DAY = 86_400.0
WIRE = b"Subject: hello\r\nMessage-ID: <1@example.org>\r\n\r\nHow are you?\r\n"
PLACE = Place("mx.example.net", "192.0.2.1", "TLSv1.3")
OK = Delivered(reply(250, "2.0.0", "taken"), PLACE)
LATER = Deferred(Cause.REFUSED, reply(450, "4.2.1", "come back later"), Scope.RECIPIENT, PLACE)
NEVER = Failed(Cause.REFUSED, reply(550, "5.1.1", "no such user"), Scope.RECIPIENT, PLACE)

Result = Mapping[int, Outcome] | Postponed
HELD_DOMAIN = "held.example"


class ScriptedTransport:
    """`script` is asked for each consignment: an outcome for all of it, a result, or None: it stays in hand."""

    def __init__(self) -> None:
        self.calls: list[list[Consignment]] = []
        self.running: list[tuple[Consignment, Done]] = []
        self.script: Callable[[Consignment], Outcome | Result | None] = lambda _: OK

    def deliver(self, consignments: Sequence[Consignment], done: Done) -> None:
        self.calls.append(list(consignments))
        for consignment in consignments:
            answer = self.script(consignment)
            if answer is None:
                self.running.append((consignment, done))
            else:
                done(consignment, whole(consignment, answer))

    def finish(self, answer: Outcome | Result, *, of: str = "") -> int:
        """End what is in hand (for this destination); how many consignments that were."""
        ended = [each for each in self.running if of in ("", each[0].destination)]
        self.running = [each for each in self.running if each not in ended]
        for consignment, done in ended:
            done(consignment, whole(consignment, answer))
        return len(ended)

    @property
    def seen(self) -> list[tuple[str, tuple[int, ...]]]:
        """Destination and ordinals of each consignment that ever came."""
        return [(each.destination, each.ordinals) for call in self.calls for each in call]


def whole(consignment: Consignment, answer: Outcome | Result) -> Result:
    if isinstance(answer, Delivered | Deferred | Failed):
        return dict.fromkeys(consignment.ordinals, answer)
    return answer


class PackedStore(Store):
    """A store that holds some entries only packed, as a later issue will."""

    packed: frozenset[QueueId] = frozenset()

    def entry(self, queue_id: QueueId) -> Entry | None:
        return None if queue_id in self.packed else super().entry(queue_id)

    async def recall(self, queue_id: QueueId) -> Entry | None:
        await asyncio.sleep(0)
        return super().entry(queue_id)


class Post:
    """One life of a scheduler and its store. `again` is the next life, after a crash or a stop."""

    def __init__(self, *, disk: FakeDisk | None = None, clock: FakeClock | None = None, **settings: Any) -> None:
        self.disk = disk if disk is not None else FakeDisk()
        self.clock = clock if clock is not None else FakeClock()
        self.settings = SchedulerSettings(retry=RetrySchedule(), **settings)
        self.stream = io.BytesIO()
        self.events: list[str] = []
        self.is_stopped = False
        self.maillog = MailLog(clock=self.clock, stream=self.stream, format="json")
        self.transport = ScriptedTransport()
        self.store = PackedStore(
            disk=self.disk,
            directory="spool",
            clock=self.clock,
            settings=SpoolSettings(),
            on_poisoned=lambda failure: self.events.append(f"poisoned: {failure}"),
            on_event=lambda event, facts: self.events.append(f"{event}: {facts}"),
        )
        self.routing = Routing(
            rules=[Rule(parse_pattern(HELD_DOMAIN), parse_pattern("*"), Hold())], local_domains=["here.example"]
        )

    async def open(self) -> Post:
        await self.store.open()
        self.scheduler = Scheduler(
            clock=self.clock,
            store=self.store,
            transport=self.transport,
            bouncer=Bouncer(
                read_content=self.store.read_content,
                next_queue_id=self.store.next_queue_id,
                begin_large=self.store.begin_large,
                hostname="mta.example",
                postmaster=parse_address("postmaster@mta.example"),
            ),
            routing=self.routing,
            maillog=self.maillog,
            settings=self.settings,
        )
        return self

    async def start(self) -> Post:
        await self.open()
        self.scheduler.start()
        return self

    async def stop(self, grace: float = 0.0) -> None:
        if self.is_stopped:
            return
        self.is_stopped = True
        await self.scheduler.stop(grace)
        await self.store.close()
        self.maillog.close()

    async def again(self, *, crash: bool = True) -> Post:
        await self.stop()
        disk = self.disk.crash() if crash else self.disk
        kept = ("in_hand", "share", "report_after", "warn_after", "soft")
        return Post(disk=disk, clock=self.clock, **{name: getattr(self.settings, name) for name in kept})

    async def accept(
        self,
        *recipients: str,
        sender: str | None = "me@sender.example",
        add: bool = True,
        timing: Timing | None = None,
        notify: int = 0,
    ) -> QueueId:
        """A message becomes ours, as the intake does it."""
        queue_id = self.store.next_queue_id()
        envelope = Envelope(
            parse_address(sender) if sender is not None else None,
            tuple(Recipient(parse_address(each), notify) for each in recipients),
            timing=timing,
        )
        content = Content(len(WIRE), digest([WIRE], False), False, len(WIRE))
        await self.store.commit(
            Accepted(queue_id, self.clock.now(), envelope, content, "192.0.2.9", None, parts=(WIRE,))
        )
        if add:
            self.scheduler.add(queue_id)
        return queue_id

    async def idle(self) -> None:
        """Nothing due, nothing in hand, and what was noted is applied."""
        async with asyncio.timeout(20):
            await self.scheduler.wait_idle()
            await self.store.flush()

    async def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await self.idle()

    async def live(self, until: Callable[[], bool]) -> int:
        """Go from due time to due time; how many steps that were."""
        steps = 0
        await self.idle()
        while not until():
            due = self.scheduler.next_due()
            assert due is not None, "nothing is to come"
            await self.advance(max(0.0, due - self.clock.now()))
            steps += 1
        return steps

    def log(self, *events: str) -> list[dict[str, Any]]:
        """The lines of these events so far."""
        self.maillog.flush()
        lines = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [line for line in lines if line["event"] in events]

    def queued(self) -> list[QueueId]:
        return [entry.queue_id for entry in self.store.entries() if not entry.is_closed]

    def dsns(self) -> list[list[Consignment]]:
        """The calls of the transport that were about DSNs."""
        return [call for call in self.transport.calls if call[0].envelope.reverse_path is None]


def text_of(queue_ids: Iterable[QueueId]) -> list[str]:
    return [format_queue_id(queue_id) for queue_id in queue_ids]
