"""Whole lives from one seed: anything may become of an attempt, operators interfere, the power goes; nobody is lost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from asyncmta.mail.envelope import Consignment, QueueId, format_queue_id
from asyncmta.mail.outcome import Delivered, Failed, Outcome, Postponed
from asyncmta.mail.transport import Done
from tests.unit.scheduling.schedulingkit import DAY, LATER, NEVER, OK, Post, Result, ScriptedTransport, whole

DOMAINS = ("a.example", "b.example", "c.example", "here.example")
Person = tuple[QueueId, int]


class Watched(ScriptedTransport):
    """Counts what it said of each recipient, and sees whether anybody is in hand twice."""

    def __init__(self, chance: random.Random, delivered: Counter[Person], failed: Counter[Person]) -> None:
        super().__init__()
        self._chance = chance
        self._delivered, self._failed = delivered, failed
        self._in_hand: set[Person] = set()
        self.is_kind = False

    def deliver(self, consignments: list[Consignment], done: Done) -> None:  # type: ignore[override]
        people = [(each.queue_id, ordinal) for each in consignments for ordinal in each.ordinals]
        assert len({each.queue_id for each in consignments}) == 1
        assert len({each.destination for each in consignments}) == len(consignments)
        assert len(set(people)) == len(people)
        assert self._in_hand.isdisjoint(people), "twice in hand"
        self._in_hand.update(people)
        for consignment in consignments:
            if self._chance.random() < 0.5 and not self.is_kind:
                self.running.append((consignment, done))
            else:
                self.end(consignment, done)

    def end(self, consignment: Consignment, done: Done) -> None:
        self._in_hand.difference_update((consignment.queue_id, ordinal) for ordinal in consignment.ordinals)
        result = self._result(consignment)
        if not isinstance(result, Postponed):
            for ordinal, outcome in result.items():
                person = (consignment.queue_id, ordinal)
                self._delivered[person] += isinstance(outcome, Delivered)
                self._failed[person] += isinstance(outcome, Failed)
        done(consignment, result)

    def _result(self, consignment: Consignment) -> Result:
        if self.is_kind or consignment.envelope.reverse_path is None:
            return whole(consignment, OK)
        if self._chance.random() < 0.2:
            return Postponed(1_750_000_000.0 + self._chance.random() * DAY, "suspended")
        answers: list[Outcome] = [OK, LATER, LATER, NEVER]
        return {ordinal: self._chance.choice(answers) for ordinal in consignment.ordinals}

    def end_some(self) -> None:
        self._chance.shuffle(self.running)
        for _ in range(self._chance.randint(0, len(self.running))):
            self.end(*self.running.pop())


class Lives:
    """One after the other, with the same disk and clock."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.delivered: Counter[Person] = Counter()
        self.failed: Counter[Person] = Counter()
        self.people: set[Person] = set()
        self.removals: list[asyncio.Task[int]] = []
        self.removed: set[str] = set()  # as operators were told
        self.asked: set[QueueId] = set()  # may be removed: the power may go before an operator is told
        self.post = Post(share=4, quantum=2, in_hand=10)

    async def begin(self, post: Post) -> None:
        self.post = post
        post.transport = Watched(self.chance, self.delivered, self.failed)
        await post.start()

    async def step(self) -> None:
        chance, post = self.chance, self.post
        transport = post.transport
        assert isinstance(transport, Watched)
        queued = post.queued()
        some = chance.sample(queued, min(len(queued), 2))
        match chance.randint(0, 10):
            case 0 | 1 | 2:
                number = chance.randint(1, 5)
                queue_id = await post.accept(*(f"r{at}@{chance.choice(DOMAINS)}" for at in range(number)))
                self.people.update((queue_id, ordinal) for ordinal in range(number))
            case 3 | 4:
                transport.end_some()
            case 5:
                post.clock.advance(chance.choice([1, 100, 1_000, 20_000]))
            case 6:
                post.scheduler.retry(some)
            case 7:
                await post.scheduler.hold(some)
            case 8:
                await post.scheduler.release(some)
            case 9:
                self.asked.update(some[:1])
                self.removals.append(asyncio.create_task(post.scheduler.remove(some[:1], by="root")))
            case 10:
                await asyncio.sleep(chance.choice([0, 0.001]))

    async def end(self) -> None:
        """Of this life: what operators wait for is given up, and what they were told is kept in mind."""
        for removal in self.removals:
            removal.cancel()
        await asyncio.gather(*self.removals, return_exceptions=True)
        self.removals.clear()
        self.removed.update(line["queue_id"] for line in self.post.log("removed"))

    async def finish(self) -> None:
        post = self.post
        transport = post.transport
        assert isinstance(transport, Watched)
        transport.is_kind = True
        while transport.running:
            transport.end(*transport.running.pop())
        await asyncio.gather(*self.removals)
        await post.scheduler.release(post.queued())
        await post.live(until=lambda: not post.queued())
        await self.end()
        assert not [event for event in post.events if event.startswith(("illegal", "poisoned"))]
        await post.stop()


@pytest.mark.parametrize("seed", range(12))
async def test_without_a_crash_everybody_is_delivered_or_reported_once(seed: int) -> None:
    lives = Lives(seed)
    await lives.begin(lives.post)
    for _ in range(60):
        await lives.step()
    await lives.finish()
    log = lives.post.log("bounced")
    assert sum(line["recipients"] for line in log) == sum(lives.failed.values())
    for person in lives.people:
        assert lives.delivered[person] + lives.failed[person] <= 1
        if format_queue_id(person[0]) not in lives.removed:
            assert lives.delivered[person] + lives.failed[person] == 1


@pytest.mark.parametrize("seed", range(100, 112))
async def test_with_crashes_nobody_is_lost(seed: int) -> None:
    lives = Lives(seed)
    await lives.begin(lives.post)
    for _ in range(4):
        for _ in range(lives.chance.randint(5, 25)):
            await lives.step()
        await lives.end()
        if lives.chance.random() < 0.3:
            await lives.post.stop()
            following = Post(disk=lives.post.disk, clock=lives.post.clock, share=4, quantum=2, in_hand=10)
        else:
            # The power goes while the scheduler runs: what was noted a moment ago is lost with it.
            following = Post(disk=lives.post.disk.crash(), clock=lives.post.clock, share=4, quantum=2, in_hand=10)
            await lives.post.scheduler.stop(0)
        await lives.begin(following)
    await lives.finish()
    for person in lives.people:
        assert lives.delivered[person] or lives.failed[person] or person[0] in lives.asked
