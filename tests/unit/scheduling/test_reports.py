"""Reports under way: few at a time, none lost, none twice."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Mapping

import pytest

from asyncmta.bounce.bouncer import Bouncer, BounceRecords
from asyncmta.mail.envelope import Consignment
from asyncmta.mail.outcome import Failed, Outcome
from asyncmta.scheduling.reports import WORKERS
from asyncmta.spool.ledger import Entry
from asyncmta.spool.records import Attempted
from tests.unit.scheduling.schedulingkit import NEVER, OK, Post


def dsns_succeed(consignment: Consignment) -> Outcome:
    return OK if consignment.envelope.reverse_path is None else NEVER


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    made = await Post().start()
    made.transport.script = dsns_succeed
    yield made
    await made.stop()


async def test_when_a_domain_is_gone_all_are_told_a_few_at_a_time(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    running = most = 0
    report = Bouncer.report

    async def slow(self: Bouncer, entry: Entry, failures: Mapping[int, Failed], now: float) -> BounceRecords:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return await report(self, entry, failures, now)

    monkeypatch.setattr(Bouncer, "report", slow)
    queue_ids = [await post.accept("a@gone.example", add=False) for _ in range(5 * WORKERS)]
    for queue_id in queue_ids:
        post.scheduler.add(queue_id)
    await post.idle()
    assert most == WORKERS
    assert len(post.dsns()) == 5 * WORKERS
    assert post.queued() == []


async def test_a_bug_in_the_bouncer_loses_nobody(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    report = Bouncer.report

    async def broken(self: Bouncer, entry: Entry, failures: Mapping[int, Failed], now: float) -> BounceRecords:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Bouncer, "report", broken)
    for _ in range(3):
        await post.accept("a@one.example")
    await asyncio.sleep(0.01)
    assert len(post.log("report_failed")) == 3
    assert len(post.queued()) == 3
    monkeypatch.setattr(Bouncer, "report", report)
    await post.advance(60)
    assert len(post.dsns()) == 3
    assert post.queued() == []


async def test_a_report_that_the_ledger_refuses_is_not_made_again_and_again(post: Post) -> None:
    """What should never be: the ledger knows better than the scheduler that the recipient is done."""
    post.transport.script = lambda consignment: OK if consignment.envelope.reverse_path is None else None
    queue_id = await post.accept("a@one.example", "b@one.example")
    await post.store.commit(Attempted(queue_id, post.clock.now(), {0: OK}))
    post.transport.finish({0: NEVER, 1: NEVER})
    await post.idle()
    assert len(post.log("report_refused")) == 1
    assert len(post.dsns()) == 1
    await post.advance(600)
    assert len(post.dsns()) == 1


async def test_what_could_not_be_written_is_left_to_the_next_start(post: Post) -> None:
    post.transport.script = lambda consignment: OK if consignment.envelope.reverse_path is None else None
    queue_id = await post.accept("a@one.example")
    post.disk.fail_at(1, errno.ENOSPC, only=("writev",))
    post.transport.finish(NEVER)
    await asyncio.sleep(0.05)
    following = await (await post.again()).start()
    following.transport.script = dsns_succeed
    await following.idle()
    assert following.transport.calls[0][0].queue_id == queue_id
    assert len(following.dsns()) == 1
    await following.stop()


async def test_a_stop_does_not_wait_for_a_report_for_ever(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stuck(self: Bouncer, entry: Entry, failures: Mapping[int, Failed], now: float) -> BounceRecords:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(Bouncer, "report", stuck)
    queue_id = await post.accept("a@one.example")
    stopping = asyncio.create_task(post.scheduler.stop(5))
    await post.clock.settle()
    assert not stopping.done()
    post.clock.advance(5)
    await asyncio.wait_for(stopping, 5)
    assert post.queued() == [queue_id]
