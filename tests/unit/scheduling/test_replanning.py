"""New routes for what is queued already, and attempts that are paused."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from asyncmta.mail.address import Address
from tests.unit.scheduling.schedulingkit import HELD_DOMAIN, LATER, OK, Post


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    made = await Post().start()
    yield made
    await made.stop()


def to(destination: str, *domains: str):
    """Recipients at these domains (none: all) go there; the others as before."""

    def goes(recipient: Address, sender: Address | None) -> str:
        is_moved = not domains or recipient.domain_key in domains
        return destination if is_moved else f"mx:{recipient.domain_key}"

    return goes


async def test_who_waits_goes_by_the_new_routes_and_not_earlier(post: Post) -> None:
    post.transport.script = lambda _: LATER
    await post.accept("a@one.example", "b@two.example")
    await post.idle()
    due = post.scheduler.next_due()
    post.transport.script = lambda _: OK
    assert await post.scheduler.replan(lambda: to("smarthost:0", "two.example")) in (
        0,
        1,
    )  # parked: no news before it is due
    assert post.scheduler.next_due() == due
    seen = len(post.transport.seen)
    post.scheduler.retry()
    await post.idle()
    assert post.queued() == []
    assert {destination for destination, _ in post.transport.seen[seen:]} == {"mx:one.example", "smarthost:0"}


async def test_who_was_held_by_a_route_is_due_when_it_is_gone(post: Post) -> None:
    await post.accept(f"a@{HELD_DOMAIN}")
    await post.idle()
    assert len(post.queued()) == 1
    assert await post.scheduler.replan(lambda: to("mx:elsewhere.example")) == 1
    await post.idle()
    assert post.queued() == []


async def test_who_is_held_by_an_operator_stays_so(post: Post) -> None:
    queue_id = await post.accept(f"a@{HELD_DOMAIN}")
    await post.scheduler.hold([queue_id])
    assert await post.scheduler.replan(lambda: to("mx:elsewhere.example")) == 0
    await post.idle()
    assert post.queued() == [queue_id]
    await post.scheduler.release([queue_id])
    await post.idle()
    assert post.queued() == []


async def test_what_is_new_and_what_is_in_hand_goes_there_too(post: Post) -> None:
    post.transport.script = lambda _: None
    first = await post.accept("a@one.example")
    await post.clock.settle()
    await post.scheduler.replan(lambda: to("hold"))
    second = await post.accept("a@two.example")
    await post.clock.settle()
    assert post.transport.seen == [("mx:one.example", (0,))]
    post.transport.finish(LATER)
    await post.idle()
    assert post.queued() == [first, second]
    assert post.scheduler.next_due() is None  # both are held
    post.transport.script = lambda _: OK
    assert await post.scheduler.replan(lambda: to("smarthost:7")) == 2
    await post.idle()
    assert post.queued() == []


async def test_nothing_is_begun_while_attempts_are_paused(post: Post) -> None:
    post.scheduler.pause()
    queue_id = await post.accept("a@one.example")
    await post.clock.settle()
    assert post.transport.seen == []
    assert post.queued() == [queue_id]
    post.scheduler.resume()
    await post.idle()
    assert post.queued() == []
