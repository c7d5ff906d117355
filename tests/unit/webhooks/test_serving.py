"""An endpoint that takes some events and never others, or nothing for a long time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk
from asyncmta.webhooks.events import Event, lines
from asyncmta.webhooks.outbox import Outbox
from asyncmta.webhooks.serving import AHEAD, Endpoint, Serving, Standing

URL = "https://a.example/x"


class World:
    """`poison`: events with which nothing is taken; `is_down`: nothing is."""

    def __init__(self) -> None:
        self.clock, self.said = FakeClock(), []
        self.poison: set[int] = set()
        self.is_down = False
        self.got: list[int] = []
        self.posts: list[list[int]] = []
        self.outbox = Outbox(disk=FakeDisk(), directory="/spool/webhooks")
        endpoint = Endpoint(url=URL, key=b"whispered by nobody", kinds=frozenset({"delivered"}))
        self.outbox.open([endpoint.name], 0.0)
        self.serving = Serving(
            endpoint, outbox=self.outbox, in_thread=self.at_once, posts=self, clock=self.clock, maillog=self
        )
        self.task = asyncio.create_task(self.serving.run())

    said: list[tuple[str, dict[str, Any]]]

    def note(self, level: str, event: str, /, *, error: BaseException | None = None, **facts: Any) -> None:
        self.said.append((event, facts | ({"error": error} if error else {})))

    async def at_once(self, job: Any, *words: object) -> Any:
        return job(*words)

    async def post(self, url: str, given: Mapping[str, str], body: bytes) -> str:
        numbers = [int(event["id"]) for event in json.loads(body)]
        self.posts.append(numbers)
        if self.is_down:
            return "no route to host"
        if self.poison & set(numbers):
            return "the answer is 400"
        self.got += numbers
        return ""

    async def close(self) -> None:
        return

    def tell(self, *numbers: int) -> None:
        events = [Event(str(each), "delivered", 1.0) for each in numbers]
        self.outbox.append(lines(events), 0.0)
        self.serving.grown.set()

    async def until(self, holds: Any, limit: float = 86400.0) -> None:
        await self.clock.run_until(holds, limit=limit)

    def standing(self) -> Standing:
        return self.serving.standing()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    world.task.cancel()
    await asyncio.gather(world.task, return_exceptions=True)


async def test_one_event_that_is_never_taken_holds_up_others_for_minutes_only(world: World) -> None:
    world.poison = {7}
    world.tell(*range(20))
    began = world.clock.monotonic()
    await world.until(lambda: 19 in world.got)
    assert world.clock.monotonic() - began < 3600.0
    assert list(dict.fromkeys(world.got)) == [*range(7), *range(8, 20)]
    (given_up,) = [facts for event, facts in world.said if event == "webhook_event_given_up"]
    assert (given_up["id"], given_up["reason"], given_up["host"]) == ("7", "the answer is 400", "a.example")
    await world.until(lambda: world.standing().backlog == 0)
    standing = world.standing()
    assert (standing.taken, standing.given_up, standing.failures) == (19, 1, 0)
    assert standing.refused > 8


async def test_several_of_them_in_a_row(world: World) -> None:
    world.poison = {0, 1, 2}
    world.tell(*range(6))
    await world.until(lambda: world.standing().given_up == 3 and world.standing().backlog == 0)
    assert sorted(set(world.got)) == [3, 4, 5]


async def test_while_nothing_is_taken_nothing_is_given_up(world: World) -> None:
    world.is_down = True
    world.tell(*range(20))
    end = world.clock.monotonic() + 80000.0
    await world.until(lambda: world.clock.monotonic() >= end)
    assert world.standing().given_up == 0
    assert world.standing().failures > 200
    world.is_down = False
    await world.until(lambda: len(world.got) >= 20, 1000.0)
    assert list(dict.fromkeys(world.got)) == list(range(20))
    assert world.said[-1][0] == "webhook_recovered"
    world.tell(*range(20, 220))
    await world.until(lambda: world.standing().backlog == 0)
    assert max(map(len, world.posts[-5:])) == 100


async def test_the_last_one_waits_for_something_behind_it(world: World) -> None:
    world.poison = {0}
    world.tell(0)
    end = world.clock.monotonic() + 10_000.0
    await world.until(lambda: world.clock.monotonic() >= end)
    assert world.standing().given_up == 0
    world.tell(1)
    await world.until(lambda: world.standing().given_up == 1 and world.standing().backlog == 0)
    assert set(world.got) == {1}


async def test_what_is_tried_ahead_is_bounded(world: World) -> None:
    world.poison = set(range(30))
    world.tell(*range(31))
    end = world.clock.monotonic() + 20_000.0
    await world.until(lambda: world.clock.monotonic() >= end)
    assert world.standing().given_up == 0
    assert {each for post in world.posts[20:] for each in post} <= set(range(AHEAD + 1))


async def test_what_the_outbox_gave_up_meanwhile_is_no_batch(world: World) -> None:
    world.is_down = True
    world.tell(*range(4))
    await world.until(lambda: len(world.posts) == 4)
    world.outbox.read = lambda place, most, kinds: type(world.outbox).read(world.outbox, world.outbox.end, most, kinds)  # type: ignore[method-assign]
    await world.until(lambda: world.standing().backlog == 0)
    assert len(world.posts) == 4
