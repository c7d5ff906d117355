"""What operators and routes hold, release and remove."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Coroutine

import pytest

from asyncmta.mail.envelope import QueueId
from asyncmta.spool.store import JournalFailed
from tests.unit.scheduling.schedulingkit import HELD_DOMAIN, LATER, NEVER, OK, Post


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    made = await Post().start()
    yield made
    await made.stop()


async def deferred(post: Post, *recipients: str, sender: str | None = "me@sender.example") -> QueueId:
    """A message that waits for its second attempt; from then on attempts succeed."""
    post.transport.script = lambda _: LATER
    queue_id = await post.accept(*(recipients or ("a@one.example",)), sender=sender)
    await post.idle()
    post.transport.script = lambda _: OK
    return queue_id


def is_held(post: Post, queue_id: QueueId) -> bool:
    entry = post.store.entry(queue_id)
    assert entry is not None
    return entry.held


# -- retry ------------------------------------------------------------------------------------------------------------


async def test_an_operator_can_have_a_message_tried_now(post: Post) -> None:
    chosen, other = await deferred(post), await deferred(post)
    assert post.scheduler.retry([chosen, QueueId(1)]) == 1
    await post.idle()
    assert post.queued() == [other]


async def test_an_operator_can_have_a_destination_tried_now(post: Post) -> None:
    await deferred(post, "a@awake.example")
    other = await deferred(post, "a@asleep.example")
    assert post.scheduler.retry(destination="mx:awake.example") == 1
    await post.idle()
    assert post.queued() == [other]


async def test_an_operator_can_have_everything_tried_now(post: Post) -> None:
    for domain in ("one", "two", "three"):
        await deferred(post, f"a@{domain}.example", f"b@{domain}.example")
    assert post.scheduler.retry() == 3
    await post.idle()
    assert post.queued() == []


# -- hold and release -------------------------------------------------------------------------------------------------


async def test_a_held_message_is_not_tried_until_it_is_released(post: Post) -> None:
    queue_id = await deferred(post)
    assert await post.scheduler.hold([queue_id, queue_id, QueueId(1)]) == 1
    assert is_held(post, queue_id)
    await post.advance(5_000)
    assert post.scheduler.retry([queue_id]) == 0
    assert len(post.transport.calls) == 1
    row = post.scheduler.view(queue_id)
    assert row is not None
    assert (row.state, row.recipients[0].state) == ("held", "held")
    assert await post.scheduler.hold([queue_id]) == 0
    assert await post.scheduler.release([queue_id]) == 1
    await post.idle()
    assert post.queued() == []
    assert await post.scheduler.release([queue_id]) == 0


async def test_a_running_attempt_ends_before_the_hold_takes_hold(post: Post) -> None:
    post.transport.script = lambda _: None
    queue_id = await post.accept("a@one.example", "b@two.example", "c@three.example")
    assert await post.scheduler.hold([queue_id]) == 1
    post.transport.finish(LATER, of="mx:one.example")
    post.transport.finish(OK, of="mx:two.example")
    post.transport.finish(NEVER, of="mx:three.example")
    post.transport.script = lambda _: OK
    await post.idle()
    assert len(post.dsns()) == 1, "what has failed is reported all the same"
    assert post.scheduler.next_due() is None
    await post.scheduler.release([queue_id])
    await post.idle()
    assert post.transport.seen[-1] == ("mx:one.example", (0,))
    assert post.queued() == []


async def test_a_message_that_ends_while_it_is_held_is_gone(post: Post) -> None:
    post.transport.script = lambda _: None
    queue_id = await post.accept("a@one.example")
    await post.scheduler.hold([queue_id])
    post.transport.finish(OK)
    await post.idle()
    assert post.queued() == []
    assert len(post.log("retired")) == 1
    assert await post.scheduler.release([queue_id]) == 0
    assert post.events == []


async def test_a_hold_survives_a_restart(post: Post) -> None:
    queue_id = await deferred(post)
    await post.scheduler.hold([queue_id])
    following = await (await post.again()).start()
    await following.advance(9_000)
    assert following.transport.calls == []
    assert await following.scheduler.release([queue_id]) == 1
    await following.idle()
    assert following.queued() == []
    await following.stop()


async def test_what_a_route_holds_is_never_tried(post: Post) -> None:
    queue_id = await post.accept(f"a@{HELD_DOMAIN}")
    mixed = await post.accept(f"a@{HELD_DOMAIN}", "b@one.example")
    await post.advance(90_000)
    assert post.transport.seen == [("mx:one.example", (1,))]
    rows = {row.queue_id: row for row in post.scheduler.rows()}
    assert [row.state for row in rows.values()] == ["held", "held"]
    assert [[each.address for each in row.recipients] for row in rows.values()] == [[f"a@{HELD_DOMAIN}"]] * 2
    assert await post.scheduler.release([queue_id]) == 1
    await post.advance(90_000)
    assert post.queued() == [queue_id, mixed], "the route still says so"
    assert not is_held(post, queue_id)
    assert await post.scheduler.remove([queue_id, mixed], by="me") == 2
    await post.store.flush()
    assert post.queued() == []


async def test_a_hold_that_cannot_be_recorded_changes_nothing(post: Post) -> None:
    queue_id = await deferred(post)
    post.disk.fail_at(1, errno.ENOSPC, only=("writev",))
    with pytest.raises(JournalFailed):
        await post.scheduler.hold([queue_id])
    assert not is_held(post, queue_id)
    await post.advance(500)
    assert post.queued() == []


async def test_commands_wait_until_the_queue_is_loaded(post: Post) -> None:
    queue_id = await deferred(post)
    following = await (await post.again()).start()
    assert await following.scheduler.hold([queue_id]) == 1
    assert is_held(following, queue_id)
    await following.stop()


# -- remove -----------------------------------------------------------------------------------------------------------


async def test_a_removed_message_is_gone_when_the_operator_is_told(post: Post) -> None:
    queue_id = await deferred(post)
    assert await post.scheduler.remove([queue_id, QueueId(1)], by="root") == 1
    assert post.queued() == []
    assert post.scheduler.view(queue_id) is None
    (line,) = post.log("removed")
    assert line["by"] == "root"
    await post.advance(9_000)
    assert len(post.transport.calls) == 1
    following = await (await post.again()).start()
    await following.idle()
    assert following.queued() == []
    await following.stop()


async def test_a_removal_can_tell_the_sender(post: Post) -> None:
    queue_id = await deferred(post, "a@one.example", "b@two.example")
    assert await post.scheduler.remove([queue_id], by="root", bounce=True) == 1
    await post.idle()
    ((dsn,),) = post.dsns()
    assert str(dsn.envelope.recipients[0].address) == "me@sender.example"
    (line,) = post.log("bounced")
    assert line["recipients"] == 2
    assert post.queued() == []


async def test_a_removed_dsn_is_not_answered(post: Post) -> None:
    queue_id = await deferred(post, sender=None)
    assert await post.scheduler.remove([queue_id], by="root", bounce=True) == 1
    assert post.queued() == []
    assert len(post.transport.calls) == 1


@pytest.mark.parametrize("bounce", [False, True])
async def test_a_removal_waits_for_the_running_attempt(post: Post, bounce: bool) -> None:
    post.transport.script = lambda _: None
    queue_id = await post.accept("a@one.example", "b@two.example")
    removal = asyncio.create_task(post.scheduler.remove([queue_id], by="root", bounce=bounce))
    post.transport.finish(LATER, of="mx:one.example")
    await asyncio.sleep(0.01)
    assert not removal.done()
    assert queue_id in post.queued()
    post.transport.script = lambda _: OK
    post.transport.finish(OK, of="mx:two.example")
    assert await removal == 1
    await post.idle()
    assert post.queued() == []
    assert len(post.dsns()) == bounce
    assert len(post.log("delivered")) == 1 + bounce


async def test_a_message_whose_last_attempt_succeeds_was_not_removed(post: Post) -> None:
    post.transport.script = lambda _: None
    queue_id = await post.accept("a@one.example")
    removal = asyncio.create_task(post.scheduler.remove([queue_id], by="root"))
    await asyncio.sleep(0)
    post.transport.finish(OK)
    assert await removal == 0
    await post.idle()
    assert post.log("removed") == []
    assert post.events == []


async def test_a_removal_that_is_given_up_changes_nothing(post: Post) -> None:
    post.transport.script = lambda consignment: None if consignment.destination == "mx:slow.example" else LATER
    queue_id = await post.accept("a@slow.example", "b@one.example")
    removal = asyncio.create_task(post.scheduler.remove([queue_id], by="root"))
    await asyncio.sleep(0)
    post.transport.script = lambda _: OK
    removal.cancel()
    with pytest.raises(asyncio.CancelledError):
        await removal
    post.transport.finish(OK)
    await post.idle()
    assert sorted(post.transport.seen) == [
        ("mx:one.example", (1,)),
        ("mx:one.example", (1,)),
        ("mx:slow.example", (0,)),
    ]
    assert post.queued() == []


@pytest.mark.parametrize("bounce", [False, True])
async def test_a_removal_that_cannot_be_recorded_changes_nothing(post: Post, bounce: bool) -> None:
    queue_id = await deferred(post)
    post.disk.fail_at(1, errno.ENOSPC, only=("writev",))
    with pytest.raises(JournalFailed):
        await post.scheduler.remove([queue_id], by="root", bounce=bounce)
    await post.idle()
    assert len(post.transport.calls) == 2, "it is tried again"
    assert post.queued() == []


async def test_a_held_message_stays_held_when_its_removal_fails(post: Post) -> None:
    queue_id = await deferred(post)
    await post.scheduler.hold([queue_id])
    post.disk.fail_at(1, errno.ENOSPC, only=("writev",))
    with pytest.raises(JournalFailed):
        await post.scheduler.remove([queue_id], by="root")
    await post.advance(9_000)
    assert len(post.transport.calls) == 1
    assert is_held(post, queue_id)
    assert await post.scheduler.remove([queue_id], by="root") == 1
    assert post.queued() == []


async def test_two_commands_do_not_meet_on_one_message(post: Post) -> None:
    post.transport.script = lambda _: None
    queue_id = await post.accept("a@one.example")
    removal = asyncio.create_task(post.scheduler.remove([queue_id], by="root"))
    await asyncio.sleep(0)
    assert await post.scheduler.release([queue_id]) == 0
    assert await post.scheduler.hold([queue_id]) == 0
    post.transport.finish(LATER)
    assert await removal == 1
    await post.advance(9_000)
    assert len(post.transport.calls) == 1


# -- who stops waiting ------------------------------------------------------------------------------------------------


async def given_up(post: Post, command: Coroutine[None, None, int], turns: int) -> None:
    """Cancelled so many turns of the loop after it was given; then what was begun comes to its end."""
    task = asyncio.create_task(command)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(10):
        await asyncio.gather(*post.scheduler._held._commands, return_exceptions=True)
        await post.store.flush()


@pytest.mark.parametrize("verb", ["hold", "release", "remove"])
async def test_a_command_that_is_given_up_leaves_the_scheduler_where_the_journal_is(post: Post, verb: str) -> None:
    ends = set()
    for turns in range(12):
        queue_id = await deferred(post)
        if verb == "release":
            await post.scheduler.hold([queue_id])
        post.transport.script = lambda _: LATER
        keywords = {"by": "root"} if verb == "remove" else {}
        await given_up(post, getattr(post.scheduler, verb)([queue_id], **keywords), turns)
        row = post.scheduler.view(queue_id)
        entry = post.store.peek(queue_id)
        ends.add(entry.held if entry is not None else None)
        assert (row is None) == (entry is None or entry.is_closed)
        assert row is not None or not post.scheduler._held._is_here(queue_id)
        if row is not None and entry is not None:
            assert (row.state == "held") == entry.held == post.scheduler._held.stops(queue_id)
            post.transport.script = lambda _: OK
            await post.scheduler.release([queue_id])
            post.scheduler.retry([queue_id])
            await post.idle()
        assert post.queued() == []
    assert len(ends) == 2  # some came too late, and some did not


async def test_a_removal_with_a_report_that_is_given_up_is_one_or_the_other(post: Post) -> None:
    for turns in range(12):
        queue_id = await deferred(post)
        before = len(post.dsns())
        await given_up(post, post.scheduler.remove([queue_id], by="root", bounce=True), turns)
        await post.idle()
        is_gone = queue_id not in post.queued()
        assert len(post.dsns()) - before == is_gone
        post.scheduler.retry()
        await post.idle()
        assert post.queued() == []


async def test_a_stop_gives_up_what_waits_and_waits_for_what_is_being_written(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    post.transport.script = lambda consignment: None if consignment.destination == "mx:slow.example" else LATER
    monkeypatch.setattr(post.store, "park", lambda *_: False)  # else it is still being read back
    slow, other = await post.accept("a@slow.example"), await post.accept("b@one.example")
    await post.store.flush()
    waits = asyncio.create_task(post.scheduler.remove([slow], by="root"))
    writes = asyncio.create_task(post.scheduler.hold([other]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await post.stop()
    with pytest.raises(asyncio.CancelledError):
        await waits
    assert await writes == 1
    after = await (await post.again()).start()
    assert [(each.queue_id, each.held) for each in after.store.entries()] == [(slow, False), (other, True)]
    await after.stop()
