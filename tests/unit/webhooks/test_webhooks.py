"""From events to endpoints, with endpoints that take, refuse, and never answer."""

from __future__ import annotations

import asyncio
import errno
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Envelope, QueueId, Recipient
from asyncmta.mail.outcome import Delivered
from asyncmta.mail.reply import reply
from asyncmta.spool.records import Attempted
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk
from asyncmta.webhooks import webhooks as module
from asyncmta.webhooks.events import About, Event, Refusal
from asyncmta.webhooks.outbox import Outbox
from asyncmta.webhooks.serving import Endpoint
from asyncmta.webhooks.signing import headers
from asyncmta.webhooks.webhooks import Webhooks

KEY = b"whispered by nobody"
ABOUT = About(Envelope(None, (Recipient(parse_address("x@b.example")),)), 0.0)


class Log:
    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, level: str, event: str, /, *, error: BaseException | None = None, **facts: Any) -> None:
        self.said.append(event)


class World:
    """`answers` of each endpoint: texts, one for each post; then all is taken. None: no answer ever."""

    def __init__(self) -> None:
        self.clock, self.disk, self.log = FakeClock(), FakeDisk(), Log()
        self.got: dict[str, list[str]] = {}
        self.batches: list[int] = []
        self.answers: dict[str, list[str | None]] = {}
        self.missed: list[Event] = []
        self.running: list[Webhooks] = []

    async def post(self, url: str, given: Mapping[str, str], body: bytes) -> str:
        assert given == headers(body, KEY, float(given["webhook-timestamp"]))
        answers = self.answers.get(url, [])
        answer = answers.pop(0) if answers else ""
        if answer is None:
            await asyncio.Event().wait()
        if not answer:
            events = json.loads(body)
            self.batches.append(len(events))
            self.got.setdefault(url, []).extend(event["id"] for event in events)
        return answer or ""

    async def close(self) -> None:
        return

    async def start(self, *urls: str, kinds: str = "delivered", batch: int = 100) -> Webhooks:
        found = Webhooks(
            endpoints=[
                Endpoint(url=url, key=KEY, kinds=frozenset(kinds.split()), batch=batch, timeout=10.0)
                for url in urls or ("https://a.example/x",)
            ],
            outbox=Outbox(disk=self.disk, directory="/spool/webhooks"),
            posts=self,
            clock=self.clock,
            maillog=self.log,
            missed=lambda since, there, kinds: [each for each in self.missed if each.id not in there],
        )
        self.running.append(found)
        await found.look_back()
        await found.open()
        return found

    async def until(self, holds: Any) -> None:
        await self.clock.run_until(holds, limit=86400.0)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    for each in world.running:
        await each.close()


def tell(webhooks: Webhooks, *numbers: int) -> None:
    for number in numbers:
        outcome = Delivered(reply(250, None, "ok"))
        webhooks.tell(Attempted(QueueId(number), 10.0, {0: outcome}), ABOUT)


def numbers(ids: list[str]) -> list[int]:
    return [int(each.partition("-")[0][-2:]) for each in ids]


URL = "https://a.example/x"


async def test_told_in_order_and_together(world: World) -> None:
    webhooks = await world.start()
    tell(webhooks, 1, 2, 3)
    await world.until(lambda: len(world.got.get(URL, ())) == 3)
    assert (numbers(world.got[URL]), world.batches) == ([1, 2, 3], [3])
    tell(webhooks, 4)
    await world.until(lambda: len(world.got[URL]) == 4)
    assert world.log.said == []
    [standing] = webhooks.standing()
    assert (standing.host, standing.failures) == ("a.example", 0)


async def test_batches_are_bounded(world: World) -> None:
    webhooks = await world.start(batch=2)
    tell(webhooks, 1, 2, 3, 4, 5)
    await world.until(lambda: len(world.got.get(URL, ())) == 5)
    assert world.batches == [2, 2, 1]


