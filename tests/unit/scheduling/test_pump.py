"""The pump where it meets what usually is not: messages that memory does not hold, a stop in the middle, bugs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from asyncmta.mail.envelope import QueueId
from asyncmta.scheduling.pump import TURN
from asyncmta.spool.ledger import Entry
from tests.unit.scheduling.schedulingkit import LATER, OK, PackedStore, Post


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    made = await Post().start()
    yield made
    await made.stop()


async def deferred(post: Post, *, packed: bool = True) -> QueueId:
    post.transport.script = lambda _: LATER
    queue_id = await post.accept("a@one.example")
    await post.idle()
    post.transport.script = lambda _: OK
    if packed:
        post.store.packed = frozenset([queue_id])
    return queue_id


async def test_a_message_that_cannot_be_recalled_now_is_recalled_later(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deferred(post)

    async def unreadable(self: PackedStore, queue_id: QueueId) -> Entry | None:
        raise OSError("the disk is away")

    with monkeypatch.context() as patch:
        patch.setattr(PackedStore, "recall", unreadable)
        await post.advance(500)
    assert len(post.log("recall_failed")) == 1
    assert len(post.transport.calls) == 1
    await post.advance(60)
    assert len(post.transport.calls) == 2
    post.store.packed = frozenset()
    assert post.queued() == []


async def test_a_stop_gives_up_recalls(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    queue_id = await deferred(post)

    async def stuck(self: PackedStore, queue_id: QueueId) -> Entry | None:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(PackedStore, "recall", stuck)
    post.clock.advance(500)
    await post.clock.settle()
    await asyncio.wait_for(post.scheduler.stop(0), 5)
    post.store.packed = frozenset()
    assert post.queued() == [queue_id]
    assert post.log("recalls_failed") == []


async def test_a_stop_in_the_turn_of_a_wake_takes_nothing(post: Post) -> None:
    queue_id = await deferred(post, packed=False)
    post.scheduler.retry([queue_id])
    await post.scheduler.stop(0)
    await post.clock.settle()
    assert len(post.transport.calls) == 1
    post.scheduler.retry([queue_id])
    await post.clock.settle()
    assert len(post.transport.calls) == 1


async def test_more_than_one_turn_may_take_is_handed_out_in_several() -> None:
    post = await Post(share=10 * TURN).start()
    post.transport.script = lambda _: None
    await post.accept(*(f"r{number}@one.example" for number in range(TURN + 500)))
    assert [len(call[0].ordinals) for call in post.transport.calls] == [TURN]
    await post.clock.settle(3)
    assert [len(call[0].ordinals) for call in post.transport.calls] == [TURN, 500]
    post.transport.finish(OK)
    await post.idle()
    assert post.queued() == []
    await post.stop()


async def test_a_bug_while_loading_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    first = await Post().start()
    await first.accept("a@one.example", add=False)
    second = await (await first.again()).open()

    def broken(self: PackedStore, queue_id: QueueId) -> Entry | None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(PackedStore, "entry", broken)
    second.scheduler.start()
    await second.clock.settle()
    assert len(second.log("load_failed")) == 1
    await second.stop()


async def test_a_stop_ends_the_loading() -> None:
    first = await Post().start()
    queue_id = await first.accept("a@one.example", add=False)
    second = await (await first.again()).open()
    second.scheduler.start()
    await second.scheduler.stop(0)
    assert second.transport.calls == []
    assert second.queued() == [queue_id]
    await second.stop()