async def test_one_that_does_not_take_it_is_asked_again_and_holds_up_nobody(world: World) -> None:
    other = "https://b.example/y"
    world.answers[URL] = ["the answer is 500", None, "the answer is 503"]
    webhooks = await world.start(URL, other)
    tell(webhooks, 1)
    await world.until(lambda: other in world.got)
    assert URL not in world.got
    began = world.clock.monotonic()
    await world.until(lambda: URL in world.got)
    assert world.clock.monotonic() - began >= 1.0 + 2.0 + 10.0 + 4.0 - 1.0
    assert numbers(world.got[URL]) == [1]
    await world.until(lambda: "webhook_recovered" in world.log.said)
    assert world.log.said == ["webhook_failed", "webhook_failed", "webhook_recovered"]


async def test_what_was_not_taken_is_told_after_a_restart(world: World) -> None:
    world.answers[URL] = ["no"] * 1000
    webhooks = await world.start()
    tell(webhooks, 1, 2)
    await world.until(lambda: "webhook_failed" in world.log.said)
    tell(webhooks, 3)
    await webhooks.close(clean=True)
    world.answers.clear()
    await world.start()
    await world.until(lambda: len(world.got.get(URL, ())) == 3)
    assert numbers(world.got[URL]) == [1, 2, 3]


async def test_after_a_crash_it_looks_back_and_after_a_clean_end_it_does_not(world: World) -> None:
    webhooks = await world.start()
    tell(webhooks, 1)
    await world.until(lambda: URL in world.got and not webhooks.standing()[0].backlog)  # else it gets it again
    first = world.got[URL][0]
    world.missed = [Event(id=name, kind="delivered", ts=20.0, queue_id="q") for name in (first, "q02-x")]
    await webhooks.close(clean=False)
    again = await world.start()
    await world.until(lambda: len(world.got[URL]) == 2 and not again.standing()[0].backlog)
    assert world.got[URL] == [first, "q02-x"]
    await again.close(clean=True)
    world.missed.append(Event(id="q03-x", kind="delivered", ts=30.0, queue_id="q"))
    last = await world.start()
    tell(last, 4)
    await world.until(lambda: len(world.got[URL]) == 3)
    assert numbers(world.got[URL])[-1] == 4


async def test_only_what_somebody_wants(world: World) -> None:
    webhooks = await world.start(kinds="refused")
    assert webhooks.wants_refusals
    tell(webhooks, 1)
    webhooks.tell_refused(Refusal("192.0.2.1", "RCPT", reply(550, None, "no"), "", (None, None)))
    await world.until(lambda: URL in world.got)
    assert [each.partition("-")[0] for each in world.got[URL]] == ["refused"]


@pytest.mark.parametrize("step", range(1, 12))
async def test_a_disk_that_fails_once_is_asked_again(world: World, step: int) -> None:
    webhooks = await world.start()
    world.disk.fail_at(step, errno.EIO)
    tell(webhooks, 1)
    await world.until(lambda: URL in world.got)
    tell(webhooks, 2)
    await world.until(lambda: 2 in numbers(world.got[URL]))
    assert set(numbers(world.got[URL])) == {1, 2}
    assert set(world.log.said) <= {"webhook_outbox_failed", "webhook_broken"}


async def test_memory_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    webhooks = await world.start()
    tell(webhooks, 1, 2, 3, 4)
    assert (webhooks.lost, world.log.said) == (2, ["webhook_events_lost"])
    await world.until(lambda: URL in world.got)
    assert numbers(world.got[URL]) == [1, 2]


async def test_closed_twice_and_never_opened(world: World) -> None:
    webhooks = await world.start()
    await webhooks.close()
    await webhooks.close()
    other = Webhooks(
        endpoints=[], outbox=Outbox(disk=world.disk, directory="/x"), posts=world, clock=world.clock,
        maillog=world.log, missed=lambda *_: (),
    )  # fmt: skip
    await other.close()
    assert world.disk.exists("/x") is False
